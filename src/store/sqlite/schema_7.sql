-- Schema 7: how requests ended, calls of callers that were answered without being billed, and calls that callers with a limit
-- of them run at once.

ALTER TABLE ledger ADD COLUMN outcome TEXT;   -- status of the answer or code of the failure; NULL where it is not known

-- As failed_calls, beside it: an earlier version that goes on takes everything there for a failure, and trims it.
CREATE TABLE answered_calls (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    caller TEXT NOT NULL,
    client TEXT NOT NULL,
    tool TEXT NOT NULL,
    model TEXT,
    code TEXT NOT NULL,                -- the status of the answer, or the code of a failure that was told again
    request_id TEXT
) STRICT;
CREATE INDEX answered_calls_of_caller ON answered_calls (caller, id);

CREATE TABLE running_calls (
    caller TEXT NOT NULL,
    process INTEGER NOT NULL,          -- they count while its lease lasts
    calls INTEGER NOT NULL,            -- that it runs for the caller
    PRIMARY KEY (caller, process)
) STRICT, WITHOUT ROWID;
