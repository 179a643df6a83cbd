//! Prompts and completions, as a client asks for them.

use std::{path::Path, sync::Arc};

use mcp_openai::{
    artifact::Artifacts,
    catalogue::{self, Catalogue, ModelSource},
    server::{Parts, profile::Patience},
};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::{
    fakes::{bench, bench_of, parts},
    painting::png,
    peer::{Peer, modern},
    resources::{origin, server},
};

const REVISION: &str = "2025-11-25";

async fn peer() -> Peer {
    Peer::initialized(bench().server, REVISION).await
}

fn brief(arguments: Value) -> Value {
    json!({"name": "image-brief", "arguments": arguments})
}

#[tokio::test]
async fn a_brief_with_everything_becomes_one_message() {
    let arguments = json!({
        "subject": "a red fox in fresh snow ", "style": "linocut", "model": "gpt-image-2.6-flare", "size": "1536x1024",
        "quality": "high",
    });
    let answer = peer().await.ask("prompts/get", brief(arguments)).await;
    insta::assert_json_snapshot!(answer["result"]);
}

#[tokio::test]
async fn what_is_left_empty_is_not_spoken_of() {
    let mut peer = peer().await;
    let bare = peer.ask("prompts/get", brief(json!({"subject": "a fox"}))).await;
    let empty = peer.ask("prompts/get", brief(json!({"subject": "a fox", "style": " ", "size": ""}))).await;
    assert_eq!(bare["result"], empty["result"]);
    let text = bare["result"]["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(!text.contains("Style") && !text.contains("`size`"), "{text}");
}

#[tokio::test]
async fn an_empty_cursor_and_arguments_that_are_null_or_injected_are_none() {
    let mut peer = peer().await;
    for list in ["tools", "resources", "resources/templates", "prompts"] {
        let listed = peer.ask(&format!("{list}/list"), json!({"cursor": ""})).await;
        assert!(listed["error"].is_null(), "{list}: {listed}");
        let unknown = peer.ask(&format!("{list}/list"), json!({"cursor": "x"})).await;
        assert_eq!(unknown["error"]["code"], -32602, "{list}");
    }
    let bare = peer.ask("prompts/get", brief(json!({"subject": "a fox"}))).await;
    let given = json!({"subject": "a fox", "model": null, "wait_for_previous": true});
    assert_eq!(peer.ask("prompts/get", brief(given)).await["result"], bare["result"]);
    let listed = |models: &str| json!({"name": "compare-models", "arguments": {"question": "Why?", "models": models}});
    let [plain, json] =
        [peer.ask("prompts/get", listed("a, b")).await, peer.ask("prompts/get", listed("[\"a\", \"b\"]")).await];
    assert_eq!(plain["result"], json["result"]);
}

#[tokio::test]
async fn a_prompt_that_cannot_be_given_says_what_would_be_right() {
    let mut peer = peer().await;
    let mut complaints = Vec::new();
    for params in [
        json!({"name": "image-breif"}),
        json!({"name": "image-brief"}),
        brief(json!({"subject": "  \u{200b}"})),
        brief(json!({"subject": 7})),
        brief(json!({"subject": "x".repeat(32_001)})),
        brief(json!({"subject": "a fox", "colour": "red"})),
        json!({"name": "image-brief", "arguments": "a fox"}),
        json!({}),
    ] {
        let answer = peer.ask("prompts/get", params).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        complaints.push(answer["error"]["message"].as_str().unwrap().to_owned());
    }
    insta::assert_snapshot!(complaints.join("\n"));
}

#[tokio::test]
async fn i06_a_brief_carries_no_hidden_characters() {
    let answer = peer().await.ask("prompts/get", brief(json!({"subject": "a\u{1b}[31m \u{202e}fox\u{e0041}"}))).await;
    let text = answer["result"]["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(text.starts_with("Make me a picture. What it shows: a[31m fox\n"), "{text}");
}

#[tokio::test]
async fn prompts_that_ask_become_messages_that_ask_well() {
    let mut peer = peer().await;
    let mut messages = Vec::new();
    for (name, arguments) in [
        ("second-opinion", json!({"question": "Is this lock fair?"})),
        ("second-opinion", json!({"question": "Is it fair?", "context": "a queue of tickets", "model": "strong"})),
        ("compare-models", json!({"question": "Name a prime above 90."})),
        ("compare-models", json!({"question": "Name a prime.", "models": "gpt-6.2-sol, cheap,,"})),
    ] {
        let answer = peer.ask("prompts/get", json!({"name": name, "arguments": arguments})).await;
        messages.push(answer["result"]["messages"][0]["content"]["text"].as_str().unwrap().to_owned());
    }
    insta::assert_snapshot!(messages.join("\n---\n"));
}

#[tokio::test]
async fn without_roles_models_are_chosen_from_those_there_are() {
    let config = catalogue::Config { at: ModelSource::Elsewhere, ..catalogue::Config::default() };
    let elsewhere = Arc::new(Catalogue::build(config).unwrap());
    let parts = parts(Path::new("/nonexistent"), &TaskTracker::new(), Patience::ToTheEnd);
    let server = bench_of(Parts { catalogue: elsewhere, ..parts }).server;
    let mut peer = Peer::initialized(server, REVISION).await;
    let asked = json!({"name": "compare-models", "arguments": {"question": "Why?"}});
    let text = peer.ask("prompts/get", asked).await["result"]["messages"][0]["content"]["text"].take();
    assert!(text.as_str().unwrap().contains("for two models that list-models shows"), "{text}");
}

#[tokio::test]
async fn models_are_completed_by_ids_and_roles_and_lists_of_them_piece_by_piece() {
    let mut peer = peer().await;
    let mut of = async |prompt: &str, argument: &str, value: &str| {
        let argument = json!({"name": argument, "value": value});
        proposed(&mut peer, json!({"ref": {"type": "ref/prompt", "name": prompt}, "argument": argument})).await
    };
    assert_eq!(of("second-opinion", "model", "").await[0], "gpt-6.2-sol");
    assert_eq!(of("second-opinion", "model", "str").await, ["strong"]);
    assert_eq!(of("second-opinion", "question", "Is").await, [""; 0]);
    assert_eq!(of("compare-models", "question", "").await, [""; 0]);
    assert_eq!(of("compare-models", "models", "gpt-6.2").await, ["gpt-6.2-sol", "gpt-6.2-astra"]);
    assert_eq!(of("compare-models", "models", "gpt-6.2-sol, gpt-6.2").await, ["gpt-6.2-sol, gpt-6.2-astra"]);
    assert_eq!(of("compare-models", "models", "strong,c").await, ["strong,cheap"]);
    let third = of("compare-models", "models", "strong,cheap, ").await;
    assert_eq!(third[0], "strong,cheap, gpt-6.2-sol");
    assert!(!third.contains(&"strong,cheap, cheap".to_owned()), "{third:?}");
}

#[tokio::test]
async fn the_list_of_prompts_may_be_held_where_the_revision_knows_it() {
    let mut peer = peer().await;
    assert_eq!(peer.ask("prompts/list", json!({})).await["result"]["ttlMs"], Value::Null);
    let listed = peer.ask("prompts/list", modern(json!({}))).await;
    assert_eq!(listed["result"]["cacheScope"], "public");
    let cursor = peer.ask("prompts/list", json!({"cursor": "x"})).await;
    assert_eq!(cursor["error"]["code"], -32602);
}

fn of_brief(argument: &str, value: &str) -> Value {
    json!({"ref": {"type": "ref/prompt", "name": "image-brief"}, "argument": {"name": argument, "value": value}})
}

fn of_template(value: &str) -> Value {
    json!({"ref": {"type": "ref/resource", "uri": "image://{id}"}, "argument": {"name": "id", "value": value}})
}

async fn proposed(peer: &mut Peer, params: Value) -> Vec<String> {
    let completion = peer.ask("completion/complete", params).await["result"]["completion"].take();
    let values: Vec<String> = serde_json::from_value(completion["values"].clone()).unwrap();
    assert_eq!((&completion["total"], &completion["hasMore"]), (&json!(values.len()), &json!(false)));
    values
}

#[tokio::test]
async fn arguments_are_completed_from_the_catalogue_and_no_retired_model_is_proposed() {
    let mut peer = peer().await;
    let mut completions = Vec::new();
    for (argument, value) in [
        ("subject", ""),
        ("style", "lino"),
        ("model", ""),
        ("model", "gpt-image-2.6-s"),
        ("model", "dall-e"),
        ("size", ""),
        ("size", "15"),
        ("quality", ""),
        ("quality", "h"),
    ] {
        completions.push((argument, value, proposed(&mut peer, of_brief(argument, value)).await));
    }
    insta::assert_json_snapshot!(completions);
}

#[tokio::test]
async fn the_model_given_before_decides_on_sizes_and_qualities() {
    let mut peer = peer().await;
    let with = |argument: &str, model: &str| {
        let mut params = of_brief(argument, "");
        params["context"] = json!({"arguments": {"model": model}});
        params
    };
    assert_eq!(proposed(&mut peer, with("quality", "gpt-image-2")).await, ["low", "medium", "high", "auto"]);
    let sizes = proposed(&mut peer, with("size", "gpt-image-1.5")).await;
    assert_eq!(sizes, ["auto", "1024x1024", "1536x1024", "1024x1536"]);
    // A model of text has neither, and one that is not in the catalogue may have any.
    assert!(proposed(&mut peer, with("quality", "gpt-6.2-sol")).await.is_empty());
    assert_eq!(proposed(&mut peer, with("size", "somebody-elses")).await, ["auto"]);
}

#[tokio::test]
async fn ids_are_completed_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let (server, artifacts) = server(dir.path());
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.insert(0, keep(&artifacts).await);
    }
    let mut peer = Peer::initialized(server, REVISION).await;
    assert_eq!(proposed(&mut peer, of_template("")).await, kept);
    assert_eq!(proposed(&mut peer, of_template(&kept[1])).await, kept[1..2]);
    assert!(proposed(&mut peer, of_template("../")).await.is_empty());
}

async fn keep(artifacts: &Artifacts) -> String {
    artifacts.keep(&png(2, 2), None, origin("a fox")).await.unwrap().id.to_string()
}

#[tokio::test]
async fn beyond_a_hundred_there_are_more() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = server(dir.path());
    for second in 10..60 {
        for letter in ["a", "b", "c"] {
            std::fs::write(dir.path().join(format!("20261122-1000{second}-00k3x9-{letter}.png")), b"").unwrap();
        }
    }
    let mut peer = Peer::initialized(server, REVISION).await;
    let completion = peer.ask("completion/complete", of_template("2026")).await["result"]["completion"].take();
    assert_eq!(completion["values"].as_array().unwrap().len(), 100);
    assert_eq!(completion["values"][0], "20261122-100059-00k3x9-c.png");
    assert_eq!((&completion["total"], &completion["hasMore"]), (&json!(150), &json!(true)));
}

#[tokio::test]
async fn what_cannot_be_completed_says_what_can() {
    let mut peer = peer().await;
    let mut complaints = Vec::new();
    let of = |r#ref: Value, name: &str| json!({"ref": r#ref, "argument": {"name": name, "value": ""}});
    for params in [
        of_brief("colour", "r"),
        of(json!({"type": "ref/resource", "uri": "image://{id}"}), "name"),
        of(json!({"type": "ref/resource", "uri": "file:///{path}"}), "path"),
        of(json!({"type": "ref/tool", "name": "create-image"}), "size"),
        json!({}),
    ] {
        let answer = peer.ask("completion/complete", params).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        complaints.push(answer["error"]["message"].as_str().unwrap().to_owned());
    }
    insta::assert_snapshot!(complaints.join("\n"));
    // Clients and suites ask ahead of knowing: a prompt that is not there has nothing to propose.
    let unknown = of(json!({"type": "ref/prompt", "name": "test_prompt_with_arguments"}), "arg1");
    assert!(proposed(&mut peer, unknown).await.is_empty());
}
