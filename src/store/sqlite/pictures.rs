//! The index of pictures, in SQL.

use std::collections::HashSet;

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{Sqlite, words};
use crate::store::{
    Error,
    pictures::{IndexedPicture, PictureIndex},
};

#[async_trait]
impl PictureIndex for Sqlite {
    async fn indexed(&self, gallery: &str) -> Result<HashSet<String>, Error> {
        let gallery = gallery.to_owned();
        let select = move |connection: &Connection| {
            let mut select = connection.prepare_cached("SELECT picture FROM pictures WHERE gallery = ?1")?;
            select.query_map([&gallery], |row| row.get(0))?.collect()
        };
        self.engine.scan(select).await
    }

    async fn index(&self, gallery: &str, new: Vec<IndexedPicture>, gone: Vec<String>) -> Result<(), Error> {
        let gallery = gallery.to_owned();
        let index = move |connection: &Connection| {
            gone.iter().try_for_each(|picture| remove(connection, &gallery, picture))?;
            new.iter().try_for_each(|picture| add(connection, &gallery, picture))
        };
        self.engine.write(usize::MAX, index).await
    }

    async fn find(&self, gallery: &str, words: &str, most: usize) -> Result<Vec<String>, Error> {
        let Some(words) = words::all(words) else { return Ok(Vec::new()) };
        let (gallery, most) = (gallery.to_owned(), i64::try_from(most).unwrap_or(i64::MAX));
        let select = move |connection: &Connection| {
            let mut select = connection.prepare_cached(
                "SELECT picture FROM picture_words JOIN pictures ON pictures.id = picture_words.rowid
                 WHERE picture_words MATCH ?1 AND gallery = ?2 ORDER BY rank, pictures.id DESC LIMIT ?3",
            )?;
            select.query_map(params![words, gallery, most], |row| row.get(0))?.collect()
        };
        self.engine.scan(select).await
    }
}

fn add(connection: &Connection, gallery: &str, picture: &IndexedPicture) -> rusqlite::Result<()> {
    let IndexedPicture { picture, words } = picture;
    let words = words::document(words);
    let mut insert =
        connection.prepare_cached("INSERT OR IGNORE INTO pictures (gallery, picture, words) VALUES (?1, ?2, ?3)")?;
    if insert.execute(params![gallery, picture, words])? == 1 {
        let mut index = connection.prepare_cached("INSERT INTO picture_words (rowid, words) VALUES (?1, ?2)")?;
        index.execute(params![connection.last_insert_rowid(), words])?;
    }
    Ok(())
}

fn remove(connection: &Connection, gallery: &str, picture: &str) -> rusqlite::Result<()> {
    // Before the picture goes, whose words are read once more.
    // The index has no copy of the words, and needs them to forget a row.
    // <https://sqlite.org/fts5.html#the_delete_command>
    let mut forget = connection.prepare_cached(
        "INSERT INTO picture_words (picture_words, rowid, words)
         SELECT 'delete', id, words FROM pictures WHERE gallery = ?1 AND picture = ?2",
    )?;
    forget.execute([gallery, picture])?;
    let mut delete = connection.prepare_cached("DELETE FROM pictures WHERE gallery = ?1 AND picture = ?2")?;
    delete.execute([gallery, picture]).map(drop)
}
