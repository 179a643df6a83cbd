//! /images: pictures by signed links, for whoever has one until it expires. The link is the permission: no token, no
//! session. A link that opens nothing is answered as any path is at which there is nothing.

use std::{ops::Range, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{nothing_here, reply::HttpRefusal};
use crate::artifact::{Artifact, Artifacts, Error};

/// Pictures that are sent at once. The next ones are told to try again.
const AT_ONCE: usize = 32;
/// The part of a picture that is in memory while it is sent, in bytes: with [`AT_ONCE`] they are 32 MiB.
const PIECE: u64 = 1 << 20;

#[derive(Debug, Clone)]
struct Downloads {
    artifacts: Artifacts,
    places: Arc<Semaphore>,
}

/// One picture on its way.
struct PictureOnItsWay {
    gallery: Artifacts,
    artifact: Artifact,
    left: Range<u64>,
    _place: OwnedSemaphorePermit,
}

/// The part of a picture that a request asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part(Range<u64>),
    /// Nothing of it lies there.
    Beyond,
}

pub(super) fn router<S: Clone + Send + Sync + 'static>(artifacts: Artifacts) -> Router<S> {
    let downloads = Downloads { artifacts, places: Arc::new(Semaphore::new(AT_ONCE)) };
    Router::new().route("/images/{name}", get(picture)).with_state(downloads)
}

async fn picture(
    State(downloads): State<Downloads>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match downloads.artifacts.behind_link(&name, &query.unwrap_or_default()).await {
        // After the link was checked: whoever has none takes no place.
        // Taken or refused, and not waited for: to wait is to hold a connection.
        Ok(Some((gallery, artifact))) => match downloads.places.try_acquire_owned() {
            Ok(place) => answer(gallery, artifact, place, &headers),
            Err(_) => HttpRefusal::unavailable(None, "as many pictures are being sent as may be").into_response(),
        },
        // Forged, expired or of a picture that is gone: nobody learns which ids there are.
        Ok(None) => nothing_here().into_response(),
        Err(error) => {
            tracing::warn!(%error, "a picture cannot be read for its link");
            HttpRefusal::unavailable(None, "the picture cannot be read now").into_response()
        }
    }
}

fn answer(gallery: Artifacts, artifact: Artifact, place: OwnedSemaphorePermit, headers: &HeaderMap) -> Response {
    let (length, tag) = (artifact.bytes, format!("\"{}\"", artifact.id));
    let (status, left) = match Wanted::of(headers, length, &tag) {
        Wanted::Whole => (StatusCode::OK, 0..length),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Beyond => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
    };
    let told = [
        (header::CONTENT_TYPE, artifact.format.media_type().to_owned()),
        (header::CONTENT_LENGTH, (left.end - left.start).to_string()),
        (header::CONTENT_DISPOSITION, format!("inline; filename={tag}")),
        // A picture never changes under its id, so the id is its version.
        (header::ETAG, tag),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        // A picture never changes, but its link expires.
        (header::CACHE_CONTROL, "private, max-age=3600".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        // An SVG may hold scripts: none runs on this origin, which is the service's.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
        // The address is the permission: it goes to no other site.
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    let range = match status {
        StatusCode::PARTIAL_CONTENT => Some(format!("bytes {}-{}/{length}", left.start, left.end - 1)),
        StatusCode::RANGE_NOT_SATISFIABLE => Some(format!("bytes */{length}")),
        _ => None,
    };
    let body = Body::from_stream(pieces(PictureOnItsWay { gallery, artifact, left, _place: place }));
    let mut response = (status, body).into_response();
    let told = told.into_iter().chain(range.map(|range| (header::CONTENT_RANGE, range)));
    let told = told.filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)));
    response.headers_mut().extend(told);
    response
}

/// The bytes that are left, read as they are sent.
fn pieces(sending: PictureOnItsWay) -> impl Stream<Item = Result<Bytes, Error>> {
    stream::try_unfold(sending, async |mut sending| {
        let Range { start, end } = sending.left;
        if start >= end {
            return Ok(None);
        }
        // Read as it is sent, and not before: a client that reads slowly holds one piece, and not the picture.
        let piece = sending.gallery.read(&sending.artifact.id, start..end.min(start + PIECE)).await?;
        // Removed while it was sent: the client sees a body that broke off, and never a short one that looks whole.
        if piece.is_empty() {
            return Err(Error::NotFound(sending.artifact.id));
        }
        sending.left.start += piece.len() as u64;
        Ok(Some((piece, sending)))
    })
}

impl Wanted {
    /// Reads one range; several, and what is none, ask for the whole.
    /// <https://www.rfc-editor.org/rfc/rfc9110#section-14.2>
    fn of(headers: &HeaderMap, length: u64, tag: &str) -> Self {
        // <https://www.rfc-editor.org/rfc/rfc9110#section-13.1.5>
        let is_of_this = headers.get(header::IF_RANGE).is_none_or(|of| of.as_bytes() == tag.as_bytes());
        let range = headers.get(header::RANGE).filter(|_| is_of_this).and_then(|range| range.to_str().ok());
        let Some((first, last)) = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
            return Self::Whole;
        };
        let part = match (first.parse(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if first <= last => first..length.min(last.saturating_add(1)),
            (Ok(first), Err(_)) if last.is_empty() => first..length,
            (Err(_), Ok(last)) if first.is_empty() => length.saturating_sub(last)..length,
            _ => return Self::Whole,
        };
        if part.start < part.end { Self::Part(part) } else { Self::Beyond }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_and_anything_else_is_the_whole() {
        let wanted = |range: &str| {
            let headers = [(header::RANGE, range.parse().unwrap())].into_iter().collect();
            Wanted::of(&headers, 100, "\"a\"")
        };
        assert_eq!(wanted("bytes=0-0"), Wanted::Part(0..1));
        assert_eq!(wanted("bytes=10-"), Wanted::Part(10..100));
        assert_eq!(wanted("bytes=90-18446744073709551615"), Wanted::Part(90..100));
        assert_eq!(wanted("bytes=-30"), Wanted::Part(70..100));
        assert_eq!(wanted("bytes=-300"), Wanted::Part(0..100));
        for beyond in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(wanted(beyond), Wanted::Beyond, "{beyond}");
        }
        for whole in ["bytes=", "bytes=-", "bytes=5-3", "bytes=1-2,4-5", "lines=1-2", "bytes=a-b", "1-2"] {
            assert_eq!(wanted(whole), Wanted::Whole, "{whole}");
        }
        let headers: HeaderMap = [(header::RANGE, "bytes=1-2"), (header::IF_RANGE, "\"b\"")]
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .into_iter()
            .collect();
        assert_eq!(Wanted::of(&headers, 100, "\"a\""), Wanted::Whole);
        assert_eq!(Wanted::of(&headers, 100, "\"b\""), Wanted::Part(1..3));
    }
}
