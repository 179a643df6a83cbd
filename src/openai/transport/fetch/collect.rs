//! A picture that is paid for and lies at an address: asking for it again costs nothing.

use bytes::Bytes;

use super::{FetchOrigin, Unfetched, fetch};
use crate::{
    media::Encoded,
    openai::{
        Terms,
        client::{Client, FailedAttempt},
        failure::error::{Billing, Error},
        kind::EndpointKind,
        limits::retry::{Advice, Symptom},
        transport::body::MemorySlot,
    },
};

/// Fetches a picture that is paid for, and gives its place in memory with it. What may pass is tried again, and so is
/// what `read` finds no whole picture in: it may still be written there. Where none can be had, the person is told its
/// address, or gets as much of it as came.
pub(crate) async fn collect(
    client: &Client,
    address: &str,
    terms: &Terms,
    read: impl Fn(Bytes) -> Result<Encoded, Error>,
) -> Result<(Encoded, MemorySlot), Error> {
    let mut retries = 0;
    let mut cut = None;
    let error = loop {
        let fetched = fetch(client, address, FetchOrigin::ByUpstream, terms.deadline).await;
        let (error, advice) = match fetched.map(|(bytes, place)| (read(bytes), place)) {
            Ok((Ok(picture), place)) if picture.is_whole() => return Ok((picture, place)),
            Ok((Ok(picture), _)) => {
                cut = Some(picture);
                (FetchOrigin::ByUpstream.unusable("the picture there is cut off".to_owned()), Advice::default())
            }
            Ok((Err(error), _)) => (error, Advice::default()),
            Err(Unfetched::ForGood(error)) => break error,
            Err(Unfetched::ForNow(error, advice)) => (error, advice),
        };
        // Whatever it was, also a 404 of a copy that is a moment behind: it may be asked for again, and costs nothing.
        let symptom = Symptom::Status { code: 503, advice };
        // By the rules of a list, which is free: whatever happened, it may be asked for again.
        let failed = FailedAttempt { kind: EndpointKind::List, symptom, error: &error, attempts: retries + 1 };
        if !client.pause(&failed, retries, terms).await {
            break error;
        }
        retries += 1;
    };
    cut.map(|cut| (cut, MemorySlot::default())).ok_or_else(|| at(address, error))
}

/// The error with the address of a picture that is paid for, from where the person may still save it.
fn at(address: &str, error: Error) -> Error {
    let told = |why: &str| format!("{}; the picture is at {address}", why.trim_end_matches('.'));
    match error {
        Error::BadResponse { message, may_be_billed } => Error::BadResponse { message: told(&message), may_be_billed },
        Error::UrlNotAllowed { message, .. } => Error::UrlNotAllowed {
            message: format!("{}, and may have been billed", told(&message)),
            may_be_billed: Billing::Possible,
        },
        error => error,
    }
}
