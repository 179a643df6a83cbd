//! An S3 server that is not ours, on loopback, and before it whatever may go wrong on the way to one.

use std::{
    convert::Infallible,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use s3s::{
    Body,
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::google;

pub const KEY: &str = "AKIATEST";
pub const SECRET: &str = "canary-of-the-store";

/// The answer to every request, instead of the server's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    None,
    Status(u16),
    /// No answer at all.
    Silence,
}

/// The headers by which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Amazon,
    Google,
}

pub struct S3Server {
    pub endpoint: String,
    folder: TempDir,
    state: Arc<Mutex<State>>,
}

struct State {
    dialect: Dialect,
    trouble: Trouble,
    /// Methods, paths and ranges, in the order in which they came.
    seen: Vec<String>,
}

impl S3Server {
    /// A server with the bucket `pictures`.
    pub async fn start() -> Self {
        Self::speaking(Dialect::Amazon).await
    }

    /// The same, by the XML API of Google Cloud Storage: it is S3's but for who asks, and for what keeps an object from
    /// being overwritten.
    pub async fn google() -> Self {
        Self::speaking(Dialect::Google).await
    }

    async fn speaking(dialect: Dialect) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("pictures")).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        if dialect == Dialect::Amazon {
            service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { dialect, trouble: Trouble::None, seen: Vec::new() }));
        #[expect(clippy::disallowed_methods, reason = "the store lives as long as the test's runtime")]
        tokio::spawn(accept(listener, service.build(), state.clone()));
        Self { endpoint, folder, state }
    }

    pub fn has(&self, trouble: Trouble) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).trouble = trouble;
    }

    pub fn seen(&self) -> Vec<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).seen.clone()
    }

    /// The file that is an object of the bucket.
    pub fn object(&self, name: &str) -> PathBuf {
        self.folder.path().join("pictures").join(name)
    }

    /// Names of objects in a folder of the bucket, sorted.
    pub fn objects(&self, folder: &str) -> Vec<String> {
        names(&self.object(folder))
    }

    /// Settings that keep pictures below `team` in the bucket.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("MCP_OPENAI_IMAGES_STORE", "s3://pictures/team".to_owned()),
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", "eu-central-1".to_owned()),
        ]
    }
}

/// Names of the files in a folder, sorted; none where there is no folder.
pub fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let mut names: Vec<_> = files.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn accept(listener: TcpListener, service: S3Service, state: Arc<Mutex<State>>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { return };
        let (service, state) = (service.clone(), state.clone());
        let answering = service_fn(move |request| {
            let (service, state) = (service.clone(), state.clone());
            async move { Ok::<_, Infallible>(answer(request, &service, &state).await) }
        });
        #[expect(clippy::disallowed_methods, reason = "the store lives as long as the test's runtime")]
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), answering));
    }
}

async fn answer(request: Request<Incoming>, service: &S3Service, state: &Mutex<State>) -> Response<Body> {
    let range = request.headers().get("range").map(|range| format!(" {}", range.to_str().unwrap()));
    let line = format!("{} {}{}", request.method(), request.uri().path(), range.unwrap_or_default());
    let (dialect, trouble) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.seen.push(line);
        (state.dialect, state.trouble)
    };
    match trouble {
        Trouble::None if dialect == Dialect::Google => match google::as_s3(request) {
            Ok(request) => service.call(request.map(Body::from)).await.unwrap(),
            Err(status) => Response::builder().status(status).body(Body::empty()).unwrap(),
        },
        Trouble::None => service.call(request.map(Body::from)).await.unwrap(),
        Trouble::Status(status) => {
            // As the real ones do, with what was asked.
            let told = format!("<Error><Code>Trouble</Code><StringToSign>{SECRET}</StringToSign></Error>");
            Response::builder().status(status).body(Body::from(told)).unwrap()
        }
        Trouble::Silence => {
            tokio::time::sleep(Duration::from_hours(1)).await;
            Response::new(Body::empty())
        }
    }
}
