//! `docs/errors.md`, written from the public codes and the schema that every failure keeps.

use mcp_openai::tools::Code;
use serde_json::Value;

use super::{schema, tools};

const HEAD: &str = "\
<!-- Generated from src/code.rs. Refresh with: UPDATE_DOCS=1 cargo test --test it docs -->
# Errors

A failed call is a result with `isError: true`, a text that says what happened and what to do, and for programs
`structuredContent.error`. Only faults of the protocol itself, such as an unknown tool, are JSON-RPC errors. In a result
with several pictures, those that failed carry the same fields in `failed[].error`.
";

/// The whole page.
pub fn markdown() -> String {
    let tool = tools::listed().remove(0);
    let mut error = tool["outputSchema"]["properties"]["error"].clone();
    error["properties"]["code"].as_object_mut().unwrap().remove("enum");
    let fields = schema::rows(&error);
    let codes: String = Code::ALL.into_iter().map(row).collect();
    format!(
        "{HEAD}
| field of `error` | holds | what it is |
|---|---|---|
{fields}
## Codes

| code | what happened | what to do |
|---|---|---|
{codes}"
    )
}

fn row(code: Code) -> String {
    let Value::String(name) = serde_json::to_value(code).unwrap() else { panic!("{code:?} is not a word") };
    let remedy = match code.remedy() {
        "" => "-",
        remedy => remedy,
    };
    format!("| `{name}` | {} | {remedy} |\n", code.meaning())
}
