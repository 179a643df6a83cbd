//! Turns of conversations, in SQL.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Sqlite, now, rows, sum, words};
use crate::{
    handle::{Id, Owner},
    money::Usd,
    store::{
        Error,
        columns::{moment, secret},
        turns::{KeptConversation, KeptTurn, NewTurn, ORPHANED, TurnQuery, TurnStore},
    },
};

/// A [`KeptTurn`], with the secrets of the turns that it names.
const COLUMNS: &str = "turns.id, turns.secret, turns.root, (SELECT secret FROM turns AS r WHERE r.id = turns.root),
    turns.parent, (SELECT secret FROM turns AS p WHERE p.id = turns.parent), turns.at, turns.cost, turns.body";
/// Turns that are indexed for search in one transaction.
const SLICE: i64 = 200;

#[async_trait]
impl TurnStore for Sqlite {
    async fn append_turn(&self, turn: NewTurn) -> Result<bool, Error> {
        let weight = turn.body.len() + turn.words.len();
        self.engine.write(weight, move |connection| append(connection, &turn)).await
    }

    async fn thread(&self, owner: &Owner, turn: Id, since: DateTime<Utc>) -> Result<Vec<KeptTurn>, Error> {
        let owner = owner.clone();
        let select = move |connection: &Connection| {
            let Some(root) = root(connection, &owner, turn, since)? else { return Ok(Vec::new()) };
            let mut select = connection.prepare_cached(&format!(
                "WITH RECURSIVE thread (id) AS (
                     SELECT ?1 UNION ALL SELECT parent FROM turns JOIN thread USING (id) WHERE parent IS NOT NULL)
                 SELECT {COLUMNS} FROM thread JOIN turns USING (id) WHERE root = ?2 ORDER BY turns.id"
            ))?;
            rows(&mut select, [turn.number, root])
        };
        self.engine.read(select).await
    }

    async fn conversation(&self, owner: &Owner, turn: Id, since: DateTime<Utc>) -> Result<Vec<KeptTurn>, Error> {
        let owner = owner.clone();
        let select = move |connection: &Connection| {
            let Some(root) = root(connection, &owner, turn, since)? else { return Ok(Vec::new()) };
            // The first turn apart: most conversations have one turn, so the index by root leaves first turns out.
            let mut select = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM turns WHERE id = ?1
                 UNION ALL SELECT {COLUMNS} FROM turns WHERE root = ?1 AND parent IS NOT NULL ORDER BY 1"
            ))?;
            rows(&mut select, [root])
        };
        self.engine.scan(select).await
    }

    async fn newest(&self, query: TurnQuery) -> Result<Vec<KeptConversation>, Error> {
        self.engine.scan(move |connection| newest(connection, &query)).await
    }

    async fn search(&self, query: TurnQuery, words: &str) -> Result<Vec<KeptConversation>, Error> {
        let Some(words) = words::all(words) else { return Ok(Vec::new()) };
        // The index lags behind, so that no call waits for it: a search first has the rest indexed, in slices between
        // which calls commit.
        while self.engine.write_existing(usize::MAX, index_slice).await? {}
        self.engine.scan(move |connection| search(connection, &query, &words)).await
    }

    async fn turns_after(&self, owner: &Owner, after: Option<Id>, most: usize) -> Result<Vec<KeptTurn>, Error> {
        let (owner, after) = (owner.clone(), after.map_or(-1, |id| id.number));
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let select = move |connection: &Connection| {
            let mut select = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM turns WHERE id > ?1 AND owner = ?2 ORDER BY id LIMIT ?3"
            ))?;
            rows(&mut select, params![after, owner.0, most])
        };
        self.engine.scan(select).await
    }

    async fn remove(&self, owner: &Owner, turn: Id) -> Result<bool, Error> {
        let owner = owner.clone();
        let remove = move |connection: &Connection| match root(connection, &owner, turn, DateTime::UNIX_EPOCH)? {
            Some(root) => remove(connection, root).map(|()| true),
            None => Ok(false),
        };
        self.engine.write_existing(usize::MAX, remove).await
    }

    async fn attach(&self, root: Id, attachment: Id, bytes: Vec<u8>) -> Result<(), Error> {
        let insert = move |connection: &Connection| {
            let mut insert =
                connection.prepare_cached("INSERT OR IGNORE INTO attachments (id, root, bytes) VALUES (?1, ?2, ?3)")?;
            insert.execute(params![attachment.number, root.number, bytes]).map(drop)
        };
        self.engine.write(usize::MAX, insert).await
    }

    async fn attachment(&self, root: Id, attachment: Id) -> Result<Option<Vec<u8>>, Error> {
        let select = move |connection: &Connection| {
            let mut select = connection.prepare_cached("SELECT bytes FROM attachments WHERE id = ?1 AND root = ?2")?;
            select.query_row([attachment.number, root.number], |row| row.get(0)).optional()
        };
        self.engine.scan(select).await
    }

    async fn expire_turns(&self, before: DateTime<Utc>) -> Result<u64, Error> {
        let mut expired = 0;
        loop {
            match self.engine.write_existing(usize::MAX, move |connection| expire_some(connection, before)).await? {
                0 => return Ok(expired),
                some => expired += some,
            }
        }
    }
}

