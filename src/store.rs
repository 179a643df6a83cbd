//! Everything that is kept but pictures: turns of conversations, jobs, money, the pace of requests, learnt facts,
//! callers and their calls that the ledger has not, and the index by which pictures are found.
//!
//! One door for each kind, and the unit of a door is a transaction of the domain: `settle` books a cost, its line of
//! the ledger, the turn and the end of the job together or not at all. No door shows a connection, a file or a path,
//! so that either engine fits behind the same doors: [`sqlite`] is the embedded one, shared by all processes of a user,
//! [`postgres`] the one that replicas on several machines share.
//!
//! Identifiers are [`Id`](crate::handle::Id)s: time-ordered, so that the newest rows lie together and inserting never
//! slows down as the store grows, with a secret, so that a handle cannot be guessed.

use std::{io::ErrorKind, path::PathBuf, sync::Arc, time::Duration};

pub mod audit;
pub mod callers;
mod columns;
pub mod facts;
pub mod jobs;
mod meter;
pub mod money;
pub mod pace;
pub mod pictures;
pub mod postgres;
mod process;
pub mod sessions;
pub mod sqlite;
pub mod turns;

pub use audit::AuditStore;
pub use callers::CallerStore;
pub use facts::FactStore;
pub use jobs::JobStore;
pub use meter::{LastTransaction, StoreStanding};
pub use money::MoneyStore;
pub use pace::PaceStore;
pub use pictures::PictureIndex;
pub use postgres::PostgresUrl;
pub use sessions::SessionStore;
pub use turns::TurnStore;

use postgres::Postgres;
use process::Process;
use sqlite::Sqlite;

/// Time that a process is believed to live after its last sign of life. It renews its lease three times as often while
/// anything of it runs.
/// Two renewals may be late or lost before others take over what runs.
pub const LEASE: Duration = Duration::from_secs(15);

/// The doors to one engine. Cheap to clone; clones are the same store.
#[derive(Clone)]
pub struct Store {
    /// Conversations, turn by turn, and their attachments.
    pub turns: Arc<dyn TurnStore>,
    /// Calls that outlive the patience of their clients.
    pub jobs: Arc<dyn JobStore>,
    /// Reservations, and the ledger of costs.
    pub money: Arc<dyn MoneyStore>,
    /// Caps on requests that all processes keep together.
    pub pace: Arc<dyn PaceStore>,
    /// Lessons of refusals and lists of models, learnt from upstreams.
    pub facts: Arc<dyn FactStore>,
    /// Search index of the galleries; can be rebuilt from their files.
    pub pictures: Arc<dyn PictureIndex>,
    /// Callers of the HTTP service, by their tokens.
    pub callers: Arc<dyn CallerStore>,
    /// Calls of those callers that failed or cost nothing.
    pub audit: Arc<dyn AuditStore>,
    /// Sessions of the HTTP service, where the engine is one that replicas share.
    pub sessions: Option<Arc<dyn SessionStore>>,
    /// Names the place for people: a path, or the URL without its password.
    pub place: Arc<str>,
    process: Arc<Process>,
    engine: StoreEngine,
}

/// The one thing behind all doors.
#[derive(Clone)]
// Not one more door: only `ready` and sessions differ, and `Store` alone asks for them.
enum StoreEngine {
    Embedded(Arc<Sqlite>),
    Remote(Arc<Postgres>),
}

/// The place of the store, and the lease of the processes that share it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Also chooses the engine: SQLite for a folder or memory, or PostgreSQL.
    pub place: StorePlace,
    /// See [`LEASE`]; tests shorten it.
    pub lease: Duration,
}

/// The engine, and the location of its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// The embedded database in this folder; made with the first call that needs it.
    Folder(PathBuf),
    /// This process's memory, gone with it.
    Memory,
    /// A PostgreSQL database that replicas share.
    Postgres(PostgresUrl),
}

/// Failures of an engine, by what its user can do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Nothing can be read or written there now: full, read-only, missing rights, a network file system. Of the
    /// embedded engine alone.
    #[error("the store in {place} cannot be used: {why}")]
    Unusable {
        /// As in [`Store::place`].
        place: Arc<str>,
        /// The cause in the words of SQLite or the system.
        why: Arc<str>,
    },
    /// A later version of this program made it. It is left as it is.
    #[error("the store in {place} was made by a newer version of mcp-openai (schema {found}, this one knows {known})")]
    Newer {
        /// As in [`Store::place`].
        place: Arc<str>,
        /// Schema version of the store.
        found: u32,
        /// The newest schema version that this program can read.
        known: u32,
    },
    /// Another process has kept it locked for 5 s, which is longer than any transaction takes.
    #[error("the store in {place} is locked by another process that does not let go of it")]
    Locked {
        /// As in [`Store::place`].
        place: Arc<str>,
    },
    /// It does not answer now; the same may succeed later. Of PostgreSQL alone, after tries for 5 s or a silence of 15
    /// s.
    #[error("the store at {place} cannot be reached: {why}")]
    Away {
        /// As in [`Store::place`].
        place: Arc<str>,
        /// The cause in the words of the driver, without the password.
        why: Arc<str>,
    },
    /// It answers, and will not: a wrong password, no right to make tables, a statement that it does not take.
    #[error("the store at {place} refuses: {why}")]
    Refused {
        /// As in [`Store::place`].
        place: Arc<str>,
        /// The refusal in the words of PostgreSQL, without the password.
        why: Arc<str>,
    },
}

