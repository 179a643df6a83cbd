//! The OpenAI client through its public door, against a scripted upstream.

use std::{num::NonZeroU32, time::Duration};

use mcp_openai::{
    model::ModelId,
    news::{News, Stage},
    openai::{Answer, Api, Config, Failure, Key, OpenAi, PictureRequest, Question, Reply, Terms, Transfer},
};
use tokio::time::Instant;

use crate::upstream::Upstream;

mod asking;
mod editing;
mod faults;
mod painting;

/// What a test sets out from: short timers, a key, no caps.
pub fn config(upstream: &Upstream) -> Config {
    config_at(upstream.base_url())
}

pub fn config_at(base_url: url::Url) -> Config {
    Config {
        base_url,
        key: Key::Value { secret: "sk-canary-0123456789".into(), from: "OPENAI_API_KEY".into() },
        organization: None,
        project: None,
        headers: Vec::new(),
        query: Vec::new(),
        api: Api::Auto,
        max_retries: 2,
        connect_timeout: Duration::from_secs(2),
        first_byte_timeout_text: Duration::from_secs(5),
        first_byte_timeout_image: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(5),
        requests_per_minute: None,
        images_per_minute: None,
        image_transfer: Transfer::Whole,
        partial_images: 0,
        edit_transfer: mcp_openai::openai::EditTransfer::Auto,
        max_response_bytes: 64 << 20,
    }
}

pub fn client(upstream: &Upstream) -> OpenAi {
    OpenAi::build(config(upstream))
}

pub fn terms() -> Terms {
    Terms { deadline: Instant::now() + Duration::from_secs(30), news: News::unheard() }
}

pub fn question(input: &str) -> Question {
    Question {
        model: ModelId::parse("a-model").unwrap(),
        input: input.to_owned(),
        instructions: None,
        temperature: None,
        max_tokens: None,
        reasoning_effort: None,
        verbosity: None,
    }
}

pub fn full_question() -> Question {
    Question {
        instructions: Some("Be brief.".to_owned()),
        temperature: Some(0.5),
        max_tokens: NonZeroU32::new(64),
        reasoning_effort: Some("low".to_owned()),
        verbosity: Some("high".to_owned()),
        ..question("Why?")
    }
}

pub fn picture(prompt: &str) -> PictureRequest {
    PictureRequest {
        references: Vec::new(),
        mask: None,
        model: ModelId::parse("an-image-model").unwrap(),
        prompt: prompt.to_owned(),
        size: None,
        quality: None,
        background: None,
        output_format: None,
        output_compression: None,
        moderation: None,
    }
}

pub type Asked = Result<Reply<Answer>, Failure>;

/// What a call told while it ran.
#[derive(Default, Debug)]
pub struct Told {
    pub stages: Vec<Stage>,
    pub text: String,
}

/// Asks and listens to the news.
pub async fn ask(client: &OpenAi, question: &Question) -> (Asked, Told) {
    let (news, feed) = News::channel();
    let terms = Terms { news, ..terms() };
    let mut told = Told::default();
    let take = |told: &mut Told| {
        let update = feed.take();
        told.text.push_str(&update.delta);
        told.stages.extend(update.stage.filter(|stage| told.stages.last() != Some(stage)));
    };
    let asking = client.ask(question, &terms);
    tokio::pin!(asking);
    let asked = loop {
        tokio::select! {
            biased;
            () = feed.changed() => take(&mut told),
            asked = &mut asking => break asked,
        }
    };
    take(&mut told);
    (asked, told)
}
