//! Values on their way into a statement and out of a row.
//!
//! Texts with NUL in them, which PostgreSQL cannot hold: `\0` is kept as `ESCAPE 0`, and the escape, which is not a
//! character of Unicode's, as `ESCAPE 1`. <https://www.postgresql.org/docs/current/datatype-character.html>

use std::{borrow::Cow, error::Error};

use bytes::BytesMut;
use tokio_postgres::{
    Row,
    types::{FromSql, IsNull, ToSql, Type, to_sql_checked},
};

use super::fault::PostgresFault;
use crate::store::columns::StoreRow;

/// A noncharacter, which no text is expected to have; one that has it is escaped like the rest.
/// <https://www.unicode.org/faq/private_use.html#noncharacters>
const ESCAPE: char = '\u{fdd0}';

/// One parameter of a statement. Its type is sent with it: nothing is prepared.
#[derive(Debug, Clone, Copy)]
pub(super) enum SqlValue<'a> {
    Number(Option<i64>),
    Numbers(&'a [i64]),
    Text(Option<&'a str>),
    Bytes(Option<&'a [u8]>),
    Flag(bool),
}

impl SqlValue<'_> {
    pub(super) fn kind(&self) -> Type {
        match self {
            Self::Number(_) => Type::INT8,
            Self::Numbers(_) => Type::INT8_ARRAY,
            Self::Text(_) => Type::TEXT,
            Self::Bytes(_) => Type::BYTEA,
            Self::Flag(_) => Type::BOOL,
        }
    }
}

/// The types that parameters are made of.
macro_rules! made_of {
    ($($kind:ty: |$value:ident| $parameter:expr;)*) => {
        $(impl<'a> From<$kind> for SqlValue<'a> {
            fn from($value: $kind) -> Self {
                $parameter
            }
        })*
    };
}
made_of! {
    i64: |number| Self::Number(Some(number));
    Option<i64>: |number| Self::Number(number);
    &'a [i64]: |numbers| Self::Numbers(numbers);
    &'a str: |text| Self::Text(Some(text));
    &'a String: |text| Self::Text(Some(text));
    Option<&'a str>: |text| Self::Text(text);
    &'a [u8]: |bytes| Self::Bytes(Some(bytes));
    Option<&'a [u8]>: |bytes| Self::Bytes(bytes);
    bool: |flag| Self::Flag(flag);
}

impl ToSql for SqlValue<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Number(number) => number.to_sql(kind, out),
            Self::Numbers(numbers) => numbers.to_sql(kind, out),
            Self::Text(text) => text.map(escaped).to_sql(kind, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
            Self::Flag(flag) => flag.to_sql(kind, out),
        }
    }

    // The type is the one that `kind` sent along.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The parameters of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::store::postgres::values::SqlValue::from($value)),*]
    };
}
pub(super) use values;

/// One row of an answer.
pub(super) struct Columns(pub Row);

impl StoreRow for Columns {
    type Fault = PostgresFault;

    fn number(&self, at: usize) -> Result<i64, PostgresFault> {
        self.get(at)
    }

    fn maybe_number(&self, at: usize) -> Result<Option<i64>, PostgresFault> {
        self.get(at)
    }

    fn flag(&self, at: usize) -> Result<bool, PostgresFault> {
        self.get(at)
    }

    fn bytes(&self, at: usize) -> Result<Vec<u8>, PostgresFault> {
        self.get(at)
    }

    fn text(&self, at: usize) -> Result<String, PostgresFault> {
        self.get(at).map(|text: &str| unescaped(text))
    }

    fn maybe_text(&self, at: usize) -> Result<Option<String>, PostgresFault> {
        self.get(at).map(|text: Option<&str>| text.map(unescaped))
    }
}

impl Columns {
    fn get<'a, T: FromSql<'a>>(&'a self, at: usize) -> Result<T, PostgresFault> {
        self.0.try_get(at).map_err(|error| PostgresFault::Refused(error.to_string()))
    }
}

fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return text.into();
    }
    // In this order, and backwards in `unescaped`: an escape that stood before a `0` must not become a zero byte.
    text.replace(ESCAPE, "\u{fdd0}1").replace('\0', "\u{fdd0}0").into()
}

/// A text as it was before it was sent; a notification has it in the form of a parameter, as a row has.
pub(super) fn unescaped(text: &str) -> String {
    if !text.contains(ESCAPE) {
        return text.to_owned();
    }
    text.replace("\u{fdd0}0", "\0").replace("\u{fdd0}1", "\u{fdd0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_as_it_went() {
        for text in ["", "plain", "\0", "a\0b\u{fdd0}c", "\u{fdd0}0", "\u{fdd0}1\0", "\u{fdd0}\u{fdd0}00"] {
            let sent = escaped(text);
            assert!(!sent.contains('\0'));
            assert_eq!(unescaped(&sent), text, "{text:?}");
        }
    }
}
