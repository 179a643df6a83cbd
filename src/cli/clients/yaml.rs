//! Servers in YAML, as Goose has them. No crate that is well kept changes YAML without touching the rest of it, so the
//! lines of one server are put into, or taken out of, a block mapping, and the result is read again: what does not then
//! hold exactly what it held before, and the server, is not edited.

use saphyr::{LoadableYamlNode, Scalar, Yaml};

use super::{
    server_key::{ServerKey, Uneditable},
    tree::Tree,
};

pub(super) fn find(text: &str, key: ServerKey<'_>) -> Result<Option<Tree>, Uneditable> {
    let document = read(text)?;
    Ok(document.member(key.section).and_then(|section| section.member(key.name)).cloned())
}

pub(super) fn put(text: &str, key: ServerKey<'_>, server: &Tree) -> Result<String, Uneditable> {
    let mut wanted = read(text)?;
    set(&mut wanted, key, server)?;
    // A server that is replaced goes first: its lines may be written in any way.
    let without = if find(text, key)?.is_some() { take(text, key)? } else { text.to_owned() };
    let mut lines = YamlLines::of(&without);
    let section = lines.section(key)?;
    lines.insert(section.end, &block(key.name, server, section.indent));
    checked(lines.text(), &wanted)
}

pub(super) fn take(text: &str, key: ServerKey<'_>) -> Result<String, Uneditable> {
    let mut wanted = read(text)?;
    if !unset(&mut wanted, key) {
        return Ok(text.to_owned());
    }
    let mut lines = YamlLines::of(text);
    lines.remove(key)?;
    checked(lines.text(), &wanted)
}

fn checked(text: String, wanted: &Tree) -> Result<String, Uneditable> {
    // The line editor below knows one form of mapping; every other one, such as `{ ... }` and anchors, is found out
    // here.
    let is_as_wanted = read(&text).is_ok_and(|read| same(&read, wanted));
    if is_as_wanted { Ok(text) } else { Err(unclear()) }
}

fn unclear() -> Uneditable {
    Uneditable::somewhere("it is written in a way that cannot be edited safely")
}

/// Equal, in any order: a server that is replaced may change its place.
fn same(one: &Tree, other: &Tree) -> bool {
    match (one, other) {
        (Tree::Map(one), Tree::Map(other_members)) => {
            one.len() == other_members.len()
                && one.iter().all(|(name, value)| other.member(name).is_some_and(|other| same(value, other)))
        }
        _ => one == other,
    }
}

fn read(text: &str) -> Result<Tree, Uneditable> {
    let documents = Yaml::load_from_str(text).map_err(|error| {
        let place = error.marker();
        Uneditable { at: Some((place.line(), place.col() + 1)), why: error.info().to_owned() }
    })?;
    match documents.as_slice() {
        [] => Ok(Tree::Map(Vec::new())),
        [one] => match tree(one)? {
            Tree::Null => Ok(Tree::Map(Vec::new())),
            map @ Tree::Map(_) => Ok(map),
            Tree::Switch(_) | Tree::Digits(_) | Tree::Text(_) | Tree::List(_) => {
                Err(Uneditable::somewhere("it holds something else than one mapping"))
            }
        },
        _ => Err(Uneditable::somewhere("it holds several documents")),
    }
}

fn tree(node: &Yaml<'_>) -> Result<Tree, Uneditable> {
    Ok(match node {
        Yaml::Value(Scalar::Null) => Tree::Null,
        Yaml::Value(Scalar::Boolean(switch)) => Tree::Switch(*switch),
        Yaml::Value(Scalar::Integer(number)) => Tree::Digits(number.to_string()),
        Yaml::Value(Scalar::FloatingPoint(number)) => Tree::Digits(number.to_string()),
        Yaml::Value(Scalar::String(text)) | Yaml::Representation(text, _, _) => Tree::text(text.as_ref()),
        Yaml::Sequence(items) => Tree::List(items.iter().map(tree).collect::<Result<_, _>>()?),
        Yaml::Mapping(members) => {
            let member = |(name, value): (&Yaml<'_>, &Yaml<'_>)| {
                let name = match tree(name)? {
                    Tree::Text(name) | Tree::Digits(name) => name,
                    Tree::Null | Tree::Switch(_) | Tree::List(_) | Tree::Map(_) => return Err(unclear()),
                };
                Ok((name, tree(value)?))
            };
            Tree::Map(members.iter().map(member).collect::<Result<_, _>>()?)
        }
        // A tag means what only its reader knows.
        Yaml::Tagged(..) | Yaml::Alias(_) | Yaml::BadValue => return Err(unclear()),
    })
}

fn set(document: &mut Tree, key: ServerKey<'_>, server: &Tree) -> Result<(), Uneditable> {
    unset(document, key);
    let Tree::Map(sections) = document else { return Err(unclear()) };
    let ours = (key.name.to_owned(), server.clone());
    match sections.iter_mut().find(|(name, _)| name == key.section) {
        Some((_, Tree::Map(servers))) => servers.push(ours),
        Some((_, section @ Tree::Null)) => *section = Tree::Map(vec![ours]),
        Some(_) => return Err(Uneditable::somewhere(format!("`{}` in it is not a mapping", key.section))),
        None => sections.push((key.section.to_owned(), Tree::Map(vec![ours]))),
    }
    Ok(())
}

/// Removes a server; `false` if there was none.
fn unset(document: &mut Tree, key: ServerKey<'_>) -> bool {
    let Tree::Map(sections) = document else { return false };
    let Some((_, Tree::Map(servers))) = sections.iter_mut().find(|(name, _)| name == key.section) else { return false };
    let before = servers.len();
    servers.retain(|(name, _)| name != key.name);
    servers.len() < before
}

