//! What the client sends: every kind of request, recorded by a server that refuses it.

use std::{num::NonZeroU32, time::Duration};

use mcp_openai::{
    media::{Content, Dimensions, Format, Reference},
    model::ModelId,
    openai::{
        AnswerFormat, Api, ApiKeySource, Background, Config, EditTransfer, Exchange, OpenAi, Part, PictureRequest,
        Question, ResponseStorage, Run, Strict, Terms, Transfer, WebSearch,
    },
};
use serde_json::{Value, json};
use tokio::time::Instant;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

use super::oracle::Oracle;

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
        OpenAi::build(self.config(api, image_transfer))
    }

    fn config(&self, api: Api, image_transfer: Transfer) -> Config {
        Config {
            base_url: format!("{}/v1", self.0.uri()).parse().unwrap(),
            key: ApiKeySource::NotNeeded,
            callers: std::collections::BTreeMap::new(),
            unfilled_key: None,
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
            partial_images: 0,
            edit_transfer: EditTransfer::Auto,
            max_response_bytes: 1024 * 1024,
            store: ResponseStorage::Kept,
            service_tier: None,
            background: Background::Never,
        }
    }

    /// The paths and bodies that came since the last look, forms as the JSON that the schema knows them as.
    async fn taken(&self) -> Vec<(String, Value)> {
        let requests = self.0.received_requests().await.unwrap();
        self.0.reset().await;
        let read = |request: &Request| match request.headers["content-type"].to_str().unwrap().split_once("boundary=") {
            Some((_, boundary)) => form(&request.body, boundary),
            None => request.body_json().unwrap(),
        };
        requests.iter().map(|request| (request.url.path().to_owned(), read(request))).collect()
    }
}

/// A form as JSON: numbers and flags by their names, each file as its text.
fn form(body: &[u8], boundary: &str) -> Value {
    let body = std::str::from_utf8(body).unwrap().strip_suffix(&format!("--{boundary}--\r\n")).unwrap();
    let mut fields = json!({});
    for part in body.split(&format!("--{boundary}\r\n")).skip(1) {
        let (head, value) = part.strip_suffix("\r\n").unwrap().split_once("\r\n\r\n").unwrap();
        let name = head.split('"').nth(1).unwrap();
        match name {
            "image" | "image[]" => {
                assert!(head.contains("filename=") && head.contains("Content-Type: image/"), "{head}");
                let images = fields.as_object_mut().unwrap().entry("image").or_insert(json!([]));
                images.as_array_mut().unwrap().push(json!(value));
            }
            "n" | "output_compression" | "partial_images" | "stream" => {
                fields[name] = serde_json::from_str(value).unwrap();
            }
            _ => fields[name] = json!(value),
        }
    }
    fields
}

fn terms() -> Terms {
    Terms::until(Instant::now() + Duration::from_secs(10))
}

/// The least and the most that can be asked.
fn questions() -> [Question; 3] {
    let least = Question::new(ModelId::parse("gpt-6.2-sol").unwrap(), "How are you?".to_owned());
    let most = Question {
        instructions: Some("Be short.".to_owned()),
        temperature: Some(0.5),
        max_tokens: NonZeroU32::new(300),
        reasoning_effort: Some("xhigh".to_owned()),
        verbosity: Some("low".to_owned()),
        run: Run::Background,
        ..least.clone()
    };
    let in_full = Question {
        input: vec![
            Part::Text("What do you see?".to_owned()),
            Part::Picture(reference("a.png")),
            Part::Document {
                name: "a.pdf".to_owned(),
                media_type: "application/pdf",
                content: Content::Memory("%PDF-1.7".into()),
            },
        ],
        thread: thread(),
        web_search: WebSearch::Allowed,
        schema: json!({"type": "object", "properties": {}, "required": [], "additionalProperties": false})
            .as_object()
            .map(|schema| AnswerFormat { schema: schema.clone(), strict: Strict::Held }),
        ..most.clone()
    };
    [least, most, in_full]
}

/// A response that is kept, one that is not, and a picture that was made.
fn thread() -> Vec<Exchange> {
    let exchange = |said, answer: Option<&str>, response_id: Option<&str>, items: Vec<Value>| Exchange {
        said,
        answer: answer.map(str::to_owned),
        response_id: response_id.map(str::to_owned),
        items,
    };
    let text = |text: &str| vec![Part::Text(text.to_owned())];
    let items = vec![
        json!({"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA", "status": "completed"}),
        json!({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "Two.", "annotations": [], "logprobs": []}]}),
    ];
    vec![
        exchange(text("One?"), Some("One."), Some("resp_1"), Vec::new()),
        exchange(text("Two?"), Some("Two."), None, items),
        exchange(vec![Part::Text("A cat.".to_owned()), Part::Picture(reference("cat.png"))], None, None, Vec::new()),
    ]
}

fn reference(name: &str) -> Reference {
    Reference {
        name: name.to_owned(),
        format: Format::Png,
        dimensions: Dimensions { width: 8, height: 8 },
        content: Content::Memory("bytes".into()),
    }
}

/// The least and the most that can be ordered.
fn pictures() -> [PictureRequest; 2] {
    let least = PictureRequest {
        references: Vec::new(),
        mask: None,
        model: ModelId::parse("gpt-image-2.6-flare").unwrap(),
        prompt: "a cat".to_owned(),
        size: None,
        quality: None,
        background: None,
        output_format: None,
        output_compression: None,
        moderation: None,
        without: Vec::new(),
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
        for (question, store) in
            questions().into_iter().flat_map(|q| [(q.clone(), ResponseStorage::Kept), (q, ResponseStorage::Nothing)])
        {
            let recorder = Recorder::start().await;
            let service_tier = Some("flex".to_owned()).filter(|_| store == ResponseStorage::Nothing);
            let config = Config { store, service_tier, ..recorder.config(api, Transfer::Whole) };
            let refused = OpenAi::build(config).ask(&question, &terms()).await;
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

#[tokio::test]
async fn edits_are_what_openai_takes_both_ways() {
    let oracle = Oracle::load();
    for (edit_transfer, schema) in
        [(EditTransfer::Multipart, "CreateImageEditRequest"), (EditTransfer::Json, "EditImageBodyJsonParam")]
    {
        for (request, partial_images) in pictures().into_iter().zip([0, 3]) {
            let recorder = Recorder::start().await;
            let references = (0..16).map(|number| reference(&format!("{number}.png"))).collect();
            let request = PictureRequest { references, mask: Some(reference("mask.png")), ..request };
            let config = recorder.config(Api::Auto, Transfer::Whole);
            let client = OpenAi::build(Config { edit_transfer, partial_images, ..config });
            assert!(client.paint(&request, &terms()).await.is_err(), "the recorder answers nothing");
            let sent = recorder.taken().await;
            assert_eq!(sent.len(), 1, "an edit is ordered once");
            for (at, body) in sent {
                assert_eq!(at, "/v1/images/edits");
                oracle.accept(schema, &body);
                assert_eq!(body["prompt"], "a cat");
                assert_eq!(body["partial_images"].as_u64().unwrap_or(0), u64::from(partial_images));
            }
        }
    }
}
