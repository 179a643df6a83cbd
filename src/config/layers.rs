//! The layers, laid over one another: the strongest value of each setting and where it stands.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fmt,
    path::Path,
};

use super::{
    Flag,
    error::{Error, Problem, ValueSource},
    file,
    key::SettingKey,
    settings::{self, Describe, Fallback, Setting},
    shape::{Raw, SettingKind},
};

/// The settings that are set.
pub(super) struct Layers {
    set: BTreeMap<SettingKey, (ValueSource, Raw)>,
    unfilled: Vec<Unfilled>,
}

/// A setting with a value of it that is set: its key, its origin, and the value itself.
pub(super) type SetValue<'a> = (&'static Setting<dyn Describe>, &'a SettingKey, &'a ValueSource, &'a Raw);

/// A setting whose value is a placeholder that nobody filled in: it counts as not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfilled {
    /// The setting that counts as not set.
    pub key: SettingKey,
    /// The layer that has the placeholder.
    pub source: ValueSource,
    /// As it stands there, such as `${OPENAI_API_KEY}`; 80 characters at most.
    pub placeholder: String,
}

impl fmt::Display for Unfilled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, source, placeholder } = self;
        write!(f, "{key} ({source}) is the unfilled placeholder `{placeholder}`; it counts as not set")
    }
}

impl Layers {
    /// Lays file, environment and flags over one another and checks every value that holds.
    ///
    /// # Errors
    /// All problems at once.
    pub(super) fn read(
        file: Option<&Path>,
        env: &impl Fn(&str) -> Option<OsString>,
        flags: &[Flag],
    ) -> Result<Self, Error> {
        let (entries, mut problems) = file.map(file::read).unwrap_or_default();
        let mut layers = Self { set: BTreeMap::new(), unfilled: Vec::new() };
        for entry in entries {
            layers.put(entry.key, entry.source, entry.raw);
        }
        // In the order of their strength: each puts its values over those before it.
        for setting in settings::ALL {
            let Some(name) = setting.env else { continue };
            let key = SettingKey::plain(setting.key);
            match env(name).map(OsString::into_string) {
                Some(Ok(text)) => layers.put(key, ValueSource::Environment(name), Raw::Text(text)),
                // An error, and not as good as absent: it may be meant as a budget.
                Some(Err(_)) => {
                    problems.push(problem(setting, key, ValueSource::Environment(name), "it is not UTF-8".to_owned()));
                }
                None => {}
            }
        }
        for flag in flags {
            layers.put(SettingKey::plain(flag.key), ValueSource::Flag(flag.name), Raw::Text(flag.value.clone()));
        }
        // Of the values that hold alone: one that a stronger layer replaces does no harm.
        problems.extend(layers.wrong());
        if problems.is_empty() { Ok(layers) } else { Err(Error(problems)) }
    }

    fn put(&mut self, key: SettingKey, source: ValueSource, raw: Raw) {
        // A client writes the placeholder where its user filled nothing in: a weaker layer then still holds.
        if let Some(placeholder) = raw.placeholder() {
            self.unfilled.push(Unfilled { key, source, placeholder });
        } else if !raw.is_blank() {
            let setting = settings::ALL.iter().find(|setting| setting.key == key.setting());
            let raw = match (setting, self.set.get(&key)) {
                (Some(setting), Some((_, weaker))) => setting.shape.over(weaker, raw),
                _ => raw,
            };
            self.set.insert(key, (source, raw));
        }
    }

    fn wrong(&self) -> impl Iterator<Item = Problem> {
        self.set().filter_map(|(setting, key, source, raw)| {
            let wrong = setting.shape.check(raw).err()?;
            Some(problem(setting, key.clone(), source.clone(), wrong))
        })
    }

