//! Answers to what is no request at all. hyper gives them by itself, without a body and without asking anybody.

use rmcp::model::{ErrorData, JsonRpcError};

/// The head of such an answer with JSON-RPC's error below it; `None` for the bytes of any other.
pub(super) fn explained(head: &[u8]) -> Option<Vec<u8>> {
    const EMPTY: &str = "content-length: 0\r\n";
    let reason = match head.strip_prefix(b"HTTP/1.1 ")?.get(..3)? {
        b"400" => "this is no HTTP request",
        b"414" => "the address in the request line is too long",
        b"431" => "the headers are too large together, or too many",
        _ => return None,
    };
    let head = str::from_utf8(head).ok().filter(|head| head.contains(EMPTY))?;
    let error = JsonRpcError::new(None, ErrorData::invalid_request(reason, None));
    let body = serde_json::to_string(&error).ok()?;
    let told = format!("content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    Some((head.replacen(EMPTY, &told, 1) + &body).into_bytes())
}
