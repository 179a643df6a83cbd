//! The form of `models.toml`, and how a file of the user's is laid over the built-in one: field by field.

use std::{collections::BTreeMap, sync::Arc};

use chrono::NaiveDate;
use serde::Deserialize;

use super::{
    CatalogueEntry, CatalogueRole, ImageTraits, LongInput, ModelKind, Price, RateName, Rates, Sizes, Temperature,
    TextTraits, Tiers, day::Day, entry::entry_for,
};
use crate::{model::ModelId, money::Usd};

/// The contents of one catalogue file, or of several together.
#[derive(Debug, Default)]
pub(super) struct Contents {
    said: Vec<ModelFacts>,
    roles: Vec<CatalogueRole>,
    prices_as_of: Option<NaiveDate>,
    /// A thousand searches of the web.
    web_search: Option<Usd>,
}

/// The same, ready to be asked.
#[derive(Debug, Default)]
pub(super) struct CatalogueTable {
    pub entries: Vec<CatalogueEntry>,
    pub roles: Vec<CatalogueRole>,
    pub prices_as_of: Option<NaiveDate>,
}

/// Statements about one model; `None`: nothing is stated.
#[derive(Debug, Clone)]
struct ModelFacts {
    id: ModelId,
    kind: ModelKind,
    temperature: Option<Temperature>,
    efforts: Option<Vec<String>>,
    default_effort: Option<String>,
    verbosity: Option<Vec<String>>,
    sizes: Option<Sizes>,
    qualities: Option<Vec<String>>,
    backgrounds: Option<Vec<String>>,
    picture_tokens: Option<BTreeMap<String, u64>>,
    retires_on: Option<NaiveDate>,
    replaced_by: Option<ModelId>,
    price: Option<Price>,
}

/// Reads a file's text; `name` is what errors call it.
///
/// # Errors
/// A sentence with file, line and column.
pub(super) fn parse(text: &str, name: &str) -> Result<Contents, String> {
    let file: File = toml::from_str(text).map_err(|error| {
        // A column counts characters, as editors do; the span counts bytes.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        format!("{name}:{line}:{column}: {}", error.message().trim_end())
    })?;
    let prices = file.prices;
    let said = file.family.into_iter().flat_map(|family| {
        let models = family.models.clone();
        models.into_iter().map(move |model| family.said(model, &prices))
    });
    let (roles, prices_as_of) = (file.roles.all(), prices.as_of.map(|day| day.0));
    Ok(Contents { said: said.collect(), roles, prices_as_of, web_search: prices.web_search })
}

impl Contents {
    /// These with the user's over them. What the user's file does not say of a model is as it was for it, or for the
    /// entry that spoke for it; new models follow.
    #[must_use]
    pub(super) fn overlaid(mut self, own: &Self) -> Self {
        // The user's price for searches goes before those of built-in families, too.
        if own.web_search.is_some() {
            self.said.iter_mut().filter_map(|said| said.price.as_mut()).for_each(|price| price.web_search = None);
        }
        for said in &own.said {
            let whole = match entry_for(&self.said, &said.id, |said| &said.id) {
                // An entry of the other kind says nothing of this model, though its pattern fits.
                Some(base) if base.kind == said.kind => said.clone().over(base),
                _ => said.clone(),
            };
            match self.said.iter_mut().find(|old| old.id == whole.id) {
                Some(old) => *old = whole,
                None => self.said.push(whole),
            }
        }
        self.roles.retain(|role| own.roles.iter().all(|own| (own.kind, &own.name) != (role.kind, &role.name)));
        let roles = own.roles.iter().cloned().chain(self.roles).collect();
        let prices_as_of = own.prices_as_of.or(self.prices_as_of);
        Self { said: self.said, roles, prices_as_of, web_search: own.web_search.or(self.web_search) }
    }

    /// The day on which it says itself that this model retires.
    #[must_use]
    pub(super) fn retires_on(&self, id: &ModelId) -> Option<NaiveDate> {
        self.said.iter().find(|said| said.id == *id)?.retires_on
    }

    /// Returns whether it states a price for the model.
    pub(super) fn prices(&self, id: &ModelId) -> bool {
        entry_for(&self.said, id, |facts| &facts.id).is_some_and(|facts| facts.price.is_some())
    }

    /// As they are written, the user's own first.
    #[must_use]
    pub(super) fn roles(&self) -> &[CatalogueRole] {
        &self.roles
    }

    /// These, ready to be asked; text models that have no price for searches of their own get the file's.
    #[must_use]
    pub(super) fn known(self) -> CatalogueTable {
        let searches = self.web_search;
        let priced = |kind, price: Price| match kind {
            ModelKind::Text => Price { web_search: price.web_search.or(searches), ..price },
            ModelKind::Image => price,
        };
        let said =
            self.said.into_iter().map(|said| ModelFacts { price: said.price.map(|it| priced(said.kind, it)), ..said });
        let entries = said.map(ModelFacts::entry).collect();
        CatalogueTable { entries, roles: self.roles, prices_as_of: self.prices_as_of }
    }
}

