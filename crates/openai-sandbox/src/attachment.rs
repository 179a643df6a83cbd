//! Attachments of a question, in data URLs: checked as OpenAI checks it, and fetched from nowhere.

use std::io::Cursor;

use image::{ImageFormat, ImageReader};

use super::reply::ApiError;

/// The largest picture or document: <https://platform.openai.com/docs/guides/images-vision>.
const LARGEST: usize = 50 * 1000 * 1000;

/// Something attached, as far as an answer speaks of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attachment {
    /// `a 64x64 PNG`
    pub description: String,
    /// Input tokens that it stands for.
    pub tokens: usize,
}

impl Attachment {
    /// Reads a picture from its data URL; `param` is where in the request that stands.
    pub(crate) fn picture(param: &str, url: &str) -> Result<Self, ApiError> {
        let bytes = decode(param, url, "an image MIME type", |media_type| media_type.starts_with("image/"))?;
        let reader = ImageReader::new(Cursor::new(bytes.as_slice())).with_guessed_format().ok();
        let format = reader.as_ref().and_then(ImageReader::format).and_then(name);
        let size = reader.and_then(|reader| reader.into_dimensions().ok());
        let (Some(format), Some((width, height))) = (format, size) else {
            let message = "The image data you provided does not represent a valid image. Please check your input and \
                try again with one of the following image formats: ['image/jpeg', 'image/png', 'image/webp'].";
            return Err(ApiError::invalid("image_parse_error", param, message));
        };
        // <https://platform.openai.com/docs/guides/images-vision#calculating-costs>
        let patches = u64::from(width.div_ceil(32)) * u64::from(height.div_ceil(32));
        let tokens = usize::try_from(patches.min(1536)).unwrap_or(1536);
        Ok(Self { description: format!("a {width}x{height} {format}"), tokens })
    }

    /// Reads a PDF from its data URL.
    pub(crate) fn document(param: &str, filename: &str, url: &str) -> Result<Self, ApiError> {
        let is_pdf = |media_type: &str| media_type == "application/pdf";
        let bytes = decode(param, url, "an application/pdf MIME type", is_pdf)?;
        if !bytes.starts_with(b"%PDF-") {
            let message = format!("Invalid '{param}': the file '{filename}' could not be read as a PDF.");
            return Err(ApiError::invalid("invalid_file", param, message));
        }
        let pages = pages(&bytes);
        let (size, plural) = (bytes.len(), if pages == 1 { "" } else { "s" });
        let description = format!("a PDF named {filename} ({pages} page{plural}, {size} bytes)");
        Ok(Self { description, tokens: 600 * pages })
    }
}

/// The bytes of a data URL of a fitting media type.
fn decode(param: &str, url: &str, expected: &str, fits: impl FnOnce(&str) -> bool) -> Result<Vec<u8>, ApiError> {
    let refused = |but: &str| {
        let message = format!("Invalid '{param}'. Expected a base64-encoded data URL with {expected}, but got {but}.");
        ApiError::invalid("invalid_value", param, message)
    };
    let Some(rest) = url.strip_prefix("data:") else {
        return Err(refused("something else, and the sandbox fetches nothing"));
    };
    let Some((media_type, base64)) = rest.split_once(";base64,") else {
        return Err(refused("a value without the ';base64' separator"));
    };
    if !fits(media_type) {
        return Err(refused(&format!("unsupported MIME type '{media_type}'")));
    }
    let bytes = base64_simd::STANDARD.decode_to_vec(base64);
    let bytes = bytes.map_err(|_| refused("an invalid base64-encoded value"))?;
    match bytes.len() {
        0 => Err(refused("empty base64-encoded bytes")),
        1..LARGEST => Ok(bytes),
        _ => Err(ApiError::invalid("file_too_large", param, format!("Invalid '{param}': it must be under 50 MB."))),
    }
}

fn name(format: ImageFormat) -> Option<&'static str> {
    match format {
        ImageFormat::Png => Some("PNG"),
        ImageFormat::Jpeg => Some("JPEG"),
        ImageFormat::WebP => Some("WebP"),
        _ => None,
    }
}

/// Counts the page objects that are not compressed; a document has one page at least.
fn pages(pdf: &[u8]) -> usize {
    let found = memchr::memmem::find_iter(pdf, b"/Type").filter(|&at| {
        let rest = pdf.get(at..).unwrap_or_default();
        let kind = rest.strip_prefix(b"/Type").unwrap_or_default().trim_ascii_start();
        kind.strip_prefix(b"/Page").is_some_and(|after| !after.first().is_some_and(u8::is_ascii_alphabetic))
    });
    found.count().max(1)
}
