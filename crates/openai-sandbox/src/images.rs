//! `POST /images/generations`: <https://platform.openai.com/docs/api-reference/images/create>.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Extension, Json,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    Pace, Shared,
    fault::Wishes,
    fields::Fields,
    models::{Answers, Family},
    paint::{self, Commission, Encoding, Ground, Source, Sources},
    prose,
    reply::{self, ApiError, Spent},
    stream::{self, Beat},
};

// `response_format` and `style` are missing on purpose: the GPT image models refuse them.
const KNOWN: &str = "background complexity model moderation n output_compression output_format partial_images prompt quality \
    size stream user";

/// The studio that makes pictures. Those made to a weight are kept, in base64: weighing takes several tries.
#[derive(Debug, Default)]
pub(crate) struct Studio(Mutex<HashMap<Picture, Arc<String>>>);

/// The causes of one picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Picture {
    commission: Commission,
    encoding: Encoding,
    partials: usize,
    weight: Option<usize>,
}

/// A picture in base64, and how it looked on the way.
#[derive(Debug)]
struct Made {
    partials: Vec<String>,
    whole: Arc<String>,
}

pub(crate) async fn create(
    State(shared): State<Shared>,
    wishes: Option<Extension<Wishes>>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let order = Order::read(&Fields::parse(&body, KNOWN)?, &shared, &[])?;
    deliver(&shared, wishes, order, None).await
}

/// Makes what was ordered, from `sources` where it is an edit.
pub(crate) async fn deliver(
    shared: &Shared,
    wishes: Option<Extension<Wishes>>,
    order: Order,
    sources: Option<Sources>,
) -> Result<Response, ApiError> {
    if prose::is_blocked(&order.prompt) {
        return Err(ApiError::moderated("image_generation_user_error"));
    }
    let sources = sources.map(Arc::new);
    let weight = wishes.and_then(|wishes| wishes.weight);
    let mut pictures = Vec::new();
    // One after the other: the largest canvas takes 33 MB (3840 x 2160 x 4 bytes), and its copies as much again.
    for _ in 0..order.count {
        let picture = order.picture(shared.tally.count(&order.prompt), weight);
        let (studio, sources) = (Arc::clone(&shared.studio), sources.clone());
        // Not on the thread that answers everybody else, which may be the only one.
        let made = tokio::task::spawn_blocking(move || studio.make(&picture, sources.as_deref())).await;
        pictures
            .push(made.ok().flatten().ok_or_else(|| ApiError::for_status(StatusCode::INTERNAL_SERVER_ERROR, None))?);
    }
    let spent = Extension(Spent(order.input_tokens() + order.output_tokens()));
    let time = order.painting_time(shared.pace);
    match order.delivery {
        Delivery::Whole => {
            tokio::time::sleep(time).await;
            Ok((spent, Json(order.whole(&pictures))).into_response())
        }
        Delivery::Streamed { .. } => Ok((spent, stream::events(order.beats(&pictures, time))).into_response()),
    }
}

impl Studio {
    /// The picture of about this many bytes, made now or earlier; `None` when it cannot be encoded.
    fn weigh(&self, picture: &Picture, bytes: usize) -> Option<Arc<String>> {
        // Any picture will do, so that few are made.
        let commission = Commission { prompt: String::new(), variation: 0, ..picture.commission };
        let picture = Picture { commission, ..*picture };
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&picture) {
            return Some(Arc::clone(known));
        }
        // The lock is not held for it: of two that weigh the same at once, either result will do.
        let whole = Arc::new(base64(paint::weigh(&picture.commission, picture.encoding, bytes)?));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(picture, Arc::clone(&whole));
        Some(whole)
    }

    /// Makes a picture; `None` when it cannot be encoded.
    fn make(&self, picture: &Picture, sources: Option<&Sources>) -> Option<Made> {
        if let Some(bytes) = picture.weight {
            return Some(Made { partials: Vec::new(), whole: self.weigh(picture, bytes)? });
        }
        let painting = paint::paint(&picture.commission, sources)?;
        let partials = (0..picture.partials).map(|index| {
            let coarseness = 32 >> (2 * index);
            paint::encode(&paint::coarse(&painting, coarseness), picture.encoding).map(base64)
        });
        Some(Made {
            partials: partials.collect::<Option<_>>()?,
            whole: Arc::new(base64(paint::encode(&painting, picture.encoding)?)),
        })
    }
}