/// Appends a turn within a transaction. `false`: the turn before is gone, or somebody else's. A turn that is there
/// already stays as it is: the same end of a request may be settled twice.
pub(super) fn append(connection: &Connection, turn: &NewTurn) -> rusqlite::Result<bool> {
    let NewTurn { id, parent, owner, at, tool, model, cost, words, body } = turn;
    let root = match parent {
        None => id.number,
        Some(parent) => {
            let mut select =
                connection.prepare_cached("SELECT root FROM turns WHERE id = ?1 AND secret = ?2 AND owner = ?3")?;
            let found = select.query_row(params![parent.number, secret(*parent), owner.0], |row| row.get(0));
            let Some(root) = found.optional()? else { return Ok(false) };
            root
        }
    };
    let words = words::document(words);
    let mut insert = connection.prepare_cached(
        "INSERT OR IGNORE INTO turns (id, secret, root, parent, owner, at, tool, model, cost, words, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    let inserted = insert.execute(params![
        id.number,
        secret(*id),
        root,
        parent.map(|parent| parent.number),
        owner.0,
        at.timestamp_micros(),
        tool,
        model,
        cost.map(Usd::picodollars),
        words,
        body,
    ])?;
    if inserted == 1 && id.number <= marked(connection)? {
        // Its call took long: the index is past it already.
        let mut index = connection.prepare_cached("INSERT INTO turn_words (rowid, words) VALUES (?1, ?2)")?;
        index.execute(params![id.number, words])?;
    }
    Ok(true)
}

/// The first turn of somebody's conversation, unless the conversation is over.
fn root(connection: &Connection, owner: &Owner, turn: Id, since: DateTime<Utc>) -> rusqlite::Result<Option<i64>> {
    let mut select = connection.prepare_cached(
        "SELECT root FROM turns AS asked WHERE id = ?1 AND secret = ?2 AND owner = ?3
         AND max(coalesce((SELECT max(at) FROM turns WHERE root = asked.root AND parent IS NOT NULL), 0),
                 (SELECT at FROM turns WHERE id = asked.root)) >= ?4",
    )?;
    let found = params![turn.number, secret(turn), owner.0, since.timestamp_micros()];
    select.query_row(found, |row| row.get(0)).optional()
}

fn newest(connection: &Connection, query: &TurnQuery) -> rusqlite::Result<Vec<KeptConversation>> {
    // Without a LIMIT: SQLite reads row by row, and no more of them than are asked for.
    // The newest turns first: a conversation is listed where its newest turn stands, and not again.
    let mut select =
        connection.prepare_cached("SELECT id, root FROM turns WHERE owner = ?1 AND at >= ?2 ORDER BY id DESC")?;
    let mut rows = select.query(params![query.owner.0, query.since.timestamp_micros()])?;
    let (mut listed, mut seen) = (Vec::new(), std::collections::HashSet::new());
    while listed.len() < query.most
        && let Some(row) = rows.next()?
    {
        if seen.insert(row.get::<_, i64>(1)?) {
            listed.extend(summary(connection, row.get(0)?, row.get(1)?)?);
        }
    }
    Ok(listed)
}

fn search(connection: &Connection, query: &TurnQuery, words: &str) -> rusqlite::Result<Vec<KeptConversation>> {
    let mut select = connection.prepare_cached(
        "SELECT turns.root FROM turn_words JOIN turns ON turns.id = turn_words.rowid
         WHERE turn_words MATCH ?1 AND owner = ?2 ORDER BY rank LIMIT 10000",
    )?;
    let mut rows = select.query(params![words, query.owner.0])?;
    let (mut found, mut seen) = (Vec::new(), std::collections::HashSet::new());
    while found.len() < query.most
        && let Some(row) = rows.next()?
    {
        let root = row.get::<_, i64>(0)?;
        if seen.insert(root) {
            let newest: Option<i64> = connection
                .prepare_cached(
                    "SELECT coalesce((SELECT max(id) FROM turns WHERE root = ?1 AND parent IS NOT NULL), ?1)",
                )?
                .query_row([root], |row| row.get(0))?;
            let summary = newest.map(|newest| summary(connection, newest, root)).transpose()?.flatten();
            found.extend(summary.filter(|found| found.newest_at >= query.since));
        }
    }
    Ok(found)
}