impl Error {
    /// Returns whether the same may succeed later, without anybody's doing here.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Locked { .. } | Self::Away { .. } => true,
            Self::Unusable { .. } | Self::Newer { .. } | Self::Refused { .. } => false,
        }
    }

    /// The way out, as a sentence for people.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unusable { .. } => "Make the folder writable and its disk not full, or set state.dir to another one.",
            Self::Newer { .. } => "Update this program, or set state.dir or store.url to another place.",
            Self::Locked { .. } => "End the program that holds it, or set state.dir to another folder.",
            Self::Away { .. } => "Start PostgreSQL, or correct store.url.",
            Self::Refused { .. } => {
                "Correct store.url: it needs a database of its own, and a user that may make tables there."
            }
        }
    }
}

impl Store {
    /// Builds the engine without touching the disk or the network.
    #[must_use]
    pub fn build(config: Config) -> Self {
        let place = config.place.to_string().into();
        match config.place.clone() {
            StorePlace::Folder(_) | StorePlace::Memory => {
                let engine = Arc::new(Sqlite::build(config));
                Self::of(engine.clone(), place, engine.process(), StoreEngine::Embedded(engine))
            }
            StorePlace::Postgres(url) => {
                let engine = Arc::new(Postgres::build(url, config.lease));
                Self::of(engine.clone(), place, engine.process(), StoreEngine::Remote(engine))
            }
        }
    }

    fn of<E>(doors: Arc<E>, place: Arc<str>, process: Arc<Process>, engine: StoreEngine) -> Self
    where
        E: TurnStore
            + JobStore
            + MoneyStore
            + PaceStore
            + FactStore
            + PictureIndex
            + CallerStore
            + AuditStore
            + 'static,
    {
        let (turns, jobs, money, facts) = (doors.clone(), doors.clone(), doors.clone(), doors.clone());
        let (pictures, callers, audit) = (doors.clone(), doors.clone(), doors.clone());
        let sessions = match &engine {
            // Sessions are kept for other replicas, and an embedded database has none: its server has them in memory.
            StoreEngine::Embedded(_) => None,
            StoreEngine::Remote(remote) => Some(remote.clone() as Arc<dyn SessionStore>),
        };
        Self { turns, jobs, money, pace: doors, facts, pictures, callers, audit, sessions, place, process, engine }
    }

    /// The store as this process finds it: of the embedded one only what writes is counted.
    #[must_use]
    pub fn standing(&self) -> StoreStanding {
        self.process.meter.standing()
    }

    /// Makes sure that it can be used: one on another machine is reached, the embedded one is made and written to.
    ///
    /// # Errors
    /// [`Error::Away`] or [`Error::Locked`] after 5 s, [`Error::Unusable`], [`Error::Refused`], and [`Error::Newer`]
    /// where a newer version made it.
    pub async fn ready(&self) -> Result<(), Error> {
        match &self.engine {
            StoreEngine::Embedded(embedded) => embedded.ready().await,
            StoreEngine::Remote(remote) => remote.ready().await,
        }
    }
}

impl StorePlace {
    /// Looks if a store can be here, for commands that tell what is kept: only where one can, "nothing" is an answer. A
    /// server goes on without a store as far as it can.
    ///
    /// # Errors
    /// [`Error::Unusable`] where the folder is a file, lies below one, or may not be entered.
    pub fn readable(&self) -> Result<(), Error> {
        let Self::Folder(dir) = self else { return Ok(()) };
        // The point makes it an error that a file has the folder's name: the bare path would be found.
        match dir.join(".").metadata() {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::Unusable { place: self.to_string().into(), why: error.to_string().into() })
            }
            _ => Ok(()),
        }
    }
}

impl std::fmt::Display for StorePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(dir) => dir.display().fmt(f),
            Self::Memory => f.write_str("memory"),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

/// By its place: what is in it is somebody's.
impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("place", &self.place).finish_non_exhaustive()
    }
}
