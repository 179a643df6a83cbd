-- Schema 1. Later versions add tables and columns in a file of their own and never change this one: two versions of
-- the program may share a store while one of them is being replaced. docs/store.md explains each table.

-- Small marks of the engine itself, such as the number of its schema.
CREATE TABLE marks (
    name text PRIMARY KEY,
    value bigint NOT NULL
);

-- The clock of all leases and of the pace: microseconds since 1970.
CREATE FUNCTION now_in_micros() RETURNS bigint LANGUAGE sql VOLATILE
    AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint';

-- One row for each process that has something running. A process whose lease has expired is dead.
CREATE TABLE processes (
    id bigint PRIMARY KEY,             -- minted at its start
    lease_until bigint NOT NULL        -- microseconds since 1970
);

-- Turns of conversations, in the order in which they were begun.
CREATE TABLE turns (
    id bigint PRIMARY KEY,             -- time-ordered, see handle.rs
    secret bigint NOT NULL,
    root bigint NOT NULL,              -- the first turn of the conversation
    parent bigint,                     -- the turn before; NULL for the first
    owner text NOT NULL,
    at bigint NOT NULL,                -- when it ended, microseconds since 1970
    tool text NOT NULL,
    model text NOT NULL,
    cost bigint,                       -- picodollars; NULL where it is not known
    words text NOT NULL,
    found_by tsvector NOT NULL,        -- the words as search compares them
    body text NOT NULL                 -- the whole turn, JSON
);
CREATE INDEX turns_of_conversation ON turns (root, id);
CREATE INDEX turns_of_owner ON turns (owner, id);
CREATE INDEX turns_found_by ON turns USING gin (found_by);

-- Copies of files that were attached to a conversation.
CREATE TABLE attachments (
    id bigint PRIMARY KEY,
    root bigint NOT NULL,              -- the first turn of the conversation
    bytes bytea NOT NULL
);
CREATE INDEX attachments_of_conversation ON attachments (root);

-- Calls that outlive their client's patience.
CREATE TABLE jobs (
    id bigint PRIMARY KEY,
    secret bigint NOT NULL,
    owner text NOT NULL,
    tool text NOT NULL,
    started_at bigint NOT NULL,
    process bigint,                    -- who runs it; NULL once it has ended
    stage text NOT NULL,
    resume text,                       -- what another process needs to take it over, JSON
    cancel boolean NOT NULL DEFAULT false,
    ended_at bigint,
    result text                        -- JSON; NULL while it runs
);
CREATE INDEX running_jobs ON jobs (process) WHERE process IS NOT NULL;
CREATE INDEX jobs_of_owner ON jobs (owner, id);

-- Money set aside for requests that run.
CREATE TABLE reservations (
    id bigint PRIMARY KEY,             -- also the id of its line in the ledger
    process bigint NOT NULL,
    account text NOT NULL,
    day bigint NOT NULL,               -- days since 1970, UTC
    at bigint NOT NULL,
    amount bigint NOT NULL,            -- picodollars
    tool text NOT NULL,
    model text NOT NULL,
    client text NOT NULL
);
CREATE INDEX reservations_of_day ON reservations (account, day);

-- One line for each request that was billed, or may have been.
CREATE TABLE ledger (
    id bigint PRIMARY KEY,
    at bigint NOT NULL,
    account text NOT NULL,
    tool text NOT NULL,
    model text NOT NULL,
    client text NOT NULL,
    usage jsonb,                       -- tokens; NULL where none were reported
    cost bigint,                       -- picodollars; NULL where it is not known
    reserved bigint NOT NULL,          -- counts where the cost is not known
    request_id text,
    unsettled boolean NOT NULL         -- its process died before the request had ended
);

-- What budgets count: the sum of an account's lines of a day.
CREATE TABLE days (
    account text NOT NULL,
    day bigint NOT NULL,
    spent bigint NOT NULL,             -- picodollars
    PRIMARY KEY (account, day)
);

-- The pace of requests that all processes keep together.
CREATE TABLE pace (
    account text NOT NULL,
    cap text NOT NULL,                 -- requests, pictures
    due bigint NOT NULL,               -- theoretical arrival time of the next request, microseconds since 1970
    PRIMARY KEY (account, cap)
);
CREATE TABLE holds (
    account text NOT NULL,
    model text NOT NULL,
    until bigint NOT NULL,             -- no requests are left until then, microseconds since 1970
    PRIMARY KEY (account, model)
);

-- What upstreams taught.
CREATE TABLE facts (
    kind text NOT NULL,
    upstream text NOT NULL,
    name text NOT NULL,
    value text NOT NULL,
    learnt_at bigint NOT NULL,
    PRIMARY KEY (kind, upstream, name)
);

-- The index of pictures. It is made anew from their records at any time.
CREATE TABLE pictures (
    id bigint GENERATED ALWAYS AS IDENTITY,
    gallery text NOT NULL,             -- the folder of the pictures
    picture text NOT NULL,             -- the picture's id in it
    words text NOT NULL,
    found_by tsvector NOT NULL,        -- the words as search compares them
    PRIMARY KEY (gallery, picture)
);
CREATE INDEX pictures_found_by ON pictures USING gin (found_by);
