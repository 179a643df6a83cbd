//! Answers to what is no request at all. hyper gives them by itself, without a body and without asking anybody.

use axum::http::StatusCode;
use rmcp::model::{ErrorData, JsonRpcError};

/// Such an answer, and why it is given.
pub(super) struct ExplainedAnswer {
    /// Its head, with JSON-RPC's error below it.
    pub bytes: Vec<u8>,
    pub status: StatusCode,
    pub reason: &'static str,
}

/// Explains such an answer by its head; `None` for the bytes of any other.
pub(super) fn explained(head: &[u8]) -> Option<ExplainedAnswer> {
    const EMPTY: &str = "content-length: 0\r\n";
    /// Such a head is a status, a length and a date.
    const LONGEST: usize = 256;
    let (status, reason) = match head.strip_prefix(b"HTTP/1.1 ")?.get(..3)? {
        b"400" => (StatusCode::BAD_REQUEST, "this is no HTTP request"),
        b"414" => (StatusCode::URI_TOO_LONG, "the address in the request line is too long"),
        b"431" => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too large together, or too many"),
        _ => return None,
    };
    // hyper's own answers alone have no body: one of the service that begins alike is an error with its reason.
    // Nor the middle of a picture that somebody made to look like one: what is written in its place is longer, and the
    // rest of the picture would be read as the next answer.
    let is_whole = |head: &&str| head.len() <= LONGEST && head.contains(EMPTY) && head.ends_with("\r\n\r\n");
    let head = str::from_utf8(head).ok().filter(is_whole)?;
    let error = JsonRpcError::new(None, ErrorData::invalid_request(reason, None));
    let body = serde_json::to_string(&error).ok()?;
    let told = format!("content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    Some(ExplainedAnswer { bytes: (head.replacen(EMPTY, &told, 1) + &body).into_bytes(), status, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i05_a_picture_that_looks_like_such_an_answer_is_left_as_it_is() {
        let head = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: Sat, 28 Nov 2026 12:00:00 GMT\r\n\r\n";
        assert!(explained(head.as_bytes()).is_some());
        assert!(explained(head.repeat(9).as_bytes()).is_none());
        assert!(explained(format!("{head}more").as_bytes()).is_none());
    }
}
