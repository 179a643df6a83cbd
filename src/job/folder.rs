//! The folder of records: private to its user, each written whole or not at all. Knows files, not what jobs are for.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use serde::{Serialize, de::DeserializeOwned, de::IgnoredAny};

use super::{
    JobId, Standing,
    life::{self, Life},
    record::{Record, Written},
};

const RECORD: &str = ".json";
const MARKER: &str = ".cancel";
/// More than any result with all its previews.
const LARGEST: u64 = 256 << 20;
/// A draft this old belongs to nobody any more.
const DRAFT_AGE: Duration = Duration::from_hours(1);

#[derive(Debug, Clone)]
pub(super) struct Folder {
    dir: PathBuf,
    /// This process; begun with the first job.
    life: Arc<Mutex<Option<Arc<Life>>>>,
}

impl Folder {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, life: Arc::default() }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The name under which this process is known to live.
    pub fn process(&self) -> io::Result<String> {
        make_private(&self.dir)?;
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(life) = life.as_ref().filter(|life| life.is_seen()) {
            return Ok(life.name().to_owned());
        }
        let begun = Life::begin(&self.dir)?;
        Ok(life.insert(Arc::new(begun)).name().to_owned())
    }

    /// Where a job stands that this process has not in memory.
    pub fn standing<T>(&self, record: &Record<T>) -> Standing {
        let Written::Running { process, .. } = &record.state else { return Standing::Finished };
        let own = self.life.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|life| life.name().to_owned());
        if own.as_ref() == Some(process) || life::is_over(&self.dir, process) {
            Standing::Interrupted
        } else {
            Standing::Running
        }
    }

    /// To a draft, flushed to the disk, then renamed into place.
    pub fn write<T: Serialize>(&self, record: &Record<T>) -> io::Result<()> {
        make_private(&self.dir)?;
        let json = serde_json::to_vec(record)?;
        let draft = self.dir.join(format!(".{}.{:016x}", record.job, rand::random::<u64>()));
        let written = create_private(&draft)
            .and_then(|mut file| file.write_all(&json).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&draft, self.record(&record.job)));
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written?;
        sync(&self.dir)
    }

    /// `None` where there is no record that can be read; a damaged one is logged and left alone.
    pub fn read<T: DeserializeOwned>(&self, job: &JobId) -> Option<Record<T>> {
        let mut json = Vec::new();
        let read = open_regular(&self.record(job)).and_then(|file| file.take(LARGEST).read_to_end(&mut json));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%job, %error, "a job's record cannot be read");
                return None;
            }
        }
        match Record::parse(&json) {
            Ok(record) => (record.job == *job).then_some(record),
            Err(error) => {
                tracing::warn!(%job, %error, "a job's record is left alone");
                None
            }
        }
    }

    /// All jobs with a record, the one written last first.
    pub fn jobs(&self) -> Vec<JobId> {
        let mut jobs: Vec<_> = self.files().filter_map(|(name, age)| Some((age, job(&name, RECORD)?))).collect();
        jobs.sort_by_key(|(age, _)| *age);
        jobs.into_iter().map(|(_, job)| job).collect()
    }

    /// Asks the process that runs the job to cancel it.
    pub fn mark_cancelled(&self, job: &JobId) -> io::Result<()> {
        match create_private(&self.marker(job)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether somebody asked so; the mark is gone then.
    pub fn take_mark(&self, job: &JobId) -> bool {
        fs::remove_file(self.marker(job)).is_ok()
    }

    /// Removes the records that are older than `keep_for`, and what dead processes left lying.
    pub fn sweep(&self, keep_for: Duration) {
        for (name, age) in self.files() {
            let is_over = if let Some(job) = job(&name, RECORD) {
                age > keep_for && self.is_done(&job)
            } else if is_draft(&name) || job(&name, MARKER).is_some() {
                age > DRAFT_AGE
            } else {
                life::is_name(&name) && life::is_over(&self.dir, &name)
            };
            if is_over && let Err(error) = fs::remove_file(self.dir.join(&name)) {
                tracing::debug!(name, %error, "an old file of the jobs' folder stays");
            }
        }
    }

    /// Whether a record can be read and nobody is at its job any more.
    fn is_done(&self, job: &JobId) -> bool {
        self.read::<IgnoredAny>(job).is_some_and(|record| match &record.state {
            Written::Finished { .. } => true,
            Written::Running { process, .. } => life::is_over(&self.dir, process),
        })
    }

    /// The names of the files, and how long ago each was written.
    fn files(&self) -> impl Iterator<Item = (String, Duration)> {
        let now = SystemTime::now();
        fs::read_dir(&self.dir).into_iter().flatten().filter_map(move |entry| {
            let entry = entry.ok()?;
            let written = entry.metadata().ok()?.modified().ok()?;
            Some((entry.file_name().into_string().ok()?, now.duration_since(written).unwrap_or_default()))
        })
    }

    fn record(&self, job: &JobId) -> PathBuf {
        self.dir.join(format!("{job}{RECORD}"))
    }

    fn marker(&self, job: &JobId) -> PathBuf {
        self.dir.join(format!("{job}{MARKER}"))
    }
}

/// The job that a file is named for.
fn job(name: &str, extension: &str) -> Option<JobId> {
    JobId::parse(name.strip_suffix(extension)?)
}

fn is_draft(name: &str) -> bool {
    name.strip_prefix('.').is_some_and(|name| name.starts_with("job_") || life::is_name(name))
}

/// What is no file, a pipe for one, could hold its reader up for ever.
fn open_regular(path: &Path) -> io::Result<File> {
    if fs::symlink_metadata(path)?.is_file() { File::open(path) } else { Err(ErrorKind::InvalidInput.into()) }
}

/// A new file that only its user may read.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn make_private(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Makes a rename in the folder last. Only Unix can, and needs to.
fn sync(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}
