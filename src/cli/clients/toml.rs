//! Servers in TOML, as Codex has them: `[mcp_servers.NAME]`.

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::{
    server_key::{ServerKey, Uneditable},
    tree::Tree,
};

pub(super) fn find(text: &str, key: ServerKey<'_>) -> Result<Option<Tree>, Uneditable> {
    let document = read(text)?;
    let Some(section) = document.get(key.section) else { return Ok(None) };
    let section = section.as_table_like().ok_or_else(|| no_section(key))?;
    Ok(section.get(key.name).map(tree))
}

pub(super) fn put(text: &str, key: ServerKey<'_>, server: &Tree) -> Result<String, Uneditable> {
    let mut document = read(text)?;
    let new_section = || {
        let mut section = Table::new();
        // No header of its own above that of the server.
        section.set_implicit(true);
        Item::Table(section)
    };
    let section = document.entry(key.section).or_insert_with(new_section);
    let is_inline = section.is_inline_table();
    let section = section.as_table_like_mut().ok_or_else(|| no_section(key))?;
    let written = if is_inline { Item::Value(value(server)) } else { item(server) };
    put_in_place(section, key.name, written);
    Ok(lines_as_before(text, document.to_string()))
}

pub(super) fn take(text: &str, key: ServerKey<'_>) -> Result<String, Uneditable> {
    let mut document = read(text)?;
    if let Some(section) = document.get_mut(key.section) {
        section.as_table_like_mut().ok_or_else(|| no_section(key))?.remove(key.name);
    }
    Ok(lines_as_before(text, document.to_string()))
}

/// A table that is replaced keeps its place in the file, and the comment above it.
fn put_in_place(section: &mut dyn TableLike, name: &str, mut written: Item) {
    if let (Some(Item::Table(old)), Item::Table(new)) = (section.get(name), &mut written) {
        new.set_position(old.position());
        *new.decor_mut() = old.decor().clone();
    }
    section.insert(name, written);
}

/// The writer ends lines in LF; a file of Windows keeps its own ends.
fn lines_as_before(before: &str, after: String) -> String {
    let is_windows = before.contains("\r\n") && !before.replace("\r\n", "").contains('\n');
    if is_windows { after.replace("\r\n", "\n").replace('\n', "\r\n") } else { after }
}

fn read(text: &str) -> Result<DocumentMut, Uneditable> {
    text.parse::<DocumentMut>().map_err(|error| {
        let why = error.message().lines().collect::<Vec<_>>().join(", ");
        match error.span() {
            Some(span) => Uneditable::at_byte(text, span.start, why),
            None => Uneditable::somewhere(why),
        }
    })
}

fn no_section(key: ServerKey<'_>) -> Uneditable {
    Uneditable::somewhere(format!("`{}` in it is not a table", key.section))
}

fn tree(item: &Item) -> Tree {
    match item {
        Item::None => Tree::Null,
        Item::Value(value) => tree_of_value(value),
        Item::Table(table) => Tree::Map(table.iter().map(|(name, item)| (name.to_owned(), tree(item))).collect()),
        Item::ArrayOfTables(tables) => {
            let tables = tables.iter().map(|table| tree(&Item::Table(table.clone())));
            Tree::List(tables.collect())
        }
    }
}

fn tree_of_value(value: &Value) -> Tree {
    match value {
        Value::String(text) => Tree::text(text.value().as_str()),
        Value::Boolean(switch) => Tree::Switch(*switch.value()),
        Value::Integer(number) => Tree::Digits(number.value().to_string()),
        Value::Float(number) => Tree::Digits(number.value().to_string()),
        Value::Datetime(time) => Tree::Text(time.value().to_string()),
        Value::Array(items) => Tree::List(items.iter().map(tree_of_value).collect()),
        Value::InlineTable(table) => {
            Tree::Map(table.iter().map(|(name, value)| (name.to_owned(), tree_of_value(value))).collect())
        }
    }
}

/// A server is a table of its own; what is in it stands on one line each.
fn item(server: &Tree) -> Item {
    match server {
        Tree::Map(members) => {
            Item::Table(members.iter().map(|(name, member)| (name.as_str(), value(member))).collect())
        }
        Tree::Null | Tree::Switch(_) | Tree::Digits(_) | Tree::Text(_) | Tree::List(_) => Item::Value(value(server)),
    }
}

fn value(tree: &Tree) -> Value {
    match tree {
        // TOML has no null; nothing of ours is one.
        Tree::Null => Value::from(""),
        Tree::Switch(switch) => Value::from(*switch),
        Tree::Digits(digits) => digits.parse::<i64>().map_or_else(|_| Value::from(digits.as_str()), Value::from),
        Tree::Text(text) => Value::from(text.as_str()),
        Tree::List(items) => Value::Array(items.iter().map(value).collect::<Array>()),
        Tree::Map(members) => {
            let members = members.iter().map(|(name, member)| (name.as_str(), value(member)));
            Value::InlineTable(members.collect::<InlineTable>())
        }
    }
}