/// A text as lines, each with its end.
struct YamlLines {
    lines: Vec<String>,
    /// The end of a line here.
    end: &'static str,
}

/// The lines of a section's servers.
struct SectionLines {
    /// The line after the last of them.
    end: usize,
    indent: usize,
}

impl YamlLines {
    fn of(text: &str) -> Self {
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        Self { lines: text.split_inclusive('\n').map(str::to_owned).collect(), end }
    }

    fn text(self) -> String {
        self.lines.concat()
    }

    /// The section, made at the end where there is none.
    fn section(&mut self, key: ServerKey<'_>) -> Result<SectionLines, Uneditable> {
        const INDENT: usize = 2;
        let Some(head) = self.head(key) else {
            let end = self.lines.len();
            self.insert(end, &[format!("{}:", key.section)]);
            return Ok(SectionLines { end: self.lines.len(), indent: INDENT });
        };
        let end = self.end_of(head, 0);
        let indent = self.lines.get(head + 1..end).unwrap_or_default().iter().find_map(|line| indent(line));
        let line = self.lines.get_mut(head).ok_or_else(unclear)?;
        let said = line.split(" #").next().unwrap_or_default().trim_end();
        match said.strip_prefix(&format!("{}:", key.section)).map(str::trim) {
            Some("") => {}
            // What was taken out of it before, or never stood there.
            Some(empty @ ("{}" | "null" | "~")) => *line = line.replacen(&format!(": {empty}"), ":", 1),
            _ => return Err(unclear()),
        }
        Ok(SectionLines { end, indent: indent.unwrap_or(INDENT) })
    }

    fn remove(&mut self, key: ServerKey<'_>) -> Result<(), Uneditable> {
        let head = self.head(key).ok_or_else(unclear)?;
        let end = self.end_of(head, 0);
        let inside = self.lines.get(head + 1..end).unwrap_or_default();
        let depth = inside.iter().find_map(|line| indent(line)).ok_or_else(unclear)?;
        let is_ours = |line: &String| {
            let named = line.trim_start().strip_prefix(key.name).is_some_and(|rest| rest.trim_end() == ":");
            indent(line) == Some(depth) && named
        };
        let start = head + 1 + inside.iter().position(is_ours).ok_or_else(unclear)?;
        let after = self.end_of(start, depth);
        self.lines.drain(start..after);
        if self.end_of(head, 0) == head + 1
            && let Some(line) = self.lines.get_mut(head)
        {
            // Left bare, the key would be null, and no mapping any more.
            *line = line.replacen(':', ": {}", 1);
        }
        Ok(())
    }

    /// The line of a top-level key: nothing else begins at the margin.
    fn head(&self, key: ServerKey<'_>) -> Option<usize> {
        let is_head = |line: &String| line.strip_prefix(key.section).is_some_and(|rest| rest.starts_with(':'));
        self.lines.iter().position(is_head)
    }

    /// The line after the last that stands deeper than `depth` below line `head`; comments and blanks after it are not
    /// its own.
    fn end_of(&self, head: usize, depth: usize) -> usize {
        let below = self.lines.iter().enumerate().skip(head + 1);
        let deeper = below.take_while(|(_, line)| indent(line).is_none_or(|indent| indent > depth));
        deeper.filter(|(_, line)| indent(line).is_some()).last().map_or(head + 1, |(number, _)| number + 1)
    }

    fn insert(&mut self, at: usize, new: &[String]) {
        if let Some(last) = at.checked_sub(1).and_then(|last| self.lines.get_mut(last))
            && !last.ends_with('\n')
        {
            last.push_str(self.end);
        }
        let new: Vec<_> = new.iter().map(|line| format!("{line}{}", self.end)).collect();
        self.lines.splice(at..at, new);
    }
}

/// The indentation of a line; `None` for a blank one and a comment.
fn indent(line: &str) -> Option<usize> {
    let said = line.trim_start_matches(' ');
    let is_said = !said.trim().is_empty() && !said.starts_with('#');
    is_said.then(|| line.len() - said.len())
}

/// A server's lines.
fn block(name: &str, server: &Tree, indent: usize) -> Vec<String> {
    let margin = " ".repeat(indent);
    match server {
        Tree::Map(members) if !members.is_empty() => {
            let members = members.iter().flat_map(|(name, member)| block(name, member, indent + 2));
            [format!("{margin}{name}:")].into_iter().chain(members).collect()
        }
        Tree::List(items) if !items.is_empty() => {
            let items = items.iter().map(|item| format!("{margin}- {}", inline(item)));
            [format!("{margin}{name}:")].into_iter().chain(items).collect()
        }
        other => vec![format!("{margin}{name}: {}", inline(other))],
    }
}

fn inline(tree: &Tree) -> String {
    match tree {
        Tree::Null => "null".to_owned(),
        Tree::Switch(switch) => switch.to_string(),
        Tree::Digits(digits) => digits.clone(),
        Tree::Text(text) if is_plain(text) => text.clone(),
        // A double-quoted string of YAML takes every escape of JSON.
        Tree::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        Tree::List(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Tree::Map(members) => {
            let members = members.iter().map(|(name, member)| format!("{name}: {}", inline(member)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A path or a word that reads as itself without quotes.
fn is_plain(text: &str) -> bool {
    // Words that YAML 1.1 reads as truth or null, and some readers still do. <https://yaml.org/type/bool.html>
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let is_usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '.' | '-');
    begins && text.chars().all(is_usual) && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}
