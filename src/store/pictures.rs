//! The door to the index of pictures, by the words of their records. Pictures and records are files of their own, and
//! this can be made anew from them at any time.

use std::{collections::HashSet, fmt::Debug};

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::Error;
use crate::handle::Owner;

/// The words by which a picture is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedPicture {
    /// Unique in its gallery.
    pub picture: String,
    /// Id, prompts, model, quality and tool, one a line.
    pub words: String,
}

/// The index of the pictures of any number of galleries, each under a name of its own.
#[async_trait]
pub trait PictureIndex: Debug + Send + Sync {
    /// Names of the pictures of a gallery that are in the index, all of them.
    async fn indexed(&self, gallery: &str) -> Result<HashSet<String>, Error>;

    /// Adds pictures and removes others. One that is there already stays as it is.
    async fn index(&self, gallery: &str, new: Vec<IndexedPicture>, gone: Vec<String>) -> Result<(), Error>;

    /// Pictures in whose words all of these stand, best match first.
    async fn find(&self, gallery: &str, words: &str, most: usize) -> Result<Vec<String>, Error>;

    /// Tells the other replicas that this owner's pictures have changed; it is lost where nobody listens. An engine
    /// that no replicas share tells nobody.
    async fn tell_changed(&self, _: &Owner) -> Result<(), Error> {
        Ok(())
    }

    /// Owners whose pictures other replicas change from now on; `None` of an engine that no replicas share.
    fn changed_elsewhere(&self) -> Option<broadcast::Receiver<Owner>> {
        None
    }
}
