//! The pictures that are measured, drawn as image models draw them: a photograph, a flat illustration, text on white,
//! and a light motif on a transparent ground.

#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "pixels")]

use anyhow::{Context as _, Result};
use image::{DynamicImage, Rgba, RgbaImage};

/// In pixels: as wide and as high as the image models paint most.
pub const SIDE: u32 = 1024;

pub struct Scene {
    pub name: &'static str,
    pub image: DynamicImage,
}

pub fn all() -> [Scene; 4] {
    let opaque = |image| DynamicImage::from(DynamicImage::from(image).into_rgb8());
    [
        Scene { name: "photograph", image: opaque(draw(photograph)) },
        Scene { name: "illustration", image: opaque(draw(illustration)) },
        Scene { name: "text", image: opaque(text()) },
        Scene { name: "cut-out", image: draw(cut_out).into() },
    ]
}

pub fn named(name: &str) -> Result<Scene> {
    all().into_iter().find(|scene| scene.name == name).context("no such scene")
}

type Colour = [f32; 4];

/// Calls `paint` for the middle of each pixel, in units of the side.
fn draw(paint: impl Fn(f32, f32) -> Colour) -> RgbaImage {
    RgbaImage::from_fn(SIDE, SIDE, |x, y| {
        let [x, y] = [x, y].map(|at| (at as f32 + 0.5) / SIDE as f32);
        Rgba(paint(x, y).map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8))
    })
}

/// A textured stone before lights out of focus, with the grain of a sensor.
fn photograph(x: f32, y: f32) -> Colour {
    let haze = clouds(x * 2.0, y * 2.0, 3);
    let mut colour = [0.10 + 0.25 * haze, 0.16 + 0.22 * haze * (1.0 - y), 0.20 + 0.30 * (1.0 - y) * haze, 1.0];
    for light in 0..40 {
        let [at_x, at_y, size, hue] = [0, 1, 2, 3].map(|salt| chance(light, salt));
        let radius = 0.02 + 0.05 * size;
        let away = (x - at_x).hypot(y - at_y * 0.7) / radius;
        let disc = smooth(1.05, 0.95, away) * (0.25 + 0.15 * away.min(1.0));
        lay(&mut colour, [1.0, 0.55 + 0.35 * hue, 0.2 + 0.6 * hue, disc]);
    }
    let table = smooth(0.70, 0.72, y + 0.01 * clouds(x * 30.0, 0.0, 2));
    let wood = clouds(x * 3.0, y * 60.0, 5);
    lay(&mut colour, [0.25 + 0.35 * wood, 0.15 + 0.22 * wood, 0.08 + 0.12 * wood, table]);
    let (dx, dy) = ((x - 0.5) / 0.27, (y - 0.58) / 0.27);
    let rim = dx.hypot(dy) + 0.03 * clouds(x * 9.0, y * 9.0, 4);
    lay(&mut colour, [0.0, 0.0, 0.0, 0.5 * smooth(1.3, 0.6, ((x - 0.56) / 0.3).hypot((y - 0.84) / 0.07))]);
    let lit = (0.75 - 0.45 * dx - 0.55 * dy) * (1.0 - 0.35 * rim * rim);
    let rock = clouds(x * 14.0, y * 14.0, 7);
    let fleck = smooth(0.60, 0.72, clouds(x * 90.0 + 7.0, y * 90.0, 2));
    let stone = (0.25 + 0.6 * rock) * lit + 0.25 * fleck * lit;
    lay(&mut colour, [stone * 1.05, stone * 0.97, stone * 0.86, smooth(1.01, 0.99, rim)]);
    let grain = (noise(x * SIDE as f32 * 1.7, y * SIDE as f32 * 1.7) - 0.5) * 0.03;
    [colour[0] + grain, colour[1] + grain, colour[2] + grain, 1.0]
}

/// Few colours and hard edges.
fn illustration(x: f32, y: f32) -> Colour {
    let edge = 0.7 / SIDE as f32;
    let within = |distance: f32| smooth(edge, -edge, distance);
    let mut colour = [0.42, 0.78, 0.91, 1.0];
    lay(&mut colour, [1.0, 0.84, 0.20, within((x - 0.76).hypot(y - 0.22) - 0.11)]);
    for (at_x, at_y, size) in [(0.2, 0.2, 0.06), (0.27, 0.18, 0.08), (0.35, 0.21, 0.05)] {
        lay(&mut colour, [1.0, 1.0, 1.0, within((x - at_x).hypot(y - at_y) - size)]);
    }
    for (hill, [r, g, b]) in [[0.36, 0.60, 0.42], [0.22, 0.48, 0.36], [0.13, 0.35, 0.31]].into_iter().enumerate() {
        let hill = hill as f32;
        let top = 0.52 + 0.13 * hill + 0.05 * (x * (7.0 + 3.0 * hill) + hill * 2.0).sin();
        lay(&mut colour, [r, g, b, within(top - y)]);
    }
    for house in 0..5_u8 {
        let left = 0.12 + 0.16 * f32::from(house);
        let (dx, dy) = ((x - left).abs(), y - 0.74);
        lay(&mut colour, [0.93, 0.36, 0.30, within((dx * 0.7 + 0.7 * (-0.02 - dy).abs() - 0.052).max(dy - 0.0))]);
        lay(&mut colour, [0.98, 0.93, 0.82, within((dx - 0.045).max((dy - 0.04).abs() - 0.04))]);
        lay(&mut colour, [0.20, 0.24, 0.42, within(((dx - 0.02).abs() - 0.009).max((dy - 0.03).abs() - 0.012))]);
    }
    colour
}

