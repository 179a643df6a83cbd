//! Whether a process still lives: it holds a lock on a file of its own, which the operating system lets go of however
//! the process ends. Process numbers would not do: they are used again.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Folder, create_private};

const EXTENSION: &str = "lock";

/// The processes that share a folder, this one among them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Processes {
    folder: Folder,
    /// This process; begun when it first needs a name.
    own: Arc<Mutex<Option<Life>>>,
}

/// This process, as others see it, for as long as the value lives.
#[derive(Debug)]
struct Life {
    name: String,
    path: PathBuf,
    _locked: File,
}

impl Processes {
    /// Without touching the disk.
    #[must_use]
    pub fn of(folder: Folder) -> Self {
        Self { folder, own: Arc::default() }
    }

    /// The name under which this process is known to live.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn own(&self) -> io::Result<String> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(life) = own.as_ref().filter(|life| life.is_seen()) {
            return Ok(life.name.clone());
        }
        Ok(own.insert(Life::begin(&self.folder)?).name.clone())
    }

    /// Whether this process goes by that name.
    #[must_use]
    pub fn is_own(&self, name: &str) -> bool {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|life| life.name == name)
    }

    /// Whether the process of this name has ended. One that cannot be asked is taken to live.
    #[must_use]
    pub fn has_ended(&self, name: &str) -> bool {
        if !is_life(name) {
            return true;
        }
        match File::open(self.folder.path().join(name)) {
            Ok(file) => file.try_lock_shared().is_ok(),
            Err(error) => error.kind() == ErrorKind::NotFound,
        }
    }
}

/// Whether a file of this name tells of a process.
#[must_use]
pub fn is_life(name: &str) -> bool {
    let stem = name.strip_suffix(EXTENSION).and_then(|rest| rest.strip_suffix('.'));
    stem.is_some_and(|stem| !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_hexdigit()))
}

impl Life {
    /// Locked before it can be seen, so that nobody takes it for a dead one.
    fn begin(folder: &Folder) -> io::Result<Self> {
        folder.make()?;
        let name = format!("{:016x}.{EXTENSION}", rand::random::<u64>());
        let (path, draft) = (folder.path().join(&name), folder.path().join(format!(".{name}")));
        let file = create_private(&draft)?;
        let shown = file.try_lock().map_err(io::Error::from).and_then(|()| fs::rename(&draft, &path));
        if let Err(error) = shown {
            let _ = fs::remove_file(&draft);
            return Err(error);
        }
        Ok(Self { name, path, _locked: file })
    }

    /// Whether others can still see it: somebody may have removed the folder.
    fn is_seen(&self) -> bool {
        self.path.exists()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
