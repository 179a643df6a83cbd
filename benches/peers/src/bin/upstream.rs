//! An OpenAI stand-in on loopback that costs next to nothing: every answer is ready before the first question.
//! Its one argument is the time that an answer takes, in milliseconds; its base URL is the first line on stdout. It speaks
//! as much HTTP/1.1 as an HTTP client says to it: keep-alive, `content-length`, no chunks.

use std::{net::Ipv4Addr, rc::Rc, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::LocalSet,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let delay = std::env::args().nth(1).context("usage: upstream MILLISECONDS")?.parse().map(Duration::from_millis)?;
    let answers = Rc::new(Answers::prepare()?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("http://{}/v1", listener.local_addr()?);
    LocalSet::new()
        .run_until(async {
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                // A broken connection is its client's news, not ours.
                tokio::task::spawn_local(serve(stream, answers.clone(), delay));
            }
        })
        .await
}

struct Answers {
    text: Vec<u8>,
    text_stream: Vec<u8>,
    picture: Vec<u8>,
    picture_stream: Vec<u8>,
}

impl Answers {
    fn prepare() -> Result<Self> {
        let picture = base64_simd::STANDARD.encode_to_string(peers::picture()?);
        let usage = r#"{"input_tokens":12,"output_tokens":1056,"total_tokens":1068}"#;
        Ok(Self {
            text: http("application/json", RESPONSE),
            text_stream: http("text/event-stream", &text_events()),
            picture: http(
                "application/json",
                &format!(r#"{{"created":1790000000,"data":[{{"b64_json":"{picture}"}}],"usage":{usage}}}"#),
            ),
            picture_stream: http(
                "text/event-stream",
                &format!(
                    "event: image_generation.completed\ndata: {{\"type\":\"image_generation.completed\",\
                     \"b64_json\":\"{picture}\",\"usage\":{usage}}}\n\n"
                ),
            ),
        })
    }

    fn to(&self, request: &Request<'_>) -> Result<&[u8]> {
        let streamed = contains(request.body, b"\"stream\":true");
        match (request.path, streamed) {
            (b"/v1/responses", false) => Ok(&self.text),
            (b"/v1/responses", true) => Ok(&self.text_stream),
            (b"/v1/images/generations", false) => Ok(&self.picture),
            (b"/v1/images/generations", true) => Ok(&self.picture_stream),
            (other, _) => bail!("no such path: {}", String::from_utf8_lossy(other)),
        }
    }
}

const RESPONSE: &str = r#"{"id":"resp_bench","object":"response","created_at":1790000000,"status":"completed","error":null,"incomplete_details":null,"model":"bench","output":[{"id":"msg_bench","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Paris is the capital of France.","annotations":[]}]}],"usage":{"input_tokens":12,"input_tokens_details":{"cached_tokens":0},"output_tokens":16,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":28}}"#;

fn text_events() -> String {
    let delta = r#"{"type":"response.output_text.delta","sequence_number":1,"item_id":"msg_bench","output_index":0,"content_index":0,"delta":"Paris is the capital of France."}"#;
    format!(
        "event: response.output_text.delta\ndata: {delta}\n\n\
         event: response.completed\ndata: {{\"type\":\"response.completed\",\"sequence_number\":2,\"response\":{RESPONSE}}}\n\n"
    )
}

fn http(content_type: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nx-request-id: req_bench\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn serve(mut stream: TcpStream, answers: Rc<Answers>, delay: Duration) -> Result<()> {
    let mut received = Vec::new();
    loop {
        while let Some(request) = Request::parse(&received)? {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            stream.write_all(answers.to(&request)?).await?;
            let end = request.end;
            received.drain(..end);
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

struct Request<'a> {
    path: &'a [u8],
    body: &'a [u8],
    /// Where the next request begins.
    end: usize,
}

impl<'a> Request<'a> {
    /// `None`: not all of it is here yet.
    fn parse(received: &'a [u8]) -> Result<Option<Self>> {
        let Some(head_end) = received.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let (head, rest) = received.split_at(head_end + 4);
        let path = head.split(|&byte| byte == b' ').nth(1).context("a request line without a path")?;
        let length = content_length(head)?;
        let body = rest.get(..length);
        Ok(body.map(|body| Self { path, body, end: head.len() + length }))
    }
}

fn content_length(head: &[u8]) -> Result<usize> {
    for line in std::str::from_utf8(head)?.lines() {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            return Ok(value.trim().parse()?);
        }
    }
    Ok(0)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
