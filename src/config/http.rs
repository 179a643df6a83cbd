//! The HTTP service as its settings together describe it.

use super::{error::Problem, layers::Layers, settings as s};
use crate::{
    issuer,
    transport::http::{Config, OAuth, TlsFiles},
};

pub(super) fn http(layers: &Layers) -> Result<Config, Problem> {
    let tls = layers.optional(&s::HTTP_TLS_CERT)?.zip(layers.optional(&s::HTTP_TLS_KEY)?);
    Ok(Config {
        bind: layers.value(&s::HTTP_BIND)?,
        admin_bind: layers.optional(&s::HTTP_ADMIN_BIND)?,
        tokens: layers.value(&s::HTTP_TOKENS)?,
        oauth: oauth(layers)?,
        tls: tls.map(|(cert, key)| TlsFiles { cert, key }),
        proxies: layers.optional(&s::HTTP_PROXIES)?.unwrap_or_default(),
        allowed_hosts: layers.optional(&s::HTTP_ALLOWED_HOSTS)?.unwrap_or_default(),
        allowed_origins: layers.optional(&s::HTTP_ALLOWED_ORIGINS)?.unwrap_or_default(),
        max_body_bytes: layers.value(&s::HTTP_MAX_BODY_BYTES)?,
    })
}

/// The issuer of tokens.
fn oauth(layers: &Layers) -> Result<Option<OAuth>, Problem> {
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
