//! What a preview costs beside its floor: the same decoder, scaler and encoder, called bare.
//!
//! `cargo bench --bench pictures`: `preview` divided by `floor` is the price of limits and of finding the quality.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed benchmark")]

use std::{hint::black_box, io::Cursor};

use criterion::{Criterion, criterion_group, criterion_main};
use fast_image_resize::{PixelType, Resizer, images};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, codecs::png::PngDecoder};
use jpeg_encoder::{ColorType, Encoder};
use mcp_openai::{
    media::Encoded,
    preview::{PreviewBudget, shrink},
};

const SIDE: u32 = 1024;

/// Gradients under a fine grain: about two bytes a pixel as PNG, as pictures of the image models take.
fn paint(side: u32) -> RgbImage {
    let mut grain = 1_u32;
    RgbImage::from_fn(side, side, |x, y| {
        grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = [grain >> 28, grain >> 24 & 15, grain >> 20 & 15];
        let wave = x * y / side % 96 + 64;
        let colours = [x * 200 / side + noise[0], y * 200 / side + noise[1], wave + noise[2]];
        Rgb(colours.map(|colour| u8::try_from(colour).unwrap_or(u8::MAX)))
    })
}

fn png(side: u32) -> Encoded {
    let mut file = Cursor::new(Vec::new());
    paint(side).write_to(&mut file, ImageFormat::Png).unwrap();
    Encoded::sniff(file.into_inner().into()).unwrap()
}

fn decode(picture: &Encoded) -> RgbImage {
    let decoder = PngDecoder::new(Cursor::new(picture.bytes())).unwrap();
    DynamicImage::from_decoder(decoder).unwrap().into_rgb8()
}

fn scale(image: &RgbImage) -> RgbImage {
    let mut scaled = RgbImage::new(SIDE, SIDE);
    let from = images::ImageRef::new(image.width(), image.height(), image, PixelType::U8x3).unwrap();
    let mut to = images::Image::from_slice_u8(SIDE, SIDE, &mut scaled, PixelType::U8x3).unwrap();
    Resizer::new().resize(&from, &mut to, None).unwrap();
    scaled
}

fn encode(image: &RgbImage) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let side = u16::try_from(SIDE).unwrap();
    Encoder::new(&mut jpeg, 85).encode(image, side, side, ColorType::Rgb).unwrap();
    jpeg
}

fn pictures(criterion: &mut Criterion) {
    let picture = png(SIDE);
    let image = decode(&picture);
    let budget = |bytes| PreviewBudget { bytes, side: SIDE };
    let full = encode(&image).len();

    let mut group = criterion.benchmark_group(format!(
        "1024x1024, {} kB as PNG, {} kB as JPEG",
        picture.bytes().len() / 1000,
        full / 1000
    ));
    group.bench_function("sniff", |b| b.iter(|| Encoded::sniff(black_box(picture.bytes().clone()))));
    group.bench_function("decode", |b| b.iter(|| decode(black_box(&picture))));
    group.bench_function("encode", |b| b.iter(|| encode(black_box(&image))));
    group.bench_function("floor: decode, encode", |b| b.iter(|| encode(&decode(black_box(&picture)))));
    let ample = budget(600_000);
    group.bench_function("preview, room enough", |b| b.iter(|| shrink(black_box(&picture), ample).unwrap()));
    let tight = budget(full / 2);
    group.bench_function("preview, half the room", |b| b.iter(|| shrink(black_box(&picture), tight).unwrap()));
    group.finish();

    let picture = png(2 * SIDE);
    let image = decode(&picture);
    let mut group = criterion.benchmark_group("2048x2048 to 1024x1024");
    group.sample_size(20);
    group.bench_function("scale", |b| b.iter(|| scale(black_box(&image))));
    group.bench_function("floor: decode, scale, encode", |b| b.iter(|| encode(&scale(&decode(black_box(&picture))))));
    group.bench_function("preview", |b| b.iter(|| shrink(black_box(&picture), ample).unwrap()));
    group.finish();
}

criterion_group!(benches, pictures);
criterion_main!(benches);
