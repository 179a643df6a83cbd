//! Turns of conversations, in SQL.

use std::collections::HashSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    Postgres,
    engine::PostgresEngine,
    fault::PostgresFault,
    transaction::{PostgresTransaction, undeadlocked},
    values::values,
    words,
};
use crate::{
    handle::{Id, Owner},
    money::Usd,
    store::{
        Error,
        columns::{OfRow as _, StoreRow as _, secret},
        turns::{KeptConversation, KeptTurn, NewTurn, ORPHANED, TurnQuery, TurnStore},
    },
};

/// A [`KeptTurn`], with the secrets of the turns that it names.
const COLUMNS: &str = "turns.id, turns.secret, turns.root, (SELECT secret FROM turns AS r WHERE r.id = turns.root),
    turns.parent, (SELECT secret FROM turns AS p WHERE p.id = turns.parent), turns.at, turns.cost, turns.body";
/// The first turn of somebody's conversation, unless the conversation is over.
const ROOT: &str = "SELECT root FROM turns AS asked WHERE id = $1 AND secret = $2 AND owner = $3
    AND (SELECT max(at) FROM turns WHERE root = asked.root) >= $4";
/// Turns that are looked through at once for conversations to list.
const PAGE: i64 = 500;

#[async_trait]
impl TurnStore for Postgres {
    async fn append_turn(&self, turn: NewTurn) -> Result<bool, Error> {
        let append = |engine: PostgresEngine| async move {
            let once = || async {
                let transaction = engine.begin().await?;
                let appended = append(&transaction, &turn).await?;
                transaction.commit().await?;
                Ok(appended)
            };
            undeadlocked(once).await
        };
        self.engine.complete(append).await
    }

    async fn thread(&self, owner: &Owner, turn: Id, since: DateTime<Utc>) -> Result<Vec<KeptTurn>, Error> {
        let select = format!(
            "WITH RECURSIVE thread (id) AS (
                 SELECT $1 WHERE EXISTS ({ROOT})
                 UNION ALL SELECT parent FROM turns JOIN thread USING (id) WHERE parent IS NOT NULL)
             SELECT {COLUMNS} FROM thread JOIN turns USING (id) ORDER BY turns.id"
        );
        self.turns(&select, owner, turn, since).await
    }

    async fn conversation(&self, owner: &Owner, turn: Id, since: DateTime<Utc>) -> Result<Vec<KeptTurn>, Error> {
        let select = format!("SELECT {COLUMNS} FROM turns WHERE root = ({ROOT}) ORDER BY id");
        self.turns(&select, owner, turn, since).await
    }

    async fn newest(&self, query: TurnQuery) -> Result<Vec<KeptConversation>, Error> {
        newest(&self.engine, &query).await.map_err(|fault| self.engine.error(fault))
    }

    async fn search(&self, query: TurnQuery, words: &str) -> Result<Vec<KeptConversation>, Error> {
        let Some(words) = words::all(words) else { return Ok(Vec::new()) };
        search(&self.engine, &query, &words).await.map_err(|fault| self.engine.error(fault))
    }

    async fn turns_after(&self, owner: &Owner, after: Option<Id>, most: usize) -> Result<Vec<KeptTurn>, Error> {
        let select = format!("SELECT {COLUMNS} FROM turns WHERE id > $1 AND owner = $2 ORDER BY id LIMIT $3");
        let (after, most) = (after.map_or(-1, |id| id.number), i64::try_from(most).unwrap_or(i64::MAX));
        self.rows(&select, values![after, &owner.0, most]).await
    }

    async fn remove(&self, owner: &Owner, turn: Id) -> Result<bool, Error> {
        let owner = owner.clone();
        let removed = |engine: PostgresEngine| async move {
            let transaction = engine.begin().await?;
            // 0, in 1970: one that is over may be removed as well.
            let values = values![turn.number, secret(turn), &owner.0, 0];
            let root = transaction.query_first(ROOT, values).await?.map(|row| row.number(0)).transpose()?;
            if let Some(root) = root {
                remove(&transaction, root).await?;
            }
            transaction.commit().await?;
            Ok(root.is_some())
        };
        self.engine.complete(removed).await
    }

    async fn attach(&self, root: Id, attachment: Id, bytes: Vec<u8>) -> Result<(), Error> {
        let insert = "INSERT INTO attachments (id, root, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        self.change(insert, values![attachment.number, root.number, bytes.as_slice()]).await.map(drop)
    }

    async fn attachment(&self, root: Id, attachment: Id) -> Result<Option<Vec<u8>>, Error> {
        let select = "SELECT bytes FROM attachments WHERE id = $1 AND root = $2";
        let rows = self.read(select, values![attachment.number, root.number]).await?;
        rows.first().map(|row| row.bytes(0)).transpose().map_err(|fault| self.engine.error(fault))
    }

    async fn expire_turns(&self, before: DateTime<Utc>) -> Result<u64, Error> {
        let mut expired = 0;
        loop {
            match expire_some(&self.engine, before).await.map_err(|fault| self.engine.error(fault))? {
                0 => return Ok(expired),
                some => expired += some,
            }
        }
    }
}

