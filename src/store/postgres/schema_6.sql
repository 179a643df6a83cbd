-- Schema 6: calls of callers that failed, whether or not anything was sent for them.

CREATE TABLE failed_calls (
    id bigint PRIMARY KEY,             -- of the first call of the run
    at bigint NOT NULL,                -- when the first failed, in microseconds since 1970
    last_at bigint NOT NULL,           -- when the last failed
    calls bigint NOT NULL,             -- how many failed alike, one soon after the other
    caller text NOT NULL,
    client text NOT NULL,
    tool text NOT NULL,
    model text,                        -- NULL where the call named none
    code text NOT NULL,
    request_id text                    -- the upstream's, of the last that had one
);
CREATE INDEX failed_calls_of_caller ON failed_calls (caller, id);
