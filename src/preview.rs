//! A small copy of a picture that fits a byte budget. Runs off the async threads, under decoder limits; failure is
//! "no preview", never an error.

use std::{io, sync::Arc, thread};

use tokio::sync::{Semaphore, oneshot};

use crate::media::{Dimensions, Encoded, NotAPicture};

mod decode;
mod encode;
mod pixels;
mod scale;

#[derive(Debug, Clone)]
pub struct Config {
    pub mode: Mode,
    /// All previews of one result together, in bytes before base64.
    pub max_bytes: usize,
    /// The longer side, in pixels.
    pub max_side: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A preview where it fits.
    Auto,
    /// As auto, whatever the client's profile says.
    Always,
    Never,
}

/// Makes previews; cheap to clone. Clones share the one place where pixels are held, so that many pictures at once
/// take no more memory than one.
#[derive(Debug, Clone)]
pub struct Previews {
    config: Config,
    place: Arc<Semaphore>,
}

impl Previews {
    #[must_use]
    pub fn build(config: Config) -> Self {
        Self { config, place: Arc::new(Semaphore::new(1)) }
    }

    /// A copy of at most `max_bytes / of` bytes and `max_side` pixels; the original itself when it fits. `None` when
    /// previews are off, the picture cannot be decoded within the limits, or no quality fits.
    pub async fn shrink(&self, picture: &Encoded, of: u32) -> Option<Encoded> {
        match self.config.mode {
            Mode::Never => None,
            Mode::Auto | Mode::Always => self.rescue(picture, of).await,
        }
    }

    /// As [`Previews::shrink`], even where previews are off: for a picture that could not be kept and is lost unless
    /// it is shown.
    pub async fn rescue(&self, picture: &Encoded, of: u32) -> Option<Encoded> {
        let budget = Budget { bytes: self.config.max_bytes / of.max(1) as usize, side: self.config.max_side };
        if budget.admits(picture) {
            return Some(picture.clone());
        }
        self.work(picture, move |picture| shrink(picture, budget)).await
    }

    /// The picture at exactly this size, in its own format and with its transparency. `None` when it cannot be decoded
    /// within the limits.
    pub async fn scale(&self, picture: &Encoded, to: Dimensions) -> Option<Encoded> {
        self.work(picture, move |picture| scale::scale(picture, to)).await
    }

    /// Works on pixels off the async threads, one picture at a time.
    async fn work(
        &self,
        picture: &Encoded,
        work: impl FnOnce(&Encoded) -> Result<Encoded, Failure> + Send + 'static,
    ) -> Option<Encoded> {
        let place = Arc::clone(&self.place).acquire_owned().await.ok()?;
        let original = picture.clone();
        let made = in_a_thread(move || {
            let _place = place;
            work(&original)
        });
        match made.await {
            Ok(made) => Some(made),
            Err(failure) => {
                tracing::debug!(?picture, %failure, "no smaller copy");
                None
            }
        }
    }
}

/// Works in a thread that ends with the work. A thread of the pool would keep what its allocator took for the pixels,
/// ten megabytes for each that ever made a preview. A decoder that panics costs a preview and nothing else.
async fn in_a_thread(work: impl FnOnce() -> Result<Encoded, Failure> + Send + 'static) -> Result<Encoded, Failure> {
    let (done, made) = oneshot::channel();
    // Nobody waits any more when the send fails.
    thread::Builder::new().name("preview".into()).spawn(move || drop(done.send(work())))?;
    made.await?
}

/// What one preview may take.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    pub bytes: usize,
    /// The longer side, in pixels.
    pub side: u32,
}

impl Budget {
    fn admits(self, picture: &Encoded) -> bool {
        let sides = picture.dimensions();
        picture.bytes().len() <= self.bytes && sides.width.max(sides.height) <= self.side
    }
}

/// Why there is no preview; for the log.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the picture has more pixels than are decoded for a preview")]
    TooManyPixels,
    #[error("the picture cannot be decoded: {0}")]
    Decode(#[from] image::ImageError),
    #[error("the picture cannot be scaled: {0}")]
    Scale(#[from] fast_image_resize::ResizeError),
    #[error("the picture cannot be scaled: {0}")]
    ScaleBuffer(#[from] fast_image_resize::ImageBufferError),
    #[error("the preview cannot be encoded: {0}")]
    Encode(#[from] jpeg_encoder::EncodingError),
    #[error("the preview cannot be read back: {0}")]
    Unreadable(#[from] NotAPicture),
    #[error("no preview fits into {0} bytes")]
    Budget(usize),
    #[error("making the preview broke off")]
    Broken(#[from] oneshot::error::RecvError),
    #[error("no thread can be started: {0}")]
    NoThread(#[from] io::Error),
}

/// Decodes, scales down and encodes as JPEG. Blocks for tens of milliseconds.
///
/// # Errors
/// [`Failure`].
pub fn shrink(picture: &Encoded, budget: Budget) -> Result<Encoded, Failure> {
    let (image, orientation) = decode::decode(picture)?;
    let image = pixels::scaled_to(pixels::opaque(image), budget.side)?;
    encode::fit(pixels::turned(image, orientation), budget.bytes)
}
