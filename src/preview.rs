//! A small copy of a picture that fits a byte budget. Runs off the async threads, under decoder limits; failure is
//! "no preview", never an error.

use std::{borrow::Cow, io, sync::Arc, thread};

use image::{DynamicImage, ImageError, RgbImage, metadata::Orientation};
use tokio::sync::{Semaphore, oneshot};

use crate::media::{Dimensions, Encoded, Format, NotAPicture};

mod alpha;
mod decode;
mod digits;
mod encode;
mod pixels;
mod scale;
mod sheet;

use encode::SetQuality;
pub use sheet::ContactSheet;

/// Bytes that the previews of one result may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// All of them together, in bytes before base64; 0 is no preview.
    pub bytes: usize,
    /// The longer side of each, in pixels.
    pub side: u32,
}

impl Room {
    /// No preview at all.
    pub const NONE: Self = Self { bytes: 0, side: 0 };
    /// For a picture that could not be kept and is lost unless it is shown: as much as the most careful client bears.
    pub const RESCUE: Self = Self { bytes: 600_000, side: 1024 };

    /// This room, or the one for rescues where there is none.
    #[must_use]
    pub fn or_rescue(self) -> Self {
        if self.bytes == 0 { Self::RESCUE } else { self }
    }

    /// The share of one of `n` pictures.
    fn share(self, n: u32) -> PreviewBudget {
        PreviewBudget { bytes: self.bytes / n.max(1) as usize, side: self.side }
    }
}

/// Makes previews; cheap to clone. Clones share the one place where pixels are held, so that many pictures at once
/// take no more memory than one.
#[derive(Debug, Clone)]
pub struct Previews {
    place: Arc<Semaphore>,
}

/// Previews of pictures that are alike: those of one call.
#[derive(Debug)]
pub struct PreviewSet {
    previews: Previews,
    of: u32,
    quality: Arc<SetQuality>,
}

impl Previews {
    /// Makes the one place where pixels are held; no thread yet.
    #[must_use]
    pub fn build() -> Self {
        Self { place: Arc::new(Semaphore::new(1)) }
    }

    /// Previews of `of` pictures that share the room for them.
    #[must_use]
    pub fn set(&self, of: u32) -> PreviewSet {
        PreviewSet { previews: self.clone(), of, quality: Arc::default() }
    }

    /// One picture that shows all of them in a grid, numbered from 1 in reading order, in `room`: for results without
    /// room for each. A picture that cannot be decoded leaves its place empty. `None` when none can be, or when not
    /// even the grid fits.
    pub async fn contact_sheet(&self, pictures: Vec<Encoded>, room: Room) -> Option<ContactSheet> {
        if room.bytes == 0 || pictures.is_empty() {
            return None;
        }
        self.work(move || sheet::lay_out(&pictures, room)).await
    }

    /// The picture's pixels, opaque, upright and scaled down to lie within `room`; `None` when it cannot be decoded
    /// within the limits.
    pub async fn pixels(&self, picture: &Encoded, room: Dimensions) -> Option<RgbImage> {
        let picture = picture.clone();
        self.work(move || sheet::thumbnail(&picture, room)).await
    }

    /// Returns whether every pixel is fully opaque; `None` when the picture cannot be decoded within the limits.
    pub async fn is_opaque(&self, picture: &Encoded) -> Option<bool> {
        if !alpha::is_possible(picture) {
            return Some(true);
        }
        let picture = picture.clone();
        self.work(move || Ok(alpha::is_opaque(&decode::decode(&picture)?.0))).await
    }

    /// The picture at exactly this size, in its own format, with its transparency and upright: one that its metadata
    /// turns on its side changes width with height. `None` when it cannot be decoded within the limits.
    pub async fn scale(&self, picture: &Encoded, to: Dimensions) -> Option<Encoded> {
        let picture = picture.clone();
        self.work(move || scale::scale(&picture, to)).await
    }

    /// The picture as people see it, in its own format, where its metadata turns it; `None` where it does not, or where
    /// it cannot be decoded within the limits.
    pub async fn upright(&self, picture: &Encoded) -> Option<Encoded> {
        let picture = picture.clone();
        self.work(move || scale::upright(&picture)).await.flatten()
    }

    /// The picture in another format and upright; `None` where it cannot be decoded within the limits, or that format
    /// cannot show what is see-through, or is not written here.
    pub async fn convert(&self, picture: &Encoded, to: Format) -> Option<Encoded> {
        let picture = picture.clone();
        self.work(move || scale::convert(&picture, to)).await.flatten()
    }

    /// Works on pixels off the async threads, one piece of work at a time.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PreviewFailure> + Send + 'static,
    ) -> Option<T> {
        // Moved into the thread, so that a caller who goes away does not free the place while pixels are still held.
        let place = Arc::clone(&self.place).acquire_owned().await.ok()?;
        let made = in_a_thread(move || {
            let _place = place;
            work()
        });
        made.await.inspect_err(log).ok()
    }
}

/// A picture that was looked at once for all that is to be known of it.
#[derive(Debug, Default)]
pub struct Examined {
    /// As [`PreviewSet::shrink`] makes it.
    pub preview: Option<Encoded>,
    /// As [`Previews::is_opaque`] says.
    pub is_opaque: Option<bool>,
    /// Its pixels were looked for and cannot be read, though its format is.
    pub is_damaged: bool,
}

impl PreviewSet {
    /// A copy for one of the pictures that share `room`, at the quality of the first one if that fits; the original
    /// itself when it fits and nothing shines through it. `None` when there is no room, the picture cannot be decoded
    /// within the limits, or no quality fits.
    pub async fn shrink(&self, picture: &Encoded, room: Room) -> Option<Encoded> {
        if room.bytes == 0 { None } else { self.examine(picture, room).await.preview }
    }

