-- Schema 3: callers of the HTTP service, and whose each request was.

CREATE TABLE callers (
    name TEXT PRIMARY KEY,
    token BLOB NOT NULL,               -- SHA-256 of the token
    rights TEXT NOT NULL,              -- scopes and limits, JSON
    created_at INTEGER NOT NULL,       -- microseconds since 1970, as all of these
    revoked_at INTEGER,                -- NULL while the token counts
    used_at INTEGER                    -- the last request, to the minute
) STRICT, WITHOUT ROWID;

-- NULL for the person at the machine. What a caller spent is in days, under account 'caller:NAME'.
ALTER TABLE reservations ADD COLUMN caller TEXT;
ALTER TABLE ledger ADD COLUMN caller TEXT;
