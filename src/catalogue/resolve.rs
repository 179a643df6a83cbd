//! From the name that a call gives to the model that is asked: roles, replacements, and the notices about it.

use std::sync::Arc;

use chrono::{Days, NaiveDate};

use super::{
    Catalogue, CatalogueEntry, CatalogueRole, LearntApi, Lesson, ModelKind, ModelSource, Price, Prices, Quote, Retired,
    Taught,
};
use crate::{
    model::ModelId,
    money::{Metered, Tier, Usd},
};

/// The role of the model that is asked when a call names none.
const DEFAULT: &str = "default";
/// A retirement is announced this many days before.
const NOTICE: Days = Days::new(30);

/// A requested model name, resolved.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The id to send.
    pub id: ModelId,
    /// Its entry, when the catalogue has one.
    pub entry: Option<CatalogueEntry>,
    /// The price of its tokens here, where it is known.
    pub price: Option<Arc<Price>>,
    /// The id that was asked for, when another replaced it.
    pub requested: Option<ModelId>,
    /// A sentence for `warnings`: replaced, or retiring within 30 days. [`Catalogue::once_a_day`] says whether it is
    /// due.
    pub notice: Option<String>,
    /// The same of a price that is more than 90 days old.
    pub old_price: Option<String>,
    /// Lessons of the upstream's refusals.
    pub lessons: Vec<Lesson>,
    /// The id that the notices are about.
    pub(super) asked: ModelId,
    /// The service tier that it is asked at.
    tier: Tier,
    /// The day that its prices are of.
    on: NaiveDate,
}

/// The reason why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableModel {
    /// It no longer answers, and `models.retired` is `refuse`.
    #[error("{id} retired on {on}; use {replacement} instead")]
    Retired {
        /// As asked for.
        id: ModelId,
        /// The day from which it no longer answers.
        on: NaiveDate,
        /// The model at the end of its replacements.
        replacement: String,
    },
    /// A text model was named for a picture, or the other way round.
    #[error("{id} makes {is}, not {wanted}; use one of {choices}")]
    WrongKind {
        /// As asked for.
        id: ModelId,
        /// The product of the model: `text` or `pictures`.
        is: &'static str,
        /// The product that was asked for.
        wanted: &'static str,
        /// Ids of the right kind that no retirement is announced for.
        choices: String,
    },
    /// A role of the other kind was named.
    #[error("`{name}` is a role for {is}, not for {wanted}; the roles for {wanted} are {choices}")]
    WrongRole {
        /// As given in `model`.
        name: String,
        /// The product of the role: `text` or `pictures`.
        is: &'static str,
        /// The product that was asked for.
        wanted: &'static str,
        /// Roles of the right kind.
        choices: String,
    },
    /// No model was named, and none is the default.
    #[error(
        "no model is named, and the catalogue has no default for {wanted}: name one, or set models.text or models.image"
    )]
    NoDefault {
        /// The product that was asked for: `text` or `pictures`.
        wanted: &'static str,
    },
}

impl Resolved {
    /// The exact cost of what was metered, or `None` where it is not known: what the upstream says that it charges, or
    /// the usage at its price.
    #[must_use]
    pub fn cost(&self, metered: &Metered) -> Option<Usd> {
        let price = self.price.as_deref();
        if price == Some(&Price::FREE) {
            return Some(Usd::ZERO);
        }
        metered.charged.or_else(|| price?.of(&metered.usage?, metered.tier, self.on))
    }

    /// Quotes a request's cost, where a price is known.
    #[must_use]
    pub fn quote(&self) -> Option<Quote<'_>> {
        self.price.as_deref().map(|price| Quote { price, tier: self.tier, on: self.on })
    }

    /// The lesson that this argument is refused, with this word where the refusal was of one.
    #[must_use]
    pub fn refuses(&self, argument: &str, given: Option<&str>) -> Option<&Lesson> {
        self.lessons.iter().find(|lesson| match &lesson.taught {
            Taught::Refuses { refuses, with } => refuses == argument && with.as_deref() == given,
            Taught::OnlyBy { .. } => false,
        })
    }

    /// The only API by which it is known to answer.
    #[must_use]
    pub fn only_by(&self) -> Option<LearntApi> {
        self.lessons.iter().find_map(|lesson| match lesson.taught {
            Taught::OnlyBy { only_by } => Some(only_by),
            Taught::Refuses { .. } => None,
        })
    }
}

