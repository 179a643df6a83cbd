//! The folder of pictures. Writes go through `object_store`, whole and durable or not at all. Reads and the listing are
//! made here, because `object_store` follows links, and one foreign file with an odd name ends its whole listing.
//! Knows nothing of pictures.

use std::{
    error::Error as StdError,
    fs::{self, File, Metadata},
    io::{self, ErrorKind, Read, Seek as _, SeekFrom, Write},
    iter,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use object_store::{ObjectStore, PutMode, local::LocalFileSystem, path::Path as Location};

use super::{ArtifactId, Error, private, record::Record};

#[derive(Debug, Clone)]
pub(super) struct ObjectFolder {
    dir: PathBuf,
    /// Its paths are absolute: the folder need not exist before the first write, and may go and come back.
    objects: Arc<LocalFileSystem>,
}

/// The outcome of writing a new file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WriteOutcome {
    Written,
    /// There is one of that name; it was left alone.
    Taken,
}

/// The fate of a draft that was to be a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DraftOutcome {
    Now,
    /// It was the file before.
    Before,
}

impl ObjectFolder {
    pub(super) fn local(dir: PathBuf) -> Self {
        let dir = std::path::absolute(&dir).unwrap_or(dir);
        // Flushed, the folder too: a picture whose path was given out must be there after a power failure.
        Self { dir, objects: Arc::new(LocalFileSystem::new().with_fsync(true)) }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A name for the gallery, which nothing else on this machine has.
    pub(super) fn name(&self) -> String {
        self.dir.display().to_string()
    }

    pub(super) fn path(&self, id: &ArtifactId) -> PathBuf {
        self.dir.join(id.as_str())
    }

    /// Writes a new file: to a temporary file beside it, flushed to the disk, then linked into place.
    pub(super) async fn put(&self, name: &str, bytes: Bytes) -> Result<WriteOutcome, Error> {
        let location = self.location(name)?;
        let put = |mode: PutMode| self.objects.put_opts(&location, bytes.clone().into(), mode.into());
        let mut outcome = put(PutMode::Create).await;
        // exFAT and many network folders know no hard links: there a rename does it, under a name minted for it alone.
        if outcome.as_ref().is_err_and(may_lack_links) && fs::symlink_metadata(self.dir.join(name)).is_err() {
            outcome = put(PutMode::Overwrite).await;
        }
        match outcome {
            Ok(_) => Ok(WriteOutcome::Written),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(WriteOutcome::Taken),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// Returns whether files can be written: writes one whose name is gone by then, so that it goes whatever ends this
    /// process.
    pub(super) fn probe(&self) -> Result<(), Error> {
        let name = format!(".check-{}", rand::random::<u64>());
        self.location(&name)?;
        let path = self.dir.join(name);
        let write = || {
            fs::create_dir_all(&self.dir)?;
            let mut file = File::create_new(&path)?;
            fs::remove_file(&path)?;
            file.write_all(b"can pictures be kept here?\n")?;
            file.sync_all()
        };
        write().map_err(|source| self.failed(source))
    }

    /// Writes a record, which only its user may read, in a folder that only its user may enter.
    pub(super) fn write_record(&self, name: &str, json: &[u8]) -> Result<(), Error> {
        let records = self.records()?;
        private::write(&records, name, json).map_err(|source| self.failed(source))
    }

    /// The folder of the records, made if need be. A link in its place leads to somebody else's.
    fn records(&self) -> Result<PathBuf, Error> {
        let path = self.dir.join(Record::FOLDER);
        if self.is_link(Record::FOLDER) {
            let linked = io::Error::new(ErrorKind::NotADirectory, format!("{} is a link", path.display()));
            return Err(self.failed(linked));
        }
        private::make_folder(&path).and_then(|()| keep_private(&path)).map_err(|source| self.failed(source))?;
        Ok(path)
    }

    fn is_link(&self, folder: &str) -> bool {
        fs::symlink_metadata(self.dir.join(folder)).is_ok_and(|metadata| metadata.is_symlink())
    }

    /// The folder of the folder that a name leads into, if that is a link.
    fn is_through_link(&self, name: &str) -> bool {
        name.rsplit_once('/').is_some_and(|(folder, _)| self.is_link(folder))
    }

    /// The folder of the records, opened to be locked; `None` on systems that open no folders.
    pub(super) fn open_records(&self) -> Result<Option<File>, Error> {
        Ok(File::open(self.records()?).ok())
    }

    /// Makes a draft the file of this id, unless there is one.
    pub(super) fn adopt(&self, draft: &str, id: &ArtifactId) -> Result<DraftOutcome, Error> {
        let (from, to) = (self.dir.join(draft), self.path(id));
        // A link fails where there is such a file; only where there are no links is it renamed, as in `put`.
        let linked = fs::hard_link(&from, &to).or_else(|error| match error.kind() {
            ErrorKind::Unsupported | ErrorKind::PermissionDenied if fs::symlink_metadata(&to).is_err() => {
                fs::rename(&from, &to)
            }
            _ => Err(error),
        });
        match linked {
            Ok(()) => Ok(DraftOutcome::Now),
            Err(source) if source.kind() == ErrorKind::AlreadyExists => Ok(DraftOutcome::Before),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// Removes a file, or a link in its place. Whether there was one: another process may be removing too.
    pub(super) fn remove(&self, name: &str) -> Result<bool, Error> {
        if self.is_through_link(name) {
            return Ok(false);
        }
        match fs::remove_file(self.dir.join(name)) {
            Ok(()) => Ok(true),
            Err(source) if source.kind() == ErrorKind::NotFound => Ok(false),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// A regular file, opened; `None` where there is none of that name.
    pub(super) fn open(&self, name: &str) -> Result<Option<File>, Error> {
        if self.is_through_link(name) {
            return Ok(None);
        }
        let path = self.dir.join(name);
        match private::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(source) if source.kind() == ErrorKind::NotFound => Ok(None),
            Err(_) if fs::symlink_metadata(&path).is_ok_and(|metadata| !metadata.is_file()) => Ok(None),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// The first `limit` bytes of a file, or `None` where there is no regular file of that name.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Option<Bytes>, Error> {
        let Some(file) = self.open(name)? else { return Ok(None) };
        self.read_from(&file, limit).map(Some)
    }

    /// Bytes of a file in a range, or `None` where there is no regular file of that name.
    pub(super) fn read_part(&self, name: &str, range: Range<u64>) -> Result<Option<Bytes>, Error> {
        let Some(mut file) = self.open(name)? else { return Ok(None) };
        file.seek(SeekFrom::Start(range.start)).map_err(|source| self.failed(source))?;
        self.read_from(&file, range.end.saturating_sub(range.start)).map(Some)
    }

    /// The first `limit` bytes of a file just opened.
    pub(super) fn read_from(&self, file: &File, limit: u64) -> Result<Bytes, Error> {
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).map_err(|source| self.failed(source))?;
        Ok(bytes.into())
    }

    /// The length of a file just opened, in bytes.
    pub(super) fn length_of(&self, file: &File) -> Result<u64, Error> {
        file.metadata().map(|metadata| metadata.len()).map_err(|source| self.failed(source))
    }

    /// The length of a file in bytes, or `None` where there is no regular file of that name.
    pub(super) fn length(&self, id: &ArtifactId) -> Option<u64> {
        fs::symlink_metadata(self.path(id)).ok().filter(Metadata::is_file).map(|metadata| metadata.len())
    }

    /// The ids that files in the folder are named by, in no order.
    pub(super) fn ids(&self) -> Result<Vec<ArtifactId>, Error> {
        Ok(self.names("")?.filter_map(|name| ArtifactId::parse(&name)).collect())
    }

    /// The names in a folder of the folder, in no order; none where it does not exist.
    pub(super) fn names(&self, folder: &str) -> Result<impl Iterator<Item = String> + use<>, Error> {
        let entries = match fs::read_dir(self.dir.join(folder)) {
            Ok(_) if !folder.is_empty() && self.is_link(folder) => None,
            Ok(entries) => Some(entries),
            Err(source) if source.kind() == ErrorKind::NotFound => None,
            Err(source) => return Err(self.failed(source)),
        };
        Ok(entries.into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok()))
    }

    fn location(&self, name: &str) -> Result<Location, Error> {
        Location::from_absolute_path(self.dir.join(name)).map_err(|source| self.failed(source))
    }

    pub(super) fn failed(&self, source: impl StdError + Send + Sync + 'static) -> Error {
        let message = format!("the image folder {} cannot be used: {}", self.dir.display(), remedy(&source));
        Error::Storage { message, source: Some(Box::new(source)) }
    }
}

/// Takes from a folder of ours what others may do there: older versions left that to the user's mask.
#[cfg(unix)]
fn keep_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    const PRIVATE: u32 = 0o700;
    let others = fs::metadata(folder)?.permissions().mode() & 0o077;
    if others == 0 { Ok(()) } else { fs::set_permissions(folder, fs::Permissions::from_mode(PRIVATE)) }
}

#[cfg(windows)]
fn keep_private(_folder: &Path) -> io::Result<()> {
    Ok(())
}

fn may_lack_links(error: &object_store::Error) -> bool {
    // EPERM is what link(2) has for a file system without hard links.
    cause(error).is_some_and(|io| matches!(io.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied))
}

/// Finds the operating system's error.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

/// The remedy for a person.
fn remedy(error: &(dyn StdError + 'static)) -> String {
    let Some(cause) = cause(error) else {
        return "its path has characters that cannot be stored; set images.dir to another folder".to_owned();
    };
    match cause.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "the disk is full; free some space, or set images.dir to a folder on another disk".to_owned()
        }
        ErrorKind::FileTooLarge => {
            "the picture is longer than a file may be; raise that limit (ulimit -f), or set images.dir to another disk"
                .to_owned()
        }
        ErrorKind::ReadOnlyFilesystem => "it is read-only; set images.dir to a folder that can be written".to_owned(),
        ErrorKind::PermissionDenied => {
            "permission denied; allow this user to write there, or set images.dir to another folder".to_owned()
        }
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "a part of its path is not a folder; set images.dir to another folder".to_owned()
        }
        _ => format!("{cause}; check the disk, or set images.dir to another folder"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_the_disk(kind: ErrorKind) -> object_store::Error {
        object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(io::Error::from(kind)) }
    }

    #[test]
    fn p02_each_failure_of_a_disk_has_its_remedy() {
        let kinds = [
            ErrorKind::StorageFull,
            ErrorKind::QuotaExceeded,
            ErrorKind::ReadOnlyFilesystem,
            ErrorKind::PermissionDenied,
            ErrorKind::NotADirectory,
            ErrorKind::TimedOut,
        ];
        let remedies: Vec<_> = kinds.map(|kind| format!("{kind:?}: {}", remedy(&from_the_disk(kind)))).into();
        insta::assert_snapshot!(remedies.join("\n"), @r"
        StorageFull: the disk is full; free some space, or set images.dir to a folder on another disk
        QuotaExceeded: the disk is full; free some space, or set images.dir to a folder on another disk
        ReadOnlyFilesystem: it is read-only; set images.dir to a folder that can be written
        PermissionDenied: permission denied; allow this user to write there, or set images.dir to another folder
        NotADirectory: a part of its path is not a folder; set images.dir to another folder
        TimedOut: timed out; check the disk, or set images.dir to another folder
        ");
    }

    #[test]
    fn a_disk_without_links_is_told_from_a_full_one() {
        assert!(may_lack_links(&from_the_disk(ErrorKind::Unsupported)));
        assert!(may_lack_links(&from_the_disk(ErrorKind::PermissionDenied)));
        assert!(!may_lack_links(&from_the_disk(ErrorKind::StorageFull)));
    }

    #[tokio::test]
    async fn p03_a_name_that_is_taken_is_left_alone() {
        let dir = tempfile::TempDir::new().unwrap();
        let store = ObjectFolder::local(dir.path().to_owned());
        let [first, second] = ["first", "second"].map(Bytes::from);
        assert_eq!(store.put("x", first.clone()).await.unwrap(), WriteOutcome::Written);
        assert_eq!(store.put("x", second).await.unwrap(), WriteOutcome::Taken);
        assert_eq!(store.read("x", 100).unwrap(), Some(first));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_path_with_control_characters_is_refused_with_a_reason() {
        let store = ObjectFolder::local(PathBuf::from("/tmp/with\u{7}bell"));
        let error = store.put("x", Bytes::new()).await.unwrap_err().to_string();
        assert!(error.contains("characters that cannot be stored"), "{error}");
    }
}
