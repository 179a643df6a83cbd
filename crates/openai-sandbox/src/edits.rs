//! `POST /images/edits`, as a form or as JSON: <https://platform.openai.com/docs/api-reference/images/createEdit>.
//! Reads and checks the pictures; the rest is as for a new picture.

use std::io::Cursor;

use axum::{
    Extension,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use serde_json::{Map, Value};

use super::{
    Shared,
    fault::Wishes,
    fields::Fields,
    images::{self, Order},
    multipart::{self, Part},
    paint::{self, Source, Sources},
    reply::ApiError,
};

/// Fields of a request in JSON; any other is refused, as OpenAI refuses it.
const KNOWN: &str = "background complexity images input_fidelity mask model moderation n output_compression \
    output_format partial_images prompt quality size stream user";
/// Fields of a form besides its pictures.
const IN_FORM: &str = "background complexity input_fidelity model moderation n output_compression output_format \
    partial_images prompt quality size stream user";

/// Pictures of one request, and bytes of a picture and of a mask, which have to be fewer.
/// <https://platform.openai.com/docs/api-reference/images/createEdit>
const MOST: usize = 16;
const LARGEST: usize = 50 * 1000 * 1000;
const LARGEST_MASK: usize = 4 * 1000 * 1000;

/// The pixels of one picture take this much memory at most while they are decoded; what is kept is no longer than
/// `SIDE`.
const LARGEST_DECODED: u64 = 256 * 1024 * 1024;
const SIDE: u32 = 1536;

/// A request as it was sent.
struct Request {
    fields: Fields<'static>,
    pictures: Vec<Bytes>,
    mask: Option<Bytes>,
}

pub(crate) async fn create(
    State(shared): State<Shared>,
    wishes: Option<Extension<Wishes>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let Request { fields, pictures, mask } = match multipart::boundary(&headers) {
        Some(boundary) => Request::of_form(multipart::parse(&body, &boundary).ok_or_else(ApiError::unparsable)?)?,
        None => Request::of_json(&body)?,
    };
    fields.choice("input_fidelity", &["low", "high"])?;
    // Not on the thread that answers everybody else, which may be the only one.
    let decoded = tokio::task::spawn_blocking(move || decode(&pictures, mask.as_deref())).await;
    let sources = decoded.map_err(|_| ApiError::for_status(StatusCode::INTERNAL_SERVER_ERROR, None))??;
    let order = Order::read(&fields, &shared, &sources.pictures)?;
    images::deliver(&shared, wishes, order, Some(sources)).await
}

impl Request {
    fn of_form(parts: Vec<Part>) -> Result<Self, ApiError> {
        let (mut texts, mut pictures, mut mask) = (Map::new(), Vec::new(), None);
        for part in parts {
            match part.name.as_str() {
                "image" | "image[]" => pictures.push(supported(part)?),
                "mask" => mask = Some(supported(part)?),
                name => {
                    let text = String::from_utf8_lossy(&part.bytes).into_owned();
                    texts.insert(name.to_owned(), Value::String(text));
                }
            }
        }
        count("image", pictures.len())?;
        Ok(Self { fields: Fields::of_form(texts, IN_FORM)?, pictures, mask })
    }

    fn of_json(body: &[u8]) -> Result<Self, ApiError> {
        let fields = Fields::parse(body, KNOWN)?;
        let listed = fields.required("images")?.as_array().cloned().unwrap_or_default();
        count("images", listed.len())?;
        let named = listed.iter().enumerate().map(|(number, picture)| (format!("images[{number}]"), picture));
        let pictures = named.map(|(name, picture)| referred(&name, picture)).collect::<Result<_, _>>()?;
        let mask = fields.value("mask").map(|mask| referred("mask", mask)).transpose()?;
        Ok(Self { fields, pictures, mask })
    }
}

fn count(name: &str, pictures: usize) -> Result<(), ApiError> {
    match pictures {
        0 => {
            Err(ApiError::invalid("missing_required_parameter", name, format!("Missing required parameter: '{name}'.")))
        }
        1..=MOST => Ok(()),
        more => {
            let message = format!(
                "Invalid '{name}': array too long. Expected an array with maximum length {MOST}, but got an array with \
                 length {more} instead."
            );
            Err(ApiError::invalid("array_above_max_length", name, message))
        }
    }
}

/// A file of the form, by what it is said to be.
fn supported(part: Part) -> Result<Bytes, ApiError> {
    if matches!(part.media_type.as_str(), "image/png" | "image/jpeg" | "image/webp") {
        return Ok(part.bytes);
    }
    let message = format!(
        "Invalid file '{}': unsupported mimetype ('{}'). Supported file formats are 'image/jpeg', 'image/png', and \
         'image/webp'.",
        part.name, part.media_type
    );
    Err(ApiError::invalid("unsupported_file_mimetype", &part.name, message))
}

/// A picture in a data URL; the sandbox fetches none and keeps no files.
fn referred(name: &str, picture: &Value) -> Result<Bytes, ApiError> {
    let url = picture.get("image_url").and_then(Value::as_str).unwrap_or_default();
    let data = url.strip_prefix("data:image/").and_then(|data| data.split_once(";base64,"));
    let bytes = data.and_then(|(_, base64)| base64_simd::STANDARD.decode_to_vec(base64).ok());
    bytes.map(Bytes::from).ok_or_else(|| {
        let message = format!("Invalid '{name}': the sandbox takes an 'image_url' that is a base64 data URL.");
        ApiError::invalid("invalid_image_url", name, message)
    })
}

fn decode(pictures: &[Bytes], mask: Option<&[u8]>) -> Result<Sources, ApiError> {
    let mut decoded = Vec::new();
    for (number, bytes) in pictures.iter().enumerate() {
        if bytes.len() >= LARGEST {
            let message = format!("Invalid image {}: it must be smaller than 50 MB.", number + 1);
            return Err(ApiError::invalid("image_too_large", "image", message));
        }
        let pixels = pixels(bytes).ok_or_else(|| {
            let message = format!("Invalid image file or mode for image {}, please check your image file.", number + 1);
            ApiError::invalid("invalid_image_file", "image", message)
        })?;
        decoded.push(pixels);
    }
    let Some(mask) = mask else { return Ok(Sources { pictures: decoded, mask: None }) };
    let refused = |message: &str| ApiError::invalid("invalid_mask", "mask", message);
    if mask.len() >= LARGEST_MASK || image::guess_format(mask).ok() != Some(ImageFormat::Png) {
        return Err(refused("Invalid mask image: it must be a PNG and less than 4 MB."));
    }
    let mask = pixels(mask).ok_or_else(|| refused("Invalid mask image file, please check it."))?;
    if decoded.first().is_some_and(|first| (first.width, first.height) != (mask.width, mask.height)) {
        return Err(refused("Invalid mask image format - mask size does not match image size."));
    }
    if !mask.pixels.color().has_alpha() {
        return Err(refused("Invalid mask image format - mask image has no alpha channel."));
    }
    Ok(Sources { pictures: decoded, mask: Some(mask) })
}

fn pixels(bytes: &[u8]) -> Option<Source> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?;
    reader.format().filter(|format| matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP))?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(LARGEST_DECODED);
    reader.limits(limits);
    let decoder = reader.into_decoder().ok()?;
    // The limits are for what a decoder takes besides: the pixels are allocated outside of them.
    if decoder.total_bytes() > LARGEST_DECODED {
        return None;
    }
    let pixels = DynamicImage::from_decoder(decoder).ok()?;
    let (width, height) = (pixels.width(), pixels.height());
    let longer = width.max(height);
    if longer <= SIDE {
        return Some(Source { pixels, width, height });
    }
    let scaled = |side: u32| {
        let side = u64::from(side) * u64::from(SIDE) / u64::from(longer);
        u32::try_from(side).unwrap_or(SIDE).max(1)
    };
    Some(Source { pixels: paint::thumbnail(&pixels, scaled(width), scaled(height)), width, height })
}
