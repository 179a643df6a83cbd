//! The files of TLS: both or neither.

use super::{
    error::Problem,
    layers::Layers,
    settings::{self as s},
};
use crate::transport::http::TlsFiles;

/// The certificate and its key; `None` where neither is set.
///
/// # Errors
/// When one is set without the other: the server would go on in clear.
pub(super) fn tls(layers: &Layers) -> Result<Option<TlsFiles>, Problem> {
    match (layers.optional(&s::HTTP_TLS_CERT)?, layers.optional(&s::HTTP_TLS_KEY)?) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
        (Some(_), None) => Err(layers.problem(&s::HTTP_TLS_KEY, "it is not set, and http.tls.cert is".to_owned())),
        (None, Some(_)) => Err(layers.problem(&s::HTTP_TLS_CERT, "it is not set, and http.tls.key is".to_owned())),
    }
}
