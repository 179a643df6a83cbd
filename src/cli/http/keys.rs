//! Keys that are configured for callers that do not exist.

use std::collections::BTreeMap;

use crate::{
    openai::ApiKeySource,
    store::{CallerStore, callers::CallerName},
};

/// The names of `callers.NAME` by which nobody is known; those that an issuer gives are known only once limits are set.
pub(in crate::cli) async fn of_nobody(callers: &dyn CallerStore, keys: &BTreeMap<String, ApiKeySource>) -> Vec<String> {
    if keys.is_empty() {
        return Vec::new();
    }
    let Ok(known) = callers.callers().await else { return Vec::new() };
    let is_known = |name: &str| known.iter().any(|caller| caller.name.as_str() == name);
    // An issuer may have a hundred thousand, who are written down only as something is said of them.
    let is_issued = |name: &str| CallerName::parse(name).is_ok_and(|name| name.is_issued());
    keys.keys().filter(|name| !is_known(name) && !is_issued(name)).cloned().collect()
}

/// Logs them.
pub(super) async fn warn_of_nobody(callers: &dyn CallerStore, keys: &BTreeMap<String, ApiKeySource>) {
    for name in of_nobody(callers, keys).await {
        tracing::warn!(
            "callers.{name} has a key, and there is no caller {name} (mcp-openai token list): it pays for nobody"
        );
    }
}
