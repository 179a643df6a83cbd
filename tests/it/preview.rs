//! Previews: within the budget, true to the original, and never more than a missing preview when something is wrong.

use std::io::Cursor;

use image::{
    DynamicImage, ExtendedColorType, GrayImage, ImageEncoder, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage,
    codecs::png::PngEncoder,
};
use mcp_openai::{
    media::{Dimensions, Encoded, Format},
    preview::{Previews, Room},
};

use crate::painting::{encode, paint, pixels, png, shade, sideways};

const SMALL: Room = Room { bytes: 600_000, side: 100 };

/// The preview of one of `of` pictures that share so many bytes.
async fn shrink(picture: &Encoded, bytes: usize, side: u32, of: u32) -> Option<Encoded> {
    Previews::build().set(of).shrink(picture, Room { bytes, side }).await
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
        assert_eq!(shrink(&picture, 600_000, 100, 1).await, Some(picture));
    }
}

#[tokio::test]
async fn a_large_original_becomes_a_smaller_jpeg_of_the_same_picture() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let picture = encode(paint(600, 400), format);
        let preview = shrink(&picture, 600_000, 300, 1).await.unwrap();
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
        let preview = shrink(&picture, max_bytes, 512, 1).await.unwrap();
        let bytes = preview.bytes().len();
        assert!(bytes <= max_bytes && bytes < before, "{bytes} of {max_bytes}");
        assert!(max_bytes > 25_000 || bytes * 2 > max_bytes, "{bytes} of {max_bytes}: much of the budget is unused");
        before = bytes;
    }
    assert_eq!(shrink(&picture, 700, 512, 1).await, None);
}

#[tokio::test]
async fn the_pictures_of_one_result_share_the_budget() {
    let picture = png(512, 512);
    let [alone, of_ten] =
        [shrink(&picture, 100_000, 512, 1).await, shrink(&picture, 100_000, 512, 10).await].map(Option::unwrap);
    assert!(alone.bytes().len() > 10_000 && of_ten.bytes().len() <= 10_000);
}

#[tokio::test]
async fn no_room_makes_none() {
    assert_eq!(Previews::build().set(1).shrink(&png(8, 8), Room::NONE).await, None);
}

#[tokio::test]
async fn see_through_pixels_lie_on_white() {
    let image = RgbaImage::from_fn(400, 400, |x, _| Rgba([200, 0, 0, if x < 200 { 0 } else { 255 }]));
    let preview = shrink(&encode(image, ImageFormat::Png), 600_000, 200, 1).await.unwrap();
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
        let preview = pixels(&shrink(&picture, 600_000, 200, 1).await.unwrap());
        assert!(preview.get_pixel(40, 100).0[0].abs_diff(30) < 6 && preview.get_pixel(160, 100).0[0].abs_diff(220) < 6);
    }
}

#[tokio::test]
async fn a_photograph_stands_upright() {
    let image = RgbImage::from_fn(400, 200, |x, _| Rgb(if x < 200 { [0, 0, 0] } else { [255, 255, 255] }));
    let preview = shrink(&sideways(&image), 600_000, 200, 1).await.unwrap();
    assert_eq!(preview.dimensions(), Dimensions { width: 100, height: 200 });
    let preview = pixels(&preview);
    assert!(preview.get_pixel(50, 40).0[0] < 10 && preview.get_pixel(50, 160).0[0] > 245);
}

#[tokio::test]
async fn a_photograph_at_an_exact_size_stands_upright_and_keeps_its_proportions() {
    let image = RgbImage::from_fn(400, 200, |x, _| Rgb(if x < 200 { [0, 0, 0] } else { [255, 255, 255] }));
    let half = Dimensions { width: 200, height: 100 };
    let scaled = Previews::build().scale(&sideways(&image), half).await.unwrap();
    assert_eq!((scaled.format(), scaled.dimensions()), (Format::Jpeg, Dimensions { width: 100, height: 200 }));
    let scaled = pixels(&scaled);
    assert!(scaled.get_pixel(50, 40).0[0] < 10 && scaled.get_pixel(50, 160).0[0] > 245);
}

#[tokio::test]
async fn a_preview_may_be_as_small_as_it_is_asked_to_be() {
    let preview = shrink(&png(300, 200), 600_000, 16, 1).await.unwrap();
    assert_eq!(preview.dimensions(), Dimensions { width: 16, height: 10 });
}

#[tokio::test]
async fn a_very_long_picture_keeps_a_pixel_of_its_short_side() {
    let preview = shrink(&png(4000, 2), 600_000, 500, 1).await.unwrap();
    assert_eq!(preview.dimensions(), Dimensions { width: 500, height: 1 });
}

