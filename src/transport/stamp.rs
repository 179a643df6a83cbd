//! Files that are read again once they change: known by the time and length of what is there, through symlinks.

use std::{fs, io, path::Path, time::SystemTime};

/// The time and length by which a file that was replaced or written again is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp(SystemTime, u64);

impl FileStamp {
    /// # Errors
    /// When nothing is there, or it cannot be looked at.
    pub fn of(path: &Path) -> io::Result<Self> {
        // By what the link leads to: Kubernetes changes a mounted file by changing a link to its folder.
        // <https://github.com/kubernetes/kubernetes/blob/master/pkg/volume/util/atomic_writer.go>
        let found = fs::metadata(path)?;
        Ok(Self(found.modified()?, found.len()))
    }
}
