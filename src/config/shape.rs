//! Kinds of values: each reads a setting, describes what it takes, and shows the value without its secrets.
//!
//! Every layer hands over text, so that a value means the same in the file, the environment and a flag.

use std::{fmt, net::SocketAddr, str::FromStr, time::Duration};

use crate::{artifact::ArtifactCap, model::ModelId, money::Usd, text};

mod argument;
mod files;
pub mod limits;
mod shown;
pub mod sites;
pub mod web;

pub(super) use shown::keyless;
use shown::{masked, quoted};

pub use argument::Prose;
pub use files::{FilePath, FilePaths, ProjectFolder};

/// A value as a layer holds it.
#[derive(Clone, PartialEq, Eq)]
pub enum Raw {
    /// A scalar of the file, a variable or a flag.
    Text(String),
    /// A TOML array.
    List(Vec<String>),
    /// A TOML table.
    Pairs(Vec<(String, String)>),
}

/// A kind of value. An error says what is wrong, without the value where that may be a secret.
pub trait SettingKind: Sync + 'static {
    /// The type that the rest of the program works with.
    type Value;

    /// Reads a value of any layer.
    ///
    /// # Errors
    /// A sentence that follows the key: "it has a line break".
    fn parse(&self, raw: &Raw) -> Result<Self::Value, String>;

    /// Describes right values, for errors and the documentation.
    fn takes(&self) -> String;

    /// The value for people to see.
    fn show(&self, raw: &Raw) -> String {
        raw.to_string()
    }

    /// The value where a weaker layer has one, too: as a rule the stronger one alone.
    fn over(&self, _weaker: &Raw, stronger: Raw) -> Raw {
        stronger
    }
}

/// One of a few words, each with its meaning.
pub struct Words<T: 'static>(pub &'static [(&'static str, T)]);

/// A whole number in a range, both ends included.
pub struct Whole<T> {
    /// Smallest that is taken.
    pub min: T,
    /// Largest that is taken.
    pub max: T,
}

/// A duration such as `45s`, in a range, both ends included.
pub struct Span {
    /// Shortest that is taken.
    pub min: Duration,
    /// Longest that is taken.
    pub max: Duration,
}

/// A number of bytes such as `600kB`, in a range, both ends included.
pub struct ByteSize {
    /// Fewest bytes.
    pub min: usize,
    /// Most bytes.
    pub max: usize,
}

/// A value of this kind, or `off`: `None`.
pub struct OrOff<S>(pub S);

/// A number of pictures, or the bytes that they take on the disk: 1 MiB at least.
pub struct MostPictures;

/// An amount of US dollars, more than 0 and up to 1,000,000.
pub struct DollarAmount;

/// A text without line breaks and control characters.
pub struct OneLine;
/// An IP address and a port, such as `127.0.0.1:8787`.
pub struct Address;
/// A model's id or role; nothing that looks like an API key.
pub struct ModelName;
/// Texts: a TOML array, or one text with commas between them. Empty ones are left out.
pub struct CommaList;

/// `true` or `false`.
pub const SWITCH: Words<bool> = Words(&[("true", true), ("false", false)]);

impl Raw {
    /// The placeholder that it still is, because nobody filled it in; it counts as not set.
    #[must_use]
    pub fn placeholder(&self) -> Option<String> {
        let Self::Text(text) = self else { return None };
        let bare = text::bare(text);
        // Claude Desktop passes an optional setting of a bundle on as `${user_config.NAME}` where nothing was typed.
        let is_one = text::is_placeholder(&bare) || bare.starts_with("${user_config");
        is_one.then(|| text::clip(&bare, 80).into_owned())
    }

    /// Returns whether it is as good as absent.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Text(text) => text::bare(text).is_empty() || self.placeholder().is_some(),
            Self::List(items) => items.is_empty(),
            Self::Pairs(pairs) => pairs.is_empty(),
        }
    }

    fn text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) => Ok(text.trim()),
            Self::List(_) => Err("it is a list and has to be one value".to_owned()),
            Self::Pairs(_) => Err("it is a table and has to be one value".to_owned()),
        }
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&masked(text)),
            Self::List(items) => f.write_str(&masked(&items.join(", "))),
            // Headers and parameters carry keys: of a table only the names are shown.
            Self::Pairs(pairs) => {
                let names: Vec<_> = pairs.iter().map(|(name, _)| text::name(name)).collect();
                write!(f, "{} (values hidden)", names.join(", "))
            }
        }
    }
}

