//! The pixels, and the few ways to put colour on them. Knows no motif.

use image::{DynamicImage, RgbaImage, imageops::FilterType};

use super::{
    color::{Color, Ink},
    random::Random,
    shape::Shape,
};

type Pixel = [u8; 4];

/// Straight RGBA, row by row.
#[derive(Debug, Clone)]
pub struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<Pixel>,
}

/// A tint this weak changes no byte.
const INVISIBLE: f32 = 0.001;

/// Subdivisions of a pixel's height where edges are smoothed.
const SUBROWS: usize = 4;

impl Canvas {
    /// Nothing on it: transparent.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![[0; 4]; width * height] }
    }

    pub fn width(&self) -> f32 {
        self.width as f32
    }

    pub fn height(&self) -> f32 {
        self.height as f32
    }

    /// The measure of things: the shorter side.
    pub fn unit(&self) -> f32 {
        self.width().min(self.height())
    }

    /// Row by row.
    pub fn pixels(&self) -> &[Pixel] {
        &self.pixels
    }

    pub fn dimensions(&self) -> (u32, u32) {
        (self.width as u32, self.height as u32)
    }

    /// One colour a row, over everything.
    pub fn wash(&mut self, color: impl Fn(f32) -> Color) {
        for (y, row) in self.pixels.chunks_exact_mut(self.width).enumerate() {
            row.fill(opaque(color(y as f32)));
        }
    }

    /// Everything below a line, given by its height at each column; the colour follows the row.
    pub fn fill_below(&mut self, line: impl Fn(f32) -> f32, color: impl Fn(f32) -> Color) {
        let line: Vec<f32> = (0..self.width).map(|x| line(x as f32)).collect();
        let top = line.iter().copied().fold(f32::MAX, f32::min).max(0.0) as usize;
        for (y, row) in self.pixels.chunks_exact_mut(self.width).enumerate().skip(top) {
            let color = color(y as f32);
            let solid = opaque(color);
            for (pixel, line) in row.iter_mut().zip(&line) {
                let part = y as f32 + 1.0 - line;
                if part >= 1.0 {
                    *pixel = solid;
                } else if part > 0.0 {
                    blend(pixel, color, part);
                }
            }
        }
    }

    /// Colour by place and strength (0 to 1), within a box.
    pub fn tint(&mut self, left: f32, top: f32, right: f32, bottom: f32, color: impl Fn(f32, f32) -> (Color, f32)) {
        let (from, to) = (left.clamp(0.0, self.width()) as usize, right.clamp(0.0, self.width()).ceil() as usize);
        let (first, last) = (top.clamp(0.0, self.height()) as usize, bottom.clamp(0.0, self.height()).ceil() as usize);
        let rows = self.pixels.chunks_exact_mut(self.width).enumerate();
        for (y, row) in rows.take(last).skip(first) {
            for (x, pixel) in row.iter_mut().enumerate().take(to).skip(from) {
                let (color, part) = color(x as f32 + 0.5, y as f32 + 0.5);
                if part > INVISIBLE {
                    blend(pixel, color, part.min(1.0));
                }
            }
        }
    }

    /// Light that fades with the distance.
    pub fn glow(&mut self, (x, y): (f32, f32), radius: f32, color: Color, strength: f32) {
        self.tint(x - radius, y - radius, x + radius, y + radius, |px, py| {
            let far = ((px - x).powi(2) + (py - y).powi(2)) / (radius * radius);
            let near = (1.0 - far).max(0.0);
            (color, strength * near * near * near)
        });
    }

    pub fn fill(&mut self, shape: &Shape, ink: impl Into<Ink>) {
        self.glaze(shape, ink, 1.0);
    }

    /// Fills a shape so that what is below shows through.
    pub fn glaze(&mut self, shape: &Shape, ink: impl Into<Ink>, strength: f32) {
        let ink = ink.into();
        let Some((left, top, right, bottom)) = shape.bounds() else { return };
        if right <= 0.0 || bottom <= 0.0 || left >= self.width() || top >= self.height() {
            return;
        }
        let from = left.clamp(0.0, self.width()) as usize;
        let to = right.clamp(0.0, self.width()).ceil() as usize;
        let first = top.clamp(0.0, self.height()) as usize;
        let last = bottom.clamp(0.0, self.height()).ceil() as usize;
        let mut cover = vec![0.0; to - from];
        for (y, row) in self.pixels.chunks_exact_mut(self.width).enumerate().take(last).skip(first) {
            cover.fill(0.0);
            for sub in 0..SUBROWS {
                let height = y as f32 + (sub as f32 + 0.5) / SUBROWS as f32;
                for (enter, leave) in shape.crossings(height) {
                    add_span(&mut cover, enter - from as f32, leave - from as f32);
                }
            }
            for ((x, pixel), part) in row.iter_mut().enumerate().skip(from).zip(&cover) {
                if *part > 0.0 {
                    blend(pixel, ink.at(x as f32, y as f32), part.min(1.0) * strength);
                }
            }
        }
    }

    /// Mirrors what stands above `horizon` below it, `squeeze` times as high, shifted sideways by `wave` of the depth
    /// and mixed with the water's colour.
    pub fn reflect(
        &mut self,
        horizon: f32,
        squeeze: f32,
        wave: impl Fn(f32) -> f32,
        water: impl Fn(f32) -> (Color, f32),
    ) {
        let horizon = (horizon.max(1.0) as usize).min(self.height);
        let (above, below) = self.pixels.split_at_mut(horizon * self.width);
        for (depth, row) in below.chunks_exact_mut(self.width).enumerate() {
            let source = horizon.saturating_sub(1 + (depth as f32 / squeeze) as usize);
            let source = above.get(source * self.width..(source + 1) * self.width).unwrap_or_default();
            let shift = wave(depth as f32) as isize;
            let (color, part) = water(depth as f32);
            for (x, pixel) in row.iter_mut().enumerate() {
                let from = x.saturating_add_signed(shift).min(self.width - 1);
                *pixel = source.get(from).copied().unwrap_or_else(|| opaque(color));
                blend(pixel, color, part);
            }
        }
    }

    /// The last layer: darker corners, and the grain of paper.
    pub fn finish(&mut self, grain: u8, random: &mut Random) {
        let (across, down) = (2.0 / self.width(), 2.0 / self.height());
        let span = u32::from(grain) * 2 + 1;
        for (y, row) in self.pixels.chunks_exact_mut(self.width).enumerate() {
            let v = (y as f32 * down - 1.0).powi(2);
            let mut state = random.bits() as u32 | 1;
            for (x, [red, green, blue, _]) in row.iter_mut().enumerate().filter(|(_, [.., alpha])| *alpha > 0) {
                let far = (x as f32 * across - 1.0).powi(2) + v;
                let light = 1.0 - 0.07 * far * far;
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                let fleck = (((state >> 16) * span) >> 16) as f32 - f32::from(grain);
                for channel in [red, green, blue] {
                    *channel = (f32::from(*channel) * light + fleck + 0.5) as u8;
                }
            }
        }
    }

    /// The picture as it looks before it is finished: only details of this many pixels.
    pub fn coarse(&self, detail: u32) -> Self {
        let (width, height) = self.dimensions();
        let Some(image) = RgbaImage::from_raw(width, height, self.pixels.as_flattened().to_vec()) else {
            return self.clone();
        };
        let small = DynamicImage::from(image).thumbnail_exact((width / detail).max(1), (height / detail).max(1));
        let soft = small.resize_exact(width, height, FilterType::Triangle).into_rgba8();
        Self { pixels: soft.pixels().map(|pixel| pixel.0).collect(), ..*self }
    }

    pub fn is_opaque(&self) -> bool {
        self.pixels.iter().all(|[.., alpha]| *alpha == 255)
    }
}

