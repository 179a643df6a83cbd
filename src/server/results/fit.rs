//! Parts that are given up when a result is longer than its client takes, in this order: pixels of each preview,
//! previews of their own for one sheet with all of them, that sheet; then the long texts among the structured
//! content, its other long parts, and last the end of the text and of each note. Originals are whole on the disk
//! whatever happens here.

use serde_json::Value;

use super::{
    ResultShape,
    draft::{Draft, picture_bytes, serialized},
};
use crate::{artifact::Artifact, media::Encoded, preview::Room, text};

const ON_ONE_SHEET: &str = "The pictures are shown on one numbered sheet: there is no room here for each.";
const NO_PREVIEW: &str =
    "Not shown here, since no preview could be made: the file of each picture is whole, at the path above.";
const NOT_SHOWN: &str =
    "The pictures are not shown: this client takes no larger answer. Their files are at the paths above.";
const STRUCTURED_CUT: &str = "The structured content is cut short: this client takes no longer answer.";
const TEXT_CUT: &str = "The text is cut short: this client takes no longer answer.";

/// Puts as much of the pictures into the draft as its texts leave room for, and says what is not shown.
pub(super) async fn pictures(draft: &mut Draft, previews: Vec<Encoded>, kept: &[Artifact], shape: &ResultShape) {
    /// For the longest of the notes, in the content and among the warnings.
    const NOTE: usize = 500;
    // More previews than kept pictures: the disk was full. More pictures than previews: some cannot be decoded here.
    let count = previews.len().max(kept.len());
    // A client that is shown no previews gets those pictures that could not be kept.
    if previews.is_empty() && (kept.is_empty() || shape.profile.room.bytes == 0) {
        return;
    }
    // Texts have their room first: many clients show nothing else, and they name the originals.
    let left = shape.limit.saturating_sub(draft.size() + NOTE);
    let room = shape.profile.room.or_rescue();
    let within = |pictures| Room { bytes: room.bytes.min(picture_bytes(left, pictures)), ..room };

    // With some previews missing nobody could tell which pictures are shown: the sheet numbers a place for each.
    let is_missing = previews.len() < count;
    if !is_missing && let Some(each) = each(&previews, within(count), shape).await {
        draft.pictures = each;
        return;
    }
    let sheet = match count {
        0 | 1 => None,
        // From the originals: previews were shrunk once already.
        _ => shape.previews.contact_sheet(originals(previews, kept, shape).await, within(1)).await,
    };
    let Some(sheet) = sheet else { return draft.note(if is_missing { NO_PREVIEW } else { NOT_SHOWN }) };
    draft.note(ON_ONE_SHEET);
    for number in sheet.empty {
        let path = kept.get(number - 1).and_then(|kept| kept.path_for(&shape.owner));
        let place = path.map_or(String::new(), |path| format!(": its file is {}", path.display()));
        draft.note(&format!("Picture {number} is not on the sheet, since no preview can be made of it{place}."));
    }
    draft.pictures.push(sheet.picture);
}

/// The pictures as they were made, where all were kept and are not too much to hold at once; else their previews.
async fn originals(previews: Vec<Encoded>, kept: &[Artifact], shape: &ResultShape) -> Vec<Encoded> {
    // Bytes of all originals: they are in memory together while the sheet is drawn.
    const MOST: u64 = 64 << 20;
    if kept.len() < previews.len() || kept.iter().map(|kept| kept.bytes).sum::<u64>() > MOST {
        return previews;
    }
    let mut originals = Vec::with_capacity(kept.len());
    for artifact in kept {
        match shape.artifacts.fetch(&artifact.id).await {
            Ok((_, original)) => originals.push(original),
            // One that is gone since, or a bucket that is away: what is at hand is shown.
            Err(_) => return previews,
        }
    }
    originals
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
        // The structured content before the text: it says the same once more, and models read the text.
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
    // The notes first: the text gets the room that they leave.
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
        // In proportion, since characters that are escaped take up to six bytes: halving would end far below the room.
        // Closer by the part that is too much, and always by something.
        end = (start.len() * room / size).min(start.len() - 1);
    }
}
