//! The painter: a picture worth looking at, from the words of a prompt. Knows nothing of HTTP or JSON.
//!
//! `scene` reads the prompt, `sky`, `land` and `things` draw what it names, back to front, on a `canvas`.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "pixels: coordinates stay within a few thousand, colours within a byte"
)]

mod canvas;
mod color;
mod encode;
mod font;
mod land;
mod random;
mod retouch;
mod scene;
mod shape;
mod sky;
mod things;
mod town;

pub use canvas::Canvas;
pub use encode::{Encoding, encode};
pub use retouch::{Source, Sources, retouch};

use random::Random;
use scene::{Land, Scene};

/// What is to be painted. The same commission gives the same picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Commission {
    pub prompt: String,
    pub width: u32,
    pub height: u32,
    pub ground: Ground,
    /// Pictures of one prompt differ a little by this.
    pub variation: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ground {
    Opaque,
    /// Only the motif, cut out.
    Transparent,
}

/// How far the paper's grain moves a pixel, in steps of 1/255.
const GRAIN: u8 = 3;

/// Paints the picture.
#[must_use]
pub fn paint(commission: &Commission) -> Canvas {
    paint_on(commission, GRAIN)
}

/// Paints and encodes a picture of about so many bytes: the coarser the grain, the more of them.
pub fn weigh(commission: &Commission, encoding: Encoding, bytes: usize) -> Option<Vec<u8>> {
    let (mut low, mut high) = (0u8, 128u8);
    let mut best = encode(&paint_on(commission, low), encoding)?;
    while high - low > 1 {
        let middle = low.midpoint(high);
        let tried = encode(&paint_on(commission, middle), encoding)?;
        if tried.len() <= bytes {
            low = middle;
        } else {
            high = middle;
        }
        if tried.len().abs_diff(bytes) < best.len().abs_diff(bytes) {
            best = tried;
        }
    }
    Some(best)
}

fn paint_on(commission: &Commission, grain: u8) -> Canvas {
    let mut canvas = Canvas::new(commission.width as usize, commission.height as usize);
    let scene = Scene::read(&commission.prompt);
    let mut random = Random::new(scene.seed, commission.variation);
    match commission.ground {
        Ground::Transparent => things::cut_out(&mut canvas, &scene, &mut random),
        Ground::Opaque => {
            sky::paint(&mut canvas, &scene, &mut random);
            match scene.land {
                Land::City => town::paint(&mut canvas, &scene, &mut random),
                _ => land::paint(&mut canvas, &scene, &mut random),
            }
            things::place(&mut canvas, &scene, &mut random);
            sky::fall(&mut canvas, &scene, &mut random);
        }
    }
    canvas.finish(grain, &mut random);
    font::sign(&mut canvas);
    canvas
}
