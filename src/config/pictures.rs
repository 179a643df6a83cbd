//! The bucket of pictures: its URL is a setting, and how it is reached stands in the variables that the store's other
//! programs read.

use std::{ffi::OsString, path::Path, sync::Arc, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{Upstream, error::Problem, layers::Layers, settings as s};
use crate::{
    artifact::{LinkConfig, PictureBucket, RemoteConfig},
    openai::is_loopback,
};

const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"];
const ALLOW_HTTP: &str = "AWS_ALLOW_HTTP";
/// The variables that say how the store is reached, and by whom.
const VARIABLES: [&str; 21] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    ALLOW_HTTP,
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_METADATA_ENDPOINT",
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE_KMS_KEY_ID",
    "AWS_SSE_BUCKET_KEY_ENABLED",
    "AWS_REQUEST_PAYER",
];

/// Folder in `state.dir` of the pictures that wait to be uploaded.
const SPOOL: &str = "pictures";
/// Time that a call waits for its picture to be uploaded.
const PATIENCE: Duration = Duration::from_secs(10);

/// The bucket that pictures are kept in, if one is set. The sandbox's are no pictures for a team.
pub(super) fn remote(
    layers: &Layers,
    env: &impl Fn(&str) -> Option<OsString>,
    state: &Path,
    upstream: Upstream,
) -> Result<Option<RemoteConfig>, Problem> {
    let url = match upstream {
        Upstream::Configured => layers.optional(&s::IMAGES_STORE)?,
        Upstream::Sandbox => None,
    };
    let Some(url) = url else { return Ok(None) };
    let value = |name: &str| env(name)?.into_string().ok().filter(|value| !value.trim().is_empty());
    let options = VARIABLES.into_iter().filter_map(|name| Some((name, SecretString::from(value(name)?)))).collect();
    let bucket = plain_or_not(options)
        .and_then(|options| {
            PictureBucket::build(url, &options).map_err(|why| format!("the store cannot be used: {why}"))
        })
        .map_err(|wrong| layers.problem(&s::IMAGES_STORE, wrong))?;
    Ok(Some(RemoteConfig {
        bucket,
        spool: state.join(SPOOL),
        patience: PATIENCE,
        link_for: layers.value(&s::IMAGES_LINK_FOR)?.limit(),
    }))
}

/// Links to this service, where browsers can reach it.
pub(super) fn links(layers: &Layers) -> Result<Option<Arc<LinkConfig>>, Problem> {
    let (base, valid) = (layers.optional(&s::HTTP_PUBLIC_URL)?, layers.value(&s::IMAGES_LINK_FOR)?.limit());
    let config = base.zip(valid);
    Ok(config.map(|(base, valid)| LinkConfig { base: base.trim_end_matches('/').to_owned(), valid }.into()))
}

type Options = Vec<(&'static str, SecretString)>;

/// Allows plain http to this machine; to another one it has to be allowed by name.
fn plain_or_not(mut options: Options) -> Result<Options, String> {
    let set = |name: &str| options.iter().find(|(set, _)| *set == name).map(|(_, value)| value.expose_secret());
    let is_allowed = set(ALLOW_HTTP).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let mut is_plain = false;
    for name in ENDPOINTS {
        let Some(endpoint) = set(name) else { continue };
        let url = Url::parse(endpoint).map_err(|error| format!("{name} is no URL ({error})"))?;
        is_plain |= url.scheme() == "http";
        if url.scheme() == "http" && !is_loopback(&url) && !is_allowed {
            return Err(format!(
                "{name} is plain http to another machine, which shows every picture to the network; \
                 use https, or set {ALLOW_HTTP} to true"
            ));
        }
    }
    options.retain(|(name, _)| *name != ALLOW_HTTP);
    if is_plain {
        options.push((ALLOW_HTTP, SecretString::from("true")));
    }
    Ok(options)
}
