//! Pictures to test with: soft gradients under a fine grain, so that they compress as photographs do.

use std::io::Cursor;

use bytes::Bytes;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use jpeg_encoder::{ColorType, Encoder};
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

/// A JPEG that is to be turned a quarter clockwise when it is shown.
pub fn sideways(image: &RgbImage) -> Encoded {
    // Exif with one entry: orientation 6.
    let exif = b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let [width, height] = [image.width(), image.height()].map(|side| u16::try_from(side).unwrap());
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 90);
    encoder.add_exif_metadata(exif).unwrap();
    encoder.encode(image, width, height, ColorType::Rgb).unwrap();
    Encoded::sniff(jpeg.into()).unwrap()
}

pub fn pixels(picture: &Encoded) -> RgbImage {
    image::load_from_memory(picture.bytes()).unwrap().into_rgb8()
}

/// What a person sees of a pixel, on average over a square of 9 by 9.
pub fn shade(picture: &RgbImage, x: u32, y: u32) -> [u8; 3] {
    let patch = image::imageops::crop_imm(picture, x - 4, y - 4, 9, 9).to_image();
    image::imageops::thumbnail(&patch, 1, 1).get_pixel(0, 0).0
}
