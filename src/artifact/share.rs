//! Changes in a bucket that several servers share: each tells the others of its own.

use std::sync::PoisonError;

use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::Artifacts;
use crate::{handle::Owner, store::PictureIndex};

impl Artifacts {
    /// Tells the other servers of changes that this one makes in the bucket, and counts theirs as changes of the
    /// galleries here. Returns at once where nothing is shared. May be dropped at any time.
    pub async fn share_changes(&self, index: &dyn PictureIndex) {
        let Some(remote) = &self.remote else { return };
        let Some(mut theirs) = index.changed_elsewhere() else { return };
        let mut own = remote.changed.subscribe();
        let telling = async {
            while let Some(owner) = next(&mut own).await {
                if let Err(error) = index.tell_changed(&owner).await {
                    tracing::debug!(%error, "other servers do not announce that a gallery has changed");
                }
            }
        };
        let hearing = async {
            while let Some(owner) = next(&mut theirs).await {
                self.changed_elsewhere(&owner);
            }
        };
        tokio::join!(telling, hearing);
    }

    fn changed_elsewhere(&self, owner: &Owner) {
        let Some(caller) = owner.as_caller() else { return self.changed() };
        let callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is told of a gallery that nobody has asked for here.
        if let Some(own) = callers.get(caller) {
            own.changed();
        }
    }
}

/// The next owner whose gallery has changed. One that was missed costs nothing but the announcement.
async fn next(changed: &mut Receiver<Owner>) -> Option<Owner> {
    loop {
        match changed.recv().await {
            Ok(owner) => return Some(owner),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}
