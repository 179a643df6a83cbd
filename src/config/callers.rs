//! Keys of callers that have one of their own.

use std::{collections::BTreeMap, ffi::OsString};

use super::{
    error::Problem,
    layers::Layers,
    settings as s,
    shape::{self, Raw, SettingKind, web::Secret},
    upstream,
};
use crate::{openai::ApiKeySource, store::callers::CallerName};

/// The keys by the callers' names. One that is set and cannot be used is an error: nobody else may pay instead.
pub(super) fn keys(
    layers: &Layers,
    env: &impl Fn(&str) -> Option<OsString>,
) -> Result<BTreeMap<String, ApiKeySource>, Problem> {
    let key = |name: &str| Ok((name.to_owned(), key(layers, name, env)?));
    layers.names("callers").into_iter().map(key).collect()
}

fn key(layers: &Layers, name: &str, env: &impl Fn(&str) -> Option<OsString>) -> Result<ApiKeySource, Problem> {
    let (file, variable) = (layers.named(&s::CALLER_API_KEY_FILE, name)?, layers.named(&s::CALLER_API_KEY_ENV, name)?);
    let wrong = |wrong: String| match file {
        Some(_) => layers.problem_of(&s::CALLER_API_KEY_FILE, name, wrong),
        None => layers.problem_of(&s::CALLER_API_KEY_ENV, name, wrong),
    };
    CallerName::parse(name).map_err(|rule| wrong(format!("its caller has no name that a caller can have: {rule}")))?;
    // The header would go along with every request, and pay instead of the caller's key.
    if upstream::is_key_among(&layers.optional(&s::HEADERS)?.unwrap_or_default()) {
        return Err(wrong("openai.headers has the key for everybody: take it out, or this".to_owned()));
    }
    match (&file, variable) {
        (Some(path), None) => {
            Ok(ApiKeySource::File { path: path.clone(), setting: format!("callers.{name}.api_key_file") })
        }
        (None, Some(variable)) => {
            let variable = shape::keyless(&variable).map_err(&wrong)?;
            let value = env(variable).and_then(|value| value.into_string().ok());
            let raw = value.map(Raw::Text).filter(|raw| !raw.is_blank());
            let raw = raw.ok_or_else(|| wrong(format!("the variable {variable} is not set")))?;
            let secret =
                Secret.parse(&raw).map_err(|why| wrong(format!("the variable {variable} has no key: {why}")))?;
            Ok(ApiKeySource::Value { secret, from: format!("{variable} (callers.{name}.api_key_env)") })
        }
        (Some(_), Some(_)) => Err(wrong("callers.NAME.api_key_env is set, too: one of them is enough".to_owned())),
        // Cannot be, since each name comes from one of the two; if it were, the caller's calls would fail and nobody
        // else would pay.
        (None, None) => Ok(ApiKeySource::Missing),
    }
}
