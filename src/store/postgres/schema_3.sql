-- Schema 3: calls that their clients gave up on, so that the same call made again is not paid for twice.

ALTER TABLE jobs ADD COLUMN print bytea;          -- SHA-256 of what was asked; NULL once the result is told
ALTER TABLE jobs ADD COLUMN abandoned_at bigint;  -- when its client gave up; NULL where none did
CREATE INDEX abandoned_jobs ON jobs (owner, abandoned_at) WHERE print IS NOT NULL;