impl Catalogue {
    /// Resolves a requested name, or the default when `None`.
    ///
    /// # Errors
    /// [`UnusableModel`] names what to use instead.
    pub fn resolve(&self, kind: ModelKind, requested: Option<&ModelId>) -> Result<Resolved, UnusableModel> {
        let asked = self.asked(kind, requested)?;
        let mut notice = None;
        let id = match self.successor(kind, asked) {
            Some((on, replacement)) if self.config.retired == Retired::Refuse => {
                return Err(UnusableModel::Retired { id: asked.clone(), on, replacement: replacement.to_string() });
            }
            Some((on, replacement)) if self.config.retired == Retired::Replace => {
                notice = Some(format!("{asked} retired on {on}; {replacement} answers instead."));
                replacement
            }
            // Elsewhere the name may be that of a model of the server's own.
            _ => asked,
        };
        if let Some(entry) = self.find(id).filter(|entry| entry.kind != kind) {
            let (is, wanted) = (entry.kind.product(), kind.product());
            return Err(UnusableModel::WrongKind { id: asked.clone(), is, wanted, choices: self.lasting(kind) });
        }
        let resolved = self.resolved(kind, id, (id != asked).then(|| asked.clone()));
        Ok(if notice.is_some() { Resolved { notice, ..resolved } } else { resolved })
    }

    /// The model with this id, neither replaced nor refused: as it was when a call began that is taken over now.
    #[must_use]
    pub fn resolved(&self, kind: ModelKind, id: &ModelId, requested: Option<ModelId>) -> Resolved {
        // The day is the upstream's where it names one: the embedded catalogue is as old as this program.
        let entry = self.find(id).cloned().map(|entry| CatalogueEntry { retires_on: self.retires_on(id), ..entry });
        let price = self.price(entry.as_ref());
        Resolved {
            notice: self.retiring(id),
            old_price: price.as_ref().and_then(|price| self.old_price(id, price)),
            entry,
            price,
            tier: match kind {
                ModelKind::Text => self.config.tier,
                // The Images API has no service tiers.
                ModelKind::Image => Tier::Default,
            },
            on: self.config.today.date(),
            lessons: self.lessons_of(id),
            id: id.clone(),
            asked: requested.as_ref().unwrap_or(id).clone(),
            requested,
        }
    }

    /// The model as it is paid for where the answer names another one, to which a router or a fallback has passed it
    /// on: by that one's price, and by none where nobody knows it. A price of the user's own for the asked one stands,
    /// and so does a name that only OpenAI knows: its answers are by the model that was asked, or a snapshot of it.
    #[must_use]
    pub fn answered_by(&self, asked: Resolved, named: &str) -> Resolved {
        // Routers put a vendor before the name: `openai/gpt-6.2-sol`.
        let Ok(other) = ModelId::parse(named.rsplit('/').next().unwrap_or_default()) else { return asked };
        if self.own.prices(&asked.id) {
            return asked;
        }
        match (self.find(&other), self.config.at) {
            (Some(entry), _) if self.find(&asked.id).is_some_and(|own| own.id == entry.id) => asked,
            (None, ModelSource::OpenAi) => asked,
            (entry, _) => Resolved { price: self.price(entry), ..asked },
        }
    }

    /// The price of a model with this entry here.
    fn price(&self, entry: Option<&CatalogueEntry>) -> Option<Arc<Price>> {
        match self.config.prices {
            Prices::Free => Some(Arc::new(Price::FREE)),
            Prices::Listed => entry?.price.clone(),
        }
    }

    /// The model that is asked when a call names none: the user's choice, or the catalogue's.
    #[must_use]
    pub fn default(&self, kind: ModelKind) -> Option<&ModelId> {
        let chosen = match kind {
            ModelKind::Text => self.config.text.as_ref(),
            ModelKind::Image => self.config.image.as_ref(),
        };
        let embedded = || self.all().roles.iter().find(|role| (role.kind, role.name.as_str()) == (kind, DEFAULT));
        match chosen {
            Some(name) => Some(self.in_role(kind, name).unwrap_or(name)),
            None => embedded().map(|role| &role.model),
        }
    }

    /// The roles that can be given instead of a model's id, and what they stand for.
    pub fn roles(&self) -> impl Iterator<Item = CatalogueRole> {
        self.given_roles().iter().map(|role| match self.default(role.kind) {
            // The user's default goes before the catalogue's, by this name too.
            Some(model) if role.name == DEFAULT => CatalogueRole { model: model.clone(), ..role.clone() },
            _ => role.clone(),
        })
    }

