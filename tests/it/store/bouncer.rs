//! A PgBouncer of the tests' own, in transaction mode: each transaction has another session of the database.

use std::{
    fs,
    io::{Write as _, stderr},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::cluster::{Cluster, is_root};

/// Debian has it where only root's path leads.
const PROGRAM: &str = "/usr/sbin/pgbouncer";

pub struct Bouncer {
    program: Child,
    pub url: String,
    _folder: TempDir,
}

impl Bouncer {
    /// Stands before a schema of its own; `None` where it is not installed, which is said for the test.
    pub fn before(cluster: &Cluster, test: &str) -> Option<Self> {
        if !PathBuf::from(PROGRAM).is_file() {
            let _ = writeln!(stderr(), "{test}: not tried, PgBouncer is not installed");
            return None;
        }
        let name = cluster.new_place().rsplit("%3D").next().unwrap().to_owned();
        // It takes no options for a session, so that the schema goes by the role.
        cluster.sql(&format!("CREATE ROLE {name} SUPERUSER LOGIN; ALTER ROLE {name} SET search_path = {name}"));
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        // As root it does not run.
        let user = if is_root("/proc/self".as_ref()) { "user = nobody\n" } else { "" };
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user={name}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n{user}",
            cluster.port()
        );
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, settings).unwrap();
        let program = Command::new(PROGRAM).arg("-q").arg(&file).stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let bouncer = Self {
            program: program.unwrap(),
            url: format!("postgres://{name}:canary-password@127.0.0.1:{port}/postgres"),
            _folder: folder,
        };
        for _ in 0..1000 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Some(bouncer);
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("PgBouncer does not listen");
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