fn summary(connection: &Connection, newest: i64, root: i64) -> rusqlite::Result<Option<KeptConversation>> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT newest.id, newest.secret, first.at, newest.at, newest.model, first.body,
             1 + (SELECT count(*) FROM turns WHERE root = ?2 AND parent IS NOT NULL),
             first.cost IS NULL OR EXISTS (SELECT 1 FROM turns WHERE root = ?2 AND parent IS NOT NULL AND cost IS NULL),
             min(coalesce(first.cost, 0) + (SELECT {} FROM turns WHERE root = ?2 AND parent IS NOT NULL),
                 9223372036854775807)
         FROM turns AS newest, turns AS first WHERE newest.id = ?1 AND first.id = ?2",
        sum("cost")
    ))?;
    Ok(rows(&mut select, [newest, root])?.pop())
}

fn remove(connection: &Connection, root: i64) -> rusqlite::Result<()> {
    let indexed = marked(connection)?;
    let whose = "(id = ?1 OR (root = ?1 AND parent IS NOT NULL))";
    // Before the turns go, and only those that are in it: a row that it never had would damage it.
    // The index has no copy of the words, and needs them to forget a row.
    // <https://sqlite.org/fts5.html#the_delete_command>
    connection
        .prepare_cached(&format!(
            "INSERT INTO turn_words (turn_words, rowid, words) SELECT 'delete', id, words FROM turns WHERE {whose} AND id <= ?2"
        ))?
        .execute([root, indexed])?;
    connection.prepare_cached(&format!("DELETE FROM turns WHERE {whose}"))?.execute([root])?;
    connection.prepare_cached("DELETE FROM attachments WHERE root = ?1")?.execute([root]).map(drop)
}

/// Removes some conversations that are over, and attachments whose conversation never came. Returns how many
/// conversations went.
fn expire_some(connection: &Connection, before: DateTime<Utc>) -> rusqlite::Result<u64> {
    let mut select = connection.prepare_cached(
        "SELECT id FROM turns AS first WHERE id < ?2 AND parent IS NULL AND at < ?1
         AND NOT EXISTS (SELECT 1 FROM turns WHERE root = first.id AND parent IS NOT NULL AND at >= ?1)
         ORDER BY id LIMIT 100",
    )?;
    // Ids are time-ordered, and a turn ends after its id was minted: the young ones are not looked at.
    let (earliest, before) = (Id::earliest(before).number, before.timestamp_micros());
    // A hundred conversations a transaction, for which every other writer waits.
    let over = select.query_map([before, earliest], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    over.iter().try_for_each(|root| remove(connection, *root))?;
    let minted_before = Id::earliest(moment(now() - ORPHANED)).number;
    connection
        .prepare_cached("DELETE FROM attachments WHERE id < ?1 AND root NOT IN (SELECT id FROM turns)")?
        .execute([minted_before])?;
    Ok(over.len() as u64)
}

/// Brings the full-text index on by one slice. `true` while turns are left.
pub(super) fn index_slice(connection: &Connection) -> rusqlite::Result<bool> {
    let from = marked(connection)?;
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(id) FROM (SELECT id FROM turns WHERE id > ?1 ORDER BY id LIMIT ?2)")?
        .query_row([from, SLICE], |row| row.get(0))?;
    let Some(last) = last else { return Ok(false) };
    connection
        .prepare_cached("INSERT INTO turn_words (rowid, words) SELECT id, words FROM turns WHERE id > ?1 AND id <= ?2")?
        .execute([from, last])?;
    connection.prepare_cached("INSERT OR REPLACE INTO marks (name, value) VALUES ('indexed', ?1)")?.execute([last])?;
    Ok(true)
}

/// The last turn that is in the full-text index.
fn marked(connection: &Connection) -> rusqlite::Result<i64> {
    let mut select = connection.prepare_cached("SELECT value FROM marks WHERE name = 'indexed'")?;
    Ok(select.query_row([], |row| row.get(0)).optional()?.unwrap_or(-1))
}
