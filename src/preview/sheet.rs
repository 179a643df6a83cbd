//! A contact sheet: all pictures of a result in one grid, numbered from 1 in reading order, so that a person can say
//! "the third". One original is decoded at a time.

use std::{borrow::Cow, cmp::Reverse};

use image::{Rgb, RgbImage, imageops};

use super::{
    PreviewFailure, Room, alpha, decode, digits,
    encode::{self, SetQuality},
    pixels,
};
use crate::media::{Dimensions, Encoded};

/// Neither black nor white: the edges of pale and of dark pictures are seen on it.
const GROUND: Rgb<u8> = Rgb([176, 176, 176]);

/// Pixels of a sheet's longer side, however much room there is: it is for a glance.
const LONGEST_SIDE: u32 = 2048;

/// Pixels of the longer side of a place below which a picture in it shows nothing.
const SMALLEST_PLACE: u32 = 48;

/// All pictures of a result in one.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactSheet {
    /// A JPEG of at most 2,048 pixels on the longer side.
    pub picture: Encoded,
    /// Numbers of the pictures whose places are empty, since they cannot be decoded; counted from 1.
    pub empty: Vec<usize>,
}

/// The pictures in one, as large as `room` allows.
pub(super) fn lay_out(pictures: &[Encoded], room: Room) -> Result<ContactSheet, PreviewFailure> {
    let nothing = PreviewFailure::Sheet(pictures.len());
    let grid = Grid::plan(pictures, room.side.min(LONGEST_SIDE)).ok_or(nothing)?;
    let mut sheet = RgbImage::from_pixel(grid.width(), grid.height(), GROUND);
    let mut empty = Vec::new();
    for (index, picture) in pictures.iter().enumerate() {
        let corner = grid.corner(index);
        match thumbnail(picture, grid.place) {
            Ok(thumbnail) => {
                let middle = |corner, place, side| i64::from(corner + (place - side) / 2);
                let x = middle(corner[0], grid.place.width, thumbnail.width());
                let y = middle(corner[1], grid.place.height, thumbnail.height());
                imageops::replace(&mut sheet, &thumbnail, x, y);
            }
            Err(failure) => {
                tracing::debug!(?picture, %failure, "not on the contact sheet");
                empty.push(index + 1);
            }
        }
        digits::write(&mut sheet, index + 1, corner, grid.dot());
    }
    if empty.len() == pictures.len() {
        return Err(PreviewFailure::Sheet(pictures.len()));
    }
    let smallest = SMALLEST_PLACE * grid.columns.max(grid.rows);
    let picture = encode::as_jpeg(&sheet, room.bytes, smallest, &SetQuality::new())?;
    Ok(ContactSheet { picture, empty })
}

/// The whole picture, upright, no larger than its place.
pub(super) fn thumbnail(picture: &Encoded, place: Dimensions) -> Result<RgbImage, PreviewFailure> {
    // From the original: a preview has been scaled and compressed once already.
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
    /// The most even grid whose longer side is at most `side`: the one with the fewest empty places among those whose
    /// places are not much smaller than they could be. `None` when they are too small.
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
        let area = |grid: &Self| u64::from(grid.place.width) * u64::from(grid.place.height);
        let grids: Vec<_> = grids.collect();
        let largest_place = grids.iter().map(area).max()?;
        let grids = grids.into_iter().filter(|grid| area(grid) * 2 >= largest_place);
        let grid = grids.min_by_key(|grid| (grid.columns * grid.rows, Reverse(area(grid)), Reverse(grid.columns)))?;
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
