//! The painter: a picture worth looking at, from the words of a prompt. Knows nothing of HTTP or JSON.
//!
//! `scene` reads the prompt; the `landscape` and the `motif`s that it names are drawn back to front on a `canvas`.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "pixels: coordinates stay within a few thousand, colours within a byte"
)]

use image::{
    DynamicImage, RgbaImage,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
    imageops::{self, FilterType},
};
use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

mod canvas;
mod landscape;
mod motif;
mod retouch;
mod scene;

pub(crate) use retouch::{Source, Sources};

use canvas::Canvas;
use scene::{Hour, Scene};

/// Chance that repeats itself, with every release of its crate.
type Chance = Xoshiro256PlusPlus;

/// A picture to be painted. The same commission gives the same picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Commission {
    pub prompt: String,
    /// In pixels, as the height.
    pub width: u32,
    pub height: u32,
    pub ground: Ground,
    /// Pictures of one prompt differ a little by this.
    pub variation: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ground {
    Opaque,
    /// Only the motif, cut out.
    Transparent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    Png,
    /// With a quality of 1 to 100.
    Jpeg(u8),
    /// Lossless.
    Webp,
}

/// Distance by which the paper's grain moves a pixel, in steps of 1/255.
const GRAIN: u8 = 3;

/// A picture while it is painted.
struct Painting {
    canvas: Canvas,
    scene: Scene,
    chance: Chance,
}

/// Paints the picture, from others where it is an edit; `None` when it has no pixels.
pub(crate) fn paint(commission: &Commission, sources: Option<&Sources>) -> Option<DynamicImage> {
    let mut painting = Painting::begin(commission)?;
    painting.canvas.finish(GRAIN, &mut painting.chance);
    if let Some(sources) = sources {
        retouch::retouch(&mut painting.canvas, sources);
    }
    painting.sign();
    painting.canvas.image(commission.ground)
}

/// Paints and encodes a picture of about this many bytes: the coarser the grain, the more of them.
pub(crate) fn weigh(commission: &Commission, encoding: Encoding, bytes: usize) -> Option<Vec<u8>> {
    let painting = Painting::begin(commission)?;
    // By halves, in at most eight tries: size grows with the grain, whose flecks are the same each time.
    let (mut low, mut high) = (0u8, 129u8);
    let mut best = Vec::new();
    while high - low > 1 {
        let (middle, mut grainy) = (low.midpoint(high), painting.canvas.clone());
        grainy.finish(middle, &mut painting.chance.clone());
        let tried = encode(&grainy.image(commission.ground)?, encoding)?;
        (low, high) = if tried.len() <= bytes { (middle, high) } else { (low, middle) };
        // The first as it is: where even that is too large, an empty file would be nearer.
        if best.is_empty() || tried.len().abs_diff(bytes) < best.len().abs_diff(bytes) {
            best = tried;
        }
    }
    Some(best)
}

impl Painting {
    /// Paints all but the grain.
    fn begin(commission: &Commission) -> Option<Self> {
        // FNV-1a: the same seed in every release, which the standard library's hasher does not promise.
        let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let seed = commission.prompt.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
        let canvas = Canvas::new(commission.width, commission.height)?;
        let chance = Chance::seed_from_u64(seed.wrapping_add(commission.variation.into()));
        let mut painting = Self { canvas, scene: Scene::read(&commission.prompt, seed), chance };
        match commission.ground {
            Ground::Transparent => {
                painting.scene.hour = Hour::Day;
                painting.cut_out();
            }
            Ground::Opaque => {
                painting.sky();
                painting.land();
                painting.motifs();
                painting.fall();
            }
        }
        Some(painting)
    }
}

/// The picture as it looks before it is finished: only details of this many pixels.
pub(crate) fn coarse(picture: &DynamicImage, detail: u32) -> DynamicImage {
    let (width, height) = (picture.width(), picture.height());
    let small = thumbnail(picture, (width / detail).max(1), (height / detail).max(1));
    of_kind(picture, imageops::resize(&small.to_rgba8(), width, height, FilterType::Triangle))
}

/// The picture at exactly this size. It is made of one kind of pixels: the code for the others would be linked as well.
pub(crate) fn thumbnail(picture: &DynamicImage, width: u32, height: u32) -> DynamicImage {
    of_kind(picture, imageops::thumbnail(&picture.to_rgba8(), width, height))
}

/// See-through only where `picture` is.
fn of_kind(picture: &DynamicImage, made: RgbaImage) -> DynamicImage {
    let made = DynamicImage::from(made);
    if picture.color().has_alpha() { made } else { made.into_rgb8().into() }
}

/// The file's bytes; `None` for a picture that the format cannot hold.
pub(crate) fn encode(picture: &DynamicImage, encoding: Encoding) -> Option<Vec<u8>> {
    let mut file = std::io::Cursor::new(Vec::new());
    match encoding {
        Encoding::Png => picture.write_with_encoder(PngEncoder::new(&mut file)),
        Encoding::Webp => picture.write_with_encoder(WebPEncoder::new_lossless(&mut file)),
        Encoding::Jpeg(quality) => picture.write_with_encoder(JpegEncoder::new_with_quality(&mut file, quality)),
    }
    .ok()?;
    Some(file.into_inner())
}
