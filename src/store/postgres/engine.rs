//! Connections, and work that must come to its end whatever happens to its caller or to the database.

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use futures_util::future::BoxFuture;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::{
    runtime::Handle,
    sync::{Notify, OnceCell, broadcast, oneshot},
    time::sleep,
};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    address::{Encryption, PostgresUrl},
    fault::PostgresFault,
    migrate::migrate,
    transaction::{self, PostgresTransaction, StatementAnswer, undeadlocked},
    values::{SqlValue, values},
};
use crate::{
    handle::Owner,
    store::{Error, columns::micros, process::Process, sessions::SessionMessage},
};

/// Connections of one process, beside the one that listens.
const MOST: usize = 9;
/// Notifications that somebody who waits may miss: it polls, too.
const MOST_HEARD: usize = 64;
/// The longest wait for a connection that others use.
const TURN: Duration = Duration::from_secs(30);
/// A database that is away for longer fails what waits for it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Work that waits in memory for a database that is away.
/// Each holds its turn: after a day without a database that must not be all of memory.
const MOST_WAITING: usize = 10_000;
/// Between two tries to reach it; then twice as long, up to a second.
const RETRY: Duration = Duration::from_millis(100);

/// The way to one database. Cheap to clone; clones are the same.
#[derive(Clone)]
pub(super) struct PostgresEngine(pub Arc<PostgresState>);

/// The life of the upkeep, which the bell wakes.
type PostgresUpkeep = fn(Weak<PostgresState>, Arc<Notify>) -> BoxFuture<'static, ()>;

/// The life of whoever listens to other processes, until the store is closed.
type PostgresListening = fn(Weak<PostgresState>, HeardNotices, CancellationToken) -> BoxFuture<'static, ()>;

/// Notices of other processes as they are heard. Cheap to clone; clones are one.
#[derive(Clone)]
pub(super) struct HeardNotices {
    /// Numbers of jobs of which something is new.
    pub jobs: broadcast::Sender<i64>,
    pub messages: broadcast::Sender<Arc<SessionMessage>>,
    /// Owners whose pictures have changed.
    pub galleries: broadcast::Sender<Owner>,
}

pub(super) struct PostgresState {
    pub url: PostgresUrl,
    process: Arc<Process>,
    pool: OnceCell<Pool>,
    /// The last time that this process's lease was renewed.
    renewed: Mutex<Option<Instant>>,
    /// Work that goes on without its caller.
    works: TaskTracker,
    bell: Arc<Notify>,
    upkeep: PostgresUpkeep,
    is_watched: AtomicBool,
    heard: HeardNotices,
    listening: PostgresListening,
    is_listening: AtomicBool,
    closed: CancellationToken,
}

impl PostgresEngine {
    pub(super) fn build(
        url: PostgresUrl,
        lease: Duration,
        upkeep: PostgresUpkeep,
        listening: PostgresListening,
    ) -> Self {
        Self(Arc::new(PostgresState {
            url,
            process: Arc::new(Process::new(lease)),
            pool: OnceCell::new(),
            renewed: Mutex::default(),
            works: TaskTracker::new(),
            bell: Arc::default(),
            upkeep,
            is_watched: AtomicBool::new(false),
            heard: HeardNotices {
                jobs: broadcast::Sender::new(MOST_HEARD),
                messages: broadcast::Sender::new(MOST_HEARD),
                galleries: broadcast::Sender::new(MOST_HEARD),
            },
            listening,
            is_listening: AtomicBool::new(false),
            closed: CancellationToken::new(),
        }))
    }

    pub(super) fn process(&self) -> &Arc<Process> {
        &self.0.process
    }

    pub(super) fn error(&self, fault: PostgresFault) -> Error {
        fault.at(self.0.url.place())
    }

    /// Begins a transaction; tries again for a while where the database is away.
    pub(super) async fn begin(&self) -> Result<PostgresTransaction, PostgresFault> {
        self.begin_for(&[]).await
    }

    /// The same; transactions that name the same id run one after another.
    pub(super) async fn begin_for(&self, ids: &[i64]) -> Result<PostgresTransaction, PostgresFault> {
        let (mut tries, since) = (RetryWindow::new(), Instant::now());
        loop {
            let begun = match self.connected().await {
                Ok(client) => PostgresTransaction::begin(client, ids).await,
                Err(fault) => Err(fault),
            };
            match begun {
                // A connection that was pooled may have been broken since.
                Err(fault) if fault.may_pass() && tries.is_left() => tries.pause().await,
                Ok(transaction) => return Ok(transaction.of(self.process().clone(), since)),
                Err(fault) => return self.process().meter.note(since, Err(fault)),
            }
        }
    }