    /// Makes the preview and looks for transparency, with one decoding for both.
    pub async fn examine(&self, picture: &Encoded, room: Room) -> Examined {
        let budget = room.share(self.of);
        if budget.bytes == 0 {
            return Examined { is_opaque: self.previews.is_opaque(picture).await, ..Examined::default() };
        }
        let is_solid = !alpha::is_possible(picture);
        let unseen = Examined { is_opaque: is_solid.then_some(true), ..Examined::default() };
        let (picture, quality) = (picture.clone(), self.quality.clone());
        // Also what fits as it is: a conversation with a picture that does not decode is refused from then on.
        let examined = self.previews.work(move || {
            let (image, orientation) = match decode::decode(&picture) {
                Err(PreviewFailure::Decode(ImageError::Decoding(_) | ImageError::IoError(_))) => {
                    return Ok(Examined { is_damaged: true, ..Examined::default() });
                }
                decoded => decoded?,
            };
            let is_opaque = Some(alpha::is_opaque(&image));
            let preview = shrink_decoded(&picture, image, orientation, budget, &quality);
            Ok(Examined { preview: preview.inspect_err(log).ok(), is_opaque, is_damaged: false })
        });
        examined.await.unwrap_or(unseen)
    }
}

fn log(failure: &PreviewFailure) {
    tracing::debug!(%failure, "no preview");
}

/// Works in a thread that ends with the work. A thread of the pool would keep what its allocator took for the pixels,
/// ten megabytes for each that ever made a preview. A decoder that panics costs a preview and nothing else.
async fn in_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PreviewFailure> + Send + 'static,
) -> Result<T, PreviewFailure> {
    let (done, made) = oneshot::channel();
    // Nobody waits any more when the send fails.
    thread::Builder::new().name("preview".into()).spawn(move || drop(done.send(work())))?;
    made.await?
}

/// Bytes and pixels that one preview may take.
#[derive(Debug, Clone, Copy)]
pub struct PreviewBudget {
    /// At most, before base64.
    pub bytes: usize,
    /// The longer side, in pixels.
    pub side: u32,
}

impl PreviewBudget {
    fn admits(self, picture: &Encoded) -> bool {
        let sides = picture.dimensions();
        picture.bytes().len() <= self.bytes && sides.width.max(sides.height) <= self.side
    }
}

/// Pixels of the longer side below which a preview is not made to fit: a picture so small shows nothing.
const SHORTEST_SIDE: u32 = 64;

/// The reason why there is no preview; for the log.
#[derive(Debug, thiserror::Error)]
pub enum PreviewFailure {
    /// More than 40 million pixels, or a side of more than 8,192.
    #[error("the picture has more pixels than are decoded for a preview")]
    TooManyPixels,
    /// A format without a decoder or an encoder here, such as AVIF; the text is its media type.
    #[error("pictures in {0} are not decoded here")]
    Undecoded(&'static str),
    /// Damaged, or beyond what the decoder may take.
    #[error("the picture cannot be decoded: {0}")]
    Decode(#[from] image::ImageError),
    /// The scaler refuses the sides.
    #[error("the picture cannot be scaled: {0}")]
    Scale(#[from] fast_image_resize::ResizeError),
    /// The scaler's buffer does not fit the sides.
    #[error("the picture cannot be scaled: {0}")]
    ScaleBuffer(#[from] fast_image_resize::ImageBufferError),
    /// The JPEG encoder fails.
    #[error("the preview cannot be encoded: {0}")]
    Encode(#[from] jpeg_encoder::EncodingError),
    /// A contact sheet of this many pictures does not fit, or would be empty.
    #[error("{0} pictures need more room than there is, or none of them can be decoded")]
    Sheet(usize),
    /// The encoder wrote something that is not a picture: a fault of this program.
    #[error("the preview cannot be read back: {0}")]
    Unreadable(#[from] NotAPicture),
    /// Made so small that it fits these bytes, it would show nothing.
    #[error("no preview fits into {0} bytes")]
    PreviewBudget(usize),
    /// The thread ended without a result: the decoder panicked.
    #[error("making the preview broke off")]
    Broken(#[from] oneshot::error::RecvError),
    /// The system gives no thread.
    #[error("no thread can be started: {0}")]
    NoThread(#[from] io::Error),
}

/// Decodes, scales down and encodes: as PNG what was drawn, when it fits, and as JPEG all else. Blocks for tens of
/// milliseconds.
///
/// # Errors
/// [`PreviewFailure`].
pub fn shrink(picture: &Encoded, budget: PreviewBudget) -> Result<Encoded, PreviewFailure> {
    let (image, orientation) = decode::decode(picture)?;
    shrink_decoded(picture, image, orientation, budget, &SetQuality::new())
}

fn shrink_decoded(
    picture: &Encoded,
    image: DynamicImage,
    orientation: Orientation,
    budget: PreviewBudget,
    quality: &SetQuality,
) -> Result<Encoded, PreviewFailure> {
    // A JPEG is decoded as far as it came.
    // See-through, it does not go as it is: pale art would vanish in a light client, dark art in a dark one.
    if budget.admits(picture) && picture.format().is_common() && alpha::is_opaque(&image) && picture.is_whole() {
        return Ok(picture.clone());
    }
    let image = pixels::scaled_to(Cow::Owned(alpha::on_ground(image)), budget.side)?;
    // Turned last, when fewer pixels are left to be moved.
    let image = pixels::turned(image.into_owned(), orientation);
    match encode::as_png(picture, &image, budget.bytes) {
        Some(png) => Ok(png),
        None => encode::as_jpeg(&image, budget.bytes, SHORTEST_SIDE, quality),
    }
}
