//! Pieces of OpenAI's JSON that several APIs share, read leniently: a field of an unexpected kind counts as absent.

use std::{borrow::Cow, fmt, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, Visitor},
};

mod usage;

pub(crate) use usage::{WireUsage, dollars};
pub(in crate::openai) use usage::{billed_failure, charge_beside};

/// A text that borrows from the JSON wherever it stands there without escapes. (serde's own `Cow` always copies inside
/// an `Option`, which for a picture is megabytes.) In a struct that is derived, `#[serde(borrow)]` at one field lets
/// all of them borrow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct BorrowedText<'a>(Cow<'a, str>);

impl Deref for BorrowedText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for BorrowedText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;

        impl<'de> Visitor<'de> for Borrowing {
            type Value = BorrowedText<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(BorrowedText(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(BorrowedText(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Borrowing)
    }
}

/// A field that counts as absent when it is `null` or of another kind than expected. A text without escapes stays
/// borrowed in it. serde would refuse all of an object for one such field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lenient<T>(pub Option<T>);

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Maybe<T> {
            As(T),
            Other(IgnoredAny),
        }
        Ok(match Maybe::deserialize(deserializer)? {
            Maybe::As(value) => Self(Some(value)),
            Maybe::Other(IgnoredAny) => Self(None),
        })
    }
}

impl Lenient<BorrowedText<'_>> {
    pub(crate) fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// The head of an event: its own `type`.
#[derive(Deserialize, Default)]
pub(crate) struct Head<'a> {
    #[serde(rename = "type", default, borrow)]
    kind: Lenient<BorrowedText<'a>>,
}

impl Head<'_> {
    pub(crate) fn kind(&self) -> &str {
        self.kind.text().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct NestedReason<'a> {
        #[serde(borrow)]
        text: Option<BorrowedText<'a>>,
        lenient: Lenient<BorrowedText<'a>>,
    }

    fn is_borrowed(text: &BorrowedText<'_>) -> bool {
        matches!(text.0, Cow::Borrowed(_))
    }

    #[test]
    fn texts_borrow_unless_they_are_escaped() {
        let item: NestedReason = serde_json::from_str(r#"{"text":"abc/=","lenient":"abc"}"#).unwrap();
        assert!(is_borrowed(&item.text.unwrap()) && is_borrowed(&item.lenient.0.unwrap()));
        let item: NestedReason = serde_json::from_str(r#"{"text":"a\/b","lenient":7}"#).unwrap();
        assert_eq!((&*item.text.unwrap(), item.lenient.text()), ("a/b", None));
        let item: NestedReason = serde_json::from_str(r#"{"text":null,"lenient":null}"#).unwrap();
        assert!(item.text.is_none() && item.lenient.text().is_none());
    }
}
