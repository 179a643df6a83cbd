//! A contact sheet: all pictures of a result in one grid, numbered from 1 in reading order, so that a person can say
//! "the third". One original is decoded at a time.

use std::borrow::Cow;

use image::{Rgb, RgbImage, imageops};

use super::{
    PreviewFailure, Room, alpha, decode, digits,
    encode::{self, SetQuality},
    pixels,
};
use crate::media::{Dimensions, Encoded};

/// Neither black nor white: the edges of pale and of dark pictures are seen on it.
const GROUND: Rgb<u8> = Rgb([176, 176, 176]);

/// However much room there is: a sheet is for a glance.
const LONGEST_SIDE: u32 = 2048;

/// In less than this, a picture shows nothing; in pixels of its place's longer side.
const SMALLEST_PLACE: u32 = 48;

/// The pictures in one, as large as `room` allows.
pub(super) fn lay_out(pictures: &[Encoded], room: Room) -> Result<Encoded, PreviewFailure> {
    let nothing = PreviewFailure::Sheet(pictures.len());
    let grid = Grid::plan(pictures, room.side.min(LONGEST_SIDE)).ok_or(nothing)?;
    let mut sheet = RgbImage::from_pixel(grid.width(), grid.height(), GROUND);
    let mut shown = 0;
    for (index, picture) in pictures.iter().enumerate() {
        let corner = grid.corner(index);
        match thumbnail(picture, grid.place) {
            Ok(thumbnail) => {
                let middle = |corner, place, side| i64::from(corner + (place - side) / 2);
                let x = middle(corner[0], grid.place.width, thumbnail.width());
                let y = middle(corner[1], grid.place.height, thumbnail.height());
                imageops::replace(&mut sheet, &thumbnail, x, y);
                shown += 1;
            }
            Err(failure) => tracing::debug!(?picture, %failure, "not on the contact sheet"),
        }
        digits::write(&mut sheet, index + 1, corner, grid.dot());
    }
    if shown == 0 {
        return Err(PreviewFailure::Sheet(pictures.len()));
    }
    encode::as_jpeg(&sheet, room.bytes, SMALLEST_PLACE * grid.columns.max(grid.rows), &SetQuality::new())
}

/// The whole picture, upright, no larger than its place.
fn thumbnail(picture: &Encoded, place: Dimensions) -> Result<RgbImage, PreviewFailure> {
    let (image, orientation) = decode::decode(picture)?;
    let before = if pixels::lies_on_its_side(orientation) {
        Dimensions { width: place.height, height: place.width }
    } else {
        place
    };
    let small = pixels::scaled_within(Cow::Owned(alpha::on_ground(image)), before)?;
    Ok(pixels::turned(small.into_owned(), orientation))
}

/// Places of one size, with gaps between and around them. All in pixels but the counts.
struct Grid {
    columns: u32,
    rows: u32,
    place: Dimensions,
    gap: u32,
}

impl Grid {
    /// The grid with the largest places whose longer side is at most `side`; `None` when they are too small.
    fn plan(pictures: &[Encoded], side: u32) -> Option<Self> {
        let all = u32::try_from(pictures.len()).ok()?;
        let gap = (side / 128).max(2);
        let largest = |of: fn(Dimensions) -> u32| pictures.iter().map(|picture| of(picture.dimensions())).max();
        let largest = Dimensions { width: largest(|size| size.width)?, height: largest(|size| size.height)? };
        let grids = (1..=all).filter_map(|columns| {
            let rows = all.div_ceil(columns);
            let share = |count: u32| side.checked_sub(gap.checked_mul(count + 1)?).map(|left| left / count);
            let place = pixels::within(largest, Dimensions { width: share(columns)?, height: share(rows)? });
            Some(Self { columns, rows, place, gap })
        });
        let grid = grids.max_by_key(|grid| u64::from(grid.place.width) * u64::from(grid.place.height))?;
        let longer = |size: Dimensions| size.width.max(size.height);
        (longer(grid.place) >= SMALLEST_PLACE.min(longer(largest))).then_some(grid)
    }

    fn width(&self) -> u32 {
        self.columns * (self.place.width + self.gap) + self.gap
    }

    fn height(&self) -> u32 {
        self.rows * (self.place.height + self.gap) + self.gap
    }

    /// The upper left corner of a place, x before y.
    fn corner(&self, index: usize) -> [u32; 2] {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        [
            self.gap + index % self.columns * (self.place.width + self.gap),
            self.gap + index / self.columns * (self.place.height + self.gap),
        ]
    }

    /// The size of a dot of a number: a digit of an eighth of a small place, or of 28 pixels, is still read at half
    /// the size.
    fn dot(&self) -> u32 {
        (self.place.width.min(self.place.height) / 56).clamp(1, 4)
    }
}
