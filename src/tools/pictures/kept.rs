//! Pictures that are there already, shown again.

use crate::{
    artifact::{Artifact, Artifacts},
    handle::Owner,
    media::Encoded,
    preview::{Previews, Room},
};

/// The gallery of pictures, and what makes them small.
#[derive(Debug, Clone)]
pub struct KeptPictures {
    /// The gallery of one owner; see [`KeptPictures::of`].
    pub artifacts: Artifacts,
    /// Shrinks pictures; shared by all owners.
    pub previews: Previews,
}

impl KeptPictures {
    /// Those of this owner.
    #[must_use]
    pub fn of(&self, owner: &Owner) -> Self {
        Self { artifacts: self.artifacts.of(owner), previews: self.previews.clone() }
    }

    /// Previews of those that are still there and can be decoded, which share `room`.
    pub async fn previews(&self, kept: &[Artifact], room: Room) -> Vec<Encoded> {
        let set = self.previews.set(u32::try_from(kept.len()).unwrap_or(u32::MAX));
        let mut previews = Vec::new();
        for artifact in kept {
            if let Ok((_, original)) = self.artifacts.fetch(&artifact.id).await {
                previews.extend(set.shrink(&original, room).await);
            }
        }
        previews
    }
}
