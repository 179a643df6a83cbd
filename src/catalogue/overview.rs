//! All models at one glance: the catalogue, merged with what the upstream lists.

use std::collections::HashSet;

use chrono::NaiveDate;

use super::{
    Catalogue, CatalogueEntry, Lesson, ModelKind, ModelSource,
    entry::{is_pattern, undated},
};
use crate::model::ModelId;

/// One model as all sources together know it.
#[derive(Debug, Clone)]
pub struct Overview {
    /// An id, or the beginning of ids with a `*` behind it.
    pub id: ModelId,
    /// `None`: nothing says.
    pub kind: Option<ModelKind>,
    /// True if it is asked when a call names no model.
    pub default: bool,
    /// The roles that it has.
    pub roles: Vec<String>,
    /// True if the upstream lists it; `None`: it was not asked, or the id is a pattern.
    pub listed: Option<bool>,
    /// The day from which it no longer answers, by whichever source knows; `None`: none is announced.
    pub retires_on: Option<NaiveDate>,
    /// The entry that speaks for it.
    pub entry: Option<CatalogueEntry>,
    /// Lessons that still hold, oldest first.
    pub lessons: Vec<Lesson>,
}

impl Catalogue {
    /// The catalogue's entries in their order, then what only the upstream lists, then defaults that nobody knows.
    #[must_use]
    pub fn overview(&self) -> Vec<Overview> {
        let listing = self.listing();
        let listed = listing.iter().flat_map(|listing| &listing.models).map(|model| &model.id);
        let defaults = ModelKind::ALL.into_iter().filter_map(|kind| self.default(kind));
        let mut seen = HashSet::new();
        let all = self.entries().map(|entry| &entry.id).chain(listed).chain(defaults);
        all.filter(|id| seen.insert(*id)).map(|id| self.overview_of(id)).collect()
    }

    /// The models to choose from: those that answer, by the names that they are asked by.
    #[must_use]
    pub fn answering(&self) -> Vec<Overview> {
        let mut all = self.overview();
        // The embedded models need not be at somebody else's upstream.
        let is_there =
            |model: &Overview| self.config.at == ModelSource::OpenAi || model.listed != Some(false) || model.default;
        all.retain(|model| !is_pattern(&model.id) && !self.is_past(model.retires_on) && is_there(model));
        let ids: HashSet<String> = all.iter().map(|model| model.id.to_string()).collect();
        // A snapshot is asked by the name of its model, where that is there.
        all.retain(|model| undated(model.id.as_str()).is_none_or(|id| !ids.contains(id)));
        all
    }

    /// The models of a kind to choose from, the default first.
    #[must_use]
    pub fn choices(&self, kind: ModelKind) -> Vec<ModelId> {
        let mut of_kind = self.answering();
        of_kind.retain(|model| model.kind == Some(kind));
        // Stable: the others keep the order of the catalogue.
        of_kind.sort_by_key(|model| !model.default);
        of_kind.into_iter().map(|model| model.id).collect()
    }

    fn overview_of(&self, id: &ModelId) -> Overview {
        let entry = self.find(id).cloned();
        let default_of = ModelKind::ALL.into_iter().find(|kind| self.default(*kind) == Some(id));
        let roles = self.roles().filter(|role| role.model == *id);
        // No upstream lists the beginning of a name.
        let listing = self.listing().filter(|_| !is_pattern(id));
        Overview {
            kind: entry.as_ref().map(|entry| entry.kind).or(default_of),
            default: default_of.is_some(),
            roles: roles.map(|role| role.name).collect(),
            listed: listing.map(|listing| listing.find(id).is_some()),
            retires_on: self.retires_on(id),
            entry,
            lessons: self.lessons_of(id),
            id: id.clone(),
        }
    }
}
