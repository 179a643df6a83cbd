//! A client over Streamable HTTP, by hand: one kept-alive connection, TCP_NODELAY, a session as the revision wants it.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    child::{self, Running, Surroundings},
    message,
};

/// A server that does not listen, or is silent, for longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Client {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
    session: Option<String>,
    next_id: u64,
    _server: Running,
}

impl Client {
    /// Starts a server and ends the handshake with it.
    pub fn start(program: &Path, surroundings: &Surroundings) -> Result<Self> {
        let (server, address) = child::start_http(program, surroundings)?;
        let stream = BufReader::new(connect(address, PATIENCE)?);
        let mut client = Self { stream, address, session: None, next_id: 1, _server: server };
        let response = client.post(&message::initialize())?;
        client.session = response.session;
        client.post(message::INITIALIZED)?;
        Ok(client)
    }

    pub fn request(&mut self, write: impl Fn(u64) -> String) -> Result<()> {
        let id = self.next_id;
        self.next_id += 1;
        answered(&self.post(&write(id))?.body, id)
    }

    fn post(&mut self, body: &str) -> Result<Response> {
        let session = self.session.as_ref().map(|id| format!("mcp-session-id: {id}\r\n")).unwrap_or_default();
        let request = format!(
            "POST /mcp HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\nmcp-protocol-version: {}\r\n{session}content-length: {}\r\n\r\n{body}",
            self.address,
            message::REVISION,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        Response::read(&mut self.stream)
    }
}

/// Looks for the answer to `id` in a body, JSON or events.
///
/// # Errors
/// When it is not there, or says that the call failed.
pub fn answered(body: &[u8], id: u64) -> Result<()> {
    for line in body.split(|&byte| byte == b'\n') {
        let json = line.strip_prefix(b"data:").unwrap_or(line).trim_ascii();
        if json.starts_with(b"{") && message::answered(json)? == Some(id) {
            return Ok(());
        }
    }
    bail!("no answer in {:?}", String::from_utf8_lossy(body))
}

/// Connects as soon as the server listens; an answer may take as long as `patience`.
pub fn connect(address: SocketAddr, patience: Duration) -> Result<TcpStream> {
    let started = Instant::now();
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(patience))?;
                return Ok(stream);
            }
            Err(error) if started.elapsed() > PATIENCE => {
                return Err(error).context("`http --bind` does not listen");
            }
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

pub struct Response {
    session: Option<String>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn read(stream: &mut impl BufRead) -> Result<Self> {
        let status = line(stream)?;
        let mut session = None;
        let mut length = Length::Known(0);
        loop {
            let header = line(stream)?;
            let Some((name, value)) = header.split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "mcp-session-id" => session = Some(value.trim().to_owned()),
                "content-length" => length = Length::Known(value.trim().parse()?),
                "transfer-encoding" => length = Length::Chunked,
                _ => {}
            }
        }
        let body = match length {
            Length::Known(bytes) => exactly(stream, bytes)?,
            Length::Chunked => chunks(stream)?,
        };
        ensure!(status.contains(" 20"), "{status}: {}", String::from_utf8_lossy(&body));
        Ok(Self { session, body })
    }
}

enum Length {
    Known(usize),
    Chunked,
}

fn chunks(stream: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = usize::from_str_radix(&line(stream)?, 16)?;
        body.extend(exactly(stream, size)?);
        line(stream)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn exactly(stream: &mut impl BufRead, bytes: usize) -> Result<Vec<u8>> {
    let mut body = vec![0; bytes];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn line(stream: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line)?;
    ensure!(read > 0, "the server closed the connection");
    Ok(line.trim_end().to_owned())
}
