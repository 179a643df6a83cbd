//! An answer read: the pictures that it holds, what was said of them and what is billed, or the complaint in their
//! place.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::{
    forms::{PictureForms, unusable},
    wrapped,
};
use crate::{
    money::Metered,
    openai::{
        Config,
        failure::{complaint::Complaint, error::Error},
        is_openai,
        limits::retry::Symptom,
        transport::{
            json::several,
            wire::{BorrowedText, Head, Lenient, WireUsage, charge_beside},
        },
    },
    text::{self, CutText},
};

/// The end of the type of an event with a partial picture.
pub(super) const PARTIAL: &str = ".partial_image";
pub(super) const NONE: &str = "it holds no picture (neither b64_json nor url)";

/// Pictures as they came, and what was said of them: one, and those that were not asked for.
#[derive(Default)]
pub(super) struct Received {
    pub pictures: Vec<PictureForms>,
    pub revised_prompt: Option<String>,
    pub quality: Option<String>,
}

/// An answer in place of a picture.
pub(super) struct NoPicture {
    pub error: Error,
    /// The answer was nothing but a complaint: what it is as far as asking again is concerned.
    pub symptom: Option<Symptom>,
    /// The same, where it is about a field.
    pub refused: Option<Box<Complaint>>,
}

impl NoPicture {
    /// The same behind partial pictures: it is not asked for again.
    pub(super) fn after_partials(self) -> Self {
        self.error.after_partials().into()
    }

    /// Returns whether the upstream said so, and did not only say something else.
    pub(super) fn is_complaint(&self) -> bool {
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

/// An answer of the API, or the final event of a stream, which has the picture's fields beside its own.
#[derive(Deserialize, Default)]
#[serde(default)]
struct WirePicture<'a> {
    #[serde(borrow)]
    data: Lenient<Items<'a>>,
    b64_json: Lenient<BorrowedText<'a>>,
    url: Lenient<BorrowedText<'a>>,
    revised_prompt: Lenient<BorrowedText<'a>>,
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
    url: Lenient<BorrowedText<'a>>,
    revised_prompt: Lenient<BorrowedText<'a>>,
    /// The reason why there is no picture.
    error: Option<Value>,
}

/// Takes what is billed first: a picture that cannot be used is paid for, too. Then the picture, if there is one: a
/// complaint beside it does not make it unpaid.
pub(super) fn decode(json: &[u8], config: &Config, metered: &mut Metered) -> Result<Received, NoPicture> {
    // Borrowed from the body: base64 of megabytes is not copied before it is decoded.
    let painted = serde_json::from_slice::<WirePicture<'_>>(json);
    if painted.is_err()
        && let mended = text::mend(json)
        && mended.as_bytes() != json
    {
        return decode(mended.as_bytes(), config, metered);
    }
    let painted = match painted {
        Err(error) if serde_json::from_slice::<IgnoredAny>(json).is_err() => {
            let read = decode_several(json, config, metered).or_else(|| decode_cut(json, config).map(Ok));
            return read.unwrap_or_else(|| Err(not_json(&error).into()));
        }
        painted => painted.unwrap_or_default(),
    };
    let charged = painted.usage.0.as_ref().and_then(WireUsage::charged).or_else(|| charge_beside(json));
    // OpenAI itself charges by its list. An event before the picture may have said it, and the picture's says nothing.
    metered.charged = charged.filter(|_| !is_openai(&config.base_url)).or(metered.charged);
    metered.usage = painted.usage.0.and_then(WireUsage::read).or(metered.usage);
    let alone =
        ImageItem { b64_json: painted.b64_json, url: painted.url, revised_prompt: painted.revised_prompt, error: None };
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
        // Only now: the whole value is built for it, base64 and all.
        if let Some(forms) = wrapped::find(json) {
            return Ok(Received { pictures: vec![forms], ..Received::default() });
        }
        let of_item = items.iter().find_map(|item| Complaint::of_error(item.error.as_ref()?));
        let complaint = of_item.or_else(|| std::str::from_utf8(json).ok().and_then(Complaint::of_event));
        return Err(complaint.as_ref().map_or_else(|| unusable(NONE).into(), NoPicture::from));
    }
    let revised_prompt = revised_prompt.map(|prompt| text::sanitize(prompt).into_owned());
    let quality = painted.quality.text().map(str::to_owned);
    Ok(Received { pictures, revised_prompt, quality })
}

/// The picture in JSON that broke off behind it.
fn decode_cut(json: &[u8], config: &Config) -> Option<Received> {
    let closed = text::close(std::str::from_utf8(json).ok()?, CutText::Dropped).filter(|closed| !is_partial(closed))?;
    // A part of what is billed would be too little.
    decode(closed.as_bytes(), config, &mut Metered::default()).ok()
}

/// Returns whether it is the event of a partial picture, which is not what was asked for: by its type, or where it has
/// none, by its number.
pub(super) fn is_partial(event: &str) -> bool {
    #[derive(Deserialize)]
    struct Numbered {
        partial_image_index: Option<IgnoredAny>,
    }
    // A list would be read as its fields in order.
    let is_object = event.trim_start().starts_with('{');
    let is_numbered =
        || is_object && serde_json::from_str::<Numbered>(event).is_ok_and(|it| it.partial_image_index.is_some());
    serde_json::from_str::<Head<'_>>(event).is_ok_and(|head| match head.kind() {
        "" => is_numbered(),
        kind => kind.ends_with(PARTIAL),
    })
}

/// The first picture among several JSON values, one a line or one after another, or before anything else; or the
/// last complaint. A partial picture is none.
fn decode_several(json: &[u8], config: &Config, metered: &mut Metered) -> Option<Result<Received, NoPicture>> {
    let (partials, values): (Vec<_>, Vec<_>) =
        several(std::str::from_utf8(json).ok()?)?.into_iter().partition(|value| is_partial(value));
    let mut told = None;
    for value in values {
        match decode(value.as_bytes(), config, metered) {
            Ok(received) => return Some(Ok(received)),
            Err(none) if none.is_complaint() => told = Some(none),
            Err(_) => {}
        }
    }
    told.map(|none| Err(if partials.is_empty() { none } else { none.after_partials() }))
}

impl ImageItem<'_> {
    fn holds_picture(&self) -> bool {
        [&self.b64_json, &self.url].iter().any(|field| field.text().is_some_and(|text| !text.is_empty()))
    }
}

fn not_json(error: &serde_json::Error) -> Error {
    unusable(&format!("it is not the JSON it should be (line {}, column {})", error.line(), error.column()))
}
