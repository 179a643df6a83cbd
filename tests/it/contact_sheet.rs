//! Contact sheets: every picture in its place, as large as the room allows.

use image::{ImageFormat, Rgb, RgbImage};
use mcp_openai::{
    media::{Dimensions, Encoded},
    preview::{Previews, Room},
};

use crate::painting::{encode, pixels, png, shade, sideways};

async fn sheet(pictures: &[Encoded], bytes: usize, side: u32) -> Option<Encoded> {
    let sheet = Previews::build().contact_sheet(pictures.to_vec(), Room { bytes, side }).await;
    sheet.map(|sheet| sheet.picture)
}

/// One plain picture of each colour.
fn swatches(count: u8, width: u32, height: u32) -> Vec<Encoded> {
    let swatch =
        |index| encode(RgbImage::from_pixel(width, height, Rgb([250 - 20 * index, 60, 20 * index])), ImageFormat::Png);
    (0..count).map(swatch).collect()
}

#[tokio::test]
async fn a_contact_sheet_shows_all_pictures_in_reading_order() {
    let sheet = sheet(&swatches(10, 512, 512), 600_000, 1024).await.unwrap();
    assert_eq!(sheet.dimensions(), Dimensions { width: 1023, height: 414 });
    let sheet = pixels(&sheet);
    for (index, red) in (0..10_u32).zip((0..10).map(|index| 250 - 20 * index)) {
        let found = shade(&sheet, 8 + index % 5 * 203 + 97, 8 + index / 5 * 203 + 97);
        assert!(found[0].abs_diff(red) < 6, "{index}: {found:?}");
    }
}

#[tokio::test]
async fn a_grid_has_as_few_empty_places_as_pictures_of_a_fair_size_allow() {
    for (count, columns, rows) in
        [(2, 2, 1), (3, 2, 2), (4, 2, 2), (5, 3, 2), (6, 3, 2), (7, 4, 2), (8, 4, 2), (9, 3, 3), (10, 5, 2)]
    {
        let sides = sheet(&swatches(count, 512, 512), 600_000, 1024).await.unwrap().dimensions();
        let place = (1024 - 8 * (columns.max(rows) + 1)) / columns.max(rows);
        let expected = Dimensions { width: columns * (place + 8) + 8, height: rows * (place + 8) + 8 };
        assert_eq!(sides, expected, "{count}");
    }
}

#[tokio::test]
async fn a_contact_sheet_is_as_large_as_its_room_allows() {
    let mixed: Vec<_> = [png(384, 256), png(256, 256)].into_iter().cycle().take(10).collect();
    let mut before = usize::MAX;
    for bytes in [100_000, 20_000, 12_000, 7_000] {
        let sheet = sheet(&mixed, bytes, 512).await.unwrap();
        let taken = sheet.bytes().len();
        assert!(taken <= bytes && taken < before, "{taken} of {bytes}");
        assert!(bytes == 100_000 || taken * 2 > bytes, "{taken} of {bytes}");
        before = taken;
    }
    for side in [300, 512, 1000] {
        let sides = sheet(&mixed, 600_000, side).await.unwrap().dimensions();
        let longer = sides.width.max(sides.height);
        assert!(longer <= side && longer + 16 > side, "{longer} of {side}");
    }
    for (bytes, side) in [(0, 1024), (500, 1024), (600_000, 0), (600_000, 20), (600_000, 100)] {
        assert_eq!(sheet(&mixed, bytes, side).await, None, "{bytes} bytes, {side} pixels");
    }
    assert_eq!(sheet(&[], 600_000, 1024).await, None);
}

#[tokio::test]
async fn every_number_of_pictures_of_every_shape_finds_its_place() {
    for (width, height) in [(300, 300), (300, 100), (60, 400), (8, 8)] {
        for count in [1, 2, 3, 5, 7, 10, 12] {
            let sides = sheet(&swatches(count, width, height), 600_000, 1024).await.unwrap().dimensions();
            assert!(sides.width.max(sides.height) <= 1024, "{count} of {width}x{height}: {sides}");
        }
    }
}

#[tokio::test]
async fn pictures_on_a_contact_sheet_stand_upright_in_their_proportions() {
    let image = RgbImage::from_fn(400, 200, |x, _| Rgb(if x < 200 { [0, 0, 0] } else { [255, 255, 255] }));
    let lying = sideways(&image);
    let sheet = sheet(&[png(200, 400), lying], 600_000, 820).await.unwrap();
    let dimensions = sheet.dimensions();
    let sheet = pixels(&sheet);
    // In the second place, twice as high as wide, black above white, with the ground on both sides.
    let second = |x: u32, y: u32| {
        shade(&sheet, dimensions.width / 2 + x * dimensions.width / 200, y * dimensions.height / 100)[0]
    };
    assert!(
        second(50, 35) < 30
            && second(50, 65) > 225
            && second(10, 50).abs_diff(176) < 8
            && second(90, 50).abs_diff(176) < 8
    );
}

#[tokio::test]
async fn i05_what_cannot_be_decoded_leaves_its_place_empty() {
    let mut pictures = swatches(3, 300, 300);
    pictures[1] = Encoded::sniff(png(300, 300).bytes().slice(..100)).unwrap();
    let whole = pixels(&sheet(&pictures, 600_000, 620).await.unwrap());
    assert!(shade(&whole, 150, 150)[0] > 240 && shade(&whole, 460, 150)[0].abs_diff(176) < 6);
    assert!(shade(&whole, 150, 460)[0].abs_diff(210) < 6);
    assert_eq!(sheet(&pictures[1..2], 600_000, 620).await, None);
}