    /// Runs one statement that may be repeated, and is where its answer was lost.
    pub(super) async fn run(&self, sql: &str, values: &[SqlValue<'_>]) -> Result<StatementAnswer, PostgresFault> {
        let since = Instant::now();
        self.process().meter.note(since, self.run_unmeasured(sql, values).await)
    }

    async fn run_unmeasured(&self, sql: &str, values: &[SqlValue<'_>]) -> Result<StatementAnswer, PostgresFault> {
        let mut tries = RetryWindow::new();
        loop {
            match transaction::run_alone(self.connected().await?, sql, values).await {
                Err(fault) if fault.may_pass() && tries.is_left() => tries.pause().await,
                ended => return ended,
            }
        }
    }

    /// Runs `work` to its end, also when its caller goes away meanwhile.
    pub(super) async fn complete<T, W>(&self, work: impl FnOnce(Self) -> W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, PostgresFault>> + Send + 'static,
    {
        let ended = self.0.works.spawn(work(self.clone())).await;
        ended.unwrap_or_else(|_| Err(abandoned())).map_err(|fault| self.error(fault))
    }

    /// Runs `work` until the database has taken it, however long that is away. Its caller hears the first answer, which
    /// is a fault where the database is away for longer than it waits.
    pub(super) async fn persist<T, W>(
        &self,
        what: &'static str,
        work: impl Fn(Self) -> W + Send + Sync + 'static,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, PostgresFault>> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        self.post(what, tell, work);
        told.await.unwrap_or_else(|_| Err(abandoned())).map_err(|fault| self.error(fault))
    }

    /// The same without anybody waiting.
    pub(super) fn persist_later<W>(&self, what: &'static str, work: impl Fn(Self) -> W + Send + Sync + 'static)
    where
        W: Future<Output = Result<(), PostgresFault>> + Send + 'static,
    {
        self.post(what, oneshot::channel().0, work);
    }

    fn post<T, W>(
        &self,
        what: &'static str,
        tell: oneshot::Sender<Result<T, PostgresFault>>,
        work: impl Fn(Self) -> W + Send + Sync + 'static,
    ) where
        T: Send + 'static,
        W: Future<Output = Result<T, PostgresFault>> + Send + 'static,
    {
        let engine = self.clone();
        let persisted = async move {
            let mut tell = Some(tell);
            loop {
                let ended = undeadlocked(|| work(engine.clone())).await;
                let may_wait = engine.0.works.len() <= MOST_WAITING;
                let is_away = ended.as_ref().is_err_and(PostgresFault::may_pass) && may_wait;
                if let Err(fault) = &ended {
                    let error = engine.error(fault.clone());
                    tracing::warn!(what, %error, later = is_away, "not kept");
                }
                if let Some(tell) = tell.take() {
                    // Whoever asked may be gone.
                    let _ = tell.send(ended);
                }
                if !is_away {
                    return;
                }
                sleep(PATIENCE).await;
            }
        };
        if let Ok(runtime) = Handle::try_current() {
            drop(self.0.works.spawn_on(persisted, &runtime));
        } else {
            tracing::warn!(what, "not kept: the program has ended");
        }
    }

    /// Resolves once nothing runs that goes on without its caller.
    pub(super) async fn flush(&self) {
        // An open tracker never comes to its end; and the store may be used again, as by a test or a command.
        self.0.works.close();
        self.0.works.wait().await;
        self.0.works.reopen();
    }

    /// Has what was put off written soon, and the lease renewed.
    pub(super) fn watch(&self) {
        if !self.0.is_watched.swap(true, Ordering::AcqRel) {
            let watch = (self.0.upkeep)(Arc::downgrade(&self.0), self.0.bell.clone());
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(watch)),
                Err(_) => self.0.is_watched.store(false, Ordering::Release),
            }
        }
        self.0.bell.notify_one();
    }

    /// The notices of other processes; the first to ask has them listened for.
    pub(super) fn heard(&self) -> &HeardNotices {
        if let Ok(runtime) = Handle::try_current()
            && !self.0.is_listening.swap(true, Ordering::AcqRel)
        {
            let PostgresState { heard, closed, listening, .. } = &*self.0;
            drop(runtime.spawn(listening(Arc::downgrade(&self.0), heard.clone(), closed.clone())));
        }
        &self.0.heard
    }

    /// Renews the lease, unless it lasts for long enough.
    pub(super) async fn live(&self) -> Result<(), PostgresFault> {
        let lease = self.process().lease;
        let lasts = |renewed: Instant| renewed.elapsed() < lease / 3;
        if self.renewed().is_some_and(lasts) {
            return Ok(());
        }
        // From before it is sent: the database counts from when it has it, so this process believes in no longer lease.
        let asked = Instant::now();
        let upsert = "INSERT INTO processes (id, lease_until) VALUES ($1, now_in_micros() + $2)
             ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until";
        self.run(upsert, values![self.process().id, micros(lease)]).await?;
        *self.0.renewed.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
        Ok(())
    }

    fn renewed(&self) -> Option<Instant> {
        *self.0.renewed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to a database that has this program's schema.
    async fn connected(&self) -> Result<Object, PostgresFault> {
        let mut tries = RetryWindow::new();
        loop {
            // Of all who come first one opens it, and migrates; should that fail, the next one tries.
            let connected = match self.0.pool.get_or_try_init(|| opened(&self.0.url)).await {
                Ok(pool) => pool.get().await.map_err(PostgresFault::from),
                Err(fault) => Err(fault),
            };
            match connected {
                Err(fault) if fault.may_pass() && tries.is_left() => tries.pause().await,
                ended => return ended,
            }
        }
    }
}

/// The time that is left until a database that is away fails its caller.
struct RetryWindow {
    until: Instant,
    pause: Duration,
}

impl RetryWindow {
    fn new() -> Self {
        Self { until: Instant::now() + PATIENCE, pause: RETRY }
    }

    fn is_left(&self) -> bool {
        Instant::now() < self.until
    }

    async fn pause(&mut self) {
        let longer = (self.pause * 2).min(RETRY * 10);
        sleep(mem::replace(&mut self.pause, longer)).await;
    }
}

/// Connects for the first time.
async fn opened(url: &PostgresUrl) -> Result<Pool, PostgresFault> {
    let config = url.config()?;
    // Without a query for each reuse: a connection that broke is found by its first statement, which is tried again.
    let recycle = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config, connector(url)?, recycle);
    let pool = Pool::builder(manager)
        .max_size(MOST)
        .wait_timeout(Some(TURN))
        // For a server that takes a connection and says nothing: the URL's `connect_timeout` ends with TCP's part of
        // it. <https://docs.rs/tokio-postgres/latest/tokio_postgres/config/struct.Config.html>
        .create_timeout(Some(PATIENCE))
        // Without a runtime the pool takes no timeout.
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| PostgresFault::Refused(error.to_string()))?;
    migrate(PostgresTransaction::begin(pool.get().await?, &[]).await?).await?;
    Ok(pool)
}

