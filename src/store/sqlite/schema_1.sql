-- Schema 1. Later versions add tables and columns in a file of their own and never change this one: two versions of
-- the program may share a store while one of them is being replaced. docs/store.md explains each table.

-- One row for each process that has something running. A process whose lease has expired is dead.
CREATE TABLE processes (
    id INTEGER PRIMARY KEY,            -- minted at its start
    lease_until INTEGER NOT NULL       -- microseconds since 1970
) STRICT;

-- Turns of conversations, in the order in which they were begun.
CREATE TABLE turns (
    id INTEGER PRIMARY KEY,            -- time-ordered, see handle.rs
    secret INTEGER NOT NULL,
    root INTEGER NOT NULL,             -- the first turn of the conversation
    parent INTEGER,                    -- the turn before; NULL for the first
    owner TEXT NOT NULL,
    at INTEGER NOT NULL,               -- when it ended, microseconds since 1970
    tool TEXT NOT NULL,
    model TEXT NOT NULL,
    cost INTEGER,                      -- picodollars; NULL where it is not known
    words TEXT NOT NULL,               -- what search finds it by
    body TEXT NOT NULL                 -- the whole turn, JSON
) STRICT;
-- First turns need no entry: most conversations have one turn, and these would be most of the index.
CREATE INDEX later_turns ON turns (root, id) WHERE parent IS NOT NULL;

-- Full-text index of turns.words, without a copy of them. It is brought up to date where nobody waits for it.
CREATE VIRTUAL TABLE turn_words USING fts5 (words, content = 'turns', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2');

-- Copies of files that were attached to a conversation.
CREATE TABLE attachments (
    id INTEGER PRIMARY KEY,
    root INTEGER NOT NULL,             -- the first turn of the conversation
    bytes BLOB NOT NULL
) STRICT;
CREATE INDEX attachments_of ON attachments (root);

-- Calls that outlive their client's patience.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    secret INTEGER NOT NULL,
    owner TEXT NOT NULL,
    tool TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    process INTEGER,                   -- who runs it; NULL once it has ended
    stage TEXT NOT NULL,
    resume TEXT,                       -- what another process needs to take it over, JSON
    cancel INTEGER NOT NULL DEFAULT 0, -- 1: somebody asked to cancel it
    ended_at INTEGER,
    result TEXT                        -- JSON; NULL while it runs
) STRICT;
CREATE INDEX running_jobs ON jobs (process) WHERE process IS NOT NULL;

-- Money set aside for requests that run.
CREATE TABLE reservations (
    id INTEGER PRIMARY KEY,            -- also the id of its line in the ledger
    process INTEGER NOT NULL,
    account TEXT NOT NULL,
    day INTEGER NOT NULL,              -- days since 1970, UTC
    at INTEGER NOT NULL,
    amount INTEGER NOT NULL,           -- picodollars
    tool TEXT NOT NULL,
    model TEXT NOT NULL,
    client TEXT NOT NULL
) STRICT;

-- One line for each request that was billed, or may have been.
CREATE TABLE ledger (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    account TEXT NOT NULL,
    tool TEXT NOT NULL,
    model TEXT NOT NULL,
    client TEXT NOT NULL,
    usage TEXT,                        -- tokens, JSON; NULL where none were reported
    cost INTEGER,                      -- picodollars; NULL where it is not known
    reserved INTEGER NOT NULL,         -- counts where the cost is not known
    request_id TEXT,
    unsettled INTEGER NOT NULL         -- 1: its process died before the request had ended
) STRICT;

-- What budgets count: the sum of an account's lines of a day.
CREATE TABLE days (
    account TEXT NOT NULL,
    day INTEGER NOT NULL,
    spent INTEGER NOT NULL,            -- picodollars
    PRIMARY KEY (account, day)
) STRICT, WITHOUT ROWID;

-- The pace of requests that all processes keep together.
CREATE TABLE pace (
    account TEXT NOT NULL,
    cap TEXT NOT NULL,                 -- requests, pictures
    due INTEGER NOT NULL,              -- theoretical arrival time of the next request, microseconds since 1970
    PRIMARY KEY (account, cap)
) STRICT, WITHOUT ROWID;
CREATE TABLE holds (
    account TEXT NOT NULL,
    model TEXT NOT NULL,
    until INTEGER NOT NULL,            -- no requests are left until then, microseconds since 1970
    PRIMARY KEY (account, model)
) STRICT, WITHOUT ROWID;

-- What upstreams taught.
CREATE TABLE facts (
    kind TEXT NOT NULL,
    upstream TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    learnt_at INTEGER NOT NULL,
    PRIMARY KEY (kind, upstream, name)
) STRICT, WITHOUT ROWID;

-- Small marks of the engine itself, such as how far the full-text index reaches.
CREATE TABLE marks (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
