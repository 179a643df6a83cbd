//! Records of pictures: small JSON files in a folder of their own, out of sight in a file browser.

use serde::{Deserialize, Serialize};

use super::{Artifact, ArtifactId, Origin};
use crate::media::{Dimensions, Encoded, Format};

/// One picture's record. The picture is the truth and this a note about it: it may be missing, damaged or newer.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub format: Format,
    #[serde(flatten)]
    pub dimensions: Dimensions,
    #[serde(flatten)]
    pub origin: Origin,
}

impl Record {
    /// Folder of all records, below the gallery's.
    pub(super) const FOLDER: &str = ".records";

    pub(super) fn new(picture: &Encoded, origin: Origin) -> Self {
        Self { format: picture.format(), dimensions: picture.dimensions(), origin }
    }

    /// Reads the record of a picture; `None` where it is not legible.
    pub(super) fn read(id: &ArtifactId, json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).inspect_err(|error| tracing::debug!(%id, %error, "unreadable record")).ok()
    }

    /// The picture that it is about, wherever that is.
    pub(super) fn describes(self, id: ArtifactId, bytes: u64) -> Artifact {
        let Self { format, dimensions, origin } = self;
        let (path, link, waits) = (None, None, None);
        Artifact { path, link, waits, made_at: id.made_at(), id, format, dimensions, bytes, origin }
    }

    /// Path of a picture's record, below the gallery's folder.
    pub(super) fn name(id: &ArtifactId) -> String {
        format!("{}/{}", Self::FOLDER, Self::file_name(id))
    }

    /// Returns whether a file among the records is the draft of one, as [`private::write`](super::private::write)
    /// makes them.
    pub(super) fn is_draft(name: &str) -> bool {
        let draft = name.strip_prefix('.').and_then(|name| name.rsplit_once('.'));
        draft.and_then(|(name, _)| ArtifactId::parse(name.strip_suffix(".json")?)).is_some()
    }

    pub(super) fn file_name(id: &ArtifactId) -> String {
        format!("{id}.json")
    }
}