impl Postgres {
    /// Turns that a statement finds by what [`ROOT`] takes.
    async fn turns(&self, sql: &str, owner: &Owner, turn: Id, since: DateTime<Utc>) -> Result<Vec<KeptTurn>, Error> {
        let values = values![turn.number, secret(turn), &owner.0, since.timestamp_micros()];
        self.rows(sql, values).await
    }
}

/// Appends a turn within a transaction. `false`: the turn before is gone, or somebody else's. A turn that is there
/// already stays as it is: the same end of a request may be settled twice.
pub(super) async fn append(transaction: &PostgresTransaction, turn: &NewTurn) -> Result<bool, PostgresFault> {
    let NewTurn { id, parent, owner, at, tool, model, cost, words, body } = turn;
    let root = match parent {
        None => id.number,
        Some(parent) => {
            // Its first turn is held: whoever removes the conversation waits, and then removes this turn too.
            let select = "SELECT first.id FROM turns AS before JOIN turns AS first ON first.id = before.root
                 WHERE before.id = $1 AND before.secret = $2 AND before.owner = $3 FOR KEY SHARE OF first";
            let values = values![parent.number, secret(*parent), &owner.0];
            let Some(root) = transaction.query_first(select, values).await? else { return Ok(false) };
            root.number(0)?
        }
    };
    let insert = "INSERT INTO turns (id, secret, root, parent, owner, at, tool, model, cost, words, found_by, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::tsvector, $12) ON CONFLICT (id) DO NOTHING";
    let (parent, cost) = (parent.map(|parent| parent.number), cost.map(Usd::picodollars));
    let (at, found_by) = (at.timestamp_micros(), words::document(words));
    let values = values![id.number, secret(*id), root, parent, &owner.0, at, tool, model, cost, words, &found_by, body];
    transaction.execute(insert, values).await?;
    Ok(true)
}

async fn newest(engine: &PostgresEngine, query: &TurnQuery) -> Result<Vec<KeptConversation>, PostgresFault> {
    // The newest turns first: a conversation is listed where its newest turn stands, and not again. In pages, since one
    // conversation may have most of the newest turns.
    let select = "SELECT id, root FROM turns WHERE owner = $1 AND at >= $2 AND id < $3 ORDER BY id DESC LIMIT $4";
    let (mut listed, mut seen, mut before) = (Vec::new(), HashSet::new(), i64::MAX);
    while listed.len() < query.most {
        let values = values![&query.owner.0, query.since.timestamp_micros(), before, PAGE];
        let rows = engine.run(select, values).await?.rows;
        let Some(last) = rows.last() else { break };
        before = last.number(0)?;
        for row in &rows {
            if seen.insert(row.number(1)?) && listed.len() < query.most {
                listed.push((row.number(0)?, row.number(1)?));
            }
        }
    }
    summaries(engine, &listed).await
}