impl<T> Words<T> {
    /// The words in the order in which they are documented.
    pub fn words(&self) -> impl Iterator<Item = &'static str> + use<T> {
        self.0.iter().map(|(word, _)| *word)
    }
}

impl<T: Copy + Sync + 'static> SettingKind for Words<T> {
    type Value = T;

    fn parse(&self, raw: &Raw) -> Result<T, String> {
        let text = raw.text()?;
        let found = self.0.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        found.map(|(_, meaning)| *meaning).ok_or_else(|| format!("{} is none of its words", quoted(text)))
    }

    fn takes(&self) -> String {
        let words: Vec<_> = self.words().map(|word| format!("`{word}`")).collect();
        words.join(", ")
    }
}

impl<T: FromStr + PartialOrd + fmt::Display + Sync + 'static> SettingKind for Whole<T> {
    type Value = T;

    fn parse(&self, raw: &Raw) -> Result<T, String> {
        let text = raw.text()?;
        let number: T = text.parse().map_err(|_| format!("{} is not such a number", quoted(text)))?;
        if number < self.min || number > self.max {
            return Err(format!("{number} is out of range"));
        }
        Ok(number)
    }

    fn takes(&self) -> String {
        format!("a whole number, {} to {}", self.min, self.max)
    }
}

impl SettingKind for Span {
    type Value = Duration;

    fn parse(&self, raw: &Raw) -> Result<Duration, String> {
        let text = raw.text()?;
        let (number, unit) = number_and_unit(text)?;
        let milliseconds = match unit.as_str() {
            "ms" => Some(1),
            "s" => Some(1_000),
            "m" => Some(60_000),
            "h" => Some(3_600_000),
            "d" => Some(86_400_000),
            // `30` may be seconds or milliseconds: nobody is asked to guess.
            "" => return Err(format!("{} has no unit", quoted(text))),
            _ => None,
        };
        let milliseconds = milliseconds.ok_or_else(|| format!("{} is not a unit of time", quoted(&unit)))?;
        // Saturated, so that a number beyond all bounds is out of range and not wrapped into it.
        let duration = Duration::from_millis(number.saturating_mul(milliseconds));
        if duration < self.min || duration > self.max {
            return Err(format!("{} is out of range", quoted(text)));
        }
        Ok(duration)
    }

    fn takes(&self) -> String {
        let [min, max] = [self.min, self.max].map(text::duration);
        format!("a duration such as `250ms`, `45s`, `10m`, `1h`; {min} to {max}")
    }
}

impl<S: SettingKind> SettingKind for OrOff<S> {
    type Value = Option<S::Value>;

    fn parse(&self, raw: &Raw) -> Result<Self::Value, String> {
        match raw.text()? {
            word if word.eq_ignore_ascii_case("off") => Ok(None),
            _ => self.0.parse(raw).map(Some),
        }
    }

    fn takes(&self) -> String {
        format!("{}; or `off`", self.0.takes())
    }
}

impl SettingKind for MostPictures {
    type Value = ArtifactCap;

    fn parse(&self, raw: &Raw) -> Result<ArtifactCap, String> {
        let text = raw.text()?;
        if let Ok(pictures) = text.parse::<u32>() {
            return if pictures == 0 {
                Err("0 would keep none".to_owned())
            } else {
                Ok(ArtifactCap::Pictures(pictures.into()))
            };
        }
        ByteSize { min: 1 << 20, max: usize::MAX >> 1 }.parse(raw).map(|bytes| ArtifactCap::Bytes(bytes as u64))
    }

