//! The methods that are served, and what their requests have in common.

use rmcp::{
    ErrorData, RoleServer,
    model::{CustomRequest, ErrorCode, PaginatedRequestParams, ProtocolVersion},
    service::RequestContext,
};
use serde_json::Value;

use crate::text;

/// Served methods whose params can be malformed.
/// A client that hears of an unknown method stops using it, or opens in another revision: so the two are told apart.
const WITH_PARAMS: [&str; 15] = [
    "initialize",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "subscriptions/listen",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
    "skills/list",
    "skills/get",
];

/// The error for a request that rmcp cannot read: of a method that is not served, or of one that is, with params that
/// do not fit.
pub(super) fn refuse(request: &CustomRequest) -> ErrorData {
    let method = request.method.as_str();
    let arguments = request.params.as_ref().and_then(|params| params.get("arguments"));
    if method == "tools/call"
        && let Some(arguments) = arguments.filter(|arguments| !arguments.is_object())
    {
        let given = match arguments {
            Value::String(_) => "a text, even if it is one of JSON",
            Value::Array(_) => "a list",
            _ => "no object",
        };
        let message = format!("`arguments` of tools/call is {given}: send the JSON object itself");
        return ErrorData::invalid_params(message, None);
    }
    // rmcp takes a request whose params do not fit for one of an unknown method: both come here.
    if WITH_PARAMS.contains(&method) {
        ErrorData::invalid_params(format!("the params of {method} are not what the method takes"), None)
    } else {
        let method = text::brief(method, 60);
        ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("there is no method {method}"), None)
    }
}

/// Returns whether the answer may carry what 2026-07-28 brought.
pub(super) fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

/// A result with what it says of caching, for a client that may read it.
pub(super) fn cacheable<R>(result: R, context: &RequestContext<RoleServer>, say: impl FnOnce(R) -> R) -> R {
    if is_modern(context) { say(result) } else { result }
}

/// The cursor of a request for a page; an empty one is none: a host that sends `"cursor": ""` saw no tool at all.
pub(super) fn cursor(request: Option<PaginatedRequestParams>) -> Option<String> {
    request.and_then(|request| request.cursor).filter(|cursor| !cursor.trim().is_empty())
}

/// For lists that have one page: no cursor was ever given out.
pub(super) fn refuse_cursor(request: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
    match cursor(request) {
        Some(_) => Err(ErrorData::invalid_params("unknown cursor: this list has one page", None)),
        None => Ok(()),
    }
}
