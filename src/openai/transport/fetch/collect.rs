//! A picture that is paid for and lies at an address: asking for it again costs nothing.

use bytes::Bytes;

use super::{FetchOrigin, Unfetched, fetch};
use crate::{
    media::Encoded,
    openai::{
        Terms,
        client::{Client, FailedAttempt},
        failure::error::Error,
        kind::EndpointKind,
        limits::retry::{Advice, Symptom},
        transport::body::MemorySlot,
    },
};

/// Fetches a picture that is paid for, and gives its place in memory with it: what may pass is tried again, and where it
/// cannot be had, the person is told its address.
pub(crate) async fn collect(client: &Client, address: &str, terms: &Terms) -> Result<(Bytes, MemorySlot), Error> {
    let mut retries = 0;
    let mut cut = None;
    loop {
        let error = match fetch(client, address, FetchOrigin::ByUpstream, terms.deadline).await {
            Ok((bytes, place)) if is_cut(&bytes) => {
                cut = Some((bytes, place));
                FetchOrigin::ByUpstream.unusable("it ends before its end".to_owned())
            }
            Ok(fetched) => return Ok(fetched),
            Err(Unfetched::ForGood(error)) => return cut.ok_or_else(|| at(address, error)),
            Err(Unfetched::ForNow(error)) => error,
        };
        // Whatever it was, also a 404 of a copy that is a moment behind: it may be asked for again, and costs nothing.
        let symptom = Symptom::Status { code: 503, advice: Advice::default() };
        let failed = FailedAttempt { kind: EndpointKind::List, symptom, error: &error, attempts: retries + 1 };
        if !client.pause(&failed, retries, terms).await {
            return cut.ok_or_else(|| at(address, error));
        }
        retries += 1;
    }
}

/// Returns whether it is a part of a picture: a connection that tells no length may break off without a word.
fn is_cut(bytes: &Bytes) -> bool {
    Encoded::sniff(bytes.clone()).is_ok_and(|picture| !picture.is_whole())
}

/// The error with the address of a picture that is paid for, from where the person may still save it.
fn at(address: &str, error: Error) -> Error {
    let told = |why: &str| format!("{}; the picture is at {address}", why.trim_end_matches('.'));
    match error {
        Error::BadResponse { message, may_be_billed } => Error::BadResponse { message: told(&message), may_be_billed },
        Error::UrlNotAllowed { message } => {
            Error::UrlNotAllowed { message: format!("{}, and may have been billed", told(&message)) }
        }
        error => error,
    }
}