impl ModelFacts {
    /// Lays these statements over `base`.
    fn over(self, base: &Self) -> Self {
        let base = base.clone();
        Self {
            id: self.id,
            kind: self.kind,
            temperature: self.temperature.or(base.temperature),
            efforts: self.efforts.or(base.efforts),
            default_effort: self.default_effort.or(base.default_effort),
            verbosity: self.verbosity.or(base.verbosity),
            sizes: self.sizes.or(base.sizes),
            qualities: self.qualities.or(base.qualities),
            backgrounds: self.backgrounds.or(base.backgrounds),
            picture_tokens: self.picture_tokens.or(base.picture_tokens),
            retires_on: self.retires_on.or(base.retires_on),
            replaced_by: self.replaced_by.or(base.replaced_by),
            price: self.price.or(base.price),
        }
    }

    fn entry(self) -> CatalogueEntry {
        let (text, image) = match self.kind {
            ModelKind::Text => {
                let text = TextTraits {
                    temperature: self.temperature.unwrap_or_default(),
                    efforts: self.efforts.unwrap_or_default(),
                    default_effort: self.default_effort,
                    verbosity: self.verbosity.unwrap_or_default(),
                };
                (Some(text), None)
            }
            ModelKind::Image => {
                let (qualities, backgrounds) =
                    (self.qualities.unwrap_or_default(), self.backgrounds.unwrap_or_default());
                let tokens = self.picture_tokens.unwrap_or_default();
                (None, self.sizes.map(|sizes| ImageTraits { sizes, qualities, backgrounds, tokens }))
            }
        };
        CatalogueEntry {
            id: self.id,
            kind: self.kind,
            retires_on: self.retires_on,
            replaced_by: self.replaced_by,
            price: self.price.map(Arc::new),
            text,
            image,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
// Strict, here and below: a misspelt price would be no price, and a budget would refuse the model for it.
struct File {
    #[serde(default)]
    prices: PriceDefaults,
    #[serde(default)]
    roles: Roles,
    #[serde(default)]
    family: Vec<Family>,
}

/// Defaults for the prices of the file.
#[derive(Deserialize, Default, Clone, Copy)]
#[serde(deny_unknown_fields)]
struct PriceDefaults {
    as_of: Option<Day>,
    long_input: Option<LongInput>,
    /// Dollars for a thousand.
    web_search: Option<Usd>,
    #[serde(default)]
    tiers: Tiers,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Roles {
    #[serde(default)]
    text: BTreeMap<String, ModelId>,
    #[serde(default)]
    image: BTreeMap<String, ModelId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    kind: ModelKind,
    temperature: Option<Temperature>,
    efforts: Option<Vec<String>>,
    default_effort: Option<String>,
    verbosity: Option<Vec<String>>,
    sizes: Option<Sizes>,
    qualities: Option<Vec<String>>,
    backgrounds: Option<Vec<String>>,
    /// Output tokens of a picture of 1024x1024 at most, by quality.
    picture_tokens: Option<BTreeMap<String, u64>>,
    price: Option<Rates>,
    long_input: Option<LongInput>,
    web_search: Option<Usd>,
    #[serde(default)]
    tiers: Tiers,
    #[serde(default)]
    derived: Vec<RateName>,
    models: Vec<ModelEntry>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct ModelEntry {
    id: ModelId,
    retires_on: Option<Day>,
    replaced_by: Option<ModelId>,
    price: Option<Rates>,
    as_of: Option<Day>,
    #[serde(default)]
    tiers: Tiers,
    #[serde(default)]
    derived: Vec<RateName>,
}

impl Roles {
    fn all(self) -> Vec<CatalogueRole> {
        let text = self.text.into_iter().map(|role| (ModelKind::Text, role));
        let image = self.image.into_iter().map(|role| (ModelKind::Image, role));
        text.chain(image).map(|(kind, (name, model))| CatalogueRole { kind, name, model }).collect()
    }
}

impl Family {
    fn said(&self, model: ModelEntry, all: &PriceDefaults) -> ModelFacts {
        let price = model.price.or(self.price).map(|rates| {
            let derived = self.derived.iter().chain(&model.derived).copied().collect();
            let as_of = model.as_of.or(all.as_of).map(|day| day.0);
            let own = model.tiers.or(self.tiers);
            let (long, tiers) = match self.kind {
                ModelKind::Text => (self.long_input.or(all.long_input), own.or(all.tiers)),
                ModelKind::Image => (None, own),
            };
            Price { rates, web_search: self.web_search, long, tiers, as_of, derived }
        });
        ModelFacts {
            id: model.id,
            kind: self.kind,
            temperature: self.temperature,
            efforts: self.efforts.clone(),
            default_effort: self.default_effort.clone(),
            verbosity: self.verbosity.clone(),
            sizes: self.sizes.clone(),
            qualities: self.qualities.clone(),
            backgrounds: self.backgrounds.clone(),
            picture_tokens: self.picture_tokens.clone(),
            retires_on: model.retires_on.map(|day| day.0),
            replaced_by: model.replaced_by,
            price,
        }
    }
}