fn opaque(Color(red, green, blue): Color) -> Pixel {
    [(red + 0.5) as u8, (green + 0.5) as u8, (blue + 0.5) as u8, 255]
}

/// Source over, on straight alpha.
fn blend(pixel: &mut Pixel, color: Color, part: f32) {
    let [red, green, blue, alpha] = pixel;
    let (new, old, sum) = if *alpha == 255 {
        (part, 1.0 - part, 1.0)
    } else {
        let below = f32::from(*alpha) / 255.0 * (1.0 - part);
        let sum = part + below;
        (part / sum, below / sum, sum)
    };
    *red = (color.0 * new + f32::from(*red) * old + 0.5) as u8;
    *green = (color.1 * new + f32::from(*green) * old + 0.5) as u8;
    *blue = (color.2 * new + f32::from(*blue) * old + 0.5) as u8;
    *alpha = (sum * 255.0 + 0.5) as u8;
}

/// Adds one subrow's share from `enter` to `leave`, in pixels from the row's start.
fn add_span(cover: &mut [f32], enter: f32, leave: f32) {
    const SHARE: f32 = 1.0 / SUBROWS as f32;
    let (enter, leave) = (enter.max(0.0), leave.min(cover.len() as f32));
    if leave <= enter {
        return;
    }
    let (first, last) = (enter as usize, leave as usize);
    for (x, part) in cover.iter_mut().enumerate().take(last + 1).skip(first) {
        let covered = (leave.min(x as f32 + 1.0) - enter.max(x as f32)).max(0.0);
        *part += covered * SHARE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_cover_pixels_in_part() {
        let mut canvas = Canvas::new(4, 2);
        canvas.fill(&Shape::rectangle(0.5, 0.0, 2.0, 1.5), Color::WHITE);
        let alphas: Vec<u8> = canvas.pixels().iter().map(|pixel| pixel[3]).collect();
        assert_eq!(alphas, [128, 255, 128, 0, 64, 128, 64, 0]);
    }

    #[test]
    fn colour_goes_over_colour_and_onto_nothing() {
        let mut pixel = [255, 255, 255, 255];
        blend(&mut pixel, Color::BLACK, 0.5);
        assert_eq!(pixel, [128, 128, 128, 255]);
        let mut nothing = [0, 0, 0, 0];
        blend(&mut nothing, Color::WHITE, 0.5);
        assert_eq!(nothing, [255, 255, 255, 128]);
    }

    #[test]
    fn what_lies_outside_is_left_out() {
        let mut canvas = Canvas::new(2, 2);
        canvas.fill(&Shape::circle((-50.0, 90.0), 20.0), Color::WHITE);
        canvas.glow((-9.0, -9.0), 3.0, Color::WHITE, 1.0);
        assert!(canvas.pixels().iter().all(|pixel| *pixel == [0; 4]));
    }
}
