//! The model catalogue: what each model accepts, costs, and when it retires. Reads `models.toml`, embedded and
//! overridable; a model that is not in it is sent as it is. Besides, it keeps what the upstream itself reports: which
//! models it lists, when they retire, and what its refusals taught. Does not know how the upstream is asked.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use crate::{handle::Account, model::ModelId, money::Tier, text};

mod day;
mod entry;
mod file;
mod lessons;
mod listing;
mod memory;
mod overview;
mod price;
mod quote;
mod rates;
mod resolve;
mod sizes;
mod tiers;

pub use entry::{CatalogueEntry, CatalogueRole, ImageTraits, ModelKind, Temperature, TextTraits};
pub use lessons::{LearntApi, Lesson, Taught};
pub use listing::Listing;
pub use overview::Overview;
pub use price::{LongInput, Price};
pub use quote::Quote;
pub use rates::{RateName, Rates};
pub use resolve::{Resolved, UnusableModel};
pub use sizes::Sizes;
pub use tiers::{AtTier, Tiers};

use entry::entry_for;
use file::{CatalogueTable, Contents};
use lessons::Lessons;
use listing::NewestList;
use memory::Memory;

const EMBEDDED: &str = include_str!("../models.toml");

/// Settings of the catalogue, and the upstream that it is for.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// `models.text`, `models.image`: the user's defaults instead of the catalogue's; an id or a role.
    pub text: Option<ModelId>,
    /// The same for pictures.
    pub image: Option<ModelId>,
    /// `models.retired`.
    pub retired: Retired,
    /// Free where the upstream is the sandbox.
    pub prices: Prices,
    /// The service tier that text is asked for at.
    pub tier: Tier,
    /// By `openai.base_url`.
    pub at: ModelSource,
    /// A file of entries that change or add to the embedded ones.
    pub file: Option<PathBuf>,
    /// Age that the upstream's list may reach before it is asked for again; `None`: it is read only where somebody
    /// wants to see it.
    pub refresh: Option<Duration>,
    /// The name under which the upstream's list and what its refusals taught are remembered.
    pub upstream: String,
    /// The day it is; a fixed one in tests.
    pub today: Today,
}

/// The treatment of a retired model's name.
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

/// Prices of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prices {
    /// As the catalogue says.
    #[default]
    Listed,
    /// Nothing: the upstream is the sandbox.
    Free,
}

/// Whose models the upstream has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ModelSource {
    /// OpenAI's, as the embedded catalogue describes them.
    #[default]
    OpenAi,
    /// Its own: a model may be called `default` there, so only the user's file gives roles a meaning, and the embedded
    /// models need not be there.
    Elsewhere,
}

/// The user's file cannot be read, or is no catalogue; the text names the file and the fault.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// The day that retirements and the age of prices are held against; no setting, a test stands on a day of its own.
#[derive(Debug, Clone, Copy, Default)]
pub enum Today {
    /// The day it is, in UTC, whenever it is asked.
    #[default]
    Now,
    /// The beginning of that day, in UTC.
    At(NaiveDate),
}

impl Today {
    fn date(self) -> NaiveDate {
        self.moment().date_naive()
    }

    fn moment(self) -> DateTime<Utc> {
        match self {
            Self::Now => Utc::now(),
            Self::At(day) => day.and_time(NaiveTime::MIN).and_utc(),
        }
    }
}

/// The entries and the rules for names.
#[derive(Debug)]
pub struct Catalogue {
    config: Config,
    /// The user's file.
    own: Contents,
    /// Read at the first use: the start of a server does not need it.
    all: OnceLock<CatalogueTable>,
    listing: NewestList,
    lessons: Lessons,
    /// `None`: what is learnt is lost with this process.
    memory: Option<Memory>,
    noted: Mutex<NoticedModels>,
}

/// The models whose notices were given on this day.
#[derive(Debug, Default)]
struct NoticedModels {
    on: NaiveDate,
    models: HashSet<ModelId>,
}

impl Catalogue {
    /// Reads the user's file, where there is one; everything else is read at the first use.
    ///
    /// # Errors
    /// [`Unreadable`] with file, line and column.
    pub fn build(config: Config) -> Result<Self, Unreadable> {
        let own = match &config.file {
            None => Contents::default(),
            Some(path) => {
                let name = path.display().to_string();
                let text = text::read_file(path).map_err(|error| {
                    Unreadable(format!("the model catalogue {name} (models.file) cannot be read: {error}"))
                })?;
                file::parse(&text, &name).map_err(Unreadable)?
            }
        };
        // The user's file is read at once, so that a mistake in it is told at the start; the embedded one has a test.
        let (all, noted) = (OnceLock::new(), Mutex::default());
        let (listing, lessons) = (NewestList::default(), Lessons::default());
        Ok(Self { config, own, all, listing, lessons, memory: None, noted })
    }

