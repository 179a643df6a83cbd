//! The message in a request's body: as much of it as the transport looks at.

use std::borrow::Cow;

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode},
};
use rmcp::model::{ErrorCode, ErrorData, RequestId};
use serde::Deserialize;
use serde_json::{Value, error::Category, json};

use super::{
    accept::Takes,
    legacy::{Priming, knows_no_initialize},
    reply::HttpRefusal,
};
use crate::{text, transport::opening};

/// Bytes of the params of an `initialize`, which are kept as long as its session.
const LONGEST_OPENING: usize = 64 << 10;
/// Bytes of an id or a progress token, which are repeated in every message about its request.
const LONGEST_NAME: usize = 1 << 10;

/// As much of a message as the transport looks at.
#[derive(Deserialize)]
// A key that stands twice fails here (serde): nobody has one method checked and another one run.
struct RequestEnvelope {
    id: Option<RequestId>,
    method: Option<String>,
}

/// The parts of a message that name a tool or a resource; the rest may be megabytes.
#[derive(Deserialize)]
struct NameEnvelope {
    params: NameParams,
}

#[derive(Deserialize)]
struct NameParams {
    name: Option<String>,
    uri: Option<String>,
}

/// The parts of a message that lead to a progress token that is a text.
#[derive(Deserialize)]
struct TokenEnvelope<'a> {
    #[serde(borrow)]
    params: TokenParams<'a>,
}

#[derive(Deserialize)]
struct TokenParams<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: TokenMeta<'a>,
}

#[derive(Deserialize)]
struct TokenMeta<'a> {
    #[serde(borrow, rename = "progressToken")]
    token: Cow<'a, str>,
}

/// A request's body that passed, and what is done about it here.
pub(super) struct CheckedBody {
    pub id: Option<RequestId>,
    pub method: Option<String>,
    pub body: Bytes,
    pub priming: Priming,
    pub form: Takes,
    /// The params of an `initialize` that opens a session, JSON.
    pub opening: Option<String>,
}

impl CheckedBody {
    /// # Errors
    /// 400 for what is no JSON-RPC message of its own, or no `initialize` that can be read; 404 for an `initialize` of
    /// a revision that has none.
    pub(super) fn read(headers: &HeaderMap, body: Bytes, form: Takes) -> Result<Self, HttpRefusal> {
        // Hosts cut texts between the halves of a character, and write tabs and bytes of another encoding as they are.
        let mended = match text::mend(&body) {
            Cow::Owned(mended) => Some(mended),
            Cow::Borrowed(_) => None,
        };
        // rmcp gets the mended text, too: what is checked is what is run.
        let body = mended.map_or(body, Bytes::from);
        let RequestEnvelope { id, method } = envelope_of(&body)?;
        refuse_long_names(id.as_ref(), &body)?;
        let (mut body, mut form, mut priming, mut opening) = (body, form, Priming::of(None, headers), None);
        match method.as_deref() {
            // rmcp would open a session for it all the same, which nobody counts, or serve it in any session that the
            // headers name, whoever owns that.
            Some("initialize") if knows_no_initialize(headers) => {
                let error = ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "there is no method initialize", None);
                return Err(HttpRefusal::new(StatusCode::NOT_FOUND, id, error));
            }
            Some("initialize") => {
                // rmcp refuses what some clients leave out: the message is written anew.
                let params = opening::completed(params_of(&body))
                    .map_err(|error| HttpRefusal::new(StatusCode::BAD_REQUEST, id.clone(), error))?;
                priming = Priming::of(Some(&params.protocol_version), headers);
                let whole = json!({ "jsonrpc": "2.0", "id": id, "method": "initialize", "params": params });
                body = Bytes::from(whole.to_string());
                opening = whole.get("params").map(Value::to_string);
                if opening.as_ref().is_some_and(|params| params.len() > LONGEST_OPENING) {
                    // Kept with each of up to 512 sessions, and in the store for 12 h.
                    return Err(too_long(id, "the params of initialize are", LONGEST_OPENING));
                }
            }
            // An original can be longer than the events that some clients take; every one takes it as JSON.
            Some("resources/read") => form = Takes::Json,
            _ => {}
        }
        Ok(Self { id, method, body, priming, form, opening })
    }

    /// The request that it cancels.
    pub(super) fn cancelled(&self) -> Option<RequestId> {
        self.method.as_deref().filter(|method| *method == "notifications/cancelled")?;
        serde_json::from_value(params_of(&self.body)?.get_mut("requestId")?.take()).ok()
    }

    /// The tool or the resource that it names.
    pub(super) fn named(&self) -> Option<String> {
        // By its method: beside the one, the other means nothing to rmcp, and must not hide it from the scopes.
        let is_read = self.method.as_deref() == Some("resources/read");
        if let Ok(NameEnvelope { params }) = serde_json::from_slice(&self.body) {
            return if is_read { params.uri } else { params.name };
        }
        // One of them is no text, or stands twice: read as rmcp reads it, which lets the last one count.
        let params = params_of(&self.body)?;
        Some(params.get(if is_read { "uri" } else { "name" })?.as_str()?.to_owned())
    }
}

/// # Errors
/// 400 for an id or a progress token that nobody needs to be so long.
fn refuse_long_names(id: Option<&RequestId>, body: &[u8]) -> Result<(), HttpRefusal> {
    // Of a short message no part is long, and most are short: they are not read again.
    if body.len() <= LONGEST_NAME {
        return Ok(());
    }
    // Without the id in the answer: it would be repeated there once more.
    if matches!(id, Some(RequestId::String(id)) if id.len() > LONGEST_NAME) {
        return Err(too_long(None, "the id of the request is", LONGEST_NAME));
    }
    match serde_json::from_slice::<TokenEnvelope<'_>>(body) {
        Ok(envelope) if envelope.params.meta.token.len() > LONGEST_NAME => {
            Err(too_long(id.cloned(), "the progress token is", LONGEST_NAME))
        }
        // A number, or none.
        _ => Ok(()),
    }
}

fn too_long(id: Option<RequestId>, what: &str, most: usize) -> HttpRefusal {
    HttpRefusal::invalid(StatusCode::BAD_REQUEST, id, format!("{what} longer than {most} bytes"))
}

fn params_of(body: &[u8]) -> Option<Value> {
    serde_json::from_slice::<Value>(body).ok()?.get_mut("params").map(Value::take)
}

fn envelope_of(body: &[u8]) -> Result<RequestEnvelope, HttpRefusal> {
    if body.trim_ascii_start().starts_with(b"[") {
        // Of all revisions 2025-03-26 alone has them, and rmcp reads none.
        let reason = "batches are not supported: send each message on its own";
        return Err(HttpRefusal::invalid(StatusCode::BAD_REQUEST, None, reason));
    }
    match serde_json::from_slice::<RequestEnvelope>(body) {
        Ok(envelope) => Ok(envelope),
        // serde quotes the value that does not fit, which may be a prompt; of bad syntax it says the place alone.
        Err(error) if error.classify() == Category::Data => {
            Err(HttpRefusal::invalid(StatusCode::BAD_REQUEST, None, "the body is not a JSON-RPC message"))
        }
        Err(error) => {
            let error = ErrorData::parse_error(format!("the body is not JSON: {error}"), None);
            Err(HttpRefusal::new(StatusCode::BAD_REQUEST, None, error))
        }
    }
}