fn base64(bytes: Vec<u8>) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// A request, checked.
#[derive(Debug)]
pub(crate) struct Order {
    /// The name of its events.
    kind: &'static str,
    prompt: String,
    count: u64,
    width: u32,
    height: u32,
    quality: String,
    ground: Ground,
    encoding: Encoding,
    delivery: Delivery,
    /// Input tokens that stand for the pictures to start from.
    image_tokens: usize,
}

#[derive(Debug, Clone, Copy)]
enum Delivery {
    Whole,
    Streamed { partials: usize },
}

impl Order {
    /// Reads an order of a picture, new or made from others.
    pub(crate) fn read(fields: &Fields, shared: &Shared, from: &[Source]) -> Result<Self, ApiError> {
        let prompt = fields.required_text("prompt")?;
        if prompt.is_empty() || prompt.chars().count() > 32_000 {
            let message = "Invalid 'prompt': expected a string of 1 to 32000 characters.";
            return Err(fields.invalid("string_length_out_of_range", "prompt", message));
        }
        let model = fields.required_text("model")?;
        let family = shared
            .models
            .family(model, Answers::Images)
            .ok_or_else(|| ApiError::model_not_found(StatusCode::NOT_FOUND, model))?;
        let quality = match &family.qualities {
            any if any.is_empty() => fields.text("quality")?,
            some => fields.choice("quality", some)?,
        };
        fields.choice("moderation", &["auto", "low"])?;
        fields.choice("complexity", &["low", "medium", "high"])?;
        let (width, height) = size(fields, &family, from.first())?;
        let partials = fields.integer("partial_images", 0..=3)?.unwrap_or(0);
        Ok(Self {
            kind: if from.is_empty() { "image_generation" } else { "image_edit" },
            prompt: prompt.to_owned(),
            count: fields.integer("n", 1..=10)?.unwrap_or(1),
            width,
            height,
            quality: quality.filter(|quality| *quality != "auto").unwrap_or("medium").to_owned(),
            ground: ground(fields)?,
            encoding: encoding(fields)?,
            delivery: if fields.is_set("stream")? {
                Delivery::Streamed { partials: usize::try_from(partials).unwrap_or(0) }
            } else {
                Delivery::Whole
            },
            image_tokens: from.iter().map(image_tokens).sum(),
        })
    }

    fn picture(&self, variation: u32, weight: Option<usize>) -> Picture {
        Picture {
            commission: Commission {
                prompt: self.prompt.clone(),
                width: self.width,
                height: self.height,
                ground: self.ground,
                variation,
            },
            encoding: self.encoding,
            partials: match self.delivery {
                Delivery::Whole => 0,
                Delivery::Streamed { partials } => partials,
            },
            weight,
        }
    }

    fn input_tokens(&self) -> usize {
        prose::tokens(&self.prompt) + 7 + self.image_tokens
    }

    /// By quality for a square of 1024, and in proportion to the area. The first three are gpt-image-1's.
    /// <https://platform.openai.com/docs/guides/image-generation#cost-and-latency>
    fn output_tokens(&self) -> usize {
        let square: u64 = match self.quality.as_str() {
            "low" => 272,
            "high" => 4160,
            "xhigh" => 6240,
            "max" => 8320,
            _ => 1056,
        };
        let area = u64::from(self.width) * u64::from(self.height);
        usize::try_from(self.count * square * area / (1024 * 1024)).unwrap_or(usize::MAX)
    }

    /// Time that a model would seem to take: 1.2 s to 1.8 s, by the prompt.
    fn painting_time(&self, pace: Pace) -> Duration {
        match pace {
            Pace::Instant => Duration::ZERO,
            Pace::Natural => Duration::from_millis(1200 + self.prompt.bytes().map(u64::from).sum::<u64>() % 600),
        }
    }

    /// The description of the picture in answers and events.
    fn description(&self) -> Value {
        json!({
            "size": format!("{}x{}", self.width, self.height),
            "quality": self.quality,
            "background": match self.ground {
                Ground::Opaque => "opaque",
                Ground::Transparent => "transparent",
            },
            "output_format": match self.encoding {
                Encoding::Png => "png",
                Encoding::Jpeg(_) => "jpeg",
                Encoding::Webp => "webp",
            },
        })
    }

    fn usage(&self) -> Value {
        let (input, output) = (self.input_tokens(), self.output_tokens());
        json!({
            "input_tokens": input, "output_tokens": output, "total_tokens": input + output,
            "input_tokens_details": {"text_tokens": input - self.image_tokens, "image_tokens": self.image_tokens},
            "output_tokens_details": {"text_tokens": 0, "image_tokens": output},
        })
    }