    /// All entries in the catalogue's order.
    pub fn entries(&self) -> impl Iterator<Item = &CatalogueEntry> {
        self.all().entries.iter()
    }

    /// The entry that speaks for this id: its own, that of the model it is a dated snapshot of, or the longest pattern.
    #[must_use]
    pub fn find(&self, id: &ModelId) -> Option<&CatalogueEntry> {
        entry_for(&self.all().entries, id, |entry| &entry.id)
    }

    /// The known name of a model that a call named: as the upstream lists it, or that of the entry that speaks for it.
    /// `None` where nobody knows it, so that made-up names do not fill the journal of failed calls.
    #[must_use]
    pub fn known_name(&self, id: &ModelId) -> Option<ModelId> {
        let listed = self.listing().and_then(|listing| Some(listing.find(id)?.id.clone()));
        listed.or_else(|| Some(self.find(id)?.id.clone()))
    }

    /// The day the prices were read.
    #[must_use]
    pub fn prices_as_of(&self) -> NaiveDate {
        self.all().prices_as_of.unwrap_or_else(|| self.config.today.date())
    }

    /// The day from which a model no longer answers: the user's word goes before the upstream's, and that before the
    /// embedded catalogue's.
    #[must_use]
    pub fn retires_on(&self, id: &ModelId) -> Option<NaiveDate> {
        // A model may live on at an upstream that the embedded dates are not about, such as a cloud with dates
        // of its own.
        let own = self.own.retires_on(id);
        own.or_else(|| self.listing()?.retires_on(id)).or_else(|| self.find(id)?.retires_on)
    }

    /// The models that the upstream listed when it was last asked.
    #[must_use]
    pub fn listing(&self) -> Option<Arc<Listing>> {
        self.listing.latest()
    }

    /// Returns whether the account's list is younger than `age`, by this machine's clock.
    #[must_use]
    pub fn has_list_of(&self, account: &Account, age: Duration) -> bool {
        self.listing().is_some_and(|listing| listing.account == *account && self.is_younger(&listing, age))
    }

    /// Returns whether it is time to ask the upstream for its list.
    #[must_use]
    pub fn list_is_due(&self) -> bool {
        let Some(limit) = self.config.refresh else { return false };
        !self.listing().is_some_and(|listing| self.is_younger(&listing, limit))
    }

    /// Lessons of refusals that still hold, oldest first.
    #[must_use]
    pub fn lessons(&self) -> Vec<Lesson> {
        self.lessons.holding(None, self.config.today.date())
    }

    fn lessons_of(&self, id: &ModelId) -> Vec<Lesson> {
        self.lessons.holding(Some(id), self.config.today.date())
    }

    /// Remembers what a refusal taught. Returns it where it is new, and so worth [`Catalogue::keep_lessons`].
    pub fn learn(&self, model: &ModelId, taught: Taught) -> Option<Lesson> {
        let lesson = Lesson { model: model.clone(), learnt_on: self.config.today.date(), taught };
        self.lessons.learn(&lesson).then_some(lesson)
    }

    /// The model's notices, unless they were given before on this day.
    #[must_use]
    pub fn once_a_day(&self, model: &Resolved) -> Vec<String> {
        let notices: Vec<_> = model.notice.iter().chain(&model.old_price).cloned().collect();
        if notices.is_empty() {
            return notices;
        }
        let today = self.config.today.date();
        // Reached by few: most models have no notice.
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.on != today {
            *noted = NoticedModels { on: today, models: HashSet::new() };
        }
        if noted.models.insert(model.asked.clone()) { notices } else { Vec::new() }
    }

    /// The embedded entries with the user's over them. A test keeps the embedded file readable.
    fn all(&self) -> &CatalogueTable {
        self.all.get_or_init(|| file::parse(EMBEDDED, "models.toml").unwrap_or_default().overlaid(&self.own).known())
    }

    fn is_past(&self, retires_on: Option<NaiveDate>) -> bool {
        retires_on.is_some_and(|day| day <= self.config.today.date())
    }

    fn is_younger(&self, listing: &Listing, age: Duration) -> bool {
        // A moment to come is a clock that was put back.
        (self.config.today.moment() - listing.read_at).to_std().is_ok_and(|old| old < age)
    }
}
