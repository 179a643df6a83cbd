//! The issuer of tokens as its settings together describe it.

use super::{error::Problem, layers::Layers, settings as s};
use crate::{issuer, transport::http::OAuth};

pub(super) fn oauth(layers: &Layers) -> Result<Option<OAuth>, Problem> {
    let Some(issuer) = layers.optional(&s::HTTP_OAUTH_ISSUER)? else { return Ok(None) };
    let resource = layers.value(&s::HTTP_OAUTH_RESOURCE)?;
    let audience = layers.optional(&s::HTTP_OAUTH_AUDIENCE)?.unwrap_or_else(|| resource.clone());
    let no_url = |_| layers.problem(&s::HTTP_OAUTH_RESOURCE, "it is not a URL".to_owned());
    Ok(Some(OAuth {
        issuer: issuer::Config { issuer, audience },
        resource: resource.parse().map_err(no_url)?,
        scope_prefix: layers.optional(&s::HTTP_OAUTH_SCOPE_PREFIX)?.unwrap_or_default(),
        limits: layers.optional(&s::HTTP_OAUTH_LIMITS)?.unwrap_or_default(),
    }))
}
