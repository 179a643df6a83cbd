//! What is attached to a question: sent from where it lies, again and again if need be.

use std::{io::Write, sync::Arc};

use bytes::Bytes;
use mcp_openai::{
    media::{Content, Dimensions, Format, Reference},
    news::Stage,
    openai::{Api, Config, Error, OpenAi, Part, Question},
};
use serde_json::json;

use super::{ask, client, config, full_question, terms};
use crate::upstream::{Upstream, answer, events};

const RESPONSE: [&str; 2] = [
    r#"{"type":"response.output_text.delta","delta":"Seen."}"#,
    r#"{"type":"response.completed","response":{"status":"completed"}}"#,
];

fn file(bytes: &[u8], length: u64) -> Content {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Content::File { file: Arc::new(file), length }
}

fn asked(pdf: Content) -> Question {
    let picture = Reference {
        name: "cat.png".to_owned(),
        format: Format::Png,
        dimensions: Dimensions { width: 1, height: 1 },
        content: Content::Memory(Bytes::from_static(b"\x89PNG")),
    };
    let document = Part::Document { name: "a \"b\".pdf".to_owned(), media_type: "application/pdf", content: pdf };
    let text = Part::Text("notes.txt:\n\"x\"".to_owned());
    let question = full_question();
    Question { input: [question.input.clone(), vec![text, Part::Picture(picture), document]].concat(), ..question }
}

#[tokio::test]
async fn attachments_go_to_both_apis() {
    let chat = events(&[r#"{"choices":[{"delta":{"content":"Seen."},"finish_reason":"stop"}]}"#, "[DONE]"]);
    for (api, script, name) in [(Api::Responses, events(&RESPONSE), "responses"), (Api::Chat, chat, "chat")] {
        let upstream = Upstream::start([script]).await;
        let client = OpenAi::build(Config { api, ..config(&upstream) });
        let answer = client.ask(&asked(file(b"%PDF-1.7", 8)), &terms()).await.unwrap().value;
        assert_eq!(answer.text, "Seen.");
        let sent = &upstream.sent()[0];
        assert_eq!(sent.header("content-type"), Some("application/json"));
        insta::assert_json_snapshot!(format!("attachments_go_to_{name}"), sent.json());
    }
}

#[tokio::test]
async fn a_large_attachment_is_followed_up_and_sent_again_without_what_was_refused() {
    let refusal = json!({"error": {"message": "no", "code": "unsupported_parameter", "param": "temperature"}});
    let bytes: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
    let upstream = Upstream::start([answer(400, &[], refusal.to_string()), events(&RESPONSE)]).await;
    let (reply, told) = ask(&client(&upstream), &asked(file(&bytes, 3_000_000))).await;
    let reply = reply.unwrap();
    assert_eq!((reply.meta.attempts, reply.value.left_out), (2, vec!["temperature".to_owned()]));
    assert!(told.stages.iter().any(|stage| matches!(stage, Stage::Sending { .. })), "{:?}", told.stages);
    let data_url = format!("data:application/pdf;base64,{}", base64_simd::STANDARD.encode_to_string(&bytes));
    for sent in upstream.sent() {
        assert!(sent.json()["input"][0]["content"][3]["file_data"] == data_url);
    }
    assert_eq!(upstream.sent()[1].json().get("temperature"), None);
}

#[tokio::test]
async fn an_attachment_that_became_shorter_is_named() {
    let upstream = Upstream::start([events(&RESPONSE)]).await;
    let failure = client(&upstream).ask(&asked(file(b"%PDF", 10)), &terms()).await.unwrap_err();
    let Error::BadReference { message } = failure.error else { panic!("{failure}") };
    assert_eq!(message, "a \"b\".pdf could not be read while it was being sent (it became shorter)");
    assert_eq!(failure.meta.attempts, 1);
}
