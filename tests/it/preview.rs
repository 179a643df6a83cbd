//! Previews: within the budget, true to the original, and never more than a missing preview when something is wrong.

use std::io::Cursor;

use image::{
    DynamicImage, ExtendedColorType, GrayImage, ImageEncoder, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage,
    codecs::png::PngEncoder,
};
use jpeg_encoder::{ColorType, Encoder};
use mcp_openai::{
    media::{Dimensions, Encoded, Format},
    preview::{Config, Mode, Previews},
};

use crate::painting::{encode, paint, png};

fn previews(max_bytes: usize, max_side: u32) -> Previews {
    Previews::build(Config { mode: Mode::Auto, max_bytes, max_side })
}

fn pixels(picture: &Encoded) -> RgbImage {
    image::load_from_memory(picture.bytes()).unwrap().into_rgb8()
}

/// Mean difference of the colours of two pictures of one size, 0 to 255.
fn difference(a: &RgbImage, b: &RgbImage) -> u64 {
    assert_eq!(a.dimensions(), b.dimensions());
    a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>() / a.len() as u64
}

#[tokio::test]
async fn an_original_that_fits_goes_as_it_is() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let picture = encode(paint(100, 80), format);
        assert_eq!(previews(600_000, 100).shrink(&picture, 1).await, Some(picture));
    }
}

#[tokio::test]
async fn a_large_original_becomes_a_smaller_jpeg_of_the_same_picture() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let picture = encode(paint(600, 400), format);
        let preview = previews(600_000, 300).shrink(&picture, 1).await.unwrap();
        assert_eq!((preview.format(), preview.dimensions()), (Format::Jpeg, Dimensions { width: 300, height: 200 }));
        let expected = image::imageops::thumbnail(&pixels(&picture), 300, 200);
        assert!(difference(&pixels(&preview), &expected) < 8);
    }
}

#[tokio::test]
async fn every_budget_is_kept_with_the_best_that_fits() {
    let picture = png(512, 384);
    let mut before = usize::MAX;
    for max_bytes in [150_000, 25_000, 15_000, 8_000, 4_000, 2_000] {
        let preview = previews(max_bytes, 512).shrink(&picture, 1).await.unwrap();
        let bytes = preview.bytes().len();
        assert!(bytes <= max_bytes && bytes < before, "{bytes} of {max_bytes}");
        assert!(max_bytes > 25_000 || bytes * 2 > max_bytes, "{bytes} of {max_bytes}: much of the budget is unused");
        before = bytes;
    }
    assert_eq!(previews(700, 512).shrink(&picture, 1).await, None);
}

#[tokio::test]
async fn the_pictures_of_one_result_share_the_budget() {
    let picture = png(512, 512);
    let previews = previews(100_000, 512);
    let [alone, of_ten] = [previews.shrink(&picture, 1).await, previews.shrink(&picture, 10).await].map(Option::unwrap);
    assert!(alone.bytes().len() > 10_000 && of_ten.bytes().len() <= 10_000);
}

#[tokio::test]
async fn never_makes_none() {
    let previews = Previews::build(Config { mode: Mode::Never, max_bytes: 600_000, max_side: 1024 });
    assert_eq!(previews.shrink(&png(8, 8), 1).await, None);
}

#[tokio::test]
async fn see_through_pixels_lie_on_white() {
    let image = RgbaImage::from_fn(400, 400, |x, _| Rgba([200, 0, 0, if x < 200 { 0 } else { 255 }]));
    let preview = previews(600_000, 200).shrink(&encode(image, ImageFormat::Png), 1).await.unwrap();
    let preview = pixels(&preview);
    for (x, expected) in [(40, [255, 255, 255]), (160, [200, 0, 0])] {
        let found = preview.get_pixel(x, 100).0;
        assert!(found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) < 6), "{found:?} at {x}");
    }
}

#[tokio::test]
async fn grey_and_sixteen_bit_pictures_are_shown_too() {
    let grey = GrayImage::from_fn(400, 400, |x, _| image::Luma([if x < 200 { 30 } else { 220 }]));
    let deep = DynamicImage::from(grey.clone()).into_rgb16();
    for picture in [encode(grey, ImageFormat::Png), encode(deep, ImageFormat::Png)] {
        let preview = pixels(&previews(600_000, 200).shrink(&picture, 1).await.unwrap());
        assert!(preview.get_pixel(40, 100).0[0].abs_diff(30) < 6 && preview.get_pixel(160, 100).0[0].abs_diff(220) < 6);
    }
}

