//! Which forms of an answer a client takes, by its Accept header. None, and `*/*`, mean anything (RFC 9110, 12.5.1).

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use super::reply::HttpRefusal;

/// The only value that rmcp takes: it answers 406 to any other.
pub(super) const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// One JSON-RPC message as JSON.
    Json,
    /// An event stream that leads to it.
    Events,
}

/// The form that tells most: progress needs an event stream.
///
/// # Errors
/// 406 for a client that takes neither.
pub(super) fn form(headers: &HeaderMap) -> Result<Takes, HttpRefusal> {
    let accepted: Vec<_> =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(ranges).collect();
    let takes = |kind, whole| {
        let is_one = |range: &&str| ["*/*", kind, whole].iter().any(|known| range.eq_ignore_ascii_case(known));
        accepted.is_empty() || accepted.iter().any(is_one)
    };
    if takes("text/*", "text/event-stream") {
        Ok(Takes::Events)
    } else if takes("application/*", "application/json") {
        Ok(Takes::Json)
    } else {
        let reason = "answers are application/json or text/event-stream: accept one of them";
        Err(HttpRefusal::invalid(StatusCode::NOT_ACCEPTABLE, None, reason))
    }
}

/// The media ranges of one header, without those that are refused by a weight of 0.
fn ranges(header: &str) -> impl Iterator<Item = &str> {
    header.split(',').filter_map(|element| {
        let mut parts = element.split(';').map(str::trim);
        let range = parts.next().filter(|range| !range.is_empty())?;
        let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|weight| weight.parse::<f64>().ok());
        // 0 is a refusal. <https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2>
        weight.is_none_or(|weight| weight > 0.0).then_some(range)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &[&'static str]) -> Option<Takes> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, HeaderValue::from_static(value));
        }
        form(&headers).ok()
    }

    #[test]
    fn forms() {
        let both = "application/json, text/event-stream";
        for events in [&[][..], &["*/*"], &[both], &["text/event-stream"], &["text/*;q=0.5"], &["text/html, */*;q=0.1"]]
        {
            assert_eq!(of(events), Some(Takes::Events), "{events:?}");
        }
        assert_eq!(of(&["application/json", "text/event-stream"]), Some(Takes::Events), "in two headers");
        for json in [&["application/json"][..], &["Application/JSON; charset=utf-8"], &["application/*, text/html"]] {
            assert_eq!(of(json), Some(Takes::Json), "{json:?}");
        }
        assert_eq!(of(&["text/event-stream;q=0, application/json"]), Some(Takes::Json));
        assert_eq!(of(&["text/html"]), None);
    }
}
