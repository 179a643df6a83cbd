//! Shared by the peers: the picture that the upstream serves and the floor shrinks, and the way in which floors ask.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// The side of the picture, in pixels.
pub const SIDE: u32 = 1024;

/// The upstream of a floor: asked without checks, limits, retries or progress.
#[derive(Clone)]
pub struct BareUpstream {
    http: reqwest::Client,
    url: Arc<str>,
}

impl BareUpstream {
    /// The one that the environment names, as the server under test is told it.
    ///
    /// # Errors
    /// When `OPENAI_BASE_URL` is not set.
    pub fn of_environment() -> Result<Self> {
        // The client is built with TLS, as one that talks to OpenAI must be.
        let _ = rustls::crypto::ring::default_provider().install_default();
        #[expect(clippy::disallowed_methods, reason = "a peer is told its upstream as the server under test is")]
        let base = std::env::var("OPENAI_BASE_URL").context("OPENAI_BASE_URL is not set")?;
        Ok(Self { http: reqwest::Client::new(), url: format!("{base}/responses").into() })
    }

    /// Asks, and gives the text of the answer.
    ///
    /// # Errors
    /// When there is no answer, or it holds no text.
    pub async fn answer(&self, query: &str) -> Result<String> {
        let body = json!({"model": "bench", "input": query});
        let response: Value = self.http.post(&*self.url).json(&body).send().await?.error_for_status()?.json().await?;
        let text = response.pointer("/output/0/content/0/text").and_then(Value::as_str);
        Ok(text.context("an answer without text")?.to_owned())
    }
}

/// A PNG of [`SIDE`] x [`SIDE`] pixels and about 2 MB, as image models answer: smooth shapes under a fine grain that
/// does not compress. The same bytes every time.
///
/// # Errors
/// When the encoder fails.
pub fn picture() -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, SIDE, SIDE);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels())?;
    writer.finish()?;
    Ok(file)
}

fn pixels() -> Vec<u8> {
    let mut grain = Grain(1);
    let mut pixels = Vec::new();
    for y in 0..SIDE {
        for x in 0..SIDE {
            let wave = f64::from(x * y) / f64::from(SIDE * 40);
            for channel in 0..3_u32 {
                let shade = 120.0 + 100.0 * (wave + f64::from(channel)).sin();
                pixels.push(shade as u8 + grain.next());
            }
        }
    }
    pixels
}

/// Numbers from 0 to 31 that look random: a linear congruential generator.
struct Grain(u32);

impl Grain {
    fn next(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 27) as u8
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_picture_weighs_about_two_megabytes() {
        let bytes = super::picture().unwrap().len();
        assert!((1_800_000..2_300_000).contains(&bytes), "{bytes}");
    }
}