#[tokio::test]
async fn a_photograph_stands_upright() {
    let image = RgbImage::from_fn(400, 200, |x, _| Rgb(if x < 200 { [0, 0, 0] } else { [255, 255, 255] }));
    // Exif with one entry: orientation 6, "turn a quarter clockwise to show".
    let exif = b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 90);
    encoder.add_exif_metadata(exif).unwrap();
    encoder.encode(&image, 400, 200, ColorType::Rgb).unwrap();

    let picture = Encoded::sniff(jpeg.into()).unwrap();
    let preview = previews(600_000, 200).shrink(&picture, 1).await.unwrap();
    assert_eq!(preview.dimensions(), Dimensions { width: 100, height: 200 });
    let preview = pixels(&preview);
    assert!(preview.get_pixel(50, 40).0[0] < 10 && preview.get_pixel(50, 160).0[0] > 245);
}

#[tokio::test]
async fn a_preview_may_be_as_small_as_it_is_asked_to_be() {
    let preview = previews(600_000, 16).shrink(&png(300, 200), 1).await.unwrap();
    assert_eq!(preview.dimensions(), Dimensions { width: 16, height: 10 });
}

#[tokio::test]
async fn a_very_long_picture_keeps_a_pixel_of_its_short_side() {
    let preview = previews(600_000, 500).shrink(&png(4000, 2), 1).await.unwrap();
    assert_eq!(preview.dimensions(), Dimensions { width: 500, height: 1 });
}

/// On a runtime of one thread, a future that worked on it would be ready when it is first looked at.
#[tokio::test(flavor = "current_thread")]
async fn i05_the_work_is_done_off_the_async_threads() {
    let (previews, picture) = (previews(600_000, 100), png(300, 300));
    let mut shrink = std::pin::pin!(previews.shrink(&picture, 1));
    assert!(futures_util::poll!(shrink.as_mut()).is_pending());
    assert!(shrink.await.is_some());
}

#[tokio::test]
async fn i05_a_call_that_goes_away_gives_its_place_to_the_next() {
    let (previews, picture) = (previews(600_000, 100), png(300, 300));
    for _ in 0..5 {
        let mut shrink = Box::pin(previews.shrink(&picture, 1));
        assert!(futures_util::poll!(shrink.as_mut()).is_pending());
    }
    assert!(previews.shrink(&picture, 1).await.is_some());
}

#[tokio::test]
async fn i05_pictures_of_too_many_pixels_are_not_decoded() {
    let previews = previews(100, 1024);
    for (width, height) in [(50_000_u32, 50_000_u32), (8193, 1), (1, 8193), (8000, 8000)] {
        let mut file = png(8, 8).bytes().to_vec();
        file[16..20].copy_from_slice(&width.to_be_bytes());
        file[20..24].copy_from_slice(&height.to_be_bytes());
        let picture = Encoded::sniff(file.into()).unwrap();
        assert_eq!(picture.dimensions(), Dimensions { width, height });
        assert_eq!(previews.shrink(&picture, 1).await, None, "{width}x{height}");
    }
}

#[tokio::test]
async fn i05_a_bomb_beside_the_pixels_is_not_unpacked() {
    let mut file = Vec::new();
    let mut encoder = PngEncoder::new(&mut file);
    encoder.set_icc_profile(vec![0; 64 << 20]).unwrap();
    encoder.write_image(&paint(300, 300), 300, 300, ExtendedColorType::Rgb8).unwrap();
    let picture = Encoded::sniff(file.into()).unwrap();
    let preview = previews(100_000, 100).shrink(&picture, 1).await.unwrap();
    assert_eq!(preview.dimensions(), Dimensions { width: 100, height: 100 });
}

#[tokio::test]
async fn i05_cut_off_and_damaged_pictures_have_no_preview_or_a_part_of_one() {
    let previews = previews(600_000, 100);
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let whole = encode(paint(300, 200), format);
        for at in (64..whole.bytes().len()).step_by(whole.bytes().len() / 20) {
            let cut = Encoded::sniff(whole.bytes().slice(..at));
            let mut damaged = whole.bytes().to_vec();
            damaged[at..].iter_mut().take(8).for_each(|byte| *byte ^= 0xa5);
            for picture in [cut, Encoded::sniff(damaged.into())].into_iter().flatten() {
                let preview = previews.shrink(&picture, 1).await;
                assert!(preview.is_none_or(|preview| preview.dimensions().width <= 100));
            }
        }
    }
}

#[tokio::test]
async fn i05_two_headers_that_disagree_are_both_held_to_the_limits() {
    let mut jpeg = Cursor::new(Vec::new());
    DynamicImage::from(paint(300, 200)).write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
    // A second, huge frame header behind the first.
    let mut jpeg = jpeg.into_inner();
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    let length = 2 + usize::from(u16::from_be_bytes([jpeg[frame + 2], jpeg[frame + 3]]));
    let mut huge = jpeg[frame..frame + length].to_vec();
    huge[5..9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    jpeg.splice(frame + length..frame + length, huge);
    let picture = Encoded::sniff(jpeg.into()).unwrap();
    assert_eq!(picture.dimensions(), Dimensions { width: 300, height: 200 });
    assert_eq!(previews(600_000, 100).shrink(&picture, 1).await, None);
}
