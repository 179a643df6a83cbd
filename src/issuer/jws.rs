//! A signed token in its three parts (RFC 7515, compact form), before anything of it is believed.

use base64_simd::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::TokenFault;

/// Longer than any access token that goes through a proxy.
const LONGEST: usize = 16 << 10;
/// Types of a token that may be an access token. RFC 9068's is one; many issuers say `JWT`, or nothing. Others are for
/// other uses: an ID-JAG, for one, is a grant for the authorization server.
const TYPES: [&str; 2] = ["at+jwt", "jwt"];

/// A signature by a public key. Nothing else is known, no secret that both sides share and no `none`: so nobody can
/// sign with the public key as such a secret (RFC 8725, 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JwsAlgorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

pub(super) struct Jws<'a> {
    pub algorithm: JwsAlgorithm,
    pub key: Option<String>,
    /// The part that is signed.
    pub signed: &'a [u8],
    pub signature: Vec<u8>,
    payload: &'a str,
}

#[derive(Deserialize)]
struct JwsHeader {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
}

impl JwsAlgorithm {
    /// By the word of RFC 7518 and RFC 8037.
    pub(super) fn named(word: &str) -> Option<Self> {
        Some(match word {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            // RFC 9864 names the curve.
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }
}

impl<'a> Jws<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, TokenFault> {
        const NO_JWT: TokenFault = TokenFault::Invalid("it is not a JWT");
        if token.len() > LONGEST {
            return Err(TokenFault::Invalid("it is too long"));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(NO_JWT)?;
        let (header, payload) = signed.split_once('.').ok_or(NO_JWT)?;
        let header: JwsHeader = serde_json::from_slice(&decoded(header)?).map_err(|_| NO_JWT)?;
        // In any case, and with or without its `application/` (RFC 7515, 4.1.9).
        let kind = header.typ.as_deref().map(str::to_ascii_lowercase);
        let kind = kind.as_deref().map_or("jwt", |kind| kind.strip_prefix("application/").unwrap_or(kind));
        if !TYPES.contains(&kind) {
            return Err(TokenFault::Invalid("it is not an access token"));
        }
        // A token must be refused whose critical extensions are not understood (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Err(TokenFault::Invalid("it asks for an extension that is not known here (crit)"));
        }
        let algorithm = JwsAlgorithm::named(&header.alg);
        let algorithm = algorithm.ok_or(TokenFault::Invalid("its algorithm is not one of those that are taken"))?;
        Ok(Self { algorithm, key: header.kid, signed: signed.as_bytes(), signature: decoded(signature)?, payload })
    }

    /// The claims, as JSON.
    pub(super) fn payload(&self) -> Result<Vec<u8>, TokenFault> {
        decoded(self.payload)
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode_to_vec(part).map_err(|_| TokenFault::Invalid("it is not a JWT"))
}