    fn takes(&self) -> String {
        "a number of pictures such as `500`, or a size such as `2GiB`".to_owned()
    }
}

impl SettingKind for DollarAmount {
    type Value = Usd;

    fn parse(&self, raw: &Raw) -> Result<Usd, String> {
        let text = raw.text()?;
        let amount = text.trim_start_matches('$').parse().ok().and_then(Usd::from_dollars);
        amount.filter(|amount| *amount > Usd::ZERO).ok_or_else(|| format!("{} is no such amount", quoted(text)))
    }

    fn takes(&self) -> String {
        "US dollars such as `2.50`, more than 0, up to 1,000,000".to_owned()
    }
}

impl SettingKind for ByteSize {
    type Value = usize;

    fn parse(&self, raw: &Raw) -> Result<usize, String> {
        let text = raw.text()?;
        let (number, unit) = number_and_unit(text)?;
        let unit_bytes = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => Some(1),
            "kb" => Some(1_000),
            "mb" => Some(1_000_000),
            "gb" => Some(1_000_000_000),
            "kib" => Some(1 << 10),
            "mib" => Some(1 << 20),
            "gib" => Some(1 << 30),
            _ => None,
        };
        let unit_bytes = unit_bytes.ok_or_else(|| format!("{} is not a unit of size", quoted(&unit)))?;
        let bytes = usize::try_from(number.saturating_mul(unit_bytes)).unwrap_or(usize::MAX);
        if bytes < self.min || bytes > self.max {
            return Err(format!("{} is out of range", quoted(text)));
        }
        Ok(bytes)
    }

    fn takes(&self) -> String {
        format!("a size such as `600kB`, `64MiB`; {} to {} bytes", self.min, self.max)
    }
}

fn number_and_unit(text: &str) -> Result<(u64, String), String> {
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number = number.parse().map_err(|_| format!("{} does not start with a whole number", quoted(text)))?;
    Ok((number, unit.trim().to_owned()))
}

impl SettingKind for OneLine {
    type Value = String;

    fn parse(&self, raw: &Raw) -> Result<String, String> {
        let text = raw.text()?;
        if text.chars().any(char::is_control) {
            return Err("it has a line break or a control character".to_owned());
        }
        Ok(text.to_owned())
    }

    fn takes(&self) -> String {
        "one line of text".to_owned()
    }
}

impl SettingKind for Address {
    type Value = SocketAddr;

    fn parse(&self, raw: &Raw) -> Result<SocketAddr, String> {
        let text = raw.text()?;
        text.parse().map_err(|_| format!("{} is not an address with a port", quoted(text)))
    }

    fn takes(&self) -> String {
        "an address such as `127.0.0.1:8787`".to_owned()
    }
}

impl SettingKind for ModelName {
    type Value = ModelId;

    fn parse(&self, raw: &Raw) -> Result<ModelId, String> {
        // A key that was pasted here would be sent as the model's name, and shown by doctor.
        ModelId::parse(keyless(raw.text()?)?).map_err(|error| error.to_string())
    }

    fn takes(&self) -> String {
        "a model's id".to_owned()
    }
}

impl SettingKind for CommaList {
    type Value = Vec<String>;

    fn parse(&self, raw: &Raw) -> Result<Vec<String>, String> {
        match raw {
            Raw::List(items) => Ok(items.iter().filter(|item| !item.trim().is_empty()).cloned().collect()),
            Raw::Text(text) => {
                Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
            }
            Raw::Pairs(_) => Err("it is a table and has to be a list".to_owned()),
        }
    }

    fn takes(&self) -> String {
        "a list; in the environment, separated by commas".to_owned()
    }
}
