//! The model catalogue: what each model accepts, costs, and when it retires. Reads `models.toml`, embedded and
//! overridable; a model that is not in it is sent as it is.

use std::{path::PathBuf, sync::OnceLock};

use chrono::{Days, NaiveDate, Utc};

use crate::{
    model::ModelId,
    money::{Usage, Usd},
};

mod file;
mod price;
mod sizes;

pub use price::{LongInput, Price};
pub use sizes::Sizes;

use file::Contents;

const EMBEDDED: &str = include_str!("../models.toml");
/// A retirement is warned of this many days before.
const NOTICE: Days = Days::new(30);

#[derive(Debug, Clone, Default)]
pub struct Config {
    /// `models.text`, `models.image`: the user's defaults instead of the catalogue's.
    pub text: Option<ModelId>,
    pub image: Option<ModelId>,
    pub retired: Retired,
    pub prices: Prices,
    /// A file of entries that replace or add to the embedded ones.
    pub file: Option<PathBuf>,
}

/// What happens to a retired model's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retired {
    /// Ask its replacement and say so.
    #[default]
    Replace,
    /// Refuse with the replacement's name.
    Refuse,
    /// Send it as it is (what compatible servers want).
    Send,
}

/// What the tokens cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prices {
    /// What the catalogue says.
    #[default]
    Listed,
    /// Nothing: the upstream is the sandbox.
    Free,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Text,
    Image,
}

/// One model, or all models whose id starts alike.
#[derive(Debug, Clone)]
pub struct Entry {
    /// An id, or the beginning of ids with a `*` behind it.
    pub id: ModelId,
    pub kind: Kind,
    pub retires_on: Option<NaiveDate>,
    pub replaced_by: Option<ModelId>,
    pub price: Option<Price>,
    pub text: Option<TextTraits>,
    pub image: Option<ImageTraits>,
}

/// What a text model takes.
#[derive(Debug, Clone, Default)]
pub struct TextTraits {
    pub temperature: Temperature,
    /// Efforts it takes, weakest first; empty: takes none.
    pub efforts: Vec<String>,
    pub default_effort: Option<String>,
    /// Verbosities it takes; empty: takes none.
    pub verbosity: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Temperature {
    Always,
    #[default]
    Never,
    /// Only with reasoning effort `none`.
    WithEffortNone,
}

/// What an image model takes.
#[derive(Debug, Clone, Default)]
pub struct ImageTraits {
    pub sizes: Sizes,
    /// Weakest first; empty: takes none.
    pub qualities: Vec<String>,
    /// Empty: takes none.
    pub backgrounds: Vec<String>,
}

impl Entry {
    /// The exact cost of `usage`, or `None` where no price is known.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Option<Usd> {
        self.price?.of(usage)
    }

    /// Whether the id stands for all ids that start so.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.id.as_str().ends_with('*')
    }

    /// Whether this is a pattern that the id fits.
    fn fits(&self, id: &str) -> bool {
        self.id.as_str().strip_suffix('*').is_some_and(|start| id.starts_with(start))
    }
}

impl Kind {
    /// What such a model makes.
    #[must_use]
    pub fn product(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "pictures",
        }
    }
}

