//! A PostgreSQL of the tests' own: one for each test process, on a free port of loopback, in a folder that goes with it.

use std::{
    env, fs,
    io::Write as _,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

/// Ends the server at once when it is told so, and when the test process has ended, however that came: then its folder
/// goes, too.
const KEEPER: &str = r#"folder=$1; shift
"$@" >"$folder/log" 2>&1 &
read -r _ || gone=yes
kill -QUIT $! && wait
test -z "$gone" || rm -rf "$folder""#;

/// The server of this process; `None` where PostgreSQL is not installed.
pub static SHARED: LazyLock<Option<Cluster>> = LazyLock::new(Cluster::start);

/// One server with its databases.
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    keeper: Mutex<Option<Child>>,
    schemas: AtomicU32,
}

impl Cluster {
    /// Makes a cluster and starts its server; `None` where PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        let programs = programs()?;
        let folder = tempfile::tempdir().unwrap().keep();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let cluster = Self { programs, folder, port, keeper: Mutex::default(), schemas: AtomicU32::new(0) };
        if is_root(&cluster.folder) {
            assert!(Command::new("chown").arg("nobody").arg(&cluster.folder).status().unwrap().success());
        }
        let mut initdb = cluster.command("initdb");
        initdb.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]);
        let made = initdb.args(["--wal-segsize=1", "-D"]).arg(cluster.data()).output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        // The only one who needs a password.
        let rules = cluster.data().join("pg_hba.conf");
        let others = fs::read_to_string(&rules).unwrap();
        fs::write(&rules, format!("host all guarded all scram-sha-256\n{others}")).unwrap();
        cluster.serve();
        Some(cluster)
    }

    /// Starts the server again.
    pub fn serve(&self) {
        let server = self.command("postgres");
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg(&self.folder).arg(server.get_program()).args(server.get_args());
        keeper.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-c", "fsync=off"]);
        keeper.args([
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
            "-c",
            "max_connections=300",
        ]);
        keeper.args(["-c", "shared_buffers=16MB"]);
        keeper.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        *self.keeper.lock().unwrap() = Some(keeper.spawn().unwrap());
        for _ in 0..1000 {
            if self.try_sql("SELECT 1") {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{}", fs::read_to_string(self.folder.join("log")).unwrap_or_default());
    }

    /// Ends the server as a crash would.
    pub fn stop(&self) {
        let mut keeper = self.keeper.lock().unwrap().take().unwrap();
        keeper.stdin.take().unwrap().write_all(b"stop\n").unwrap();
        keeper.wait().unwrap();
    }

    /// The URL of a place where nothing is yet.
    pub fn new_place(&self) -> String {
        let name = format!("place_{}", self.schemas.fetch_add(1, Ordering::Relaxed));
        self.sql(&format!("CREATE SCHEMA {name}"));
        self.url("postgres", &format!("options=-c%20search_path%3D{name}"))
    }

    /// The URL by which this user reaches the server.
    pub fn url(&self, user: &str, parameters: &str) -> String {
        format!("postgres://{user}:canary-password@127.0.0.1:{}/postgres?{parameters}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn sql(&self, sql: &str) {
        assert!(self.try_sql(sql), "{sql}");
    }

    pub fn try_sql(&self, sql: &str) -> bool {
        let mut psql = Command::new("psql");
        psql.args(["-qX", "-h", "127.0.0.1", "-U", "postgres", "-p", &self.port.to_string(), "-c", sql]);
        psql.output().unwrap().status.success()
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// One of PostgreSQL's programs, which refuse to run as root.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        if !is_root(Path::new("/proc/self")) {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program).current_dir("/");
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.lock().unwrap().take() {
            // It sees the end of its stdin.
            let _ = keeper.wait();
        }
    }
}

pub fn is_root(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.uid() == 0)
}

/// The folder with PostgreSQL's programs: in the path, or where Debian puts them, the newest version first.
#[expect(clippy::disallowed_methods, reason = "programs are looked for where a shell would")]
fn programs() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    debian.sort();
    let mut folders = env::split_paths(&path).chain(debian.into_iter().rev());
    folders.find(|folder| ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file()))
}