/// Lines of strokes in the manner of letters, from large to small, black and coloured.
fn text() -> RgbaImage {
    let mut page = RgbaImage::from_pixel(SIDE, SIDE, Rgba([255; 4]));
    let (mut top, mut line) = (50.0_f32, 0_u32);
    for size in [
        64.0_f32, 36.0, 36.0, 24.0, 24.0, 24.0, 24.0, 18.0, 18.0, 18.0, 18.0, 14.0, 14.0, 14.0, 14.0, 14.0, 11.0, 11.0,
        11.0, 11.0,
    ] {
        let ink = match line % 5 {
            1 => [200, 30, 40],
            3 => [20, 70, 190],
            _ => [25, 25, 30],
        };
        let (mut left, mut letter) = (60.0_f32, 0_u32);
        while left < 950.0 {
            let kind = line * 131 + letter;
            if chance(kind, 9) > 0.16 {
                for stroke in 0..3 {
                    let [ax, ay, bx, by] =
                        [0, 1, 2, 3].map(|salt| (chance(kind, stroke * 4 + salt) * 2.99).floor() / 2.0);
                    stroke_line(
                        &mut page,
                        [left + ax * size * 0.45, top + ay * size * 0.7],
                        [left + bx * size * 0.45, top + by * size * 0.7],
                        size * 0.055,
                        ink,
                    );
                }
            }
            left += size * 0.68;
            letter += 1;
        }
        top += size * 1.55 + 6.0;
        line += 1;
    }
    page
}

fn stroke_line(page: &mut RgbaImage, [ax, ay]: [f32; 2], [bx, by]: [f32; 2], half: f32, ink: [u8; 3]) {
    let [low_x, low_y] = [ax.min(bx), ay.min(by)].map(|at| (at - half - 2.0) as u32);
    let [high_x, high_y] = [ax.max(bx), ay.max(by)].map(|at| (at + half + 2.0) as u32);
    let (dx, dy) = (bx - ax, by - ay);
    for y in low_y..=high_y.min(SIDE - 1) {
        for x in low_x..=high_x.min(SIDE - 1) {
            let (px, py) = (x as f32 + 0.5 - ax, y as f32 + 0.5 - ay);
            let along = ((px * dx + py * dy) / (dx * dx + dy * dy).max(0.01)).clamp(0.0, 1.0);
            let cover = (half + 0.5 - (px - along * dx).hypot(py - along * dy)).clamp(0.0, 1.0);
            let pixel = page.get_pixel_mut(x, y);
            for (value, ink) in pixel.0.iter_mut().zip(ink) {
                *value = (f32::from(*value) * (1.0 - cover) + f32::from(ink) * cover).round() as u8;
            }
        }
    }
}

/// A pale ghost with a soft glow: white paper would swallow it.
fn cut_out(x: f32, y: f32) -> Colour {
    let edge = 0.7 / SIDE as f32;
    let head = (x - 0.5).hypot((y - 0.42).min(0.0)) - 0.24;
    let hem = y - 0.82 - 0.03 * (x * 40.0).sin();
    let body = head.max(hem);
    let shade = 0.86 + 0.14 * smooth(0.3, 0.7, 1.0 - x) - 0.05 * clouds(x * 5.0, y * 5.0, 4);
    let mut colour = [shade, shade, shade * 1.03, smooth(edge, -edge, body)];
    if colour[3] == 0.0 {
        return [1.0, 1.0, 0.95, 0.6 * smooth(0.12, 0.0, body)];
    }
    for eye in [0.42, 0.58] {
        let alpha = colour[3];
        lay(&mut colour, [0.15, 0.15, 0.25, smooth(edge, -edge, ((x - eye) / 0.7).hypot(y - 0.4) - 0.035)]);
        colour[3] = alpha;
    }
    colour
}

/// Lays a colour with its alpha over an opaque one.
fn lay(under: &mut Colour, [r, g, b, alpha]: Colour) {
    for (value, over) in under.iter_mut().zip([r, g, b]) {
        *value += (over - *value) * alpha;
    }
}

/// 0 at `from`, 1 at `to`, smooth between and constant beyond.
fn smooth(from: f32, to: f32, at: f32) -> f32 {
    let t = ((at - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Noise of several octaves, each half as strong as the one before: the spectrum of natural pictures.
fn clouds(x: f32, y: f32, octaves: i32) -> f32 {
    (0..octaves).map(|octave| noise(x * 2_f32.powi(octave), y * 2_f32.powi(octave)) / 2_f32.powi(octave + 1)).sum()
}

fn noise(x: f32, y: f32) -> f32 {
    let (fx, fy) = (smooth(0.0, 1.0, x.fract()), smooth(0.0, 1.0, y.fract()));
    let [x, y] = [x, y].map(|at| at as u32);
    let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
    let row = |y| mix(chance(x, y), chance(x + 1, y), fx);
    mix(row(y), row(y + 1), fy)
}

/// A number from 0 to 1 that only depends on these two.
fn chance(a: u32, b: u32) -> f32 {
    let mut hash = a.wrapping_mul(0x9e37_79b1) ^ b.wrapping_mul(0x85eb_ca6b).rotate_left(13);
    hash = (hash ^ hash >> 15).wrapping_mul(0x2c1b_3c6d);
    hash = (hash ^ hash >> 12).wrapping_mul(0x297a_2d39);
    (hash ^ hash >> 15) as f32 / u32::MAX as f32
}
