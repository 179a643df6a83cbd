//! The layers, laid over one another: the strongest value of each setting and where it stands.

use std::{collections::BTreeMap, ffi::OsString, path::Path};

use super::{
    Flag,
    error::{Error, Problem, Source},
    file,
    settings::{self, Describe, Fallback, Setting},
    shape::{Raw, Shape},
};

/// The settings that are set.
pub struct Layers(BTreeMap<&'static str, (Source, Raw)>);

impl Layers {
    /// Lays file, environment and flags over one another and checks every value that holds.
    ///
    /// # Errors
    /// All problems at once.
    pub fn read(file: Option<&Path>, env: &impl Fn(&str) -> Option<OsString>, flags: &[Flag]) -> Result<Self, Error> {
        let (entries, mut problems) = file.map(file::read).unwrap_or_default();
        let mut layers = Self(BTreeMap::new());
        for entry in entries {
            layers.put(entry.key, entry.source, entry.raw);
        }
        for setting in settings::ALL {
            let Some(name) = setting.env() else { continue };
            match env(name).map(OsString::into_string) {
                Some(Ok(text)) => layers.put(setting.key(), Source::Environment(name), Raw::Text(text)),
                Some(Err(_)) => {
                    problems.push(problem(*setting, Source::Environment(name), "it is not UTF-8".to_owned()));
                }
                None => {}
            }
        }
        for flag in flags {
            layers.put(flag.key, Source::Flag(flag.name), Raw::Text(flag.value.clone()));
        }
        problems.extend(layers.wrong());
        if problems.is_empty() { Ok(layers) } else { Err(Error(problems)) }
    }

    fn put(&mut self, key: &'static str, source: Source, raw: Raw) {
        if !raw.is_blank() {
            self.0.insert(key, (source, raw));
        }
    }

    fn wrong(&self) -> impl Iterator<Item = Problem> {
        self.set().filter_map(|(setting, source, raw)| {
            let wrong = setting.check(raw).err()?;
            Some(problem(setting, source.clone(), wrong))
        })
    }

    /// Every setting that is set, in the order of the table.
    pub fn set(&self) -> impl Iterator<Item = (&'static dyn Describe, &Source, &Raw)> {
        settings::ALL.iter().filter_map(|setting| {
            let (source, raw) = self.0.get(setting.key())?;
            Some((*setting, source, raw))
        })
    }

    /// Where the value of `setting` stands; [`Source::Default`] when nothing sets it.
    pub fn source<S>(&self, setting: &Setting<S>) -> Source {
        self.0.get(setting.key).map_or(Source::Default, |(source, _)| source.clone())
    }

    /// The value, or `None` where nothing sets it and there is no default.
    ///
    /// # Errors
    /// A [`Problem`] with the value.
    pub fn optional<S: Shape>(&self, setting: &Setting<S>) -> Result<Option<S::Value>, Problem> {
        let default;
        let raw = match (self.0.get(setting.key), setting.default) {
            (Some((_, raw)), _) => raw,
            (None, Fallback::Is(text)) => {
                default = Raw::Text(text.to_owned());
                &default
            }
            (None, Fallback::Absent(_)) => return Ok(None),
        };
        setting.shape.parse(raw).map(Some).map_err(|wrong| self.problem(setting, wrong))
    }

    /// The value of a setting that always has one.
    ///
    /// # Errors
    /// A [`Problem`] with the value.
    pub fn value<S: Shape>(&self, setting: &Setting<S>) -> Result<S::Value, Problem> {
        self.optional(setting)?.ok_or_else(|| self.problem(setting, "it is not set".to_owned()))
    }

    /// A problem with a setting's value that only shows beside other settings.
    pub fn problem<S: Shape>(&self, setting: &Setting<S>, wrong: String) -> Problem {
        problem(setting, self.source(setting), wrong)
    }
}

fn problem(setting: &dyn Describe, place: Source, wrong: String) -> Problem {
    Problem::Value { key: setting.key(), place, wrong, takes: setting.takes() }
}
