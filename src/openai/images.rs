//! The Images API: `POST /images/generations`, and `/images/edits` where there are pictures to start from; one
//! picture a request.
//! <https://platform.openai.com/docs/api-reference/images>

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use url::Url;

use super::{
    Config, Failure, Meta, Picture, PictureRequest, Reply, Terms,
    client::{Answering, Client, FailedAttempt, PlannedRequest, Unanswered},
    failure::{complaint::Complaint, error::Error},
    kind::EndpointKind,
    transport::{
        body::{Body, BodyKind, MemorySlot},
        events::Events,
        fetch,
        json::{Json, object},
        payload::Payload,
        wire::{Head, Lenient},
    },
};
use crate::{media::Encoded, money::Metered, news::Stage, text};

mod decoding;
mod forms;
mod request;
mod wrapped;

use decoding::{NONE, NoPicture, PARTIAL, Received, decode, is_partial};
use forms::{PictureForms, unusable};
use request::{encoding, fields, form};

/// A quality, in the upstream's own word, is cut to this many characters.
const QUALITY: usize = 20;

/// Pictures of one answer that are kept, at most: servers with a batch of their own send several for one.
const MOST_OF_ONE_ANSWER: usize = 10;

/// Has one picture made. A complaint inside a 200 is met as its status would be.
pub(super) async fn paint(client: &Client, request: &PictureRequest, terms: &Terms) -> Result<Reply<Picture>, Failure> {
    let mut before = Meta::default();
    // One count for complaints by a status and inside a 200: apart, they would multiply each other.
    let mut retries = 0;
    let mut complaints = Vec::new();
    loop {
        match paint_once(client, request, &complaints, &mut retries, terms).await {
            Ok(mut reply) => {
                reply.meta.follow(&before);
                return Ok(reply);
            }
            Err(Unanswered::Missed(symptom, mut failure)) => {
                failure.meta.follow(&before);
                let attempts = failure.meta.attempts;
                let failed = FailedAttempt { kind: EndpointKind::Picture, symptom, error: &failure.error, attempts };
                if !client.pause(&failed, retries, terms).await {
                    client.count_failure(Some(&request.model), &failure.error);
                    return Err(failure);
                }
                retries += 1;
                before = *failure.meta;
            }
            Err(Unanswered::FieldRefused(complaint, mut failure)) => {
                failure.meta.follow(&before);
                complaints.push(*complaint);
                before = *failure.meta;
            }
            Err(unanswered) => {
                let mut failure = Failure::from(unanswered);
                failure.meta.follow(&before);
                return Err(failure);
            }
        }
    }
}

async fn paint_once(
    client: &Client,
    request: &PictureRequest,
    complaints: &[Complaint],
    retries: &mut u32,
    terms: &Terms,
) -> Result<Reply<Picture>, Unanswered> {
    let fields = fields(request, &client.config);
    let (path, payload) = if request.references.is_empty() {
        ("images/generations", Payload::Json(Json::new(object(&fields))))
    } else {
        ("images/edits", Payload::Form(form(request, &fields, encoding(client), client.learnt.naming())))
    };
    let transfer = client.config.edit_transfer;
    let (payload, taken_out) = payload.dropping(&request.without).after(complaints, transfer);
    // A clone shares whatever is long.
    let sent = payload.clone();
    let call = PlannedRequest { kind: EndpointKind::Picture, path, model: Some(&request.model), payload };
    let mut answering = client.send(call, retries, terms).await?;
    answering.leave_out(taken_out);
    let Answering { body, mut trail, key, left_out } = answering;
    let mut metered = Metered::default();
    let mut picture = receive(client, body, left_out, terms, &mut metered).await;
    let billed = trail.meter(metered);
    if let Ok(Picture { revised_prompt, quality, lost, .. }) = &mut picture {
        let secrets = client.secrets(&key);
        if let Some(prompt) = revised_prompt {
            *prompt = secrets.out_of(prompt).into_owned();
        }
        // Cut after it is cleaned: a piece of a key is not known to be one.
        if let Some(quality) = quality {
            *quality = text::brief(&secrets.out_of(quality), QUALITY);
        }
        // They name addresses in the upstream's own words.
        *lost = std::mem::take(lost).into_iter().map(|error| client.cleaned(error, &key)).collect();
    }
    // What is billed is not asked for again.
    let none = picture.as_mut().err().filter(|_| !metered.is_reported());
    let (symptom, refused) = none.map_or((None, None), |none| (none.symptom, none.refused.take()));
    let refused = refused.filter(|complaint| sent.instead(StatusCode::BAD_REQUEST, complaint, transfer).is_some());
    let closed = trail.close(picture.map_err(|none| client.cleaned(none.error, &key)));
    client.count_answer(&request.model, &closed);
    closed.map_err(|failure| Unanswered::inside_200(failure, billed, None, refused, symptom, terms))
}

/// A sketch: only that it came is of interest.
#[derive(Deserialize)]
struct Partial {
    #[serde(rename = "partial_image_index", default)]
    index: Lenient<u32>,
}

