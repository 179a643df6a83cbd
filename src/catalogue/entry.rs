//! One model of the catalogue.

use std::{collections::BTreeMap, sync::Arc};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{Price, Sizes};
use crate::model::ModelId;

/// The product of a model; in the catalogue's file, the field `kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Answers in words, also about pictures.
    Text,
    /// Makes pictures, and edits them.
    Image,
}

/// One model, or all models whose id starts alike.
#[derive(Debug, Clone)]
pub struct CatalogueEntry {
    /// An id, or the beginning of ids with a `*` behind it.
    pub id: ModelId,
    /// Decides which tools take it.
    pub kind: ModelKind,
    /// The day from which it no longer answers; `None`: none is announced.
    pub retires_on: Option<NaiveDate>,
    /// The model to ask instead once it is retired; `None`: whatever still answers.
    pub replaced_by: Option<ModelId>,
    /// `None`: not known, so no cost is given.
    pub price: Option<Arc<Price>>,
    /// `None` for an image model.
    pub text: Option<TextTraits>,
    /// `None` for a text model.
    pub image: Option<ImageTraits>,
}

/// Traits of a text model.
#[derive(Debug, Clone, Default)]
pub struct TextTraits {
    /// The reasoning efforts at which it takes `temperature`.
    pub temperature: Temperature,
    /// Efforts it takes, weakest first; empty: takes none.
    pub efforts: Vec<String>,
    /// The effort it takes where a request names none; `None`: not known.
    pub default_effort: Option<String>,
    /// Verbosities it takes; empty: takes none.
    pub verbosity: Vec<String>,
}

/// The condition on which a model takes `temperature`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Temperature {
    /// At every effort.
    Always,
    /// It refuses the field.
    #[default]
    Never,
    /// Only with reasoning effort `none`.
    WithEffortNone,
}

/// Traits of an image model.
#[derive(Debug, Clone, Default)]
pub struct ImageTraits {
    /// Sizes besides `auto`; an empty list: not known, so any is sent.
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
    /// The kind of call that may name it.
    pub kind: ModelKind,
    /// As given in `model`: `default`, `strong`, `cheap` ...
    pub name: String,
    /// The id that it stands for.
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
    /// In the order of listings.
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
    // The longest: a pattern for a family may stand beside one for a part of it.
    let pattern = || all.iter().filter(fits).max_by_key(|one| id_of(one).as_str().len());
    exact(id).or_else(|| exact(undated(id)?)).or_else(pattern)
}

/// The id without the `-YYYY-MM-DD` of a snapshot.
pub(super) fn undated(id: &str) -> Option<&str> {
    // Checked, since ids come from outside: there may be the middle of a character.
    let (model, date) = id.split_at_checked(id.len().checked_sub(11)?)?;
    NaiveDate::parse_from_str(date, "-%Y-%m-%d").is_ok().then_some(model)
}
