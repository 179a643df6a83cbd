//! A multipart form (RFC 7578), read where it lies: the parts are views of the body. Knows nothing of its fields.

use axum::{
    body::Bytes,
    http::{HeaderMap, header},
};
use memchr::memmem;

/// One part of a form.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    pub name: String,
    /// Of a file; empty for a text.
    pub media_type: String,
    pub bytes: Bytes,
}

/// The boundary between the parts; `None` where the request is not a form.
pub(crate) fn boundary(headers: &HeaderMap) -> Option<String> {
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if !content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
        return None;
    }
    // Without a boundary it is a form all the same, which `parse` refuses: read as JSON, it would be refused for that.
    Some(parameter(content_type, "boundary").unwrap_or_default())
}

/// The parts in order; `None` where the body is not a whole form.
pub(crate) fn parse(body: &Bytes, boundary: &str) -> Option<Vec<Part>> {
    if boundary.is_empty() {
        return None;
    }
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(&delimiter);
    // A line that only begins with the delimiter is one, too (RFC 2046, 5.1.1). The first has no line before it.
    let mut at = memmem::find(body, delimiter.trim_start().as_bytes())? + delimiter.len() - 2;
    let mut parts = Vec::new();
    loop {
        let rest = body.slice(at..);
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        let end = finder.find(&rest)?;
        parts.push(part(&rest.slice(..end))?);
        at += end + delimiter.len();
    }
}

/// A part from the end of its delimiter's line on.
fn part(bytes: &Bytes) -> Option<Part> {
    let head_end = memmem::find(bytes, b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..head_end)?).ok()?;
    let value = |wanted: &str| {
        let mut headers = head.lines().filter_map(|line| line.split_once(':'));
        headers.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    let name = parameter(value("content-disposition")?, "name")?;
    let media_type = value("content-type").unwrap_or_default().to_owned();
    Some(Part { name, media_type, bytes: bytes.slice(head_end + 4..) })
}

/// A parameter of a header's value, with or without quotes.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut parameters = value.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))?;
    Some(value.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na\r\n\r\ncat\r\n\
        --b\r\ncontent-disposition: form-data; name=\"image[]\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\
        \r\n--c--\r\n--b--\r\n";

    #[test]
    fn reads_texts_and_files() {
        let part = |name: &str, media_type: &str, bytes: &'static str| Part {
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            bytes: Bytes::from_static(bytes.as_bytes()),
        };
        let expected = vec![part("prompt", "", "a\r\n\r\ncat"), part("image[]", "image/png", "\r\n--c--")];
        assert_eq!(parse(&Bytes::from_static(FORM.as_bytes()), "b"), Some(expected));
        assert_eq!(parse(&Bytes::from_static(b"--b--\r\n"), "b"), Some(Vec::new()));
    }

    #[test]
    fn i08_no_cut_form_is_read() {
        for end in 0..FORM.len() - 4 {
            assert_eq!(parse(&Bytes::copy_from_slice(&FORM.as_bytes()[..end]), "b"), None, "cut at {end}");
        }
    }
}
