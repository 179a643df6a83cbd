//! Parts that are given up when a result is longer than its client takes, in this order: pixels of each preview,
//! previews of their own for one sheet with all of them, that sheet; then the long texts among the structured
//! content, its other long parts, and last the end of the text and of each note. Originals are whole on the disk
//! whatever happens here.

use serde_json::Value;

use super::{
    ResultShape,
    draft::{Draft, picture_bytes, serialized},
};
use crate::{media::Encoded, preview::Room, text};

const ON_ONE_SHEET: &str = "The pictures are shown on one sheet: this client takes no larger answer.";
const NOT_SHOWN: &str = "The pictures are not shown: this client takes no larger answer.";
const STRUCTURED_CUT: &str = "The structured content is cut short: this client takes no longer answer.";
const TEXT_CUT: &str = "The text is cut short: this client takes no longer answer.";

/// Puts as much of the pictures into the draft as its texts leave room for.
pub(super) async fn pictures(draft: &mut Draft, pictures: Vec<Encoded>, shape: &ResultShape) {
    /// For the longer of the notes, in the content and among the warnings.
    const NOTE: usize = 250;
    if pictures.is_empty() {
        return;
    }
    let left = shape.limit.saturating_sub(draft.size() + NOTE);
    // A client that is shown no previews gets those pictures that could not be kept.
    let room = shape.profile.room.or_rescue();
    let within = |pictures| Room { bytes: room.bytes.min(picture_bytes(left, pictures)), ..room };

    if let Some(each) = each(&pictures, within(pictures.len()), shape).await {
        draft.pictures = each;
        return;
    }
    let sheet = if pictures.len() > 1 { shape.previews.contact_sheet(&pictures, within(1)).await } else { None };
    draft.note(if sheet.is_some() { ON_ONE_SHEET } else { NOT_SHOWN });
    draft.pictures.extend(sheet);
}

/// The pictures as they are when they fit, else smaller; `None` when one of them cannot be made so small.
async fn each(pictures: &[Encoded], room: Room, shape: &ResultShape) -> Option<Vec<Encoded>> {
    let bytes: usize = pictures.iter().map(|picture| picture.bytes().len()).sum();
    let sides = pictures.iter().map(Encoded::dimensions).flat_map(|sides| [sides.width, sides.height]);
    if bytes <= room.bytes && sides.max() <= Some(room.side) {
        return Some(pictures.to_vec());
    }
    let set = shape.previews.set(u32::try_from(pictures.len()).ok()?);
    let mut smaller = Vec::with_capacity(pictures.len());
    for picture in pictures {
        smaller.push(set.shrink(picture, room).await?);
    }
    Some(smaller)
}

/// Cuts the draft's texts until it fits.
pub(super) fn texts(draft: &mut Draft, limit: usize) {
    /// The lengths, in characters, that the texts of the structured content are cut to, one after the other.
    const LENGTHS: [usize; 3] = [8_000, 1_000, 100];
    /// The longest part of the structured content that stays when that does not help, in serialized bytes.
    const SMALL: usize = 600;

    if draft.fits(limit) {
        return;
    }
    draft.note(STRUCTURED_CUT);
    for length in LENGTHS {
        draft.structured.iter_mut().flat_map(|fields| fields.values_mut()).for_each(|value| clip(value, length));
        if draft.fits(limit) {
            return;
        }
    }
    if let Some(fields) = &mut draft.structured {
        fields.retain(|_, value| serialized(value) <= SMALL);
    }
    if draft.fits(limit) {
        return;
    }
    draft.note(TEXT_CUT);
    draft.shorten_notes();
    let others = draft.size() - serialized(&draft.text);
    draft.text = cut(&draft.text, limit.saturating_sub(others)).to_owned();
}

/// Cuts every text in a value to `length` characters.
fn clip(value: &mut Value, length: usize) {
    match value {
        Value::String(long) if long.len() > length => *long = text::clip(long, length).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(|item| clip(item, length)),
        Value::Object(fields) => fields.values_mut().for_each(|field| clip(field, length)),
        _ => {}
    }
}

/// The start of a text that takes `room` bytes in JSON at most.
fn cut(text: &str, room: usize) -> &str {
    let mut end = text.len();
    loop {
        let start = text.get(..text.floor_char_boundary(end)).unwrap_or_default();
        let size = serialized(&start);
        if size <= room || start.is_empty() {
            return start;
        }
        // Closer by the part that is too much, and always by something.
        end = (start.len() * room / size).min(start.len() - 1);
    }
}
