//! What the client sends: every kind of request, recorded by a server that refuses it.

use std::{num::NonZeroU32, time::Duration};

use mcp_openai::{
    media::Format,
    model::ModelId,
    news::News,
    openai::{Api, Config, Key, OpenAi, PictureRequest, Question, Terms, Transfer},
};
use serde_json::{Value, json};
use tokio::time::Instant;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::oracle::Oracle;

/// Refuses everything for good, so that nothing is sent twice, and keeps what was sent.
struct Recorder(MockServer);

impl Recorder {
    async fn start() -> Self {
        let server = MockServer::start().await;
        let refusal = json!({"error": {
            "message": "recorded", "type": "invalid_request_error", "param": null, "code": null,
        }});
        Mock::given(any()).respond_with(ResponseTemplate::new(400).set_body_json(refusal)).mount(&server).await;
        Self(server)
    }

    fn client(&self, api: Api, image_transfer: Transfer) -> OpenAi {
        OpenAi::build(Config {
            base_url: format!("{}/v1", self.0.uri()).parse().unwrap(),
            key: Key::NotNeeded,
            organization: None,
            project: None,
            headers: Vec::new(),
            query: Vec::new(),
            api,
            max_retries: 0,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout_text: Duration::from_secs(5),
            first_byte_timeout_image: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(5),
            requests_per_minute: None,
            images_per_minute: None,
            image_transfer,
            max_response_bytes: 1024 * 1024,
        })
    }

    /// The paths and JSON bodies that came since the last look.
    async fn taken(&self) -> Vec<(String, Value)> {
        let requests = self.0.received_requests().await.unwrap();
        self.0.reset().await;
        requests.iter().map(|request| (request.url.path().to_owned(), request.body_json().unwrap())).collect()
    }
}

fn terms() -> Terms {
    Terms { deadline: Instant::now() + Duration::from_secs(10), news: News::unheard() }
}

/// The least and the most that can be asked.
fn questions() -> [Question; 2] {
    let least = Question {
        model: ModelId::parse("gpt-6.2-sol").unwrap(),
        input: "How are you?".to_owned(),
        instructions: None,
        temperature: None,
        max_tokens: None,
        reasoning_effort: None,
        verbosity: None,
    };
    let most = Question {
        instructions: Some("Be short.".to_owned()),
        temperature: Some(0.5),
        max_tokens: NonZeroU32::new(300),
        reasoning_effort: Some("xhigh".to_owned()),
        verbosity: Some("low".to_owned()),
        ..least.clone()
    };
    [least, most]
}

/// The least and the most that can be ordered.
fn pictures() -> [PictureRequest; 2] {
    let least = PictureRequest {
        model: ModelId::parse("gpt-image-2.6-flare").unwrap(),
        prompt: "a cat".to_owned(),
        size: None,
        quality: None,
        background: None,
        output_format: None,
        output_compression: None,
        moderation: None,
    };
    let most = PictureRequest {
        size: Some("1536x864".to_owned()),
        quality: Some("xhigh".to_owned()),
        background: Some("transparent".to_owned()),
        output_format: Some(Format::Webp),
        output_compression: Some(80),
        moderation: Some("low".to_owned()),
        ..least.clone()
    };
    [least, most]
}

#[tokio::test]
async fn questions_are_what_openai_takes() {
    let oracle = Oracle::load();
    for (api, path, schema) in [
        (Api::Responses, "/v1/responses", "CreateResponse"),
        (Api::Auto, "/v1/responses", "CreateResponse"),
        (Api::Chat, "/v1/chat/completions", "CreateChatCompletionRequest"),
    ] {
        for question in questions() {
            let recorder = Recorder::start().await;
            let refused = recorder.client(api, Transfer::Whole).ask(&question, &terms()).await;
            assert!(refused.is_err(), "the recorder answers nothing");
            let sent = recorder.taken().await;
            assert!(!sent.is_empty());
            for (at, body) in sent {
                assert_eq!(at, path);
                oracle.accept(schema, &body);
                assert_eq!(body["model"], "gpt-6.2-sol");
            }
        }
    }
}

#[tokio::test]
async fn orders_of_pictures_are_what_openai_takes() {
    let oracle = Oracle::load();
    for transfer in [Transfer::Whole, Transfer::Streamed] {
        for request in pictures() {
            let recorder = Recorder::start().await;
            let refused = recorder.client(Api::Auto, transfer).paint(&request, &terms()).await;
            assert!(refused.is_err(), "the recorder answers nothing");
            let sent = recorder.taken().await;
            assert_eq!(sent.len(), 1, "a picture is ordered once");
            for (at, body) in sent {
                assert_eq!(at, "/v1/images/generations");
                oracle.accept("CreateImageRequest", &body);
                assert_eq!(body["prompt"], "a cat");
            }
        }
    }
}