/// Makes connections to the server of this URL, also those without encryption: another connector would link all once
/// more.
pub(super) fn connector(url: &PostgresUrl) -> Result<MakeRustlsConnect, PostgresFault> {
    tls(url.encryption()).map(MakeRustlsConnect::new).map_err(PostgresFault::Refused)
}

/// Trusts what this machine trusts, or the issuers in a file; nobody where nothing is encrypted.
fn tls(encryption: &Encryption) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let file = match encryption {
        Encryption::Off => return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()),
        Encryption::Verified { issuers: None } => {
            let verified = builder.with_platform_verifier().map_err(|error| error.to_string())?;
            return Ok(verified.with_no_client_auth());
        }
        Encryption::Verified { issuers: Some(file) } => file,
    };
    let unreadable = |why: String| format!("the certificates in {} cannot be used: {why}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unreadable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The program ends, or the work panicked.
fn abandoned() -> PostgresFault {
    PostgresFault::Refused("the transaction was abandoned".to_owned())
}

/// The upkeep and whoever listens see that the store is gone.
impl Drop for PostgresState {
    fn drop(&mut self) {
        self.closed.cancel();
        self.bell.notify_one();
    }
}

impl fmt::Debug for PostgresEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresEngine").field(&self.0.url).finish()
    }
}
