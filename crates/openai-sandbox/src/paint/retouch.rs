//! An edit: what a picture was made from shows through what is new.

use image::{DynamicImage, RgbaImage, imageops::FilterType};

use super::{canvas::Canvas, color::Color, font, shape::Shape};

/// The pictures that an edit starts from.
#[derive(Debug, Clone)]
pub struct Sources {
    pub pictures: Vec<Source>,
    /// Of the first one's size: where it is see-through, what is new shows.
    pub mask: Option<Source>,
}

#[derive(Debug, Clone)]
pub struct Source {
    /// Perhaps smaller than the picture itself.
    pub pixels: DynamicImage,
    pub width: u32,
    pub height: u32,
}

impl Source {
    /// Scaled and cut to this size.
    fn fill(&self, width: u32, height: u32) -> RgbaImage {
        self.pixels.resize_to_fill(width, height, FilterType::Triangle).to_rgba8()
    }
}

/// How much of the first picture stays where no mask says it.
const STAYS: f32 = 0.65;

/// Lays the first picture over the new one, and the others along its lower edge, framed.
pub fn retouch(canvas: &mut Canvas, sources: &Sources) {
    let (width, height) = canvas.dimensions();
    if let Some(first) = sources.pictures.first() {
        let first = first.fill(width, height);
        let mask = sources.mask.as_ref().map(|mask| mask.fill(width, height));
        canvas.tint(0.0, 0.0, width as f32, height as f32, |x, y| {
            let (color, alpha) = at(&first, x, y);
            let stays = mask.as_ref().map_or(STAYS, |mask| at(mask, x, y).1);
            (color, alpha * stays)
        });
    }
    let others = sources.pictures.len().saturating_sub(1);
    let side = (canvas.unit() / 8.0).min(canvas.width() / (1.2 * others as f32 + 1.0));
    for (number, other) in sources.pictures.iter().skip(1).enumerate() {
        let (left, top) = (side * (0.3 + 1.2 * number as f32), canvas.height() - side * 1.5);
        let frame = side * 0.06;
        canvas.fill(&Shape::rectangle(left - frame, top - frame, side + 2.0 * frame, side + 2.0 * frame), Color::WHITE);
        let small = other.fill(side as u32 + 1, side as u32 + 1);
        canvas.tint(left, top, left + side, top + side, |x, y| at(&small, x - left, y - top));
    }
    font::sign(canvas);
}

/// The colour at a place, and how much of it there is.
fn at(image: &RgbaImage, x: f32, y: f32) -> (Color, f32) {
    let place = |at: f32, sides: u32| (at.max(0.0) as u32).min(sides.saturating_sub(1));
    let [red, green, blue, alpha] = image.get_pixel(place(x, image.width()), place(y, image.height())).0;
    (Color(f32::from(red), f32::from(green), f32::from(blue)), f32::from(alpha) / 255.0)
}
