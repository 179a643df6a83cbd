//! The encoders that were chosen from, each in the settings that suit it best.

use anyhow::{Result, anyhow};
use image::{DynamicImage, RgbImage};
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, SamplingFactor};
use mozjpeg_rs::{Preset, Subsampling};

/// From an image and a quality of 1 to 100.
pub type Encode = fn(&RgbImage, u8) -> Result<Vec<u8>>;

pub struct Encoder {
    pub name: &'static str,
    pub encode: Encode,
}

pub const ENCODERS: [Encoder; 7] = [
    Encoder { name: "JPEG 4:2:0, nearest", encode: |image, quality| jpeg(image, quality, |_| ()) },
    Encoder {
        name: "JPEG 4:2:0, average",
        encode: |image, quality| {
            jpeg(image, quality, |encoder| encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average))
        },
    },
    Encoder {
        name: "JPEG 4:2:0, progressive",
        encode: |image, quality| {
            jpeg(image, quality, |encoder| {
                encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
                encoder.set_progressive(true);
                encoder.set_optimized_huffman_tables(true);
            })
        },
    },
    Encoder {
        name: "JPEG 4:4:4",
        encode: |image, quality| jpeg(image, quality, |encoder| encoder.set_sampling_factor(SamplingFactor::F_1_1)),
    },
    Encoder {
        name: "mozjpeg-rs",
        encode: |image, quality| {
            let encoder = mozjpeg_rs::Encoder::new(Preset::ProgressiveBalanced).quality(quality);
            Ok(encoder.subsampling(Subsampling::S420).encode_rgb(image, image.width(), image.height())?)
        },
    },
    Encoder { name: "WebP, libwebp", encode: libwebp },
    Encoder { name: "WebP, webp-rust", encode: webp_rust },
];

fn jpeg(image: &RgbImage, quality: u8, tune: impl FnOnce(&mut jpeg_encoder::Encoder<&mut Vec<u8>>)) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    tune(&mut encoder);
    encoder.encode(image, u16::try_from(image.width())?, u16::try_from(image.height())?, ColorType::Rgb)?;
    Ok(file)
}

fn libwebp(image: &RgbImage, quality: u8) -> Result<Vec<u8>> {
    let encoder = webp::Encoder::from_rgb(image, image.width(), image.height());
    let file = encoder.encode_simple(false, f32::from(quality)).map_err(|error| anyhow!("{error:?}"))?;
    Ok(file.to_vec())
}

fn webp_rust(image: &RgbImage, quality: u8) -> Result<Vec<u8>> {
    let rgba = DynamicImage::from(image.clone()).into_rgba8().into_raw();
    let image = webp_rust::ImageBuffer { width: image.width() as usize, height: image.height() as usize, rgba };
    let config = webp_rust::LossyEncodingConfig { quality: quality.into(), method: 4, ..Default::default() };
    webp_rust::encode_lossy_with_config(&image, &config, None).map_err(|error| anyhow!("{error:?}"))
}