async fn search(
    engine: &PostgresEngine,
    query: &TurnQuery,
    words: &str,
) -> Result<Vec<KeptConversation>, PostgresFault> {
    // A conversation stands where its best turn does. 1 divides the rank by the logarithm of the text's length.
    let select = "SELECT (SELECT max(id) FROM turns WHERE root = found.root), root FROM (
             SELECT root, max(ts_rank(found_by, $2::tsquery, 1)) AS rank, max(id) AS id FROM turns
             WHERE found_by @@ $2::tsquery AND owner = $1 GROUP BY root) AS found
         WHERE EXISTS (SELECT FROM turns WHERE root = found.root AND at >= $3)
         ORDER BY rank DESC, id DESC LIMIT $4";
    let most = i64::try_from(query.most).unwrap_or(i64::MAX);
    let values = values![&query.owner.0, words, query.since.timestamp_micros(), most];
    let rows = engine.run(select, values).await?.rows;
    let found = rows.iter().map(|row| Ok((row.number(0)?, row.number(1)?)));
    let summaries = summaries(engine, &found.collect::<Result<Vec<_>, PostgresFault>>()?).await?;
    Ok(summaries.into_iter().filter(|found| found.newest_at >= query.since).collect())
}

/// Conversations by their newest and first turns, in this order: in one statement, and so one round trip.
async fn summaries(engine: &PostgresEngine, listed: &[(i64, i64)]) -> Result<Vec<KeptConversation>, PostgresFault> {
    if listed.is_empty() {
        return Ok(Vec::new());
    }
    let select =
        "SELECT newest.id, newest.secret, first.at, newest.at, newest.model, first.body, sums.turns, sums.is_unknown,
             sums.cost
         FROM unnest($1, $2) WITH ORDINALITY AS listed (newest, first, place)
         JOIN turns AS newest ON newest.id = listed.newest JOIN turns AS first ON first.id = listed.first,
         LATERAL (SELECT count(*) AS turns, bool_or(cost IS NULL) AS is_unknown,
                 least(coalesce(sum(cost), 0), 9223372036854775807)::bigint AS cost
             FROM turns WHERE root = listed.first) AS sums
         ORDER BY place";
    let (newest, first): (Vec<_>, Vec<_>) = listed.iter().copied().unzip();
    let rows = engine.run(select, values![newest.as_slice(), first.as_slice()]).await?.rows;
    rows.iter().map(KeptConversation::of_row).collect()
}

/// Removes a conversation within a transaction.
async fn remove(transaction: &PostgresTransaction, root: i64) -> Result<(), PostgresFault> {
    // Turns that are being appended come first.
    transaction.query("SELECT FROM turns WHERE id = $1 FOR UPDATE", values![root]).await?;
    transaction.execute("DELETE FROM turns WHERE root = $1", values![root]).await?;
    transaction.execute("DELETE FROM attachments WHERE root = $1", values![root]).await.map(drop)
}

/// Removes some conversations that are over, and attachments whose conversation never came. Returns how many
/// conversations went.
async fn expire_some(engine: &PostgresEngine, before: DateTime<Utc>) -> Result<u64, PostgresFault> {
    let transaction = engine.begin().await?;
    // Ids are time-ordered, and a turn ends after its id was minted: the young ones are not looked at.
    let select = "SELECT id FROM turns AS first WHERE id < $2 AND parent IS NULL AND at < $1
         AND NOT EXISTS (SELECT FROM turns WHERE root = first.id AND at >= $1)
         ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED";
    let values = values![before.timestamp_micros(), Id::earliest(before).number];
    let over = transaction.query(select, values).await?;
    for row in &over {
        remove(&transaction, row.number(0)?).await?;
    }
    let orphaned = "DELETE FROM attachments WHERE id < (now_in_micros() - $1) << 12
         AND NOT EXISTS (SELECT FROM turns WHERE turns.id = attachments.root)";
    transaction.execute(orphaned, values![ORPHANED]).await?;
    transaction.commit().await?;
    Ok(over.len() as u64)
}
