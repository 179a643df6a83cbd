//! How much a preview keeps of a picture: structural similarity, time and memory, beside other encoders that may take
//! as many bytes. `cargo run --release --package previews [FOLDER]` prints the table, and leaves the pictures in the
//! folder for one's own eyes.

use std::{env, fs, io::Cursor, path::Path, time::Instant};

use anyhow::{Context as _, Result, bail};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, imageops};
use mcp_openai::{
    media::Encoded,
    preview::{PreviewBudget, Previews, Room, shrink},
};

mod encoders;
mod likeness;
mod memory;
mod scenes;

use encoders::ENCODERS;
use likeness::likeness;
use scenes::{SIDE, Scene};

/// What a picture may take alone in a careful client's result, and as one of ten.
const ROOMS: [usize; 2] = [600_000, 60_000];

/// The ground on which previews show bright art.
const SLATE: Rgb<u8> = Rgb([36; 3]);

/// Each time is the best of so many.
const RUNS: usize = 5;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => table(),
        [folder] => show(Path::new(folder)),
        [memory::COMMAND, scene, encoder, quality] => {
            let original = png(&scenes::named(scene)?)?;
            let quality = quality.parse()?;
            println!("{}", memory::taken_by(|| make(encoder, &original, quality))?);
            Ok(())
        }
        _ => bail!("usage: previews [FOLDER]"),
    }
}

fn table() -> Result<()> {
    println!("| picture | room | encoder | bytes | luma | chroma | ms | MB |");
    println!("|---|---|---|---|---|---|---|---|");
    for scene in scenes::all() {
        let original = png(&scene)?;
        let truth = opaque(&scene.image);
        for room in ROOMS {
            let ours = shrink(&original, budget(room))?;
            row(&scene, room, &truth, &original, "ours", room)?;
            for encoder in &ENCODERS {
                let Some(quality) = finest(encoder.encode, &truth, ours.bytes().len()) else { continue };
                row(&scene, room, &truth, &original, encoder.name, quality.into())?;
            }
        }
    }
    Ok(())
}

/// One encoder and one picture, from the decoding of the original to the last byte.
fn row(scene: &Scene, room: usize, truth: &RgbImage, original: &Encoded, encoder: &str, quality: usize) -> Result<()> {
    let (ms, file) = timed(|| make(encoder, original, quality))?;
    let shown = image::load_from_memory(&file)?.into_rgb8();
    let (width, height) = truth.dimensions();
    let large = if shown.dimensions() == (width, height) {
        shown.clone()
    } else {
        imageops::resize(&shown, width, height, imageops::FilterType::CatmullRom)
    };
    let like = likeness(truth, &large);
    let what = match (encoder, image::guess_format(&file)?) {
        ("ours", format) => format!("**ours: {format:?}, {} px**", shown.width()),
        _ => format!("{encoder}, {quality}"),
    };
    let (name, room, kb) = (scene.name, room / 1000, file.len().div_ceil(1000));
    let mb = memory::measure(&[name, encoder, &quality.to_string()])?;
    println!("| {name} | {room} kB | {what} | {kb} kB | {:.4} | {:.4} | {ms:.0} | {mb:.0} |", like.luma, like.chroma);
    Ok(())
}

/// The file that an encoder makes of an original at a quality, or we do of it in a room.
fn make(encoder: &str, original: &Encoded, quality: usize) -> Result<Vec<u8>> {
    if encoder == "ours" {
        return Ok(shrink(original, budget(quality))?.bytes().to_vec());
    }
    let encoder = ENCODERS.iter().find(|known| known.name == encoder).context("no such encoder")?;
    let image = opaque(&image::load_from_memory(original.bytes())?);
    (encoder.encode)(&image, u8::try_from(quality)?)
}

/// The finest quality that takes no more than so many bytes; none where not even the coarsest does.
fn finest(encode: encoders::Encode, image: &RgbImage, bytes: usize) -> Option<u8> {
    let fits = |quality| encode(image, quality).is_ok_and(|file| file.len() <= bytes);
    let (mut fit, mut too_fine) = (1, 100);
    while too_fine - fit > 1 {
        let middle = u8::midpoint(fit, too_fine);
        if fits(middle) {
            fit = middle;
        } else {
            too_fine = middle;
        }
    }
    fits(fit).then_some(fit)
}

fn timed(make: impl Fn() -> Result<Vec<u8>>) -> Result<(f64, Vec<u8>)> {
    let mut best = f64::MAX;
    let mut file = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        file = make()?;
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok((best, file))
}

/// The scenes, their previews, and all of them on contact sheets, as PNG.
fn show(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let save = |name: String, picture: &Encoded| {
        image::load_from_memory(picture.bytes())?.save(folder.join(name).with_extension("png"))
    };
    let mut pictures = Vec::new();
    for scene in scenes::all() {
        let original = png(&scene)?;
        save(scene.name.into(), &original)?;
        for room in ROOMS {
            save(format!("{}-{}", scene.name, room / 1000), &shrink(&original, budget(room))?)?;
        }
        pictures.push(original);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for (count, bytes) in [(2, 600_000), (4, 600_000), (10, 600_000), (10, 60_000), (10, 20_000)] {
        let pictures: Vec<_> = pictures.iter().cycle().take(count).cloned().collect();
        let sheet = runtime.block_on(Previews::build().contact_sheet(pictures, Room { bytes, side: SIDE }));
        let sheet = sheet.context("no room for a contact sheet")?.picture;
        println!("{count} on a sheet of {}: {} bytes of {bytes}", sheet.dimensions(), sheet.bytes().len());
        save(format!("sheet-{count}-{}", bytes / 1000), &sheet)?;
    }
    Ok(())
}

fn budget(bytes: usize) -> PreviewBudget {
    PreviewBudget { bytes, side: SIDE }
}

fn png(scene: &Scene) -> Result<Encoded> {
    let mut file = Cursor::new(Vec::new());
    scene.image.write_to(&mut file, ImageFormat::Png)?;
    Ok(Encoded::sniff(file.into_inner().into())?)
}

fn opaque(image: &DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.to_rgb8();
    }
    let mut ground = DynamicImage::from(RgbImage::from_pixel(image.width(), image.height(), SLATE)).into_rgba8();
    imageops::overlay(&mut ground, &image.to_rgba8(), 0, 0);
    DynamicImage::from(ground).into_rgb8()
}
