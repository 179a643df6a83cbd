//! An attachment of an earlier turn, read from the store once it is needed.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use tokio::runtime::Handle;

use crate::{handle::Id, media::StoredBytes, store::TurnStore};

#[derive(Debug)]
pub(super) struct Attachment {
    store: Arc<dyn TurnStore>,
    root: Id,
    id: Id,
    /// Read in pieces, but fetched once.
    fetched: OnceLock<Bytes>,
}

impl Attachment {
    pub(super) fn new(store: Arc<dyn TurnStore>, root: Id, id: Id) -> Self {
        Self { store, root, id, fetched: OnceLock::new() }
    }
}

impl StoredBytes for Attachment {
    fn fetch(&self) -> io::Result<Bytes> {
        if let Some(bytes) = self.fetched.get() {
            return Ok(bytes.clone());
        }
        // Blocking is allowed: a body's content is read on a thread for it, never on a serving one.
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let fetched = runtime.block_on(self.store.attachment(self.root, self.id)).map_err(io::Error::other)?;
        let bytes = fetched.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it is no longer there"))?;
        Ok(self.fetched.get_or_init(|| bytes.into()).clone())
    }
}