/// A requested model name, resolved.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What to send.
    pub id: ModelId,
    /// Its entry, when the catalogue has one.
    pub entry: Option<Entry>,
    /// What was asked for, when it was replaced.
    pub requested: Option<ModelId>,
    /// Sentences for `warnings`: replaced, or retiring within 30 days.
    pub warnings: Vec<String>,
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("{id} retired on {on}; use {replacement} instead")]
    Retired { id: ModelId, on: NaiveDate, replacement: String },
    #[error("{id} makes {is}, not {wanted}; use one of {choices}")]
    WrongKind { id: ModelId, is: &'static str, wanted: &'static str, choices: String },
    #[error("no model is named, and the catalogue has no default for {wanted}")]
    NoDefault { wanted: &'static str },
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// The day that retirements are held against.
#[derive(Debug, Clone, Copy)]
pub enum Today {
    /// The day it is, in UTC, whenever it is asked.
    Now,
    At(NaiveDate),
}

impl Today {
    fn date(self) -> NaiveDate {
        match self {
            Self::Now => Utc::now().date_naive(),
            Self::At(day) => day,
        }
    }
}

/// The entries and the rules for names.
#[derive(Debug)]
pub struct Catalogue {
    config: Config,
    today: Today,
    /// The user's file.
    own: Contents,
    /// Read at the first use: the start of a server does not need it.
    all: OnceLock<Contents>,
}

impl Catalogue {
    /// Reads the user's file, where there is one; the embedded catalogue is read at the first use. `today` decides what
    /// is retired: a server may run for weeks.
    ///
    /// # Errors
    /// [`Unreadable`] with file, line and column.
    pub fn build(config: Config, today: Today) -> Result<Self, Unreadable> {
        let own = match &config.file {
            None => Contents::default(),
            Some(path) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Unreadable(format!("the model catalogue {name} (models.file) cannot be read: {error}"))
                })?;
                file::parse(&text, &name).map_err(Unreadable)?
            }
        };
        Ok(Self { config, today, own, all: OnceLock::new() })
    }

    /// Resolves a requested name, or the default when `None`.
    ///
    /// # Errors
    /// [`Unusable`] names what to use instead.
    pub fn resolve(&self, kind: Kind, requested: Option<&ModelId>) -> Result<Resolved, Unusable> {
        let asked = requested.or_else(|| self.default(kind)).ok_or(Unusable::NoDefault { wanted: kind.product() })?;
        let mut warnings = Vec::new();
        let id = match self.successor(asked) {
            Some((on, replacement)) if self.config.retired == Retired::Refuse => {
                return Err(Unusable::Retired { id: asked.clone(), on, replacement: replacement.to_string() });
            }
            Some((on, replacement)) if self.config.retired == Retired::Replace => {
                warnings.push(format!("{asked} retired on {on}; {replacement} answers instead."));
                replacement
            }
            _ => asked,
        };
        let mut entry = self.find(id).cloned();
        if let (Some(entry), Prices::Free) = (&mut entry, self.config.prices) {
            entry.price = Some(Price::FREE);
        }
        if let Some(entry) = entry.as_ref().filter(|entry| entry.kind != kind) {
            let (is, wanted) = (entry.kind.product(), kind.product());
            return Err(Unusable::WrongKind { id: asked.clone(), is, wanted, choices: self.lasting(kind) });
        }
        warnings.extend(entry.as_ref().and_then(|entry| self.notice(id, entry)));
        let requested = (id != asked).then(|| asked.clone());
        Ok(Resolved { id: id.clone(), entry, requested, warnings })
    }

    /// All entries in the catalogue's order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.all().entries.iter()
    }

    /// The entry that speaks for this id: its own, that of the model it is a dated snapshot of, or the longest pattern.
    #[must_use]
    pub fn find(&self, id: &ModelId) -> Option<&Entry> {
        let id = id.as_str();
        let exact = |id: &str| self.entries().find(|entry| entry.id.as_str() == id);
        let pattern = || self.entries().filter(|entry| entry.fits(id)).max_by_key(|entry| entry.id.as_str().len());
        exact(id).or_else(|| exact(undated(id)?)).or_else(pattern)
    }

    /// The model that is asked when a call names none: the user's choice, or the catalogue's.
    #[must_use]
    pub fn default(&self, kind: Kind) -> Option<&ModelId> {
        let own = match kind {
            Kind::Text => self.config.text.as_ref(),
            Kind::Image => self.config.image.as_ref(),
        };
        let is_of_kind = |id: &&ModelId| self.find(id).is_some_and(|entry| entry.kind == kind);
        own.or_else(|| self.all().defaults.iter().find(is_of_kind))
    }

    /// The models of a kind to choose from, the default first: none that is retired.
    pub fn choices(&self, kind: Kind) -> impl Iterator<Item = &ModelId> {
        let default = self.default(kind);
        let today = self.today.date();
        let answers = move |entry: &&Entry| {
            entry.kind == kind && !entry.is_pattern() && entry.retires_on.is_none_or(|day| day > today)
        };
        let others = self.entries().filter(answers).map(|entry| &entry.id).filter(move |id| Some(*id) != default);
        default.into_iter().chain(others)
    }

    /// The day the prices were read.
    #[must_use]
    pub fn prices_as_of(&self) -> NaiveDate {
        self.all().prices_as_of.unwrap_or_else(|| self.today.date())
    }

    /// The embedded entries with the user's over them. A test keeps the embedded file readable.
    fn all(&self) -> &Contents {
        self.all.get_or_init(|| file::parse(EMBEDDED, "models.toml").unwrap_or_default().overlaid(&self.own))
    }

    /// When `id` is retired: the day, and the model at the end of its replacements.
    fn successor(&self, id: &ModelId) -> Option<(NaiveDate, &ModelId)> {
        let (on, mut replacement) = self.replacement(id)?;
        // No chain is longer than the catalogue; a circle ends here.
        for _ in self.entries() {
            let Some((_, next)) = self.replacement(replacement) else { break };
            replacement = next;
        }
        Some((on, replacement))
    }

    fn replacement(&self, id: &ModelId) -> Option<(NaiveDate, &ModelId)> {
        let entry = self.find(id)?;
        let on = entry.retires_on.filter(|day| *day <= self.today.date())?;
        Some((on, entry.replaced_by.as_ref().or_else(|| self.default(entry.kind))?))
    }

    /// The warning of a retirement to come.
    fn notice(&self, id: &ModelId, entry: &Entry) -> Option<String> {
        let today = self.today.date();
        let on = entry.retires_on.filter(|day| *day > today && *day <= today + NOTICE)?;
        let instead = entry.replaced_by.as_ref().map(|id| format!("; {id} takes its place")).unwrap_or_default();
        (self.config.retired != Retired::Send).then(|| format!("{id} retires on {on}{instead}."))
    }

    /// The models of a kind that are here to stay.
    fn lasting(&self, kind: Kind) -> String {
        let stays = |entry: &&Entry| entry.kind == kind && entry.retires_on.is_none() && !entry.is_pattern();
        let ids: Vec<_> = self.entries().filter(stays).map(|entry| entry.id.as_str()).collect();
        ids.join(", ")
    }
}

/// The id without the `-YYYY-MM-DD` of a snapshot.
fn undated(id: &str) -> Option<&str> {
    let (model, date) = id.split_at_checked(id.len().checked_sub(11)?)?;
    NaiveDate::parse_from_str(date, "-%Y-%m-%d").is_ok().then_some(model)
}
