//! Pictures to test with: soft gradients under a fine grain, so that they compress as photographs do.

use std::io::Cursor;

use bytes::Bytes;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use mcp_openai::media::Encoded;

pub fn paint(width: u32, height: u32) -> RgbImage {
    let mut grain = 1_u32;
    RgbImage::from_fn(width, height, |x, y| {
        grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = grain >> 28;
        let wave = ((x * y / 512) % 96) + 64;
        Rgb([x * 200 / width + noise, y * 200 / height + noise, wave + noise].map(|colour| colour.min(255) as u8))
    })
}

pub fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Encoded {
    let mut file = Cursor::new(Vec::new());
    image.into().write_to(&mut file, format).unwrap();
    Encoded::sniff(Bytes::from(file.into_inner())).unwrap()
}

pub fn png(width: u32, height: u32) -> Encoded {
    encode(paint(width, height), ImageFormat::Png)
}
