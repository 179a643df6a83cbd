//! The id of a message that cannot be read otherwise: cut off, out of range, nested too deep, not UTF-8.

use std::{cell::Cell, fmt};

use rmcp::model::RequestId;
use serde::{
    Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

/// The `id` of the outermost object, if it stands before whatever is broken.
pub(super) fn read(line: &[u8]) -> Option<RequestId> {
    let seen = Cell::new(None);
    // What is passed over is not looked into: neither numbers nor depth nor encoding can fail it. A failure leaves
    // what was seen before.
    let _ = serde_json::Deserializer::from_slice(line).deserialize_map(Seeker(&seen));
    seen.into_inner()
}

struct Seeker<'a>(&'a Cell<Option<RequestId>>);

impl<'de> Visitor<'de> for Seeker<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key == "id" {
                self.0.set(Some(map.next_value()?));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_broken_lines() {
        let deep = format!(r#"{{"params":{}{},"id":7}}"#, "[".repeat(200_000), "]".repeat(200_000));
        let seven = Some(RequestId::Number(7));
        assert_eq!(read(deep.as_bytes()), seven);
        assert_eq!(read(br#"{"n":1e400,"id":7}"#), seven);
        assert_eq!(read(b"{\"s\":\"\xff\",\"id\":7}"), seven);
        assert_eq!(read(br#"{"id":7,"s":"cut o"#), seven);
        assert_eq!(read(br#"{"id":"a","x":}"#), Some(RequestId::String("a".into())));
        assert_eq!(read(br#"{"s":"cut o"#), None);
        assert_eq!(read(br#"{"params":{"id":7}}"#), None);
        assert_eq!(read(b"[1,2]"), None);
        assert_eq!(read(b"\x00"), None);
    }
}
