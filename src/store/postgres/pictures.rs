//! The index of pictures, in SQL.

use std::collections::HashSet;

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::{Postgres, engine::PostgresEngine, fault::PostgresFault, values::values, words};
use crate::{
    handle::Owner,
    store::{
        Error,
        pictures::{IndexedPicture, PictureIndex},
    },
};

#[async_trait]
impl PictureIndex for Postgres {
    async fn indexed(&self, gallery: &str) -> Result<HashSet<String>, Error> {
        let select = "SELECT picture FROM pictures WHERE gallery = $1";
        Ok(self.rows(select, values![gallery]).await?.into_iter().collect())
    }

    async fn index(&self, gallery: &str, new: Vec<IndexedPicture>, gone: Vec<String>) -> Result<(), Error> {
        index(&self.engine, gallery, &new, &gone).await.map_err(|fault| self.engine.error(fault))
    }

    async fn find(&self, gallery: &str, words: &str, most: usize) -> Result<Vec<String>, Error> {
        let Some(words) = words::all(words) else { return Ok(Vec::new()) };
        // 1 divides the rank by the logarithm of the length, or long texts would come first.
        // <https://www.postgresql.org/docs/current/textsearch-controls.html#TEXTSEARCH-RANKING>
        let select = "SELECT picture FROM pictures WHERE gallery = $1 AND found_by @@ $2::tsquery
             ORDER BY ts_rank(found_by, $2::tsquery, 1) DESC, id DESC LIMIT $3";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.rows(select, values![gallery, &words, most]).await
    }

    async fn tell_changed(&self, owner: &Owner) -> Result<(), Error> {
        // With the sender's id: a notification comes back to the process that sent it.
        let payload = format!("{}\n{}", self.engine.process().id, owner.0);
        self.change("SELECT pg_notify('mcp_openai_galleries', $1)", values![&payload]).await.map(drop)
    }

    fn changed_elsewhere(&self) -> Option<broadcast::Receiver<Owner>> {
        Some(self.engine.heard().galleries.subscribe())
    }
}

async fn index(
    engine: &PostgresEngine,
    gallery: &str,
    new: &[IndexedPicture],
    gone: &[String],
) -> Result<(), PostgresFault> {
    let transaction = engine.begin().await?;
    for picture in gone {
        let delete = "DELETE FROM pictures WHERE gallery = $1 AND picture = $2";
        transaction.execute(delete, values![gallery, picture]).await?;
    }
    for IndexedPicture { picture, words } in new {
        let insert = "INSERT INTO pictures (gallery, picture, words, found_by) VALUES ($1, $2, $3, $4::tsvector)
             ON CONFLICT DO NOTHING";
        transaction.execute(insert, values![gallery, picture, words, &words::document(words)]).await?;
    }
    transaction.commit().await
}
