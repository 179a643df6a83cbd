//! The form of `models.toml`.

use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, de::Error as _};
use toml::value::Datetime;

use super::{Entry, ImageTraits, Kind, LongInput, Price, Sizes, Temperature, TextTraits};
use crate::{media::Dimensions, model::ModelId, money::Usd};

/// What a catalogue file says.
#[derive(Debug, Default)]
pub struct Contents {
    pub entries: Vec<Entry>,
    /// The entries that are marked as default.
    pub defaults: Vec<ModelId>,
    pub prices_as_of: Option<NaiveDate>,
}

/// Reads a file's text; `name` is what errors call it.
///
/// # Errors
/// A sentence with file, line and column.
pub fn parse(text: &str, name: &str) -> Result<Contents, String> {
    let file: File = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        format!("{name}:{line}:{column}: {}", error.message().trim_end())
    })?;
    let mut contents = Contents { prices_as_of: file.prices.as_of.map(|day| day.0), ..Contents::default() };
    for family in file.family {
        for model in &family.models {
            if model.default {
                contents.defaults.push(model.id.clone());
            }
            contents.entries.push(family.entry(model, file.prices.long_input));
        }
    }
    Ok(contents)
}

impl Contents {
    /// These with the user's over them: an entry of the same id is replaced in its place, others follow, and the user's
    /// defaults go first.
    #[must_use]
    pub fn overlaid(mut self, own: &Self) -> Self {
        for entry in &own.entries {
            match self.entries.iter_mut().find(|old| old.id == entry.id) {
                Some(old) => *old = entry.clone(),
                None => self.entries.push(entry.clone()),
            }
        }
        let defaults = own.defaults.iter().cloned().chain(self.defaults).collect();
        let prices_as_of = own.prices_as_of.or(self.prices_as_of);
        Self { entries: self.entries, defaults, prices_as_of }
    }
}

/// Reads a list of `WxH`.
pub fn sizes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Dimensions>, D::Error> {
    let written = Vec::<String>::deserialize(deserializer)?;
    written
        .iter()
        .map(|size| Dimensions::parse(size))
        .collect::<Option<_>>()
        .ok_or_else(|| D::Error::custom("a size is written 1024x1024"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    prices: Prices,
    #[serde(default)]
    family: Vec<Family>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Prices {
    as_of: Option<Day>,
    long_input: Option<LongInput>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    kind: Kind,
    #[serde(default)]
    temperature: Temperature,
    #[serde(default)]
    efforts: Vec<String>,
    default_effort: Option<String>,
    #[serde(default)]
    verbosity: Vec<String>,
    sizes: Option<Sizes>,
    #[serde(default)]
    qualities: Vec<String>,
    #[serde(default)]
    backgrounds: Vec<String>,
    price: Option<Rates>,
    models: Vec<Model>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    id: ModelId,
    #[serde(default)]
    default: bool,
    retires_on: Option<Day>,
    replaced_by: Option<ModelId>,
    price: Option<Rates>,
}

/// Dollars per million tokens.
#[derive(Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
struct Rates {
    input: Usd,
    cached_input: Option<Usd>,
    image_input: Option<Usd>,
    output: Usd,
}

/// A date without a time.
#[derive(Clone, Copy)]
struct Day(NaiveDate);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let moment = Datetime::deserialize(deserializer)?;
        let date = moment.date.filter(|_| moment.time.is_none());
        let date = date.and_then(|date| NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into()));
        date.map(Self).ok_or_else(|| D::Error::custom("a day is written 2026-11-22, without a time"))
    }
}

impl Rates {
    fn price(self, long: Option<LongInput>) -> Price {
        Price {
            input: self.input,
            cached_input: self.cached_input,
            image_input: self.image_input,
            output: self.output,
            long,
        }
    }
}

impl Family {
    fn entry(&self, model: &Model, long: Option<LongInput>) -> Entry {
        let long = long.filter(|_| self.kind == Kind::Text);
        Entry {
            id: model.id.clone(),
            kind: self.kind,
            retires_on: model.retires_on.map(|day| day.0),
            replaced_by: model.replaced_by.clone(),
            price: model.price.or(self.price).map(|rates| rates.price(long)),
            text: (self.kind == Kind::Text).then(|| self.text()),
            image: self.sizes.clone().map(|sizes| self.image(sizes)),
        }
    }

    fn text(&self) -> TextTraits {
        TextTraits {
            temperature: self.temperature,
            efforts: self.efforts.clone(),
            default_effort: self.default_effort.clone(),
            verbosity: self.verbosity.clone(),
        }
    }

    fn image(&self, sizes: Sizes) -> ImageTraits {
        ImageTraits { sizes, qualities: self.qualities.clone(), backgrounds: self.backgrounds.clone() }
    }
}
