-- Schema 4: HTTP sessions of clients older than 2026-07-28, which any replica serves.

CREATE TABLE sessions (
    id text PRIMARY KEY,               -- as in Mcp-Session-Id
    owner text NOT NULL,
    opening text NOT NULL,             -- params of its initialize, JSON
    used_at bigint NOT NULL            -- to some minutes
);
CREATE INDEX sessions_of_an_owner ON sessions (owner, used_at);
CREATE INDEX sessions_by_use ON sessions (used_at);
