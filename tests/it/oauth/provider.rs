//! An authorization server as far as a resource server sees it: its metadata, its keys, and the tokens that it signs.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::State, http::Uri, response::Response, routing::get};
use base64_simd::URL_SAFE_NO_PAD;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use mcp_openai::{issuer, store::callers::CallerLimits, transport::http::OAuth};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
        RsaKeyPair, RsaPublicKeyComponents,
    },
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::sleep};
use tokio_util::task::TaskTracker;

pub const RESOURCE: &str = "https://mcp.example/mcp";

pub struct Provider {
    address: SocketAddr,
    published: Arc<Published>,
}

/// Answers; a test changes them while they are asked for.
pub struct Published {
    pub metadata: Mutex<Value>,
    pub keys: Mutex<String>,
    pub delay: Mutex<Duration>,
    pub fetches: AtomicUsize,
}

pub enum Key {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Provider {
    /// One with these keys, by their names.
    pub async fn start(keys: &[(&str, &Key)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let published = Arc::new(Published {
            metadata: json!({"issuer": issuer_at(address), "jwks_uri": format!("http://{address}/jwks")}).into(),
            keys: String::new().into(),
            delay: Mutex::default(),
            fetches: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/.well-known/oauth-authorization-server/tenant", get(metadata))
            .route("/jwks", get(jwks))
            .with_state(published.clone());
        let tasks = TaskTracker::new();
        tasks.clone().spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (socket, service) = (TokioIo::new(socket), TowerToHyperService::new(router.clone()));
                tasks.spawn(hyper::server::conn::http1::Builder::new().serve_connection(socket, service));
            }
        });
        let provider = Self { address, published };
        provider.publish(keys);
        provider
    }

    pub fn issuer(&self) -> String {
        issuer_at(self.address)
    }

    pub fn publish(&self, keys: &[(&str, &Key)]) {
        let keys: Vec<_> = keys.iter().map(|(name, key)| key.jwk(name)).collect();
        *self.keys.lock().unwrap() = json!({"keys": keys}).to_string();
    }

    pub fn fetched(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// The settings of a service that takes its tokens.
    pub fn oauth(&self) -> OAuth {
        OAuth {
            issuer: issuer::Config { issuer: self.issuer(), audience: RESOURCE.to_owned() },
            resource: RESOURCE.parse().unwrap(),
            scope_prefix: String::new(),
            limits: CallerLimits::default(),
        }
    }

    /// Claims of a token that counts.
    pub fn claims(&self, subject: &str) -> Value {
        let now = chrono::Utc::now().timestamp();
        json!({
            "iss": self.issuer(), "aud": RESOURCE, "sub": subject, "iat": now, "exp": now + 300, "scope": "ask usage"
        })
    }
}

impl std::ops::Deref for Provider {
    type Target = Published;

    fn deref(&self) -> &Published {
        &self.published
    }
}

fn issuer_at(address: SocketAddr) -> String {
    format!("http://{address}/tenant")
}

async fn metadata(State(published): State<Arc<Published>>, _: Uri) -> Response {
    json_of(published.metadata.lock().unwrap().to_string())
}

async fn jwks(State(published): State<Arc<Published>>) -> Response {
    published.fetches.fetch_add(1, Ordering::SeqCst);
    let delay = *published.delay.lock().unwrap();
    sleep(delay).await;
    json_of(published.keys.lock().unwrap().clone())
}

fn json_of(body: String) -> Response {
    Response::builder().header("content-type", "application/json").body(Body::from(body)).unwrap()
}

impl Key {
    pub fn rsa() -> Self {
        Self::Rsa(Box::new(RsaKeyPair::from_pkcs8(include_bytes!("rsa.der")).unwrap()))
    }

    pub fn p256() -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::P256(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap())
    }

    pub fn p384() -> Self {
        let (algorithm, random) = (&ECDSA_P384_SHA384_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::P384(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap())
    }

    pub fn ed25519() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    pub fn jwk(&self, name: &str) -> Value {
        let point = |curve: &str, key: &EcdsaKeyPair| {
            let (x, y) = key.public_key().as_ref()[1..].split_at(key.public_key().as_ref().len() / 2);
            json!({"kty": "EC", "crv": curve, "kid": name, "x": encoded(x), "y": encoded(y)})
        };
        match self {
            Self::Rsa(key) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({"kty": "RSA", "use": "sig", "kid": name, "n": encoded(&public.n), "e": encoded(&public.e)})
            }
            Self::P256(key) => point("P-256", key),
            Self::P384(key) => point("P-384", key),
            Self::Ed25519(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": name, "x": encoded(key.public_key().as_ref())})
            }
        }
    }

    /// A token with these claims, its header as an issuer writes it.
    pub fn token(&self, algorithm: &str, name: &str, claims: &Value) -> String {
        self.signed(&json!({"alg": algorithm, "kid": name, "typ": "at+jwt"}), claims)
    }

    /// A token with this header, signed by what this key has for its algorithm.
    pub fn signed(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let (message, random) = (signed.as_bytes(), SystemRandom::new());
        let signature = match self {
            Self::Rsa(key) => {
                let padding: &'static dyn ring::signature::RsaEncoding = match header["alg"].as_str().unwrap() {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(padding, &random, message, &mut signature).unwrap();
                signature
            }
            Self::P256(key) | Self::P384(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        };
        format!("{signed}.{}", encoded(signature))
    }
}

pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}
