-- Schema 7: how requests ended, calls of callers that were answered without being billed, and calls that callers with a limit
-- of them run at once.

ALTER TABLE ledger ADD COLUMN outcome text;   -- status of the answer or code of the failure; NULL where it is not known

-- As failed_calls, beside it: an earlier version that goes on takes everything there for a failure, and trims it.
CREATE TABLE answered_calls (
    id bigint PRIMARY KEY,
    at bigint NOT NULL,
    last_at bigint NOT NULL,
    calls bigint NOT NULL,
    caller text NOT NULL,
    client text NOT NULL,
    tool text NOT NULL,
    model text,
    code text NOT NULL,                -- the status of the answer, or the code of a failure that was told again
    request_id text
);
CREATE INDEX answered_calls_of_caller ON answered_calls (caller, id);

CREATE TABLE running_calls (
    caller text NOT NULL,
    process bigint NOT NULL,           -- they count while its lease lasts
    calls bigint NOT NULL,             -- that it runs for the caller
    PRIMARY KEY (caller, process)
);
