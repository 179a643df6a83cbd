//! Tests only: HTTP/2, which the upstream speaks over TLS and which a test can only speak by prior knowledge.

use std::{net::SocketAddr, time::Duration};

use base64_simd::STANDARD;
use bytes::Bytes;
use h2::{Reason, server};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, timeout},
};

use super::connection::{Connection, client_builder};
use crate::{
    model::ModelId,
    openai::{
        Api, ApiKeySource, Background, Client, Config, OpenAi, PictureRequest, Question, ResponseStorage, Terms,
        Transfer,
    },
};

/// The upstream's reply to one request, by its number.
type ScriptedReply = fn(usize, server::SendResponse<Bytes>) -> Then;

enum Then {
    GoOn,
    GoAway,
}

/// A client and the upstream it talks to, which allows `streams` at once on a connection.
async fn start(streams: u32, reply: ScriptedReply) -> (OpenAi, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap());
    let mut upstream = JoinSet::new();
    upstream.spawn(async move {
        let mut connections = JoinSet::new();
        let mut served = 0;
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(serve(stream, streams, served, reply));
            served += 1;
        }
    });
    (client, upstream)
}

async fn serve(stream: TcpStream, streams: u32, mut number: usize, reply: ScriptedReply) {
    let mut connection = server::Builder::new().max_concurrent_streams(streams).handshake(stream).await.unwrap();
    while let Some(Ok((_request, respond))) = connection.accept().await {
        if let Then::GoAway = reply(number, respond) {
            connection.abrupt_shutdown(Reason::NO_ERROR);
        }
        number += 1;
    }
}

pub(crate) fn config() -> Config {
    Config {
        base_url: "http://127.0.0.1:9/v1".parse().unwrap(),
        key: ApiKeySource::NotNeeded,
        callers: std::collections::BTreeMap::new(),
        unfilled_key: None,
        organization: None,
        project: None,
        headers: Vec::new(),
        query: Vec::new(),
        api: Api::Responses,
        max_retries: 2,
        connect_timeout: Duration::from_secs(5),
        first_byte_timeout_text: Duration::from_secs(20),
        first_byte_timeout_image: Duration::from_secs(20),
        idle_timeout: Duration::from_secs(20),
        requests_per_minute: None,
        images_per_minute: None,
        image_transfer: Transfer::Whole,
        partial_images: 0,
        edit_transfer: crate::openai::EditTransfer::Auto,
        max_response_bytes: 64 << 20,
        store: ResponseStorage::Kept,
        service_tier: None,
        background: Background::Never,
    }
}

fn client(upstream: SocketAddr) -> OpenAi {
    let config = Config { base_url: format!("http://{upstream}/v1").parse().unwrap(), ..config() };
    let http = client_builder(config.connect_timeout).tls_certs_only([]).http2_prior_knowledge().build().unwrap();
    let client = Client::new(config, None);
    assert!(client.connection.set(Connection { http, headers: http::HeaderMap::new() }).is_ok());
    OpenAi(client.into())
}

fn answer(mut respond: server::SendResponse<Bytes>, body: impl Into<Bytes>) {
    let head = http::Response::builder().header("content-type", "application/json").body(()).unwrap();
    respond.send_response(head, false).unwrap().send_data(body.into(), true).unwrap();
}

fn answer_hello(respond: server::SendResponse<Bytes>) {
    answer(respond, r#"{"status":"completed","output":[{"content":[{"type":"output_text","text":"Hello"}]}]}"#);
}

fn terms() -> Terms {
    Terms::until(Instant::now() + Duration::from_secs(30))
}

async fn ask(client: OpenAi) -> u32 {
    let question = Question::new(ModelId::parse("m").unwrap(), "Hi".to_owned());
    client.ask(&question, &terms()).await.unwrap().meta.attempts
}

#[tokio::test]
async fn u25_one_stream_at_a_time_is_no_deadlock() {
    let (client, _upstream) = start(1, |_, respond| {
        answer_hello(respond);
        Then::GoOn
    })
    .await;
    let calls: JoinSet<_> = (0..20).map(|_| ask(client.clone())).collect();
    let done = timeout(Duration::from_secs(20), calls.join_all()).await.unwrap();
    assert_eq!(done, [1; 20]);
}

#[tokio::test]
async fn u25_a_refused_stream_and_a_closing_connection_are_tried_anew() {
    let (refused, _upstream) = start(100, |number, mut respond| {
        if number == 0 {
            respond.send_reset(Reason::REFUSED_STREAM);
        } else {
            answer_hello(respond);
        }
        Then::GoOn
    })
    .await;
    assert_eq!(ask(refused).await, 1);
    let (closing, _upstream) = start(100, |number, respond| {
        if number == 0 {
            return Then::GoAway;
        }
        answer_hello(respond);
        Then::GoOn
    })
    .await;
    assert_eq!(ask(closing).await, 2);
}

/// Bodies that wait for a place in memory stand unread: they must not use up the window of the ones being read.
#[tokio::test]
async fn pictures_that_wait_do_not_starve_the_ones_that_are_read() {
    let (client, _upstream) = start(100, |_, respond| {
        let mut picture = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(8, 4).write_to(&mut picture, image::ImageFormat::Png).unwrap();
        let mut picture = picture.into_inner();
        picture.resize(2 << 20, 0);
        answer(respond, format!(r#"{{"data":[{{"b64_json":"{}"}}]}}"#, STANDARD.encode_to_string(picture)));
        Then::GoOn
    })
    .await;
    let paint = async |client: OpenAi| {
        let request = PictureRequest {
            references: Vec::new(),
            mask: None,
            model: ModelId::parse("m").unwrap(),
            prompt: "a cat".to_owned(),
            size: None,
            quality: None,
            background: None,
            output_format: None,
            output_compression: None,
            moderation: None,
            without: Vec::new(),
        };
        client.paint(&request, &terms()).await.map(|_| ()).map_err(|failure| failure.to_string())
    };
    let calls: JoinSet<_> = (0..12).map(|_| paint(client.clone())).collect();
    assert_eq!(timeout(Duration::from_secs(25), calls.join_all()).await.unwrap(), vec![Ok(()); 12]);
}
