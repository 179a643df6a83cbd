//! The pixels, colours and shapes, and the few ways to put one on the other. Knows no motif.

use image::{DynamicImage, RgbaImage};
use rand::RngExt;
use tiny_skia::{
    BlendMode, FillRule, FilterQuality, GradientStop, LinearGradient, Mask, Paint, Path, PathBuilder, Pattern, Pixmap,
    PixmapPaint, Point, RadialGradient, Rect, Shader, SpreadMode, Stroke, StrokeDash, Transform,
};

use super::{Chance, Ground};

#[derive(Debug, Clone)]
pub(super) struct Canvas {
    pixels: Pixmap,
    pub width: f32,
    pub height: f32,
    /// The measure of things: the shorter side.
    pub unit: f32,
}

impl Canvas {
    /// Nothing on it: transparent. `None` when a side is 0.
    pub(super) fn new(width: u32, height: u32) -> Option<Self> {
        let (pixels, unit) = (Pixmap::new(width, height)?, width.min(height) as f32);
        Some(Self { pixels, width: width as f32, height: height as f32, unit })
    }

    pub(super) fn fill<'a>(&mut self, path: Option<Path>, ink: impl Into<Shader<'a>>) {
        self.place(path, ink, Transform::identity());
    }

    /// Fills a shape, moved and scaled with its ink.
    pub(super) fn place<'a>(&mut self, path: Option<Path>, ink: impl Into<Shader<'a>>, placed: Transform) {
        if let Some(path) = path {
            let paint = Paint { shader: ink.into(), ..Paint::default() };
            self.pixels.fill_path(&path, &paint, FillRule::Winding, placed, None);
        }
    }

    /// Fills what lies below a line, given by its height at each column.
    pub(super) fn fill_below(&mut self, line: impl Fn(f32) -> f32, ink: impl Into<Shader<'static>>) {
        let (right, bottom) = (self.width + 3.0, self.height);
        let line = (0..right as u16).step_by(3).map(|x| (x.into(), line(x.into())));
        self.fill(polygon(line.chain([(right, bottom), (0.0, bottom)])), ink);
    }

    /// Light that fades with the distance.
    pub(super) fn glow(&mut self, at: (f32, f32), radius: f32, color: Color) {
        // Two cones make a curve, and are quicker than more stops.
        for (radius, part) in [(radius, 0.35), (radius * 0.55, 0.65)] {
            let colors = [color.thin(part), color.thin(0.0)];
            self.fill(oval(at, radius, radius), radial((0.0, radius), colors, Transform::from_translate(at.0, at.1)));
        }
    }

    /// Mirrors what stands above `horizon` below it, `squeeze` times as high and shifted sideways by `wave` of the
    /// depth.
    pub(super) fn reflect(&mut self, horizon: f32, squeeze: f32, wave: impl Fn(f32) -> f32) {
        let above = self.pixels.clone();
        for y in (horizon as u16..self.height as u16).step_by(2).map(f32::from) {
            let placed = Transform::from_row(1.0, 0.0, 0.0, -squeeze, wave(y - horizon), horizon * (1.0 + squeeze));
            let mirrored = Pattern::new(above.as_ref(), SpreadMode::Pad, FilterQuality::Nearest, 1.0, placed);
            self.fill(rectangle(0.0, y, self.width, 2.0), mirrored);
        }
    }

    /// Lays a picture of the same size over what is there.
    pub(super) fn lay(&mut self, over: &Pixmap, mask: Option<&Mask>, (x, y): (f32, f32), opacity: f32) {
        let paint = PixmapPaint { opacity, ..Default::default() };
        self.pixels.draw_pixmap(x as i32, y as i32, over.as_ref(), &paint, Transform::identity(), mask);
    }

    /// The last layer: darker corners, and the grain of paper, 0 to 128.
    pub(super) fn finish(&mut self, grain: u8, chance: &mut Chance) {
        let (across, down) = (self.width / 2.0, self.height / 2.0);
        let placed = Transform::from_row(across, 0.0, 0.0, down, across, down);
        self.cover(radial((0.7, 1.415), [Color::BLACK.thin(0.0), Color::BLACK.thin(0.22)], placed));
        let Some(mut paper) = Pixmap::new(self.pixels.width(), 64) else { return };
        for pixel in paper.data_mut().chunks_exact_mut(4) {
            let fleck = chance.random();
            pixel.copy_from_slice(&[fleck, fleck, fleck, 255]);
        }
        let (strength, here) = (f32::from(grain) / 128.0, Transform::identity());
        self.cover(Pattern::new(paper.as_ref(), SpreadMode::Repeat, FilterQuality::Nearest, strength, here));
    }

    /// Colours what is there, and nothing else.
    fn cover(&mut self, shader: Shader<'_>) {
        let paint = Paint { shader, blend_mode: BlendMode::SourceAtop, ..Paint::default() };
        if let Some(all) = Rect::from_xywh(0.0, 0.0, self.width, self.height) {
            self.pixels.fill_rect(all, &paint, Transform::identity(), None);
        }
    }

    /// The pixels, without alpha where there is none.
    pub(super) fn image(self, ground: Ground) -> Option<DynamicImage> {
        let image = RgbaImage::from_raw(self.pixels.width(), self.pixels.height(), self.pixels.take_demultiplied())?;
        Some(match ground {
            Ground::Opaque => DynamicImage::from(image).into_rgb8().into(),
            Ground::Transparent => image.into(),
        })
    }
}

