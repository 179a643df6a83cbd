//! Data URLs (RFC 2397): bytes that stand in the text itself.

use std::fmt;

use bytes::Bytes;

/// A data URL with base64 in it, not decoded yet.
#[derive(Clone, PartialEq, Eq)]
pub struct DataUrl(String);

/// The reason why a data URL is not read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDataUrl {
    /// No comma, or no `;base64` before it.
    #[error("the data URL is not `data:...;base64,...`")]
    Head,
    /// The part after the comma is not base64.
    #[error("the data URL's base64 is damaged")]
    Base64,
}

impl DataUrl {
    /// Returns whether a text means to be one.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
    }

    /// Reads the head, which must speak of base64. Its media type is not believed: the bytes are sniffed.
    ///
    /// # Errors
    /// [`BadDataUrl::Head`].
    pub fn parse(text: String) -> Result<Self, BadDataUrl> {
        let head = text.split_once(',').map(|(head, _)| head.to_ascii_lowercase()).ok_or(BadDataUrl::Head)?;
        if head.ends_with(";base64") { Ok(Self(text)) } else { Err(BadDataUrl::Head) }
    }

    /// A data URL for these bytes, under a name made of letters, digits, dots and hyphens.
    #[must_use]
    pub fn write(name: &str, bytes: &[u8]) -> String {
        format!("data:;name={name};base64,{}", base64_simd::STANDARD.encode_to_string(bytes))
    }

    /// The name that its head gives, as some browsers write it: `data:text/plain;name=notes.txt;base64,`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let (head, _) = self.0.split_once(',')?;
        let name = head.split(';').find_map(|parameter| parameter.strip_prefix("name="))?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        (!name.is_empty() && name.chars().all(is_plain)).then_some(name)
    }

    /// The bytes, decoded as browsers do: blanks and missing padding are forgiven.
    /// <https://infra.spec.whatwg.org/#forgiving-base64-decode>
    ///
    /// # Errors
    /// [`BadDataUrl::Base64`].
    pub fn decode(&self) -> Result<Bytes, BadDataUrl> {
        let bytes = base64_simd::forgiving_decode_to_vec(self.base64().as_bytes());
        bytes.map(Bytes::from).map_err(|_| BadDataUrl::Base64)
    }

    fn base64(&self) -> &str {
        self.0.split_once(',').map_or("", |(_, base64)| base64)
    }
}

/// Its bytes are nobody's to read in a log.
impl fmt::Debug for DataUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DataUrl").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_base64_is_read() {
        for text in [
            "data:;base64,aGk=",
            "data:image/png;base64,aGk=",
            "DATA:image/PNG;charset=x;Base64,aGk",
            "data:image/x;base64,a Gk=",
        ] {
            assert_eq!(DataUrl::parse(text.into()).unwrap().decode().unwrap(), "hi", "{text}");
        }
    }

    #[test]
    fn a_name_is_written_and_read_back_and_a_strange_one_is_none() {
        let name = |text: &str| DataUrl::parse(text.into()).unwrap().name().map(str::to_owned);
        let written = DataUrl::write("stdin", b"hi");
        assert_eq!(DataUrl::parse(written.clone()).unwrap().decode().unwrap(), "hi");
        assert_eq!(name(&written).as_deref(), Some("stdin"));
        for text in ["data:;base64,aGk=", "data:;name=;base64,aGk=", "data:;name=../a;base64,aGk="] {
            assert_eq!(name(text), None, "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["data:image/png;base64", "data:image/svg+xml,<svg/>", "data:,hi"] {
            assert_eq!(DataUrl::parse(text.into()), Err(BadDataUrl::Head), "{text}");
        }
        for text in ["data:image/png;base64,a", "data:image/png;base64,a*==", "data:image/png;base64,aGk=aGk="] {
            assert_eq!(DataUrl::parse(text.into()).unwrap().decode(), Err(BadDataUrl::Base64), "{text}");
        }
    }
}
