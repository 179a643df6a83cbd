-- Schema 6: calls of callers that failed, whether or not anything was sent for them.

CREATE TABLE failed_calls (
    id INTEGER PRIMARY KEY,            -- of the first call of the run
    at INTEGER NOT NULL,               -- when the first failed, in microseconds since 1970
    last_at INTEGER NOT NULL,          -- when the last failed
    calls INTEGER NOT NULL,            -- how many failed alike, one soon after the other
    caller TEXT NOT NULL,
    client TEXT NOT NULL,
    tool TEXT NOT NULL,
    model TEXT,                        -- NULL where the call named none
    code TEXT NOT NULL,
    request_id TEXT                    -- the upstream's, of the last that had one
) STRICT;
CREATE INDEX failed_calls_of_caller ON failed_calls (caller, id);