    fn given_roles(&self) -> &[CatalogueRole] {
        match self.config.at {
            ModelSource::OpenAi => &self.all().roles,
            // A model may be called `default` or `fast` there.
            ModelSource::Elsewhere => self.own.roles(),
        }
    }

    /// The id that is meant, after roles and defaults.
    fn asked<'a>(&'a self, kind: ModelKind, requested: Option<&'a ModelId>) -> Result<&'a ModelId, UnusableModel> {
        let default = || self.default(kind).ok_or(UnusableModel::NoDefault { wanted: kind.product() });
        let Some(name) = requested else { return default() };
        match self.in_role(kind, name) {
            Some(_) if name.as_str() == DEFAULT => default(),
            Some(model) => Ok(model),
            None => match self.given_roles().iter().find(|role| role.name == name.as_str()) {
                Some(role) => Err(self.wrong_role(role, kind)),
                None => Ok(name),
            },
        }
    }

    fn wrong_role(&self, role: &CatalogueRole, wanted: ModelKind) -> UnusableModel {
        let of_kind = self.given_roles().iter().filter(|role| role.kind == wanted).map(|role| role.name.as_str());
        UnusableModel::WrongRole {
            name: role.name.clone(),
            is: role.kind.product(),
            wanted: wanted.product(),
            choices: of_kind.collect::<Vec<_>>().join(", "),
        }
    }

    /// The model that this role stands for.
    fn in_role(&self, kind: ModelKind, name: &ModelId) -> Option<&ModelId> {
        let is_meant = |role: &&CatalogueRole| role.kind == kind && role.name == name.as_str();
        self.given_roles().iter().find(is_meant).map(|role| &role.model)
    }

    /// When `id` is retired: the day, and the model at the end of its replacements.
    fn successor(&self, kind: ModelKind, id: &ModelId) -> Option<(NaiveDate, &ModelId)> {
        let (on, mut replacement) = self.replacement(kind, id)?;
        // No chain is longer than the catalogue; a circle ends here.
        for _ in self.entries() {
            let Some((_, next)) = self.replacement(kind, replacement) else { break };
            replacement = next;
        }
        Some((on, replacement))
    }

    fn replacement(&self, kind: ModelKind, id: &ModelId) -> Option<(NaiveDate, &ModelId)> {
        let on = self.retires_on(id).filter(|day| self.is_past(Some(*day)))?;
        let entry = self.find(id);
        let kind = entry.map_or(kind, |entry| entry.kind);
        let named = entry.and_then(|entry| entry.replaced_by.as_ref());
        Some((on, named.or_else(|| self.current(kind, id))?))
    }

    /// Whatever of this kind still answers, the default first.
    fn current(&self, kind: ModelKind, instead_of: &ModelId) -> Option<&ModelId> {
        let entries = self.entries().filter(|entry| entry.kind == kind && !entry.is_pattern()).map(|entry| &entry.id);
        let mut answering = self.default(kind).into_iter().chain(entries);
        answering.find(|id| *id != instead_of && !self.is_past(self.retires_on(id)))
    }

    /// The notice of a retirement to come. Where the embedded catalogue's dates mean nothing, the upstream's own do.
    fn retiring(&self, id: &ModelId) -> Option<String> {
        let on = match self.config.retired {
            Retired::Send => self.own.retires_on(id).or_else(|| self.listing()?.retires_on(id)),
            Retired::Replace | Retired::Refuse => self.retires_on(id),
        }?;
        let today = self.config.today.date();
        let replaced_by = self.find(id).and_then(|entry| entry.replaced_by.as_ref());
        let instead = replaced_by.filter(|_| self.config.at == ModelSource::OpenAi);
        let instead = instead.map(|id| format!("; {id} takes its place")).unwrap_or_default();
        (on > today && on <= today + NOTICE).then(|| format!("{id} retires on {on}{instead}."))
    }

    /// The notice of a price that may have changed since.
    fn old_price(&self, id: &ModelId, price: &Price) -> Option<String> {
        let day = price.old(self.config.today.date())?;
        Some(format!(
            "The price of {id} was read on {day}, more than 90 days ago, so the cost may be wrong: update mcp-openai, or \
             give the price in a `models.file`."
        ))
    }

    /// The models of a kind that are here to stay.
    fn lasting(&self, kind: ModelKind) -> String {
        let stays = |entry: &&CatalogueEntry| entry.kind == kind && entry.retires_on.is_none() && !entry.is_pattern();
        let ids: Vec<_> = self.entries().filter(stays).map(|entry| entry.id.as_str()).collect();
        ids.join(", ")
    }
}
