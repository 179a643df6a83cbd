//! Lessons of the upstream's refusals about a model. Forgotten after a while, so that a model that has changed is tried
//! again.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use serde::{Deserialize, Serialize};

use crate::{
    model::ModelId,
    store::facts::{Fact, FactKind},
};

/// Time for which a lesson holds: then the model is tried again, which may have changed.
pub(super) const HOLDS: TimeDelta = TimeDelta::days(30);
/// The oldest go beyond this: names of models come from outside.
const MOST: usize = 1_000;

/// Something learnt about a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lesson {
    /// The id that was sent.
    pub model: ModelId,
    /// In UTC; the lesson holds for 30 days from it.
    pub learnt_on: NaiveDate,
    /// The refusal in short.
    #[serde(flatten)]
    pub taught: Taught,
}

/// The content of a lesson.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Taught {
    /// It does not take this argument of a tool.
    Refuses {
        /// The tool's name for the argument: `temperature`.
        refuses: String,
        /// The word that was given for it, or beside it: another may be taken.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        with: Option<String>,
    },
    /// It answers by this API and no other.
    OnlyBy {
        /// The API that is asked at once from now on.
        only_by: LearntApi,
    },
}

/// The APIs that text models answer by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LearntApi {
    /// `POST /responses`.
    Responses,
    /// `POST /chat/completions`.
    Chat,
}

/// All lessons.
#[derive(Debug, Default)]
pub(super) struct Lessons(Mutex<Vec<Lesson>>);

impl Lessons {
    /// Those that still hold, of one model or of all, oldest first.
    pub(super) fn holding(&self, of: Option<&ModelId>, today: NaiveDate) -> Vec<Lesson> {
        let is_meant = |lesson: &&Lesson| of.is_none_or(|model| lesson.model == *model) && lesson.holds(today);
        self.all().iter().filter(is_meant).cloned().collect()
    }

    /// Adds one. `false`: it was known.
    pub(super) fn learn(&self, lesson: &Lesson) -> bool {
        let mut all = self.all();
        // Known, it needs no writing: a refusal is met in many calls at once before the first of them is learnt from.
        let is_known = all.iter().any(|known| known.is(lesson) && known.holds(lesson.learnt_on));
        add(&mut all, [lesson.clone()], lesson.learnt_on);
        !is_known
    }

    /// Adds what other processes learnt.
    pub(super) fn take_over(&self, theirs: impl IntoIterator<Item = Lesson>, today: NaiveDate) {
        add(&mut self.all(), theirs, today);
    }

    fn all(&self) -> MutexGuard<'_, Vec<Lesson>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `gpt-5 does not take temperature (2026-11-22)`.
impl fmt::Display for Lesson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, learnt_on, .. } = self;
        match &self.taught {
            Taught::Refuses { refuses, with: Some(with) } => write!(f, "{model} does not take {refuses} with {with}"),
            Taught::Refuses { refuses, with: None } => write!(f, "{model} does not take {refuses}"),
            Taught::OnlyBy { only_by: LearntApi::Responses } => write!(f, "{model} answers only by the Responses API"),
            Taught::OnlyBy { only_by: LearntApi::Chat } => write!(f, "{model} answers only by Chat Completions"),
        }?;
        write!(f, " ({learnt_on})")
    }
}

impl Lesson {
    /// As the store keeps it.
    pub(super) fn fact(&self, upstream: &str) -> Fact {
        let Self { model, taught, .. } = self;
        // A part of the name, so that the same lesson, learnt again, takes the place of the old one in the store.
        let taught = serde_json::to_string(taught).unwrap_or_default();
        Fact {
            kind: FactKind::Lesson,
            upstream: upstream.to_owned(),
            name: format!("{model} {taught}"),
            value: serde_json::to_string(self).unwrap_or_default(),
            learnt_at: self.learnt_on.and_time(NaiveTime::MIN).and_utc(),
        }
    }

    /// Reads it back; one that is damaged, or of a form to come, teaches nothing.
    pub(super) fn read(fact: &Fact) -> Option<Self> {
        serde_json::from_str(&fact.value).ok()
    }

    /// Says the same.
    fn is(&self, other: &Self) -> bool {
        (&self.model, &self.taught) == (&other.model, &other.taught)
    }

    fn holds(&self, today: NaiveDate) -> bool {
        self.learnt_on + HOLDS > today
    }
}

/// The newest of each that still hold, oldest first.
fn add(all: &mut Vec<Lesson>, new: impl IntoIterator<Item = Lesson>, today: NaiveDate) {
    for lesson in new {
        match all.iter_mut().find(|old| old.is(&lesson)) {
            Some(old) => old.learnt_on = old.learnt_on.max(lesson.learnt_on),
            None => all.push(lesson),
        }
    }
    all.retain(|lesson| lesson.holds(today));
    all.sort_by_key(|lesson| lesson.learnt_on);
    all.drain(..all.len().saturating_sub(MOST));
}
