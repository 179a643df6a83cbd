//! Arguments of the tools as settings, checked as the tools check them: the values of presets.

use serde_json::Value;

use super::{OneLine, Raw, SWITCH, SettingKind, Whole, quoted};
use crate::argument::{Argument, Values};

/// A text of at most this number of characters, of any number of lines.
pub struct Prose(pub usize);

/// The value is as the tool takes it.
impl SettingKind for Argument {
    type Value = Value;

    fn parse(&self, raw: &Raw) -> Result<Value, String> {
        match self.values {
            Values::Words(words) => {
                let text = raw.text()?;
                let word = words.iter().find(|word| word.eq_ignore_ascii_case(text));
                word.map(|word| (*word).into()).ok_or_else(|| format!("{} is none of its words", quoted(text)))
            }
            Values::Range(min, max) => Whole { min, max }.parse(raw).map(Value::from),
            Values::Decimal(min, max) => {
                let text = raw.text()?;
                let number: f64 = text.parse().map_err(|_| format!("{} is not a number", quoted(text)))?;
                let is_within = (f64::from(min)..=f64::from(max)).contains(&number);
                is_within.then(|| number.into()).ok_or_else(|| format!("{number} is out of range"))
            }
            Values::Switch => SWITCH.parse(raw).map(Value::from),
            Values::Text(most) => Prose(most).parse(raw).map(Value::from),
            Values::Typed => OneLine.parse(raw).map(Value::from),
        }
    }

    fn takes(&self) -> String {
        match self.values {
            Values::Words(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Values::Range(min, u32::MAX) => format!("a whole number, {min} at least"),
            Values::Range(min, max) => Whole { min, max }.takes(),
            Values::Decimal(min, max) => format!("a number, {min} to {max}"),
            Values::Switch => SWITCH.takes(),
            Values::Text(most) => Prose(most).takes(),
            Values::Typed => OneLine.takes(),
        }
    }
}

impl SettingKind for Prose {
    type Value = String;

    fn parse(&self, raw: &Raw) -> Result<String, String> {
        let text = raw.text()?;
        let length = text.chars().count();
        if length > self.0 {
            return Err(format!("it has {length} characters"));
        }
        Ok(text.to_owned())
    }

    fn takes(&self) -> String {
        format!("a text of at most {} characters", self.0)
    }
}
