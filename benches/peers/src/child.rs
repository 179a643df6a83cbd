//! A server as a child process, started as hosts start one, and what the kernel says of it.

use std::{
    fs::File,
    io,
    net::Ipv4Addr,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How a host and its server are joined.
#[derive(Debug, Clone, Copy)]
pub enum Wire {
    /// Two pipes, as most hosts give.
    Pipes,
    /// Two socket pairs, as Node's `child_process` gives.
    Sockets,
}

/// What every server is started with: nothing of this machine's environment.
#[derive(Debug)]
pub struct Surroundings {
    /// The upstream's base URL.
    pub upstream: String,
    home: tempfile::TempDir,
    /// What is not left to the server.
    settings: Vec<(&'static str, String)>,
}

impl Surroundings {
    pub fn of(upstream: String) -> io::Result<Self> {
        Ok(Self { upstream, home: tempfile::tempdir()?, settings: Vec::new() })
    }

    /// The same in a home of its own, where every call that takes longer than a blink becomes a job, and is waited for a
    /// blink at a time.
    pub fn hurried(&self) -> io::Result<Self> {
        self.set("MCP_OPENAI_ANSWER_WITHIN", "50ms")
    }

    /// The same in a home of its own, with one setting.
    pub fn set(&self, name: &'static str, value: &str) -> io::Result<Self> {
        Ok(self.fresh()?.with(name, value))
    }

    /// This home, with one setting more.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.settings.push((name, value.to_owned()));
        self
    }

    /// A folder that is gone with the home.
    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    /// The token of a new caller of the HTTP service.
    pub fn new_caller(&self, ours: &Path, name: &str) -> Result<String> {
        let made = self.command(ours).args(["token", "new", name]).output()?;
        ensure!(made.status.success(), "`token new` exits with {}", made.status);
        let printed = String::from_utf8(made.stdout)?;
        Ok(printed.split_whitespace().next().context("`token new` printed no token")?.to_owned())
    }

    /// The same in a home of its own.
    pub fn fresh(&self) -> io::Result<Self> {
        Self::of(self.upstream.clone())
    }

    /// How many calls the ledger of the home has.
    pub fn calls(&self, ours: &Path) -> Result<u64> {
        self.usage(ours)?["total"]["calls"].as_u64().context("`usage` tells no number of calls")
    }

    /// The sums of the ledger.
    pub fn usage(&self, ours: &Path) -> Result<serde_json::Value> {
        let told = self.command(ours).args(["usage", "--json"]).output()?;
        ensure!(told.status.success(), "`usage` failed: {}", String::from_utf8_lossy(&told.stderr));
        Ok(serde_json::from_slice(&told.stdout)?)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.home.path())
            .env("OPENAI_BASE_URL", &self.upstream)
            .env("OPENAI_API_KEY", "test")
            .env("MCP_OPENAI_IMAGES_DIR", self.pictures())
            .env("MCP_OPENAI_MAX_RUNNING", "128")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stderr(Stdio::null());
        command
    }

    fn pictures(&self) -> PathBuf {
        self.home.path().join("pictures")
    }

    /// A hundred pictures of 2 MB fill a disk in the end.
    pub fn forget_pictures(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(self.pictures()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

/// A running child; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a stdio server: its process, where to write to it, where to read from it.
pub fn start_stdio(program: &Path, wire: Wire, surroundings: &Surroundings) -> Result<(Running, File, File)> {
    let (stdin, input) = wire.ends()?;
    let (output, stdout) = wire.ends()?;
    let child = surroundings
        .command(program)
        .stdin(stdin)
        .stdout(stdout)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    Ok((Running { child }, input.into(), output.into()))
}

impl Wire {
    /// The end to read from, and the end to write to.
    fn ends(self) -> io::Result<(OwnedFd, OwnedFd)> {
        Ok(match self {
            Self::Pipes => {
                let (reader, writer) = io::pipe()?;
                (reader.into(), writer.into())
            }
            Self::Sockets => {
                let (one, other) = UnixStream::pair()?;
                (one.into(), other.into())
            }
        })
    }
}

/// Starts `PROGRAM http` on a free port of loopback; it may need a moment until it listens.
pub fn start_http(program: &Path, surroundings: &Surroundings) -> Result<(Running, std::net::SocketAddr)> {
    let address = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let child = surroundings
        .command(program)
        .args(["http", "--bind", &address.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    Ok((Running { child }, address))
}

/// Starts the upstream, and reads its base URL from its first line. It answers a question after `delay`.
pub fn start_upstream(program: &Path, delay: Duration) -> Result<(Running, String)> {
    use std::io::BufRead as _;

    let mut child =
        Command::new(program).arg(delay.as_millis().to_string()).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().context("the upstream has no stdout")?;
    let running = Running { child };
    let mut base_url = String::new();
    io::BufReader::new(stdout).read_line(&mut base_url)?;
    ensure!(!base_url.is_empty(), "the upstream said nothing");
    Ok((running, base_url.trim().to_owned()))
}

/// Lets this program, and what it starts, have as many descriptors as this user may: thousands of connections at once.
pub fn allow_descriptors() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?)
}

/// Memory in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// What is resident, shared pages counted in full.
    pub resident: f64,
    /// What is resident, shared pages counted by share.
    pub proportional: f64,
}

impl Running {
    pub fn memory(&self) -> Result<Memory> {
        let text = self.read("smaps_rollup")?;
        Ok(Memory { resident: kilobytes(&text, "Rss:")?, proportional: kilobytes(&text, "Pss:")? })
    }

    /// The most that was ever resident, in bytes.
    pub fn peak_memory(&self) -> Result<f64> {
        kilobytes(&self.read("status")?, "VmHWM:")
    }

    /// User and system time so far, of all threads; the kernel counts in hundredths of a second.
    pub fn cpu_time(&self) -> Result<Duration> {
        let text = self.read("stat")?;
        // The second field is the name, in brackets, and may hold spaces: utime and stime are 14th and 15th.
        let after_name = text.rsplit_once(')').context("/proc/PID/stat without a name")?.1;
        let mut fields = after_name.split_ascii_whitespace().skip(11);
        let mut ticks =
            || fields.next().context("/proc/PID/stat is short")?.parse::<f64>().map_err(anyhow::Error::from);
        let total = ticks()? + ticks()?;
        Ok(Duration::from_secs_f64(total / rustix::param::clock_ticks_per_second() as f64))
    }

    fn read(&self, name: &str) -> Result<String> {
        let path = PathBuf::from(format!("/proc/{}/{name}", self.child.id()));
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }
}

fn kilobytes(text: &str, name: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name} in /proc"))?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024.0)
}
