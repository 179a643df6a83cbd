//! An edit: what a picture was made from shows through what is new.

use image::{DynamicImage, imageops::FilterType};
use tiny_skia::{ColorU8, Mask, MaskType, Pixmap};

use super::canvas::{Canvas, Color, rectangle};

/// The pictures that an edit starts from.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    pub pictures: Vec<Source>,
    /// Of the first one's size: where it is see-through, what is new shows.
    pub mask: Option<Source>,
}

#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Perhaps smaller than the picture itself.
    pub pixels: DynamicImage,
    pub width: u32,
    pub height: u32,
}

impl Source {
    /// Scaled and cut to this size.
    fn fill(&self, width: f32, height: f32) -> Option<Pixmap> {
        let (width, height) = (width as u32, height as u32);
        let scaled = self.pixels.resize_to_fill(width, height, FilterType::Triangle).into_rgba8();
        let mut pixmap = Pixmap::new(width, height)?;
        for (pixel, from) in pixmap.pixels_mut().iter_mut().zip(scaled.pixels()) {
            let [red, green, blue, alpha] = from.0;
            *pixel = ColorU8::from_rgba(red, green, blue, alpha).premultiply();
        }
        Some(pixmap)
    }
}

/// Share of the first picture that stays where no mask says it.
const STAYS: f32 = 0.65;

/// Lays the first picture over the new one, and the others along its lower edge, framed.
pub(super) fn retouch(canvas: &mut Canvas, sources: &Sources) {
    let (width, height) = (canvas.width, canvas.height);
    if let Some(first) = sources.pictures.first().and_then(|first| first.fill(width, height)) {
        let mask = sources.mask.as_ref().and_then(|mask| mask.fill(width, height));
        let mask = mask.map(|mask| Mask::from_pixmap(mask.as_ref(), MaskType::Alpha));
        canvas.lay(&first, mask.as_ref(), (0.0, 0.0), if mask.is_some() { 1.0 } else { STAYS });
    }
    let others = sources.pictures.len().saturating_sub(1);
    let side = (canvas.unit / 8.0).min(width / (1.2 * others as f32 + 1.0)).floor();
    for (number, other) in sources.pictures.iter().skip(1).enumerate() {
        let (left, top, frame) = (side * (0.3 + 1.2 * number as f32), height - side * 1.5, side * 0.06);
        canvas.fill(rectangle(left - frame, top - frame, side + 2.0 * frame, side + 2.0 * frame), Color::WHITE);
        other.fill(side, side).inspect(|other| canvas.lay(other, None, (left, top), 1.0));
    }
}
