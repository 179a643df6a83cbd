//! Bytes that somebody will send or look at: in memory, in a file that is already open, or in a store.

use std::{fmt::Debug, fs::File, io, sync::Arc};

use bytes::Bytes;

/// Bytes of a known length. Cheap to clone; clones are the same bytes.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory, whole.
    Memory(Bytes),
    /// Opened once and read by offset, so that it can be sent again, and is the file that was checked.
    File {
        /// Never written, never read from its cursor.
        file: Arc<File>,
        /// In bytes.
        length: u64,
    },
    /// Fetched when it is first read.
    Stored {
        /// The store, and the key of the bytes in it.
        source: Arc<dyn StoredBytes>,
        /// In bytes.
        length: u64,
    },
}

/// A store that has some bytes.
pub trait StoredBytes: Debug + Send + Sync {
    /// All of the bytes. Blocks, and must not be called where other tasks run; a second time it is quick.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when they are no longer there, [`io::ErrorKind::Other`] when the store cannot be
    /// read.
    fn fetch(&self) -> io::Result<Bytes>;
}

/// A picture to start from, or a mask: what it is was read from its own header.
#[derive(Debug, Clone)]
pub struct Reference {
    /// A file name with the extension of its format; never a path.
    pub name: String,
    /// Read from its own header.
    pub format: super::Format,
    /// Read from its own header.
    pub dimensions: super::Dimensions,
    /// The whole file.
    pub content: Content,
}

impl Content {
    /// In bytes; known before anything is read.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { length, .. } | Self::Stored { length, .. } => *length,
        }
    }

    /// Up to `limit` bytes from `offset` on; fewer only at the end. Blocks on the disk, see [`StoredBytes::fetch`].
    ///
    /// # Errors
    /// [`io::Error`] where the open file cannot be read, as on a drive that is gone, and as of [`StoredBytes::fetch`].
    pub fn read(&self, offset: u64, limit: usize) -> io::Result<Bytes> {
        let left = self.length().saturating_sub(offset);
        let wanted = usize::try_from(left).map_or(limit, |left| left.min(limit));
        match self {
            Self::Memory(bytes) => Ok(slice(bytes, offset, wanted)),
            Self::Stored { source, .. } => Ok(slice(&source.fetch()?, offset, wanted)),
            Self::File { file, .. } => read_at(file, offset, wanted),
        }
    }
}

fn slice(bytes: &Bytes, offset: u64, wanted: usize) -> Bytes {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(start..start.saturating_add(wanted).min(bytes.len()))
}

/// `wanted` bytes from `offset` on; fewer where the file ends before that.
fn read_at(file: &File, offset: u64, wanted: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; wanted];
    let mut read = 0;
    // One read may give less than was asked for, as network drives do, or be interrupted by a signal.
    while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match read_once(file, rest, offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(read);
    Ok(bytes.into())
}

#[cfg(unix)]
fn read_once(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    // By offset: the attempts of a request share the file, and each begins at its start.
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_once(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    // Moves the cursor as well, by which nobody reads.
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn memory_and_file_read_alike_within_their_length() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789, and what came later").unwrap();
        let file = Content::File { file: Arc::new(file), length: 10 };
        for content in [Content::Memory(Bytes::from_static(b"0123456789")), file] {
            let read = |offset, limit| content.read(offset, limit).unwrap();
            assert_eq!(content.length(), 10);
            assert_eq!(read(0, 4), "0123");
            assert_eq!(read(4, 100), "456789");
            assert_eq!(read(9, 1), "9");
            assert!(read(10, 1).is_empty() && read(u64::MAX, 1).is_empty() && read(3, 0).is_empty());
        }
    }

    #[test]
    fn a_file_that_became_shorter_gives_what_is_there() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"012").unwrap();
        let content = Content::File { file: Arc::new(file), length: 10 };
        assert_eq!(content.read(1, 9).unwrap(), "12");
        assert!(content.read(5, 5).unwrap().is_empty());
    }
}
