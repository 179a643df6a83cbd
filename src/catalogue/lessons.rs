//! What the upstream's refusals taught of a model: in memory, and in a file shared with the other processes of this
//! user. Forgotten after a while, so that a model that has changed is tried again.

use std::{
    fmt, io,
    sync::{Mutex, PoisonError},
};

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::{model::ModelId, state};

const FILE: &str = "lessons.json";
const LOCK: &str = "lessons.lock";
const LONGEST: u64 = 4 * 1024 * 1024;
/// A lesson holds for so long.
const HOLDS: Days = Days::new(30);
/// The oldest go beyond this: names of models come from outside.
const MOST: usize = 1_000;

/// Something learnt about a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lesson {
    pub model: ModelId,
    pub learnt_on: NaiveDate,
    #[serde(flatten)]
    pub taught: Taught,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Taught {
    /// It does not take this argument of a tool.
    Refuses {
        refuses: String,
        /// The word that was given for it, or beside it: another may be taken.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        with: Option<String>,
    },
    /// It answers by this API and no other.
    OnlyBy { only_by: Api },
}

/// The APIs that text models answer by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    Responses,
    Chat,
}

/// All lessons; `None`: the file was not looked at yet.
#[derive(Debug, Default)]
pub(super) struct Lessons(Mutex<Option<Vec<Lesson>>>);

impl Lessons {
    /// Those that still hold, of one model or of all, oldest first; the file is read the first time.
    pub fn holding(&self, of: Option<&ModelId>, today: NaiveDate, folder: Option<&state::Folder>) -> Vec<Lesson> {
        let is_meant = |lesson: &&Lesson| of.is_none_or(|model| lesson.model == *model) && lesson.holds(today);
        self.with(folder, |all| all.iter().filter(is_meant).cloned().collect())
    }

    /// Whether this is new.
    pub fn learn(&self, lesson: &Lesson, folder: Option<&state::Folder>) -> bool {
        self.with(folder, |all| {
            let known = all.iter().any(|known| known.is(lesson) && known.holds(lesson.learnt_on));
            add(all, std::slice::from_ref(lesson), lesson.learnt_on);
            !known
        })
    }

    /// Adds what was learnt here to the file. Blocks on the disk.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn save(&self, today: NaiveDate, folder: &state::Folder) -> io::Result<()> {
        let _held = folder.lock(LOCK)?;
        let mut all = read(folder);
        let ours = self.with(Some(folder), |ours| ours.clone());
        add(&mut all, &ours, today);
        folder.write(FILE, &serde_json::to_vec_pretty(&all)?)
    }

    fn with<T>(&self, folder: Option<&state::Folder>, work: impl FnOnce(&mut Vec<Lesson>) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(all.get_or_insert_with(|| folder.map(read).unwrap_or_default()))
    }
}

/// `gpt-5 does not take temperature (2026-11-22)`.
impl fmt::Display for Lesson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, learnt_on, .. } = self;
        match &self.taught {
            Taught::Refuses { refuses, with: Some(with) } => write!(f, "{model} does not take {refuses} with {with}"),
            Taught::Refuses { refuses, with: None } => write!(f, "{model} does not take {refuses}"),
            Taught::OnlyBy { only_by: Api::Responses } => write!(f, "{model} answers only by the Responses API"),
            Taught::OnlyBy { only_by: Api::Chat } => write!(f, "{model} answers only by Chat Completions"),
        }?;
        write!(f, " ({learnt_on})")
    }
}

impl Lesson {
    /// Whether it says the same.
    fn is(&self, other: &Self) -> bool {
        (&self.model, &self.taught) == (&other.model, &other.taught)
    }

    fn holds(&self, today: NaiveDate) -> bool {
        self.learnt_on + HOLDS > today
    }
}

/// The newest of each that still hold, oldest first.
fn add(all: &mut Vec<Lesson>, new: &[Lesson], today: NaiveDate) {
    for lesson in new {
        match all.iter_mut().find(|old| old.is(lesson)) {
            Some(old) => old.learnt_on = old.learnt_on.max(lesson.learnt_on),
            None => all.push(lesson.clone()),
        }
    }
    all.retain(|lesson| lesson.holds(today));
    all.sort_by_key(|lesson| lesson.learnt_on);
    all.drain(..all.len().saturating_sub(MOST));
}

/// A file that is damaged, or of a form to come, teaches nothing.
fn read(folder: &state::Folder) -> Vec<Lesson> {
    let json = folder.read(FILE, LONGEST).ok().flatten().unwrap_or_default();
    serde_json::from_slice(&json).unwrap_or_default()
}
