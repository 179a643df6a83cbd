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
    let files = layers.optional(&s::HTTP_TLS_CERT)?.zip(layers.optional(&s::HTTP_TLS_KEY)?);
    Ok(files.map(|(cert, key)| TlsFiles { cert, key }))
}
