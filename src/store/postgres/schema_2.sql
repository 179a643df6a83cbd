-- Schema 2: callers of the HTTP service, and whose each request was.

CREATE TABLE callers (
    name text PRIMARY KEY,
    token bytea NOT NULL,              -- SHA-256 of the token
    rights text NOT NULL,              -- scopes and limits, JSON
    created_at bigint NOT NULL,        -- microseconds since 1970, as all of these
    revoked_at bigint,                 -- NULL while the token counts
    used_at bigint                     -- the last request, to the minute
);

-- NULL for the person at the machine. What a caller spent is in days, under account 'caller:NAME'.
ALTER TABLE reservations ADD COLUMN caller text;
ALTER TABLE ledger ADD COLUMN caller text;
