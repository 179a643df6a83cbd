//! The state of the files that a call names: made again after a change of them, a call is another one.

use std::{
    fmt::Write as _,
    hash::{DefaultHasher, Hash, Hasher},
    time::UNIX_EPOCH,
};

use serde_json::{Map, Value};

use super::{Named, References, Source, source::Location};
use crate::{inputs::DataUrl, media::Content};

/// Arguments that name files.
const NAMING: [&str; 3] = ["attachments", "images", "mask"];
/// Names that are looked at; no tool takes as many.
const MOST_NAMES: usize = 40;

impl References {
    /// The files that a call names, each with its place, length and time of change, and what git answers; empty where it
    /// names none. What cannot be opened, or not be named, is left out: the call will say so.
    pub async fn stamp(&self, arguments: &Map<String, Value>) -> String {
        let mut stamp = String::new();
        if self.inputs.admit_file().is_err() {
            return stamp;
        }
        let named = NAMING.iter().filter_map(|name| arguments.get(*name)).flat_map(names);
        for name in named.take(MOST_NAMES) {
            let Ok(source) = Source::parse_attachment("", Named(name)) else { continue };
            for file in self.expand(&source).await.unwrap_or_default() {
                self.add(&file.place, &mut stamp).await;
            }
        }
        stamp
    }

    async fn add(&self, place: &Location, stamp: &mut String) {
        match place {
            Location::File(path) | Location::InProject { path, .. } | Location::Matched { path, .. } => {
                // Opened as the call opens it: it may lie in the home folder, or have a name that only reads alike.
                let Ok(Content::File { file, length }) = self.inputs.open(path).await else { return };
                let changed = file.metadata().and_then(|state| state.modified()).ok();
                // By time and length: the call waits for this look, and is not to read its files twice.
                let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
                let _ = writeln!(stamp, "{}\0{length}\0{}", path.display(), changed.as_nanos());
            }
            Location::Git(query) => {
                let Ok(answer) = self.inputs.git(query).await else { return };
                // Another release of the standard library may hash otherwise: then the call counts as another
                // one, no more.
                let mut hash = DefaultHasher::new();
                answer.text.hash(&mut hash);
                let _ = writeln!(stamp, "{}\0{}", query.name(), hash.finish());
            }
            Location::Glob(_) | Location::Kept(_) | Location::Web(_) | Location::Inline(_) => {}
        }
    }
}

/// The names in an argument: one, a list, or a list as JSON text. Data URLs name nothing, and are megabytes.
fn names(argument: &Value) -> Vec<String> {
    match argument {
        Value::String(text) if DataUrl::is_one(text) => Vec::new(),
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| vec![text.clone()]),
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| !DataUrl::is_one(name));
            names.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}
