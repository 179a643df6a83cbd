//! Servers in JSON, with comments or without: a concrete syntax tree keeps every byte that is not ours.

use jsonc_parser::{
    ParseOptions,
    cst::{CstContainerNode, CstInputValue, CstLeafNode, CstNode, CstObject, CstRootNode},
};

use super::{
    server_key::{ServerKey, Uneditable},
    tree::Tree,
};

pub(super) fn find(text: &str, key: ServerKey<'_>) -> Result<Option<Tree>, Uneditable> {
    let root = read(text)?;
    let Some(section) = servers(&root, key)? else { return Ok(None) };
    Ok(section.get(key.name).and_then(|property| property.value()).as_ref().map(tree))
}

pub(super) fn put(text: &str, key: ServerKey<'_>, server: &Tree) -> Result<String, Uneditable> {
    let root = read(text)?;
    let object = root.object_value_or_create().ok_or_else(no_object)?;
    // Refuses a section that is something else.
    servers(&root, key)?;
    if let Some(empty) = object.get(key.section).filter(|property| property.value().is_some_and(|it| is_null(&it))) {
        empty.set_value(CstInputValue::Object(Vec::new()));
    }
    let section = object.object_value_or_create(key.section).ok_or_else(|| no_section(key))?;
    match section.get(key.name) {
        Some(property) => property.set_value(written(server)),
        None => {
            section.append(key.name, written(server));
        }
    }
    let put = root.to_string();
    // A new file ends with a line feed, as editors leave it; one that was there keeps its own end.
    let ends_in_a_line = !text.trim().is_empty() || put.ends_with('\n');
    Ok(if ends_in_a_line { put } else { put + "\n" })
}

pub(super) fn take(text: &str, key: ServerKey<'_>) -> Result<String, Uneditable> {
    let root = read(text)?;
    if let Some(property) = servers(&root, key)?.and_then(|section| section.get(key.name)) {
        property.remove();
    }
    Ok(root.to_string())
}

fn read(text: &str) -> Result<CstRootNode, Uneditable> {
    // As the clients that allow comments do: no words of JavaScript, which none of them reads.
    let options = ParseOptions {
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
        ..ParseOptions::default()
    };
    CstRootNode::parse(text, &options).map_err(|error| Uneditable {
        at: Some((error.line_display(), error.column_display())),
        why: error.kind().to_string(),
    })
}

fn servers(root: &CstRootNode, key: ServerKey<'_>) -> Result<Option<CstObject>, Uneditable> {
    let Some(value) = root.value() else { return Ok(None) };
    let object = value.as_object().ok_or_else(no_object)?;
    // Readers take the last of several, and an edit would meet the first.
    if object.properties().iter().filter(|property| property.decoded_name().as_deref() == Some(key.section)).count() > 1
    {
        return Err(Uneditable::somewhere(format!("`{}` stands in it more than once", key.section)));
    }
    match object.get(key.section).and_then(|property| property.value()) {
        None => Ok(None),
        // As some programs write what they have nothing of.
        Some(section) if is_null(&section) => Ok(None),
        Some(section) => section.as_object().map(Some).ok_or_else(|| no_section(key)),
    }
}

fn is_null(node: &CstNode) -> bool {
    node.as_null_keyword().is_some()
}

fn no_object() -> Uneditable {
    Uneditable::somewhere("it holds something else than one JSON object")
}

fn no_section(key: ServerKey<'_>) -> Uneditable {
    Uneditable::somewhere(format!("`{}` in it is not an object", key.section))
}

fn tree(node: &CstNode) -> Tree {
    match node {
        CstNode::Container(CstContainerNode::Object(object)) => {
            let members = object.properties().into_iter().filter_map(|property| {
                let value = property.value().as_ref().map_or(Tree::Null, tree);
                Some((property.decoded_name()?, value))
            });
            Tree::Map(members.collect())
        }
        CstNode::Container(CstContainerNode::Array(array)) => Tree::List(array.elements().iter().map(tree).collect()),
        CstNode::Leaf(CstLeafNode::StringLit(text)) => Tree::Text(text.decoded_value().unwrap_or_default()),
        CstNode::Leaf(CstLeafNode::BooleanLit(switch)) => Tree::Switch(switch.value()),
        CstNode::Leaf(CstLeafNode::NumberLit(number)) => Tree::Digits(number.to_string()),
        CstNode::Container(CstContainerNode::Root(_) | CstContainerNode::ObjectProp(_)) | CstNode::Leaf(_) => {
            Tree::Null
        }
    }
}

fn written(tree: &Tree) -> CstInputValue {
    match tree {
        Tree::Null => CstInputValue::Null,
        Tree::Switch(switch) => CstInputValue::Bool(*switch),
        Tree::Digits(digits) => CstInputValue::Number(digits.clone()),
        Tree::Text(text) => CstInputValue::String(text.clone()),
        Tree::List(items) => CstInputValue::Array(items.iter().map(written).collect()),
        Tree::Map(members) => {
            CstInputValue::Object(members.iter().map(|(name, value)| (name.clone(), written(value))).collect())
        }
    }
}
