//! A PostgreSQL of the measurement's own, with the settings that it is shipped with: what it says is committed is on the
//! disk. On a free port of loopback, in a folder that goes with it.

use std::{
    io::Write as _,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The user as whom it runs where this program runs as root, which PostgreSQL refuses to: Debian's `nobody`.
const NOBODY: u32 = 65534;
const PATIENCE: Duration = Duration::from_secs(20);

/// The server programs are neither in the path nor where Debian puts them.
#[derive(Debug, thiserror::Error)]
#[error("PostgreSQL is not installed (Debian: apt-get install postgresql)")]
pub struct NotInstalled;

pub struct Cluster {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    server: Option<Child>,
}

impl Cluster {
    /// Makes a cluster and starts its server.
    ///
    /// # Errors
    /// [`NotInstalled`], or why it does not start.
    pub fn start() -> Result<Self> {
        let programs = programs().ok_or(NotInstalled)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut cluster = Self { programs, folder: tempfile::tempdir()?, port, server: None };
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(cluster.folder.path(), Some(NOBODY), Some(NOBODY))?;
        }
        let mut initdb = cluster.command("initdb");
        initdb.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-instructions", "-D"]);
        let made = initdb.arg(cluster.data()).output()?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut server = cluster.command("postgres");
        server.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-p", &port.to_string()]);
        server.arg("-D").arg(cluster.data()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        cluster.server = Some(server.spawn()?);
        let since = Instant::now();
        while cluster.sql("SELECT 1").is_err() {
            ensure!(since.elapsed() < PATIENCE, "PostgreSQL does not answer");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(cluster)
    }

    /// The URL of a database where nothing is yet.
    pub fn new_database(&self, name: &str) -> Result<String> {
        self.sql(&format!("CREATE DATABASE {name}"))?;
        Ok(format!("postgres://postgres@127.0.0.1:{}/{name}", self.port))
    }

    /// The time that the commit of a changed row takes one client, in seconds, with a pause before each.
    pub fn commit_times(&self, times: usize, pause: Duration) -> Result<Vec<f64>> {
        self.sql("CREATE TABLE IF NOT EXISTS counter AS SELECT 0 AS n")?;
        let paused = if pause.is_zero() { String::new() } else { format!("SELECT pg_sleep({});", pause.as_secs_f64()) };
        let commit = format!("{paused}\n\\timing on\nUPDATE counter SET n = n + 1;\n\\timing off\n");
        let told = self.sql(&commit.repeat(times))?;
        let milliseconds =
            told.lines().filter_map(|line| line.strip_prefix("Time: ")?.split(' ').next()?.parse::<f64>().ok());
        let seconds: Vec<_> = milliseconds.map(|it| it / 1e3).collect();
        ensure!(seconds.len() == times, "psql timed {} commits of {times}", seconds.len());
        Ok(seconds)
    }

    fn sql(&self, script: &str) -> Result<String> {
        let mut psql = Command::new("psql");
        psql.args(["-qX", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres", "-p", &self.port.to_string()]);
        let mut psql =
            psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("psql")?;
        // Dropped at once: `psql` reads to the end.
        psql.stdin.take().context("psql has no stdin")?.write_all(script.as_bytes())?;
        let told = psql.wait_with_output()?;
        ensure!(told.status.success(), "psql: {}", told.status);
        Ok(String::from_utf8(told.stdout)?)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// One of PostgreSQL's programs.
    fn command(&self, program: &str) -> Command {
        use std::os::unix::process::CommandExt as _;

        let mut command = Command::new(self.programs.join(program));
        command.current_dir("/");
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(server) = &mut self.server else { return };
        if let Some(id) = i32::try_from(server.id()).ok().and_then(Pid::from_raw) {
            // SIGQUIT ends its processes at once. It may have ended by itself.
            let _ = kill_process(id, Signal::QUIT);
        }
        let _ = server.wait();
    }
}

/// The folder with PostgreSQL's programs, the newest of Debian's where there are several.
#[expect(clippy::disallowed_methods, reason = "programs are looked for where a shell would")]
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    debian.sort();
    let mut folders = std::env::split_paths(&path).chain(debian.into_iter().rev());
    let has = |folder: &Path, program: &str| folder.join(program).is_file();
    folders.find(|folder| has(folder, "initdb") && has(folder, "postgres"))
}