/// Reads an answer that has begun. The place in memory goes from the body to its picture.
async fn receive(
    client: &Client,
    mut body: Body,
    left_out: Vec<String>,
    terms: &Terms,
    metered: &mut Metered,
) -> Result<Picture, NoPicture> {
    let (received, place) = match body.shape().await? {
        BodyKind::Json => {
            terms.news.stage(Stage::Receiving);
            let mut json = Vec::new();
            let read = body.read_into(&mut json).await;
            let decoded = decode(&json, &client.config, metered);
            // With only its length wrong, all of it came.
            (decoded.map_err(|none| read.map_or_else(NoPicture::from, |()| none))?, body.into_place())
        }
        BodyKind::Events => listen(Events::new(body), &client.config, terms, metered).await?,
        BodyKind::Raw => {
            terms.news.stage(Stage::Receiving);
            let mut bytes = Vec::new();
            let read = body.read_into(&mut bytes).await;
            let forms = PictureForms::of_bytes(forms::raw(bytes.into()));
            if !forms.embedded.as_ref().is_some_and(Encoded::is_surely_whole) {
                read?;
            }
            (Received { pictures: vec![forms], ..Received::default() }, body.into_place())
        }
    };
    let Received { mut pictures, revised_prompt, quality } = received;
    let (mut whole, mut lost, mut place) = (Vec::new(), Vec::new(), place);
    pictures.truncate(MOST_OF_ONE_ANSWER);
    // Before the fetching, in which the call may be cancelled: from here on the bill is known, and no estimate.
    if pictures.iter().any(PictureForms::is_elsewhere) && metered.is_reported() {
        terms.exposure.bill(*metered);
    }
    for mut forms in pictures {
        let is_elsewhere = forms.is_elsewhere();
        let encoded = match forms.embedded.take() {
            Some(encoded) if !is_elsewhere => encoded,
            cut => {
                // Whoever waits for a place has none: two calls, or two pictures of one, would wait for each other's.
                place = MemorySlot::default();
                match (fetch(client, forms, terms).await, cut) {
                    (Ok((encoded, fetched)), _) => {
                        place = fetched;
                        encoded
                    }
                    (Err(_), Some(cut)) => cut,
                    (Err(error), None) => {
                        lost.push(error);
                        continue;
                    }
                }
            }
        };
        // Some repeat the picture beside its list.
        if !whole.contains(&encoded) {
            whole.push(encoded);
        }
    }
    if whole.is_empty() {
        return Err(lost.into_iter().next_back().unwrap_or_else(|| unusable(NONE)).into());
    }
    let encoded = whole.remove(0);
    Ok(Picture { encoded, revised_prompt, left_out, quality, further: whole, lost, _place: place })
}

/// Fetches the first picture that can be had at its addresses.
async fn fetch(client: &Client, forms: PictureForms, terms: &Terms) -> Result<(Encoded, MemorySlot), Error> {
    let mut failed = forms.damage.unwrap_or_else(|| unusable(NONE));
    for url in forms.urls.iter().flat_map(|url| places(&client.config.base_url, url)) {
        match fetch::collect(client, &url, terms, |bytes| read_fetched(&bytes, &client.config)).await {
            Ok(picture) => return Ok(picture),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// The places that an address may mean. One without a host is one of the upstream's own: beside its other paths, or at
/// its root.
fn places(base_url: &Url, address: &str) -> Vec<String> {
    let mut beside = base_url.clone();
    beside.set_path(&format!("{}/", base_url.path().trim_end_matches('/')));
    let mut places: Vec<String> =
        [&beside, base_url].into_iter().filter_map(|base| base.join(address).ok()).map(String::from).collect();
    places.dedup();
    if places.is_empty() { vec![address.to_owned()] } else { places }
}

/// Reads a file that was fetched: a picture in any form, or an answer that has one in it.
fn read_fetched(bytes: &Bytes, config: &Config) -> Result<Encoded, Error> {
    forms::read_paid(forms::raw(bytes.clone())).or_else(|error| {
        let received = decode(bytes, config, &mut Metered::default()).map(|received| received.pictures);
        received.unwrap_or_default().into_iter().find_map(|forms| forms.embedded).ok_or(error)
    })
}

/// Waits for the final event, or as much of it as holds the picture. Partial images are reported as progress only; what
/// cannot be read is skipped, because the picture is paid for.
async fn listen(
    mut events: Events,
    config: &Config,
    terms: &Terms,
    metered: &mut Metered,
) -> Result<(Received, MemorySlot), NoPicture> {
    let ended = || unusable("the stream ended without the final picture");
    let mut sketches = None;
    let ended = loop {
        let event = match events.next().await {
            Ok(Some(event)) => event,
            Ok(None) => break ended(),
            Err(error) => break error,
        };
        let (name, data) = (&*event.name, &*event.data);
        if data.trim() == "[DONE]" {
            break ended();
        }
        // Keep-alives and comments of gateways are no JSON.
        let Ok(head) = serde_json::from_str::<Head<'_>>(data) else { continue };
        let kind = if head.kind().is_empty() { name } else { head.kind() };
        match kind {
            kind if kind.ends_with(PARTIAL) || kind.is_empty() && is_partial(data) => {
                let before = sketches.get_or_insert(0);
                let index = serde_json::from_str::<Partial>(data).ok().and_then(|partial| partial.index.0);
                // They come doubled and out of order: the news is how far the upstream has ever been.
                if let Some(newest) = index.map(|index| index.saturating_add(1)).filter(|newest| *newest > *before) {
                    *before = newest;
                    let of = u32::from(config.partial_images).max(newest);
                    terms.news.stage(Stage::Sketched { index: newest, of });
                }
                // A sketch may be as large as the picture: until the next one, its place in memory is somebody else's.
                drop(event);
                events.rest();
            }
            kind => match decode(data.as_bytes(), config, metered) {
                Ok(decoded) => return Ok((decoded, events.finish().await)),
                Err(none) if none.is_complaint() || kind.ends_with(".completed") => {
                    return Err(if sketches.is_some() { none.after_partials() } else { none });
                }
                Err(_) => {}
            },
        }
    };
    let last = events.unfinished().filter(|event| !event.name.ends_with(PARTIAL) && !is_partial(&event.data));
    match last.and_then(|event| decode(event.data.as_bytes(), config, metered).ok()) {
        Some(decoded) => Ok((decoded, events.finish().await)),
        None => Err(ended.into()),
    }
}
