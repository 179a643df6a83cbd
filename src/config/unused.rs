//! Settings that have no effect without another one: what is accepted is used, or refused. Those that another command
//! would use are, since one file serves all.

use super::{
    error::{Error, Problem, ValueSource},
    layers::Layers,
    settings as s,
};

/// A setting, and the values of it that are meant.
#[derive(Clone, Copy)]
enum Stated {
    Set(&'static str),
    As(&'static str, &'static str),
    OtherThan(&'static str, &'static str),
}

use Stated::{As, OtherThan, Set};

/// Each needs one of those behind it.
const NEEDS: [(Stated, &[Stated]); 13] = [
    // OpenAI works in the background on responses alone, and only on those that it keeps.
    // <https://platform.openai.com/docs/guides/background>
    (As(s::BACKGROUND.key, "always"), &[As(s::STORE.key, "true")]),
    (As(s::BACKGROUND.key, "always"), &[OtherThan(s::API.key, "chat")]),
    (OtherThan(s::IMAGES_LINK_FOR.key, "off"), &[Set(s::IMAGES_STORE.key), Set(s::HTTP_PUBLIC_URL.key)]),
    (Set(s::HTTP_PUBLIC_URL.key), &[OtherThan(s::IMAGES_LINK_FOR.key, "off")]),
    // Without the resource, a token that the issuer gave out for any other service would count here, too.
    // <https://www.rfc-editor.org/rfc/rfc8707>
    (Set(s::HTTP_OAUTH_ISSUER.key), &[Set(s::HTTP_OAUTH_RESOURCE.key)]),
    (Set(s::HTTP_OAUTH_RESOURCE.key), &[Set(s::HTTP_OAUTH_ISSUER.key)]),
    (Set(s::HTTP_OAUTH_AUDIENCE.key), &[Set(s::HTTP_OAUTH_ISSUER.key)]),
    (Set(s::HTTP_OAUTH_SCOPE_PREFIX.key), &[Set(s::HTTP_OAUTH_ISSUER.key)]),
    (Set(s::HTTP_OAUTH_LIMITS.key), &[Set(s::HTTP_OAUTH_ISSUER.key)]),
    // With one of the two alone, the server would go on in clear.
    (Set(s::HTTP_TLS_CERT.key), &[Set(s::HTTP_TLS_KEY.key)]),
    (Set(s::HTTP_TLS_KEY.key), &[Set(s::HTTP_TLS_CERT.key)]),
    (Set(s::TRACES_HEADERS.key), &[Set(s::TRACES_ENDPOINT.key), Set(s::TRACES_URL.key)]),
    (Set(s::TRACES_SERVICE.key), &[Set(s::TRACES_ENDPOINT.key), Set(s::TRACES_URL.key)]),
];

/// # Errors
/// Every setting that has no effect as the others are.
pub(super) fn refuse(layers: &Layers) -> Result<(), Error> {
    let unused = NEEDS.iter().filter_map(|(stated, needs)| {
        let place = layers.source(stated.key());
        let is_meant = match &place {
            ValueSource::Default => false,
            // It may be there for other programs.
            ValueSource::Environment(name) => !name.starts_with("OTEL_"),
            ValueSource::File { .. } | ValueSource::Flag(_) => true,
        };
        if !is_meant || !stated.holds(layers) || needs.iter().any(|need| need.holds(layers)) {
            return None;
        }
        let needs = needs.iter().map(Stated::words).collect::<Vec<_>>().join(" or ");
        Some(Problem::Unused { key: stated.key(), place, needs })
    });
    let unused: Vec<_> = unused.collect();
    if unused.is_empty() { Ok(()) } else { Err(Error(unused)) }
}

impl Stated {
    const fn key(&self) -> &'static str {
        let (Set(key) | As(key, _) | OtherThan(key, _)) = *self;
        key
    }

    fn holds(&self, layers: &Layers) -> bool {
        match self {
            Set(key) => layers.source(key) != ValueSource::Default,
            As(key, word) => layers.says(key, word),
            OtherThan(key, word) => !layers.says(key, word),
        }
    }

    fn words(&self) -> String {
        match self {
            Set(key) => (*key).to_owned(),
            As(key, word) => format!("{key} = {word}"),
            OtherThan(key, word) => format!("{key} other than {word}"),
        }
    }
}
