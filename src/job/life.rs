//! Whether a process still lives: it holds a lock on a file of its own, which the operating system lets go of however
//! the process ends. Process numbers would not do: they are used again.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::folder::create_private;

const EXTENSION: &str = "lock";

/// This process, as others see it, for as long as the value lives.
#[derive(Debug)]
pub(super) struct Life {
    name: String,
    path: PathBuf,
    _locked: File,
}

impl Life {
    /// Locked before it can be seen, so that nobody takes it for a dead one.
    pub fn begin(dir: &Path) -> io::Result<Self> {
        let name = format!("{:016x}.{EXTENSION}", rand::random::<u64>());
        let (path, draft) = (dir.join(&name), dir.join(format!(".{name}")));
        let file = create_private(&draft)?;
        let shown = file.try_lock().map_err(io::Error::from).and_then(|()| fs::rename(&draft, &path));
        if let Err(error) = shown {
            let _ = fs::remove_file(&draft);
            return Err(error);
        }
        Ok(Self { name, path, _locked: file })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether others can still see it: somebody may have removed the folder.
    pub fn is_seen(&self) -> bool {
        self.path.exists()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether this is the name of a lock file.
pub(super) fn is_name(name: &str) -> bool {
    let stem = name.strip_suffix(EXTENSION).and_then(|rest| rest.strip_suffix('.'));
    stem.is_some_and(|stem| !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether the process with this lock file has ended. One that cannot be asked is taken to live.
pub(super) fn is_over(dir: &Path, name: &str) -> bool {
    if !is_name(name) {
        return true;
    }
    match File::open(dir.join(name)) {
        Ok(file) => file.try_lock_shared().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}
