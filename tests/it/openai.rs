//! The OpenAI client through its public door, against a scripted upstream.

use std::{num::NonZeroU32, time::Duration};

use mcp_openai::{
    model::ModelId,
    news::{Feed, News, Stage},
    openai::{
        Answer, Api, ApiKeySource, Background, Config, Failure, OpenAi, PictureRequest, Question, Reply,
        ResponseStorage, Terms, Transfer,
    },
};
use tokio::time::Instant;

use crate::upstream::Upstream;

mod asking;
mod attaching;
mod citing;
mod editing;
mod faults;
mod packed;
mod painting;
mod teaching;
mod threads;

/// What a test sets out from: short timers, a key, no caps.
pub fn config(upstream: &Upstream) -> Config {
    config_at(upstream.base_url())
}

pub fn config_at(base_url: url::Url) -> Config {
    Config {
        base_url,
        key: ApiKeySource::Value { secret: "sk-canary-0123456789".into(), from: "OPENAI_API_KEY".into() },
        callers: std::collections::BTreeMap::new(),
        unfilled_key: None,
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
        store: ResponseStorage::Kept,
        service_tier: None,
        background: Background::Never,
    }
}

pub fn client(upstream: &Upstream) -> OpenAi {
    OpenAi::build(config(upstream))
}

pub fn terms() -> Terms {
    Terms::until(Instant::now() + Duration::from_secs(30))
}

/// Waits for a stage.
pub async fn reached(feed: &Feed, is_it: impl Fn(&Stage) -> bool) {
    while !feed.take().stage.as_ref().is_some_and(&is_it) {
        feed.changed().await;
    }
}

pub fn question(input: &str) -> Question {
    Question::new(ModelId::parse("a-model").unwrap(), input.to_owned())
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
        without: Vec::new(),
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

#[tokio::test]
async fn i07_who_pays_is_told_by_url_key_and_headers_and_tells_nothing_of_them() {
    let base = |url: &str| config_at(url.parse().unwrap());
    let header = |name, value: &str| (http::HeaderName::from_static(name), value.into());
    let account = async |config| OpenAi::build(config).account().await.unwrap().0;

    let ours = account(base("https://api.example/v1")).await;
    assert!(ours.len() == 16 && ours.chars().all(|c| c.is_ascii_hexdigit()), "{ours}");
    assert_eq!(account(base("https://api.example/v1/")).await, ours);
    let named = Config { headers: vec![header("x-title", "ours")], ..base("https://api.example/v1") };
    assert_eq!(account(named).await, ours);

    let mut others = vec![ours, account(base("https://api.example/v2")).await];
    let other_key = ApiKeySource::Value { secret: "sk-other".into(), from: "OPENAI_API_KEY".into() };
    others.push(account(Config { key: other_key, ..base("https://api.example/v1") }).await);
    for headers in [vec![], vec![header("api-key", "a")], vec![header("api-key", "b")]] {
        others.push(account(Config { key: ApiKeySource::NotNeeded, headers, ..base("https://api.example/v1") }).await);
    }
    others.sort();
    others.dedup();
    assert_eq!(others.len(), 6);

    let missing = Config { key: ApiKeySource::Missing, ..base("https://api.example/v1") };
    let failure = OpenAi::build(missing).account().await.unwrap_err();
    assert!(matches!(failure.error, mcp_openai::openai::Error::NoApiKey));
}
