//! A scripted upstream on loopback: it says byte by byte what it is told to, cuts, stalls and resets, and keeps what it
//! was sent. Each request takes the next script; the last one repeats.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};

/// What the upstream does with one request.
#[derive(Clone, Default)]
pub struct Script(Vec<Act>);

#[derive(Clone)]
enum Act {
    Send(Vec<u8>),
    Pause(Duration),
    Stall,
    Close,
    Reset,
}

impl Script {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn send(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.push(Act::Send(bytes.as_ref().to_vec()));
        self
    }

    /// Says nothing for a while.
    pub fn pause(mut self, time: Duration) -> Self {
        self.0.push(Act::Pause(time));
        self
    }

    /// Says nothing more and keeps the connection open.
    pub fn stall(mut self) -> Self {
        self.0.push(Act::Stall);
        self
    }

    pub fn close(mut self) -> Self {
        self.0.push(Act::Close);
        self
    }

    pub fn reset(mut self) -> Self {
        self.0.push(Act::Reset);
        self
    }
}

/// A whole answer with a length.
pub fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Script {
    let body = body.as_ref();
    head(status, headers).send(format!("content-length: {}\r\n\r\n", body.len())).send(body)
}

pub fn json(body: impl AsRef<[u8]>) -> Script {
    answer(200, &[("content-type", "application/json")], body)
}

/// Status line and headers, still open for more of them.
pub fn head(status: u16, headers: &[(&str, &str)]) -> Script {
    let start = Script::new().send(format!("HTTP/1.1 {status} Status\r\n"));
    headers.iter().fold(start, |script, (name, value)| script.send(format!("{name}: {value}\r\n")))
}

/// The head of a stream of events that ends with the connection.
pub fn events_open() -> Script {
    head(200, &[("content-type", "text/event-stream"), ("connection", "close")]).send("\r\n")
}

/// A whole stream: each text is one event's data.
pub fn events(data: &[&str]) -> Script {
    data.iter().fold(events_open(), |script, data| script.send(event(data))).close()
}

pub fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// One request as it came.
#[derive(Clone)]
pub struct Sent {
    pub head: String,
    pub body: Vec<u8>,
    pub at: Instant,
}

impl Sent {
    /// Method and target.
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap().trim_end_matches(" HTTP/1.1")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub struct Upstream {
    pub address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

struct State {
    scripts: Vec<Script>,
    sent: Mutex<Vec<Sent>>,
    connections: AtomicUsize,
    /// Told when a client goes away while it is stalled.
    gone: Notify,
}

impl Upstream {
    pub async fn start(scripts: impl IntoIterator<Item = Script>) -> Self {
        Self::start_with(|_| scripts.into_iter().collect()).await
    }

    /// Starts with scripts that name the upstream's own host and port.
    pub async fn start_with(scripts: impl FnOnce(String) -> Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let scripts = scripts(address.to_string());
        let state =
            Arc::new(State { scripts, sent: Mutex::default(), connections: AtomicUsize::new(0), gone: Notify::new() });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, state.clone()));
        Self { address, state, _tasks: tasks }
    }

    pub fn base_url(&self) -> url::Url {
        format!("http://{}/v1", self.address).parse().unwrap()
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.state.sent.lock().unwrap().clone()
    }

    /// Method and target of each request.
    pub fn lines(&self) -> Vec<String> {
        self.sent().iter().map(|sent| sent.line().to_owned()).collect()
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Resolves once a client has gone away during a stall.
    pub async fn client_gone(&self) {
        self.state.gone.notified().await;
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        state.connections.fetch_add(1, Ordering::Relaxed);
        connections.spawn(serve(stream, state.clone()));
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    while let Some(sent) = read_request(&mut stream).await {
        let number = {
            let mut all = state.sent.lock().unwrap();
            all.push(sent);
            all.len() - 1
        };
        let script = state.scripts.get(number).or(state.scripts.last()).cloned().unwrap_or_default();
        for act in script.0 {
            match act {
                Act::Send(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Act::Pause(time) => tokio::time::sleep(time).await,
                Act::Stall => {
                    let _ = stream.read(&mut [0; 1]).await;
                    state.gone.notify_one();
                    return;
                }
                Act::Close => return,
                Act::Reset => {
                    stream.set_zero_linger().unwrap();
                    return;
                }
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Sent> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut sent = Sent { head, body: bytes[end + 4..].to_vec(), at: Instant::now() };
    let length = sent.header("content-length").map_or(0, |length| length.parse().unwrap());
    while sent.body.len() < length {
        if stream.read_buf(&mut sent.body).await.ok()? == 0 {
            return None;
        }
    }
    Some(sent)
}