/// On a runtime of one thread, a future that worked on it would be ready when it is first looked at.
#[tokio::test(flavor = "current_thread")]
async fn i05_the_work_is_done_off_the_async_threads() {
    let (previews, picture) = (Previews::build().set(1), png(300, 300));
    let mut shrink = std::pin::pin!(previews.shrink(&picture, SMALL));
    assert!(futures_util::poll!(shrink.as_mut()).is_pending());
    assert!(shrink.await.is_some());
}

#[tokio::test]
async fn i05_a_call_that_goes_away_gives_its_place_to_the_next() {
    let (previews, picture) = (Previews::build().set(1), png(300, 300));
    for _ in 0..5 {
        let mut shrink = Box::pin(previews.shrink(&picture, SMALL));
        assert!(futures_util::poll!(shrink.as_mut()).is_pending());
    }
    assert!(previews.shrink(&picture, SMALL).await.is_some());
}

#[tokio::test]
async fn i05_pictures_of_too_many_pixels_are_not_decoded() {
    let previews = Previews::build().set(1);
    for (width, height) in [(50_000_u32, 50_000_u32), (8193, 1), (1, 8193), (8000, 8000)] {
        let mut file = png(8, 8).bytes().to_vec();
        file[16..20].copy_from_slice(&width.to_be_bytes());
        file[20..24].copy_from_slice(&height.to_be_bytes());
        let picture = Encoded::sniff(file.into()).unwrap();
        assert_eq!(picture.dimensions(), Dimensions { width, height });
        assert_eq!(previews.shrink(&picture, SMALL).await, None, "{width}x{height}");
    }
}

#[tokio::test]
async fn i05_a_bomb_beside_the_pixels_is_not_unpacked() {
    let mut file = Vec::new();
    let mut encoder = PngEncoder::new(&mut file);
    encoder.set_icc_profile(vec![0; 64 << 20]).unwrap();
    encoder.write_image(&paint(300, 300), 300, 300, ExtendedColorType::Rgb8).unwrap();
    let picture = Encoded::sniff(file.into()).unwrap();
    let preview = shrink(&picture, 100_000, 100, 1).await.unwrap();
    assert_eq!(preview.dimensions(), Dimensions { width: 100, height: 100 });
}

#[tokio::test]
async fn i05_cut_off_and_damaged_pictures_have_no_preview_or_a_part_of_one() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let whole = encode(paint(300, 200), format);
        for at in (64..whole.bytes().len()).step_by(whole.bytes().len() / 20) {
            let cut = Encoded::sniff(whole.bytes().slice(..at));
            let mut damaged = whole.bytes().to_vec();
            damaged[at..].iter_mut().take(8).for_each(|byte| *byte ^= 0xa5);
            for picture in [cut, Encoded::sniff(damaged.into())].into_iter().flatten() {
                let preview = shrink(&picture, 600_000, 100, 1).await;
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
    assert_eq!(shrink(&picture, 600_000, 100, 1).await, None);
}

/// A disc of this grey on nothing.
fn disc(grey: u8, side: u32) -> RgbaImage {
    let middle = side / 2;
    RgbaImage::from_fn(side, side, |x, y| {
        let within = x.abs_diff(middle).pow(2) + y.abs_diff(middle).pow(2) < (side / 3).pow(2);
        Rgba([grey, grey, grey, if within { 255 } else { 0 }])
    })
}

#[tokio::test]
async fn art_of_any_brightness_is_seen_against_its_ground() {
    for (grey, ground) in [(0, 255), (60, 255), (128, 255), (190, 255), (225, 36), (255, 36)] {
        for side in [100, 400] {
            let preview = shrink(&encode(disc(grey, side), ImageFormat::Png), 600_000, 200, 1).await.unwrap();
            let preview = pixels(&preview);
            let corner = preview.get_pixel(1, 1)[0];
            let middle = shade(&preview, preview.width() / 2, preview.height() / 2)[0];
            assert!(corner.abs_diff(ground) < 4 && middle.abs_diff(grey) < 4, "{grey}: {middle} on {corner}");
        }
    }
}

#[tokio::test]
async fn the_ground_has_squares_so_that_it_is_known_to_be_none() {
    let preview = pixels(&shrink(&encode(disc(60, 400), ImageFormat::Png), 600_000, 400, 1).await.unwrap());
    for (x, y, grey) in [(2, 2, 255), (14, 2, 229), (2, 14, 229), (14, 14, 255), (200, 200, 60)] {
        assert!(preview.get_pixel(x, y)[0].abs_diff(grey) < 4, "at {x}, {y}");
    }
}

#[tokio::test]
async fn art_both_bright_and_dark_is_seen_against_grey() {
    let mut image = disc(255, 400);
    for (x, _, pixel) in image.enumerate_pixels_mut().filter(|(.., pixel)| pixel.0[3] > 0) {
        *pixel = Rgba(if x < 200 { [0, 0, 0, 255] } else { [255, 255, 255, 255] });
    }
    let preview = pixels(&shrink(&encode(image, ImageFormat::Png), 600_000, 200, 1).await.unwrap());
    for (x, y, grey) in [(1, 1, 128), (70, 100, 0), (130, 100, 255)] {
        assert!(preview.get_pixel(x, y)[0].abs_diff(grey) < 6, "at {x}, {y}");
    }
}

#[tokio::test]
async fn an_alpha_channel_that_hides_nothing_changes_nothing() {
    let image = DynamicImage::from(paint(100, 80)).into_rgba8();
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let picture = encode(image.clone(), format);
        assert_eq!(shrink(&picture, 600_000, 100, 1).await, Some(picture));
    }
}

