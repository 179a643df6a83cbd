//! One model of the catalogue.

use std::{collections::BTreeMap, sync::Arc};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{Price, Sizes};
use crate::model::ModelId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    Text,
    Image,
}

/// One model, or all models whose id starts alike.
#[derive(Debug, Clone)]
pub struct CatalogueEntry {
    /// An id, or the beginning of ids with a `*` behind it.
    pub id: ModelId,
    pub kind: ModelKind,
    pub retires_on: Option<NaiveDate>,
    pub replaced_by: Option<ModelId>,
    pub price: Option<Arc<Price>>,
    pub text: Option<TextTraits>,
    pub image: Option<ImageTraits>,
}

/// Traits of a text model.
#[derive(Debug, Clone, Default)]
pub struct TextTraits {
    pub temperature: Temperature,
    /// Efforts it takes, weakest first; empty: takes none.
    pub efforts: Vec<String>,
    pub default_effort: Option<String>,
    /// Verbosities it takes; empty: takes none.
    pub verbosity: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Temperature {
    Always,
    #[default]
    Never,
    /// Only with reasoning effort `none`.
    WithEffortNone,
}

/// Traits of an image model.
#[derive(Debug, Clone, Default)]
pub struct ImageTraits {
    pub sizes: Sizes,
    /// Weakest first; empty: takes none.
    pub qualities: Vec<String>,
    /// Empty: takes none.
    pub backgrounds: Vec<String>,
    /// Output tokens of a picture of 1024x1024 at most, by quality; empty: not known.
    pub tokens: BTreeMap<String, u64>,
}

/// A name for whichever model does something best at the moment, given instead of an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogueRole {
    pub kind: ModelKind,
    pub name: String,
    pub model: ModelId,
}

impl CatalogueEntry {
    /// Returns whether the id stands for all ids that start so.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        is_pattern(&self.id)
    }
}

impl ModelKind {
    pub const ALL: [Self; 2] = [Self::Text, Self::Image];

    /// The product of such a model.
    #[must_use]
    pub fn product(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "pictures",
        }
    }
}

/// Returns whether it is the beginning of ids.
pub(super) fn is_pattern(id: &ModelId) -> bool {
    id.as_str().ends_with('*')
}

/// Finds the entry of `all` for `id`: its own, the model it is a dated snapshot of, or the longest pattern.
pub(super) fn entry_for<'a, T>(all: &'a [T], id: &ModelId, id_of: fn(&T) -> &ModelId) -> Option<&'a T> {
    let id = id.as_str();
    let exact = |id: &str| all.iter().find(|one| id_of(one).as_str() == id);
    let fits = |one: &&T| id_of(one).as_str().strip_suffix('*').is_some_and(|start| id.starts_with(start));
    let pattern = || all.iter().filter(fits).max_by_key(|one| id_of(one).as_str().len());
    exact(id).or_else(|| exact(undated(id)?)).or_else(pattern)
}

/// The id without the `-YYYY-MM-DD` of a snapshot.
pub(super) fn undated(id: &str) -> Option<&str> {
    let (model, date) = id.split_at_checked(id.len().checked_sub(11)?)?;
    NaiveDate::parse_from_str(date, "-%Y-%m-%d").is_ok().then_some(model)
}
