//! Ten pictures of 2 MB in one call, with previews: the processor time beside decode + shrink + encode alone, the peak
//! of memory, and how fast a ping is answered meanwhile.

use std::{io::Cursor, time::Duration};

use anyhow::{Context, Result, ensure};
use fast_image_resize::{PixelType, Resizer, images::Image, images::ImageRef};
use serde_json::Value;

use super::{Bench, Rows};
use crate::{
    child::Wire,
    figures::{Figure, percentile, thread_cpu_time, timed},
    message,
    stdio::Client,
    table::{Goal, Row, Unit},
};

const ROUNDS: u32 = 5;
/// In one process, one after the other: the kernel tells a child's processor time in steps of 10 ms.
const CALLS_PER_ROUND: u32 = 4;
const PICTURES: usize = 10;
const QUALITY: u8 = 80;
/// Between two pings.
const PAUSE: Duration = Duration::from_millis(1);

pub fn pictures(bench: &Bench) -> Rows {
    let png = peers::picture()?;
    let (mut ours, mut floor, mut peak) = (Figure::default(), Figure::default(), Figure::default());
    let (mut ping_p99, mut ping_max) = (Figure::default(), Figure::default());
    for _ in 0..ROUNDS {
        let (cpu_time, preview) = processor_time(bench)?;
        ours.add(cpu_time.as_secs_f64());
        floor.add(shrink_all(&png, preview)?.as_secs_f64());
        let pinged = Pinged::run(bench)?;
        peak.add(pinged.peak_memory);
        ping_p99.add(percentile(&pinged.pings, 0.99));
        ping_max.add(percentile(&pinged.pings, 1.0));
        bench.surroundings.forget_pictures()?;
    }
    let row = |name, unit, ours, most| Row { name, unit, ours, floor: None, goal: Goal::AtMost(most) };
    Ok(vec![
        Row {
            name: "ten pictures, processor time",
            unit: Unit::Time,
            ours,
            floor: Some(("shrinking alone", floor)),
            goal: Goal::RatioAtMost(1.3),
        },
        row("ten pictures, peak memory", Unit::Memory, peak, 40e6 + 2.0 * png.len() as f64),
        row("ping meanwhile, p99", Unit::Time, ping_p99, 0.010),
        row("ping meanwhile, slowest", Unit::Time, ping_max, 0.010),
    ])
}

/// Of one call, and the size of its previews.
fn processor_time(bench: &Bench) -> Result<(Duration, (u32, u32))> {
    let mut client = Client::start(&bench.ours, Wire::Pipes, &bench.surroundings)?;
    client.settle()?;
    let before = client.server.cpu_time()?;
    let mut answer = Vec::new();
    for _ in 0..CALLS_PER_ROUND {
        answer = client.request(message::ten_pictures)?;
    }
    let total = client.server.cpu_time()?.saturating_sub(before);
    Ok((total / CALLS_PER_ROUND, preview_size(&answer)?))
}

/// One call, with pings while it runs.
struct Pinged {
    peak_memory: f64,
    /// In seconds.
    pings: Vec<f64>,
}

impl Pinged {
    fn run(bench: &Bench) -> Result<Self> {
        let mut client = Client::start(&bench.ours, Wire::Pipes, &bench.surroundings)?;
        client.settle()?;
        let call = client.begin(message::ten_pictures)?;
        let mut pings = Vec::new();
        let mut running = true;
        while running {
            pings.push(timed(|| {
                let ping = client.begin(message::ping)?;
                loop {
                    match client.next_answer()? {
                        (id, _) if id == call => running = false,
                        (id, _) if id == ping => return Ok(()),
                        _ => {}
                    }
                }
            })?);
            std::thread::sleep(PAUSE);
        }
        Ok(Self { peak_memory: client.server.peak_memory()?, pings })
    }
}

/// Whether an answer holds all pictures.
pub fn check(answer: &[u8]) -> Result<()> {
    preview_size(answer).map(drop)
}

/// The size of the first preview in a create-image answer, once it is known to hold all pictures.
fn preview_size(answer: &[u8]) -> Result<(u32, u32)> {
    let answer: Value = serde_json::from_slice(answer)?;
    let kept = answer.pointer("/result/structuredContent/images").and_then(Value::as_array).map_or(0, Vec::len);
    ensure!(kept == PICTURES, "{kept} of {PICTURES} pictures in the answer");
    let content = answer.pointer("/result/content").and_then(Value::as_array).context("an answer without content")?;
    let preview = content.iter().find(|block| block["type"] == "image").context("no preview in the answer")?;
    let jpeg = base64_simd::STANDARD.decode_to_vec(preview["data"].as_str().unwrap_or_default())?;
    jpeg_size(&jpeg).context("the preview is no JPEG")
}

/// Reads the frame header (SOF0 to SOF2).
fn jpeg_size(jpeg: &[u8]) -> Option<(u32, u32)> {
    let mut rest = jpeg.strip_prefix(&[0xff, 0xd8])?;
    while let [0xff, marker, high, low, ..] = *rest {
        if let (0xc0..=0xc2, [_, _, _, _, _, h1, h0, w1, w0, ..]) = (marker, rest) {
            return Some((u16::from_be_bytes([*w1, *w0]).into(), u16::from_be_bytes([*h1, *h0]).into()));
        }
        rest = rest.get(2 + usize::from(u16::from_be_bytes([high, low]))..)?;
    }
    None
}

/// The processor time of what cannot be saved: ten times decode, shrink and encode, one after the other.
fn shrink_all(png: &[u8], to: (u32, u32)) -> Result<Duration> {
    let before = thread_cpu_time();
    for _ in 0..PICTURES {
        shrink(png, to)?;
    }
    Ok(thread_cpu_time().saturating_sub(before))
}

fn shrink(png: &[u8], (width, height): (u32, u32)) -> Result<Vec<u8>> {
    let mut reader = png::Decoder::new(Cursor::new(png)).read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().context("the picture is too large")?];
    let frame = reader.next_frame(&mut pixels)?;
    let original = ImageRef::new(frame.width, frame.height, &pixels, PixelType::U8x3)?;
    let mut small = Image::new(width, height, PixelType::U8x3);
    Resizer::new().resize(&original, &mut small, None)?;
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, QUALITY).encode(
        small.buffer(),
        u16::try_from(width)?,
        u16::try_from(height)?,
        jpeg_encoder::ColorType::Rgb,
    )?;
    Ok(jpeg)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_shrunk_picture_has_the_size_asked_for() {
        let jpeg = super::shrink(&peers::picture().unwrap(), (320, 200)).unwrap();
        assert_eq!(super::jpeg_size(&jpeg), Some((320, 200)));
    }
}
