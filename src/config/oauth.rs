//! The issuer of tokens as its settings together describe it: none of them is accepted without being used.

use super::{
    error::{Problem, ValueSource},
    layers::Layers,
    settings::{self as s, Setting},
    shape::SettingKind,
};
use crate::{issuer, transport::http::OAuth};

pub(super) fn oauth(layers: &Layers) -> Result<Option<OAuth>, Problem> {
    let Some(issuer) = layers.optional(&s::HTTP_OAUTH_ISSUER)? else {
        unused(layers, &s::HTTP_OAUTH_RESOURCE)?;
        unused(layers, &s::HTTP_OAUTH_AUDIENCE)?;
        unused(layers, &s::HTTP_OAUTH_SCOPE_PREFIX)?;
        unused(layers, &s::HTTP_OAUTH_LIMITS)?;
        return Ok(None);
    };
    let needed = || layers.problem(&s::HTTP_OAUTH_RESOURCE, "it is not set, and http.oauth.issuer is".to_owned());
    let resource = layers.optional(&s::HTTP_OAUTH_RESOURCE)?.ok_or_else(needed)?;
    let audience = layers.optional(&s::HTTP_OAUTH_AUDIENCE)?.unwrap_or_else(|| resource.clone());
    let resource = resource.parse().map_err(|_| needed())?;
    Ok(Some(OAuth {
        issuer: issuer::Config { issuer, audience },
        resource,
        scope_prefix: layers.optional(&s::HTTP_OAUTH_SCOPE_PREFIX)?.unwrap_or_default(),
        limits: layers.optional(&s::HTTP_OAUTH_LIMITS)?.unwrap_or_default(),
    }))
}

fn unused<S: SettingKind>(layers: &Layers, setting: &Setting<S>) -> Result<(), Problem> {
    match layers.source(setting) {
        ValueSource::Default => Ok(()),
        _ => Err(layers.problem(setting, "it has no effect without http.oauth.issuer".to_owned())),
    }
}