fn outline(points: impl IntoIterator<Item = (f32, f32)>) -> PathBuilder {
    let mut path = PathBuilder::new();
    for (x, y) in points {
        if path.is_empty() { path.move_to(x, y) } else { path.line_to(x, y) }
    }
    path
}

pub(super) fn polygon(points: impl IntoIterator<Item = (f32, f32)>) -> Option<Path> {
    let mut path = outline(points);
    path.close();
    path.finish()
}

pub(super) fn rectangle(left: f32, top: f32, width: f32, height: f32) -> Option<Path> {
    Rect::from_xywh(left, top, width, height).map(PathBuilder::from_rect)
}

pub(super) fn oval((x, y): (f32, f32), across: f32, down: f32) -> Option<Path> {
    PathBuilder::from_oval(Rect::from_ltrb(x - across, y - down, x + across, y + down)?)
}

/// A line through all points, whole or in dashes and gaps.
pub(super) fn line(points: impl Iterator<Item = (f32, f32)>, width: f32, dashes: &[f32]) -> Option<Path> {
    let path = outline(points).finish()?;
    let parts = StrokeDash::new(dashes.to_vec(), 0.0).and_then(|dashes| path.dash(&dashes, 1.0));
    parts.unwrap_or(path).stroke(&Stroke { width, ..Stroke::default() }, 1.0)
}

/// A closed curve that passes through all points (Catmull-Rom).
pub(super) fn blob(points: impl Iterator<Item = (f32, f32)>) -> Option<Path> {
    let points: Vec<(f32, f32)> = points.collect();
    let around = |from: usize| points.iter().copied().cycle().skip(from);
    let mut path = outline(around(1).take(1));
    for (((before, from), to), after) in around(0).zip(around(1)).zip(around(2)).zip(around(3)).take(points.len()) {
        let (leave, enter) = ((to.0 - before.0, to.1 - before.1), (after.0 - from.0, after.1 - from.1));
        let (x, y) = (from.0 + leave.0 / 6.0, from.1 + leave.1 / 6.0);
        path.cubic_to(x, y, to.0 - enter.0 / 6.0, to.1 - enter.1 / 6.0, to.0, to.1);
    }
    path.close();
    path.finish()
}

/// Red, green, blue and how much of it there is, 0 to 1 each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Color(f32, f32, f32, f32);

impl Color {
    pub const WHITE: Self = Self(1.0, 1.0, 1.0, 1.0);
    pub const BLACK: Self = Self(0.0, 0.0, 0.0, 1.0);

    pub const fn hex(rgb: u32) -> Self {
        let [_, red, green, blue] = rgb.to_be_bytes();
        Self(red as f32 / 255.0, green as f32 / 255.0, blue as f32 / 255.0, 1.0)
    }

    /// From this colour (0) to another (1).
    pub fn mix(self, other: Self, part: f32) -> Self {
        let between = |from: f32, to: f32| from + (to - from) * part.clamp(0.0, 1.0);
        Self(between(self.0, other.0), between(self.1, other.1), between(self.2, other.2), between(self.3, other.3))
    }

    /// Lighter by this part, or darker below 0.
    pub fn shade(self, part: f32) -> Self {
        self.mix(if part > 0.0 { Self::WHITE } else { Self::BLACK }, part.abs())
    }

    /// Lets what is below show through: all of it at 0.
    pub fn thin(self, part: f32) -> Self {
        Self(self.0, self.1, self.2, self.3 * part.clamp(0.0, 1.0))
    }
}

impl From<Color> for tiny_skia::Color {
    fn from(Color(red, green, blue, alpha): Color) -> Self {
        Self::from_rgba(red, green, blue, alpha).unwrap_or(Self::TRANSPARENT)
    }
}

impl From<Color> for Shader<'_> {
    fn from(color: Color) -> Self {
        Self::SolidColor(color.into())
    }
}

/// From one colour to another, along a line.
pub(super) fn linear(from: (f32, f32), to: (f32, f32), colors: [Color; 2]) -> Shader<'static> {
    let [start, end] = [from, to].map(|(x, y)| Point::from_xy(x, y));
    let shader = LinearGradient::new(start, end, stops(colors), SpreadMode::Pad, Transform::identity());
    shader.unwrap_or(colors[0].into())
}

/// From one colour at a distance from the middle to another at another.
pub(super) fn radial((near, far): (f32, f32), colors: [Color; 2], placed: Transform) -> Shader<'static> {
    let at = Point::zero();
    let shader = RadialGradient::new(at, near, at, far, stops(colors), SpreadMode::Pad, placed);
    shader.unwrap_or(colors[0].into())
}

fn stops(colors: [Color; 2]) -> Vec<GradientStop> {
    colors.into_iter().zip([0.0, 1.0]).map(|(color, at)| GradientStop::new(at, color.into())).collect()
}
