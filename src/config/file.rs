//! The configuration file: TOML to settings, each with its line and column. Knows which keys exist, not what they mean.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    error::{Problem, ValueSource},
    key::SettingKey,
    settings,
    shape::Raw,
};
use crate::text;

/// A value in the file.
pub(super) struct FileEntry {
    pub key: SettingKey,
    pub source: ValueSource,
    pub raw: Raw,
}

/// Reads a file: its known entries, and what is wrong with the rest.
pub(super) fn read(path: &Path) -> (Vec<FileEntry>, Vec<Problem>) {
    // Bounded in length, and in time where it is no regular file: `--config` on a pipe without a writer hung for ever.
    match text::read_file(path) {
        Ok(text) => parse(&text, path),
        Err(error) => (Vec::new(), vec![Problem::Unreadable { path: path.to_owned(), why: error.to_string() }]),
    }
}

fn parse(text: &str, path: &Path) -> (Vec<FileEntry>, Vec<Problem>) {
    let mut walk = Walk { text, path: Arc::new(path.to_owned()), entries: Vec::new(), problems: Vec::new() };
    match DeTable::parse(text) {
        Ok(table) => walk.table("", table.get_ref()),
        Err(error) => {
            let place = walk.at(error.span().map_or(0, |span| span.start));
            walk.problems.push(Problem::Syntax { place, message: error.message().to_owned() });
        }
    }
    // In the order of the file: the parser's tables have one of their own.
    walk.problems.sort_by_key(|problem| match problem {
        Problem::UnknownKey { place, .. } | Problem::Value { place, .. } => Some(place.clone()),
        _ => None,
    });
    (walk.entries, walk.problems)
}

struct Walk<'a> {
    text: &'a str,
    path: Arc<PathBuf>,
    entries: Vec<FileEntry>,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let path =
                if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
            self.value(&path, name.span().start, value);
        }
    }

    fn value(&mut self, path: &str, start: usize, value: &Spanned<DeValue<'_>>) {
        let source = self.at(start);
        // `preview = "never"` is short for `preview.mode = "never"`
        let found = settings::key_at(path)
            .or_else(|| settings::key_at(&format!("{path}.mode")).filter(|_| !value.get_ref().is_table()));
        match (found, value.get_ref()) {
            (Some(key), value) => match raw(value) {
                Some(raw) => self.entries.push(FileEntry { key, source, raw }),
                None => self.problems.push(nested(key, source)),
            },
            (None, DeValue::Table(table)) if !table.is_empty() => self.table(path, table),
            // All its lines are commented out.
            (None, DeValue::Table(_)) if settings::ALL.iter().any(|setting| is_section_of(path, setting.key)) => {}
            (None, _) => self.problems.push(unknown(path, source)),
        }
    }

    /// The place of a byte of the text, with lines and columns counted from 1, and columns in characters as editors do.
    fn at(&self, offset: usize) -> ValueSource {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).map_or(0, |line| line.chars().count()) + 1;
        ValueSource::File { path: self.path.clone(), line: before.matches('\n').count() + 1, column }
    }
}

fn is_section_of(section: &str, key: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

fn unknown(path: &str, place: ValueSource) -> Problem {
    let keys: Vec<_> = settings::ALL.iter().map(|setting| SettingKey::near(setting.key, path).to_string()).collect();
    let nearest = text::nearest(path, keys.iter().map(String::as_str)).to_owned();
    Problem::UnknownKey { key: text::name(path), place, nearest }
}

/// A problem with lists or tables within a value: read as blank, they would be empty headers, or folders less.
fn nested(key: SettingKey, place: ValueSource) -> Problem {
    let setting = settings::ALL.iter().find(|setting| setting.key == key.setting());
    let takes = setting.map(|setting| setting.shape.takes()).unwrap_or_default();
    Problem::Value { key, place, wrong: "there is a list or a table within it".to_owned(), takes }
}

/// `None` where lists and tables are nested.
fn raw(value: &DeValue<'_>) -> Option<Raw> {
    Some(match value {
        DeValue::Array(items) => {
            Raw::List(items.iter().map(|item| scalar(item.get_ref())).collect::<Option<Vec<_>>>()?)
        }
        DeValue::Table(table) => {
            let pairs = table.iter().map(|(name, value)| Some((name.get_ref().to_string(), scalar(value.get_ref())?)));
            Raw::Pairs(pairs.collect::<Option<Vec<_>>>()?)
        }
        value => Raw::Text(scalar(value)?),
    })
}

/// A scalar as it would be written in the environment. Arrays and tables have no such form.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => return None,
    })
}
