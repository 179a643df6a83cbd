//! `initialize` as some clients send it: without the parts that nothing hangs on. What cannot be read even so is told
//! with what would be right.

use rmcp::model::{ErrorData, InitializeRequestParams};
use serde_json::{Map, Value, json};

/// The params, with a name, a version and capabilities for a client that sends none.
///
/// # Errors
/// Invalid params: what is wrong with them, and what they take.
pub(super) fn completed(params: Option<Value>) -> Result<InitializeRequestParams, ErrorData> {
    let mut params = params.unwrap_or_else(|| json!({}));
    if let Value::Object(fields) = &mut params {
        given_or(fields, "capabilities", json!({}));
        given_or(fields, "clientInfo", json!({}));
        if let Some(Value::Object(client)) = fields.get_mut("clientInfo") {
            given_or(client, "name", "unknown".into());
            given_or(client, "version", "unknown".into());
        }
    }
    serde_json::from_value(params).map_err(|error| {
        let message = format!(
            "the params of initialize are not what it takes ({error}): send protocolVersion, such as \"2025-11-25\", \
             capabilities, an object, and clientInfo, an object with name and version"
        );
        ErrorData::invalid_params(message, None)
    })
}

fn given_or(fields: &mut Map<String, Value>, name: &str, default: Value) {
    if fields.get(name).is_none_or(Value::is_null) {
        fields.insert(name.to_owned(), default);
    }
}