    /// Every value that is set, in the order of the table.
    pub(super) fn set(&self) -> impl Iterator<Item = SetValue<'_>> {
        settings::ALL.iter().flat_map(|setting| {
            let values = self.set.iter().filter(|(key, _)| key.setting() == setting.key);
            values.map(|(key, (source, raw))| (*setting, key, source, raw))
        })
    }

    /// Every value that nobody filled in, in the order of the layers.
    pub(super) fn unfilled(&self) -> &[Unfilled] {
        &self.unfilled
    }

    /// The names that stand for `NAME` in the keys of a section.
    pub(super) fn names(&self, section: &str) -> BTreeSet<&str> {
        let keys = self.set.keys().filter(|key| key.setting().split('.').next() == Some(section));
        keys.filter_map(SettingKey::name).collect()
    }

    /// The origin of the value of the setting with this key; [`ValueSource::Default`] when nothing sets it.
    pub(super) fn source(&self, key: &'static str) -> ValueSource {
        self.source_of(&SettingKey::plain(key))
    }

    fn source_of(&self, key: &SettingKey) -> ValueSource {
        self.set.get(key).map_or(ValueSource::Default, |(source, _)| source.clone())
    }

    /// Returns whether the setting with this key is set to this word, or is it by default.
    pub(super) fn says(&self, key: &'static str, word: &str) -> bool {
        match self.set.get(&SettingKey::plain(key)) {
            Some((_, raw)) => matches!(raw, Raw::Text(text) if text.trim().eq_ignore_ascii_case(word)),
            None => settings::ALL
                .iter()
                .any(|setting| setting.key == key && matches!(setting.default, Fallback::Is(text) if text == word)),
        }
    }

    /// The value, or `None` where nothing sets it and there is no default.
    ///
    /// # Errors
    /// A [`Problem`] with the value.
    pub(super) fn optional<S: SettingKind>(&self, setting: &Setting<S>) -> Result<Option<S::Value>, Problem> {
        self.value_at(setting, SettingKey::plain(setting.key))
    }

    /// The value for one of the [`Layers::names`], or `None` where nothing sets it.
    ///
    /// # Errors
    /// A [`Problem`] with the value.
    pub(super) fn named<S: SettingKind>(&self, setting: &Setting<S>, name: &str) -> Result<Option<S::Value>, Problem> {
        self.value_at(setting, SettingKey::named(setting.key, name))
    }

    fn value_at<S: SettingKind>(&self, setting: &Setting<S>, key: SettingKey) -> Result<Option<S::Value>, Problem> {
        let default;
        let (source, raw) = match (self.set.get(&key), setting.default) {
            (Some((source, raw)), _) => (source.clone(), raw),
            (None, Fallback::Is(text)) => {
                default = Raw::Text(text.to_owned());
                (ValueSource::Default, &default)
            }
            (None, Fallback::Absent(_)) => return Ok(None),
        };
        setting.shape.parse(raw).map(Some).map_err(|wrong| problem(setting, key, source, wrong))
    }

    /// The value of a setting that always has one.
    ///
    /// # Errors
    /// A [`Problem`] with the value.
    pub(super) fn value<S: SettingKind>(&self, setting: &Setting<S>) -> Result<S::Value, Problem> {
        self.optional(setting)?.ok_or_else(|| self.problem(setting, "it is not set".to_owned()))
    }

    /// A problem with the value for one of the [`Layers::names`].
    pub(super) fn problem_of<S: SettingKind>(&self, setting: &Setting<S>, name: &str, wrong: String) -> Problem {
        let key = SettingKey::named(setting.key, name);
        let source = self.source_of(&key);
        problem(setting, key, source, wrong)
    }

    /// A problem with a setting's value that only shows beside other settings.
    pub(super) fn problem<S: SettingKind>(&self, setting: &Setting<S>, wrong: String) -> Problem {
        problem(setting, SettingKey::plain(setting.key), self.source(setting.key), wrong)
    }
}

fn problem(setting: &Setting<dyn Describe>, key: SettingKey, place: ValueSource, wrong: String) -> Problem {
    Problem::Value { key, place, wrong, takes: setting.shape.takes() }
}
