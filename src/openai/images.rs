//! The Images API: `POST /images/generations`, and `/images/edits` where there are pictures to start from; one
//! picture a request.
//! <https://platform.openai.com/docs/api-reference/images>

use http::StatusCode;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    Config, Failure, Meta, Picture, PictureRequest, Reply, Terms,
    client::{Answering, Client, FailedAttempt, PlannedRequest, Unanswered},
    failure::{complaint::Complaint, error::Error},
    is_openai,
    kind::EndpointKind,
    limits::retry::Symptom,
    text::redactor::Redactor,
    transport::{
        body::{Body, BodyKind, MemorySlot},
        events::Events,
        fetch,
        json::{Json, object, several},
        payload::Payload,
        wire::{BorrowedText, Head, Lenient, WireUsage, charge_beside},
    },
};
use crate::{media::Encoded, money::Metered, news::Stage, text};

mod forms;
mod request;
mod wrapped;

use forms::{PictureForms, unusable};
use request::{encoding, fields, form};

/// A quality, in the upstream's own word, is cut to this many characters.
const QUALITY: usize = 20;
/// Servers with a batch of their own send several for one.
const MOST_OF_ONE_ANSWER: usize = 10;
const NONE: &str = "it holds no picture (neither b64_json nor url)";

/// Has one picture made. A complaint inside a 200 is met as its status would be.
pub(super) async fn paint(client: &Client, request: &PictureRequest, terms: &Terms) -> Result<Reply<Picture>, Failure> {
    let mut before = Meta::default();
    let mut retries = 0;
    let mut complaints = Vec::new();
    loop {
        match paint_once(client, request, &complaints, terms).await {
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

/// An answer in place of a picture.
struct NoPicture {
    error: Error,
    /// The answer was nothing but a complaint: what it is as far as asking again is concerned.
    symptom: Option<Symptom>,
    /// The same, where it is about a field.
    refused: Option<Box<Complaint>>,
}

impl NoPicture {
    /// Returns whether the upstream said so, and did not only say something else.
    fn is_complaint(&self) -> bool {
        !matches!(self.error, Error::BadResponse { .. })
    }
}

impl From<Error> for NoPicture {
    fn from(error: Error) -> Self {
        Self { error, symptom: None, refused: None }
    }
}

impl From<&Complaint> for NoPicture {
    fn from(complaint: &Complaint) -> Self {
        let refused = complaint.speaks_of_a_field().then(|| Box::new(complaint.clone()));
        Self { error: complaint.inside_200(), symptom: complaint.symptom_inside_200(), refused }
    }
}

async fn paint_once(
    client: &Client,
    request: &PictureRequest,
    complaints: &[Complaint],
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
    let sent = payload.clone();
    let call = PlannedRequest { kind: EndpointKind::Picture, path, model: Some(&request.model), payload };
    let mut answering = client.send(call, terms).await?;
    answering.leave_out(taken_out);
    let Answering { body, mut trail, key, left_out } = answering;
    let mut metered = Metered::default();
    let mut picture = receive(client, body, left_out, terms, &mut metered).await;
    trail.meter(metered);
    if let Ok(Picture { revised_prompt: Some(prompt), .. }) = &mut picture {
        *prompt = Redactor::new(client.secrets(&key)).whole(prompt).into_owned();
    }
    // What is billed is not asked for again.
    let none = picture.as_mut().err().filter(|_| !metered.is_reported());
    let (symptom, refused) = none.map_or((None, None), |none| (none.symptom, none.refused.take()));
    let refused = refused.filter(|complaint| sent.instead(StatusCode::BAD_REQUEST, complaint, transfer).is_some());
    trail.close(picture.map_err(|none| client.cleaned(none.error, &key))).map_err(|failure| match (refused, symptom) {
        (Some(complaint), _) => Unanswered::FieldRefused(complaint, failure),
        (None, Some(symptom)) => Unanswered::Missed(symptom, failure),
        (None, None) => Unanswered::Failed(failure),
    })
}

/// An answer of the API, or the final event of a stream, which has the picture's fields beside its own.
#[derive(Deserialize, Default)]
#[serde(default)]
struct WirePicture<'a> {
    #[serde(borrow)]
    data: Lenient<Items<'a>>,
    #[serde(borrow)]
    b64_json: Lenient<BorrowedText<'a>>,
    #[serde(borrow)]
    url: Lenient<BorrowedText<'a>>,
    #[serde(borrow)]
    revised_prompt: Lenient<BorrowedText<'a>>,
    #[serde(borrow)]
    quality: Lenient<BorrowedText<'a>>,
    usage: Lenient<WireUsage>,
}

/// One picture a request is one item: a list of it, or it alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Items<'a> {
    List(#[serde(borrow)] Vec<Lenient<ImageItem<'a>>>),
    Alone(#[serde(borrow)] ImageItem<'a>),
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ImageItem<'a> {
    #[serde(borrow)]
    b64_json: Lenient<BorrowedText<'a>>,
    #[serde(borrow)]
    url: Lenient<BorrowedText<'a>>,
    #[serde(borrow)]
    revised_prompt: Lenient<BorrowedText<'a>>,
}

/// A sketch: only that it came is of interest.
#[derive(Deserialize)]
struct Partial {
    #[serde(rename = "partial_image_index", default)]
    index: Lenient<u32>,
}

/// Pictures as they came, and what was said of them: one, and those that were not asked for.
#[derive(Default)]
struct Received {
    pictures: Vec<PictureForms>,
    revised_prompt: Option<String>,
    quality: Option<String>,
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
            let forms = PictureForms::of_bytes(forms::raw(body.whole().await?.into()));
            (Received { pictures: vec![forms], ..Received::default() }, body.into_place())
        }
    };
    let Received { mut pictures, revised_prompt, quality } = received;
    let (mut whole, mut lost, mut places) = (Vec::new(), Vec::new(), Vec::new());
    if pictures.iter().any(|forms| forms.embedded.is_some()) {
        places.push(place);
    } else {
        drop(place);
    }
    pictures.truncate(MOST_OF_ONE_ANSWER);
    for mut forms in pictures {
        let encoded = match forms.embedded.take() {
            Some(encoded) => encoded,
            None => match fetch(client, forms, terms).await {
                Ok((encoded, fetched)) => {
                    places.push(fetched);
                    encoded
                }
                Err(error) => {
                    lost.push(error);
                    continue;
                }
            },
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
    Ok(Picture { encoded, revised_prompt, left_out, quality, further: whole, lost, _places: places })
}

/// Fetches the first picture that can be had at its addresses.
async fn fetch(client: &Client, forms: PictureForms, terms: &Terms) -> Result<(Encoded, MemorySlot), Error> {
    let mut failed = forms.damage.unwrap_or_else(|| unusable(NONE));
    for url in forms.urls {
        // One without a host is one of the upstream's own.
        let url = client.config.base_url.join(&url).map_or(url, String::from);
        let fetched = fetch::collect(client, &url, terms).await;
        match fetched.and_then(|(bytes, place)| Ok((forms::read_paid(forms::raw(bytes))?, place))) {
            Ok(picture) => return Ok(picture),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Waits for the final event. Of the sketches that were asked for it is told that they came; what cannot be read is
/// passed over: the picture is paid for.
async fn listen(
    mut events: Events,
    config: &Config,
    terms: &Terms,
    metered: &mut Metered,
) -> Result<(Received, MemorySlot), NoPicture> {
    let mut sketches = 0;
    while let Some(event) = events.next().await? {
        let (name, data) = (&*event.name, &*event.data);
        if data.trim() == "[DONE]" {
            break;
        }
        let Ok(head) = serde_json::from_str::<Head<'_>>(data) else { continue };
        let kind = if head.kind().is_empty() { name } else { head.kind() };
        match kind {
            kind if kind.ends_with(".completed") => {
                let decoded = decode(data.as_bytes(), config, metered)?;
                return Ok((decoded, events.finish().await));
            }
            kind if kind.ends_with(".partial_image") => {
                let index = serde_json::from_str::<Partial>(data).ok().and_then(|partial| partial.index.0);
                // They come doubled and out of order: it is told how far the upstream ever was.
                if let Some(newest) = index.map(|index| index.saturating_add(1)).filter(|newest| *newest > sketches) {
                    sketches = newest;
                    let of = u32::from(config.partial_images).max(newest);
                    terms.news.stage(Stage::Sketched { index: newest, of });
                }
                drop(event);
                events.rest();
            }
            _ => match decode(data.as_bytes(), config, metered) {
                Ok(decoded) => return Ok((decoded, events.finish().await)),
                Err(none) if none.is_complaint() => return Err(none),
                Err(_) => {}
            },
        }
    }
    Err(unusable("the stream ended without the final picture").into())
}

/// Takes what is billed first: a picture that cannot be used is paid for, too. Then the picture, if there is one: a
/// complaint beside it does not make it unpaid.
fn decode(json: &[u8], config: &Config, metered: &mut Metered) -> Result<Received, NoPicture> {
    let painted = serde_json::from_slice::<WirePicture<'_>>(json);
    if painted.is_err()
        && let mended = text::mend(json)
        && mended.as_bytes() != json
    {
        return decode(mended.as_bytes(), config, metered);
    }
    let painted = match painted {
        Err(error) if serde_json::from_slice::<IgnoredAny>(json).is_err() => {
            return decode_several(json, config, metered).unwrap_or_else(|| Err(not_json(&error).into()));
        }
        painted => painted.unwrap_or_default(),
    };
    let charged = painted.usage.0.as_ref().and_then(WireUsage::charged).or_else(|| charge_beside(json));
    // OpenAI itself charges by its list.
    metered.charged = charged.filter(|_| !is_openai(&config.base_url));
    metered.usage = painted.usage.0.and_then(WireUsage::read);
    let alone = ImageItem { b64_json: painted.b64_json, url: painted.url, revised_prompt: painted.revised_prompt };
    let items = match painted.data.0 {
        Some(Items::List(items)) => items.into_iter().filter_map(|item| item.0).collect(),
        Some(Items::Alone(item)) => vec![item],
        None => Vec::new(),
    };
    let mut revised_prompt = None;
    let mut pictures = Vec::new();
    for item in items.iter().chain([&alone]).filter(|item| item.holds_picture()) {
        let mut forms = PictureForms::default();
        forms.add_base64(item.b64_json.text().unwrap_or_default());
        forms.add_address(item.url.text().unwrap_or_default());
        pictures.push(forms);
        revised_prompt = revised_prompt.or(item.revised_prompt.text());
    }
    if pictures.is_empty() {
        if let Some(forms) = wrapped::find(json) {
            return Ok(Received { pictures: vec![forms], ..Received::default() });
        }
        let complaint = std::str::from_utf8(json).ok().and_then(Complaint::of_event);
        return Err(complaint.as_ref().map_or_else(|| unusable(NONE).into(), NoPicture::from));
    }
    let revised_prompt = revised_prompt.map(|prompt| text::sanitize(prompt).into_owned());
    let quality = painted.quality.text().map(|quality| text::brief(quality, QUALITY));
    Ok(Received { pictures, revised_prompt, quality })
}

/// The first picture among several JSON values, one a line or one after another, or before anything else; or the
/// last complaint. A sketch is none.
fn decode_several(json: &[u8], config: &Config, metered: &mut Metered) -> Option<Result<Received, NoPicture>> {
    let is_sketch =
        |value: &str| serde_json::from_str::<Head<'_>>(value).is_ok_and(|head| head.kind().ends_with(".partial_image"));
    let mut told = None;
    for value in several(std::str::from_utf8(json).ok()?)?.into_iter().filter(|value| !is_sketch(value)) {
        match decode(value.as_bytes(), config, metered) {
            Ok(received) => return Some(Ok(received)),
            Err(none) if none.is_complaint() => told = Some(Err(none)),
            Err(_) => {}
        }
    }
    told
}

impl ImageItem<'_> {
    fn holds_picture(&self) -> bool {
        [&self.b64_json, &self.url].iter().any(|field| field.text().is_some_and(|text| !text.is_empty()))
    }
}

fn not_json(error: &serde_json::Error) -> Error {
    unusable(&format!("it is not the JSON it should be (line {}, column {})", error.line(), error.column()))
}