#[tokio::test]
async fn what_was_drawn_stays_free_of_loss_where_it_fits() {
    let image =
        RgbImage::from_fn(400, 400, |x, y| Rgb(if (x / 100 + y / 100) % 2 == 0 { [200, 30, 30] } else { [255; 3] }));
    let picture = encode(image, ImageFormat::Png);
    let preview = shrink(&picture, 600_000, 200, 1).await.unwrap();
    assert_eq!((preview.format(), preview.dimensions().width), (Format::Png, 200));
    assert_eq!(pixels(&preview).get_pixel(25, 25).0, [200, 30, 30]);
    assert_eq!(shrink(&picture, preview.bytes().len() - 1, 200, 1).await.unwrap().format(), Format::Jpeg);
}

/// Colours that were averaged over four pixels, not taken from one of them: red lines one pixel wide would otherwise
/// be red or colourless by chance.
#[tokio::test]
async fn thin_coloured_lines_keep_their_colour() {
    let mut image = paint(512, 512);
    for (x, _, pixel) in image.enumerate_pixels_mut() {
        *pixel = Rgb(if x % 4 == 1 { [220, 0, 0] } else { pixel.0.map(|value| 200 + value / 5) });
    }
    let picture = encode(image, ImageFormat::Png);
    let preview = shrink(&picture, picture.bytes().len() - 1, 512, 1).await.unwrap();
    assert_eq!((preview.format(), preview.dimensions().width), (Format::Jpeg, 512));
    let [before, after] = [pixels(&picture), pixels(&preview)].map(|image| image::imageops::thumbnail(&image, 1, 1));
    assert!(difference(&before, &after) < 4, "{before:?} {after:?}");
}

#[tokio::test]
async fn opacity_is_found_in_every_format() {
    let solid = DynamicImage::from(paint(40, 30)).into_rgba8();
    let mut pierced = solid.clone();
    pierced.get_pixel_mut(39, 29).0[3] = 254;
    let previews = Previews::build();
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        assert_eq!(previews.is_opaque(&encode(solid.clone(), format)).await, Some(true));
        assert_eq!(previews.is_opaque(&encode(pierced.clone(), format)).await, Some(false));
        assert_eq!(previews.is_opaque(&encode(paint(40, 30), format)).await, Some(true));
    }
    assert_eq!(previews.is_opaque(&encode(paint(40, 30), ImageFormat::Jpeg)).await, Some(true));
    let pierced = DynamicImage::from(pierced);
    let others: [DynamicImage; 2] = [pierced.to_rgba16().into(), pierced.to_luma_alpha8().into()];
    for picture in others.map(|image| encode(image, ImageFormat::Png)) {
        assert_eq!(previews.is_opaque(&picture).await, Some(false));
    }
}

/// A palette, or a single colour named transparent, has no alpha channel and is see-through all the same.
#[tokio::test]
async fn opacity_is_found_without_a_channel_of_its_own() {
    let rgb = encode(RgbImage::from_pixel(40, 30, Rgb([1, 2, 3])), ImageFormat::Png);
    let at = rgb.bytes().windows(4).position(|chunk| chunk == b"IDAT").unwrap() - 4;
    let with = |colour: [u8; 6]| {
        let mut chunk = b"tRNS".to_vec();
        chunk.extend(colour);
        let mut file = rgb.bytes()[..at].to_vec();
        file.extend(6_u32.to_be_bytes());
        file.extend(&chunk);
        file.extend(crc(&chunk).to_be_bytes());
        file.extend(&rgb.bytes()[at..]);
        Encoded::sniff(file.into()).unwrap()
    };
    let previews = Previews::build();
    assert_eq!(previews.is_opaque(&rgb).await, Some(true));
    assert_eq!(previews.is_opaque(&with([0, 1, 0, 2, 0, 3])).await, Some(false));
    assert_eq!(previews.is_opaque(&with([0, 9, 0, 9, 0, 9])).await, Some(true));
}

/// The checksum of PNG (PNG specification, annex D).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[tokio::test]
async fn i05_opacity_is_not_known_of_what_cannot_be_decoded() {
    let rgba = encode(DynamicImage::from(paint(300, 300)).into_rgba8(), ImageFormat::Png);
    let cut = Encoded::sniff(rgba.bytes().slice(..1000)).unwrap();
    assert_eq!(Previews::build().is_opaque(&cut).await, None);
}
