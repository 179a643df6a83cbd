//! A request's fields, of a JSON object or a form, read one by one with OpenAI's complaints about each.

use std::{borrow::Cow, ops::RangeInclusive};

use serde_json::{Map, Value};

use super::reply::ApiError;

/// A JSON object whose names are all known. A field that is null counts as not sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fields<'a> {
    fields: Cow<'a, Map<String, Value>>,
    /// The path of the object in the request, as `reasoning.`; empty for the request itself.
    path: String,
}

impl Fields<'static> {
    /// Reads a request's body; `known` names its fields, blanks between them.
    pub(crate) fn parse(body: &[u8], known: &str) -> Result<Self, ApiError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Self { fields: Cow::Owned(fields), path: String::new() }.only(known),
            _ => Err(ApiError::unparsable()),
        }
    }

    /// Reads a form, in which everything is text: numbers and flags are what their names say.
    pub(crate) fn of_form(texts: Map<String, Value>, known: &str) -> Result<Self, ApiError> {
        let typed = texts.into_iter().map(|(name, text)| {
            let value = match name.as_str() {
                "n" | "output_compression" | "partial_images" | "stream" => {
                    text.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(text)
                }
                _ => text,
            };
            (name, value)
        });
        Self { fields: Cow::Owned(typed.collect()), path: String::new() }.only(known)
    }
}

impl<'a> Fields<'a> {
    /// The object at this place of a request, whatever its fields.
    pub(crate) fn at(place: &str, object: &'a Value) -> Result<Self, ApiError> {
        let fields = object.as_object().ok_or_else(|| {
            let message = format!("Invalid type for '{place}': expected an object.");
            ApiError::invalid("invalid_type", place, message)
        })?;
        Ok(Self { fields: Cow::Borrowed(fields), path: format!("{place}.") })
    }

    fn only(self, known: &str) -> Result<Self, ApiError> {
        match self.fields.keys().find(|name| known.split(' ').all(|known| known != *name)) {
            None => Ok(self),
            Some(name) => {
                let message = format!("Unknown parameter: '{}'.", self.param(name));
                Err(self.invalid("unknown_parameter", name, message))
            }
        }
    }

    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// The value, or the complaint that it is missing.
    pub(crate) fn required(&self, name: &str) -> Result<&Value, ApiError> {
        self.value(name).ok_or_else(|| {
            let message = format!("Missing required parameter: '{}'.", self.param(name));
            self.invalid("missing_required_parameter", name, message)
        })
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        self.read(name, "a string", Value::as_str)
    }

    pub(crate) fn required_text(&self, name: &str) -> Result<&str, ApiError> {
        let value = self.required(name)?;
        value.as_str().ok_or_else(|| self.wrong_type(name, "a string", value))
    }

    /// Returns whether the flag is set; not sent is not set.
    pub(crate) fn is_set(&self, name: &str) -> Result<bool, ApiError> {
        Ok(self.read(name, "a boolean", Value::as_bool)?.unwrap_or(false))
    }

    pub(crate) fn object(&self, name: &str, known: &str) -> Result<Option<Fields<'_>>, ApiError> {
        let Some(fields) = self.read(name, "an object", Value::as_object)? else { return Ok(None) };
        Fields { fields: Cow::Borrowed(fields), path: format!("{}{name}.", self.path) }.only(known).map(Some)
    }

    pub(crate) fn integer(&self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, ApiError> {
        // Read with its sign, and beyond 63 bits: a number below or above the range is not of a wrong type.
        let Some(given) = self.read(name, "an integer", |value| value.as_number()?.as_i128())? else {
            return Ok(None);
        };
        match u64::try_from(given) {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(self.out_of_range(name, "integer", i128::from(*range.start()), i128::from(*range.end()), given)),
        }
    }

    pub(crate) fn decimal(&self, name: &str, range: RangeInclusive<f64>) -> Result<Option<f64>, ApiError> {
        let Some(given) = self.read(name, "a decimal", Value::as_f64)? else { return Ok(None) };
        if range.contains(&given) {
            return Ok(Some(given));
        }
        Err(self.out_of_range(name, "decimal", *range.start(), *range.end(), given))
    }

    /// One of the allowed words.
    pub(crate) fn choice(&self, name: &str, allowed: &[impl AsRef<str>]) -> Result<Option<&str>, ApiError> {
        let Some(given) = self.text(name)? else { return Ok(None) };
        if allowed.iter().any(|word| word.as_ref() == given) {
            return Ok(Some(given));
        }
        let allowed: Vec<String> = allowed.iter().map(|word| format!("'{}'", word.as_ref())).collect();
        let message = format!("Invalid value: '{given}'. Supported values are: {}.", allowed.join(", "));
        Err(self.invalid("invalid_value", name, message))
    }

    /// A complaint about one of these fields.
    pub(crate) fn invalid(&self, code: &str, name: &str, message: impl Into<String>) -> ApiError {
        ApiError::invalid(code, &self.param(name), message)
    }

    /// The path of a field in the request.
    pub(crate) fn param(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    fn read<'b, T>(
        &'b self,
        name: &str,
        expected: &str,
        cast: impl FnOnce(&'b Value) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        cast(value).map(Some).ok_or_else(|| self.wrong_type(name, expected, value))
    }

    fn wrong_type(&self, name: &str, expected: &str, value: &Value) -> ApiError {
        let given = match value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        let path = &self.path;
        let message = format!("Invalid type for '{path}{name}': expected {expected}, but got {given} instead.");
        self.invalid("invalid_type", name, message)
    }

    fn out_of_range<N: Copy + PartialOrd + std::fmt::Display>(
        &self,
        name: &str,
        kind: &str,
        min: N,
        max: N,
        given: N,
    ) -> ApiError {
        let (code, side, sign, bound) = if given < min {
            ("below_min", "below minimum", ">=", min)
        } else {
            ("above_max", "above maximum", "<=", max)
        };
        let message = format!(
            "Invalid '{}{name}': {kind} {side} value. Expected a value {sign} {bound}, but got {given} instead.",
            self.path
        );
        self.invalid(&format!("{kind}_{code}_value"), name, message)
    }
}