    fn whole(&self, pictures: &[Made]) -> Value {
        let data: Vec<Value> = pictures.iter().map(|made| json!({"b64_json": made.whole.as_str()})).collect();
        let answer = json!({"created": reply::now(), "data": data, "usage": self.usage()});
        reply::merged(answer, &self.description())
    }

    fn beats(&self, pictures: &[Made], time: Duration) -> Vec<Beat> {
        let mut beats = Vec::new();
        for made in pictures {
            let parts = u32::try_from(made.partials.len() + 1).unwrap_or(1);
            let beat = |name: &str, base64: &str, more: Value| {
                let kind = format!("{}.{name}", self.kind);
                let event = json!({"type": kind, "created_at": reply::now(), "b64_json": base64});
                Beat::typed(time / parts, &reply::merged(reply::merged(event, &more), &self.description()))
            };
            for (index, partial) in made.partials.iter().enumerate() {
                beats.push(beat("partial_image", partial, json!({"partial_image_index": index})));
            }
            beats.push(beat("completed", &made.whole, json!({"usage": self.usage()})));
        }
        beats
    }
}

/// About a token for every 30 by 30 pixels, at most as many as a square of 2048 has.
fn image_tokens(picture: &Source) -> usize {
    let pixels = u64::from(picture.width) * u64::from(picture.height);
    usize::try_from(pixels.min(2048 * 2048).div_ceil(900)).unwrap_or(usize::MAX)
}

fn encoding(fields: &Fields) -> Result<Encoding, ApiError> {
    let compression = fields.integer("output_compression", 0..=100)?.unwrap_or(100);
    Ok(match fields.choice("output_format", &["png", "jpeg", "webp"])? {
        // OpenAI's scale begins at 0, that of the encoder at 1.
        Some("jpeg") => Encoding::Jpeg(u8::try_from(compression).unwrap_or(100).max(1)),
        // At no compression: the encoder writes WebP without loss alone.
        Some("webp") => Encoding::Webp,
        _ => Encoding::Png,
    })
}

fn ground(fields: &Fields) -> Result<Ground, ApiError> {
    if fields.choice("background", &["transparent", "opaque", "auto"])? != Some("transparent") {
        return Ok(Ground::Opaque);
    }
    if fields.text("output_format")? == Some("jpeg") {
        let message = "Transparent background is not supported for JPEG output format.";
        return Err(fields.invalid("invalid_value", "background", message));
    }
    Ok(Ground::Transparent)
}

/// `auto` (the one of the three first sizes that is most like the picture to start from), a size that the family names,
/// or any that keeps the rules: sides divisible by 16, a ratio within 1:3 and 3:1, 655,360 to 8,294,400 pixels, at most
/// 3840x2160 or 2160x3840.
fn size(fields: &Fields, family: &Family, from: Option<&Source>) -> Result<(u32, u32), ApiError> {
    let auto = match from.map(|from| (from.width, from.height)) {
        Some((width, height)) if width * 4 > height * 5 => "1536x1024",
        Some((width, height)) if height * 4 > width * 5 => "1024x1536",
        _ => "1024x1024",
    };
    let text = fields.text("size")?.filter(|size| *size != "auto").unwrap_or(auto);
    let sides = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    let keeps_rules = |(width, height): (u32, u32)| {
        let (short, long) = (width.min(height), width.max(height));
        width % 16 == 0
            && height % 16 == 0
            && long <= 3840
            && short <= 2160
            && long <= short * 3
            && (655_360..=8_294_400).contains(&(width * height))
    };
    match sides {
        Some(sides) if family.sizes.iter().any(|size| size == text) => Ok(sides),
        Some(sides) if family.sizes.is_empty() && keeps_rules(sides) => Ok(sides),
        _ if family.sizes.is_empty() => {
            let message = format!(
                "Invalid size '{text}'. Width and height must be divisible by 16, the ratio between 1:3 and 3:1, the \
                 area 655360 to 8294400 pixels and the size at most 3840x2160."
            );
            Err(fields.invalid("invalid_value", "size", message))
        }
        _ => {
            let supported = family.sizes.join("', '");
            let message = format!("Invalid value: '{text}'. Supported values are: '{supported}', and 'auto'.");
            Err(fields.invalid("invalid_value", "size", message))
        }
    }
}
