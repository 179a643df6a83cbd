//! The issuer's keys (RFC 7517), and the check of a signature by one of them.

use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    Error,
    jws::{Jws, JwsAlgorithm},
    source::KeyDocument,
};

/// Keys of one issuer that are looked at: a token without a name of its key is tried with each.
const MOST: usize = 32;

#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<SigningKey>,
    read_at: Instant,
}

/// Proof that one of the keys made a signature.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signed;

#[derive(Debug)]
struct SigningKey {
    id: Option<String>,
    /// The only algorithm that it is for, where it says so.
    algorithm: Option<JwsAlgorithm>,
    public: PublicKey,
}

#[derive(Debug)]
enum PublicKey {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// Points as they go over the wire: 4, x, y.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// A key as it stands in the document; fields of other kinds of keys are absent.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    r#use: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads the keys for signatures that are known here; others, and damaged ones, are left out.
    ///
    /// # Errors
    /// [`Error::Unusable`] where it is not a set of keys, or none is left.
    pub(super) fn read(document: &KeyDocument) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Jwks {
            keys: Vec<Value>,
        }

        let read: Result<Jwks, _> = serde_json::from_slice(&document.body);
        let listed = read.map_err(|_| document.unusable("it is not a set of keys (RFC 7517)"))?.keys;
        let keys: Vec<_> = listed.into_iter().filter_map(SigningKey::read).take(MOST).collect();
        if keys.is_empty() {
            return Err(document.unusable("it has no key that signatures can be checked with"));
        }
        Ok(Self { keys, read_at: document.asked_at })
    }

    pub(super) fn age(&self) -> Duration {
        self.read_at.elapsed()
    }

    /// Returns whether one of the keys signed the token: the one that it names, or any where it names none.
    pub(super) fn find(&self, jws: &Jws<'_>) -> Option<Signed> {
        // Either side may leave `kid` out (RFC 7515, 4.1.4, and RFC 7517, 4.5); then each key that fits is tried.
        let named = self.keys.iter().filter(|key| jws.key.is_none() || key.id.is_none() || key.id == jws.key);
        let mut fitting = named.filter(|key| key.algorithm.is_none_or(|algorithm| algorithm == jws.algorithm));
        fitting.any(|key| key.public.signed(jws)).then_some(Signed)
    }
}

impl SigningKey {
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        // A key for encryption may be published beside the others (RFC 7517, 4.2). It signs nothing.
        if jwk.r#use.as_deref().is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let algorithm = match &jwk.alg {
            Some(word) => Some(JwsAlgorithm::named(word)?),
            None => None,
        };
        let public = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => PublicKey::Rsa { modulus: number(jwk.n.as_ref())?, exponent: number(jwk.e.as_ref())? },
            ("EC", Some("P-256")) => PublicKey::P256(point(&jwk, 32)?),
            ("EC", Some("P-384")) => PublicKey::P384(point(&jwk, 48)?),
            ("OKP", Some("Ed25519")) => PublicKey::Ed25519(bytes(jwk.x.as_ref()).filter(|x| x.len() == 32)?),
            _ => return None,
        };
        Some(Self { id: jwk.kid, algorithm, public })
    }
}

impl PublicKey {
    /// Checks the signature. A key of another kind than the algorithm's never signed anything.
    fn signed(&self, jws: &Jws<'_>) -> bool {
        use JwsAlgorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        let by = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(jws.signed, &jws.signature).is_ok()
        };
        match (self, jws.algorithm) {
            (Self::Rsa { modulus, exponent }, algorithm) => rsa(algorithm).is_some_and(|parameters| {
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(parameters, jws.signed, &jws.signature).is_ok()
            }),
            (Self::P256(point), Es256) => by(&ECDSA_P256_SHA256_FIXED, point),
            (Self::P384(point), Es384) => by(&ECDSA_P384_SHA384_FIXED, point),
            (Self::Ed25519(key), EdDsa) => by(&ED25519, key),
            (
                Self::P256(_) | Self::P384(_) | Self::Ed25519(_),
                Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512 | Es256 | Es384 | EdDsa,
            ) => false,
        }
    }
}

/// The parameters of an RSA signature: keys of 2,048 bits at least.
fn rsa(algorithm: JwsAlgorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        JwsAlgorithm::Rs256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        JwsAlgorithm::Rs384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        JwsAlgorithm::Rs512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        JwsAlgorithm::Ps256 => Some(&RSA_PSS_2048_8192_SHA256),
        JwsAlgorithm::Ps384 => Some(&RSA_PSS_2048_8192_SHA384),
        JwsAlgorithm::Ps512 => Some(&RSA_PSS_2048_8192_SHA512),
        JwsAlgorithm::Es256 | JwsAlgorithm::Es384 | JwsAlgorithm::EdDsa => None,
    }
}

/// A point of a curve whose coordinates have `size` bytes each, uncompressed (SEC 1, 2.3.3), as ring takes it.
fn point(jwk: &Jwk, size: usize) -> Option<Vec<u8>> {
    let [x, y] = [jwk.x.as_ref(), jwk.y.as_ref()].map(bytes);
    let (x, y) = x.zip(y).filter(|(x, y)| x.len() == size && y.len() == size)?;
    Some([[4].as_slice(), &x, &y].concat())
}

/// A number without the zeros before it, which ring refuses.
fn number(text: Option<&String>) -> Option<Vec<u8>> {
    // Some libraries write one before the modulus, as RFC 7518, 6.3.1.1 notes.
    let mut bytes = bytes(text)?;
    bytes.drain(..bytes.iter().take_while(|byte| **byte == 0).count());
    (!bytes.is_empty()).then_some(bytes)
}

fn bytes(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text?).ok()
}
