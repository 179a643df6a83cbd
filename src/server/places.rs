//! Paths of this server, taken out of what a caller on another machine is answered: it could do nothing with them, and
//! whoever runs the server finds them in the log.

use std::{
    collections::BTreeSet,
    fmt::Display,
    sync::{Arc, PoisonError, RwLock},
};

use rmcp::ErrorData;
use serde_json::Value;

use crate::{
    handle::Owner,
    tools::{Failed, Outcome},
};

const UNTOLD: &str = "something on the server cannot be used now: whoever runs it finds the reason in its log";

/// Folders, files and addresses as they stand in messages. Cheap to clone; clones are the same. A lock for many readers:
/// each message is searched, and only a reload adds anything.
#[derive(Debug, Clone, Default)]
pub struct ServerPlaces(Arc<RwLock<BTreeSet<String>>>);

impl ServerPlaces {
    /// Of these, the ones that say anything.
    pub fn new(places: impl IntoIterator<Item = impl Display>) -> Self {
        let none = Self::default();
        none.add(places);
        none
    }

    /// Adds those that say anything, each once: every reload names the same files again.
    pub fn add(&self, places: impl IntoIterator<Item = impl Display>) {
        // `/` and an empty text stand in almost every message.
        let places = places.into_iter().map(|place| place.to_string()).filter(|place| place.len() > 1);
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(places);
    }

    /// The text, without its reason where that names a place and `owner` is on another machine: the consequence before
    /// it stays.
    fn told(&self, owner: &Owner, text: &mut String) {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let place = places.iter().filter_map(|place| text.find(place.as_str())).min();
        drop(places);
        // The person at this machine is told all: a path is what they need to help themselves.
        if let Some(place) = place.filter(|_| owner.as_caller().is_some()) {
            tracing::warn!(caller = owner.as_caller(), %text, "told to a caller without its reason");
            // Messages say the consequence, a colon, and the reason: what it means for the call is told to everybody.
            let consequence = text.get(..place).and_then(|before| before.rfind(": ")).map_or(0, |colon| colon + 2);
            text.truncate(consequence);
            text.push_str(UNTOLD);
        }
    }

    pub(super) fn failed(&self, owner: &Owner, mut failed: Failed) -> Failed {
        self.told(owner, &mut failed.text);
        self.told(owner, &mut failed.report.message);
        failed
    }

    pub(super) fn error(&self, owner: &Owner, mut error: ErrorData) -> ErrorData {
        let mut message = error.message.into_owned();
        self.told(owner, &mut message);
        error.message = message.into();
        error
    }

    /// Warnings, and failures of single pictures. An answer stays as it is, whatever it says.
    pub(super) fn outcome(&self, owner: &Owner, outcome: &mut Outcome) {
        for warning in &mut outcome.warnings {
            self.told(owner, warning);
        }
        for warning in listed(outcome, "warnings") {
            self.value(owner, warning);
        }
        for failed in listed(outcome, "failed") {
            if let Some(message) = failed.pointer_mut("/error/message") {
                self.value(owner, message);
            }
        }
        // Pictures are told line by line; the ones that could not be kept, too.
        if outcome.structured.contains_key("images") {
            let lines = outcome.text.lines().map(|line| {
                let mut line = line.to_owned();
                self.told(owner, &mut line);
                line
            });
            outcome.text = lines.collect::<Vec<_>>().join("\n");
        }
    }

    fn value(&self, owner: &Owner, value: &mut Value) {
        if let Value::String(text) = value {
            self.told(owner, text);
        }
    }
}

fn listed<'a>(outcome: &'a mut Outcome, name: &str) -> impl Iterator<Item = &'a mut Value> {
    outcome.structured.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}
