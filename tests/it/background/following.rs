//! One answer over many connections: byte for byte, told once, paid for once.

use std::time::Duration;

use mcp_openai::openai::{
    Api, Background, Config, Error, Finish, OpenAi, Question, ResponseHold, ResponseNote, ResponseStorage, Run, Terms,
};
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::{
    openai::{Asked, Told, ask, config, question, terms},
    upstream::{Upstream, events as stream, json as body},
};

fn background() -> Question {
    Question { run: Run::Background, ..question("Why?") }
}

fn client(upstream: &Upstream) -> OpenAi {
    OpenAi::build(Config { background: Background::Always, ..config(upstream) })
}

fn assert_whole((asked, told): (Asked, Told)) {
    let reply = asked.unwrap();
    let (answer, usage) = (reply.value, reply.meta.metered.usage.unwrap());
    assert_eq!((answer.text.as_str(), told.text.as_str(), answer.finish), (TEXT, TEXT, Finish::Stop));
    assert_eq!((answer.model.as_str(), usage.output_tokens), ("a-model-1", 7));
}

#[tokio::test]
async fn what_is_sent_can_be_read_again() {
    let upstream = Upstream::start([open(&events()).close()]).await;
    assert_whole(ask(&client(&upstream), &background()).await);
    let sent = upstream.sent()[0].json();
    assert_eq!((&sent["background"], &sent["store"], &sent["stream"]), (&json!(true), &json!(true), &json!(true)));
    assert_eq!(upstream.lines(), ["POST /v1/responses"]);
}

#[tokio::test]
async fn a_stream_that_is_cut_after_any_event_is_gone_on_with() {
    let events = events();
    for taken in 1..events.len() {
        for replayed in [taken, 0] {
            let (first, rest) = (open(&events[..taken]).close(), open(&events[replayed..]).close());
            let upstream = Upstream::start([first, rest]).await;
            let (asked, told) = ask(&client(&upstream), &background()).await;
            assert_eq!(asked.as_ref().unwrap().meta.attempts, 2);
            assert_whole((asked, told));
            let resumed = format!("GET /v1/responses/resp_1?stream=true&starting_after={}", taken - 1);
            assert_eq!(upstream.lines(), ["POST /v1/responses", &resumed]);
        }
    }
}

#[tokio::test]
async fn a_connection_may_be_lost_in_every_way_and_every_time() {
    let events = events();
    let (last, others) = events.split_last().unwrap();
    let one = |event: &String| open(std::slice::from_ref(event));
    let mut scripts: Vec<_> = others
        .iter()
        .enumerate()
        .map(|(number, event)| if number % 2 == 0 { one(event).close() } else { one(event).stall() })
        .collect();
    // Nothing that was said before a reset need have arrived.
    scripts.extend([open(&[]).reset(), refused(503), one(last).close()]);
    let upstream = Upstream::start(scripts).await;
    let config = Config { idle_timeout: Duration::from_millis(50), ..config(&upstream) };
    assert_whole(ask(&OpenAi::build(config), &background()).await);
    let lines = upstream.lines();
    assert_eq!(lines.iter().filter(|line| line.starts_with("POST")).count(), 1, "{lines:?}");
    assert_eq!(lines.len(), events.len() + 2, "{lines:?}");
}

#[tokio::test]
async fn attempts_before_its_stream_count_in_its_bill_and_teach() {
    let headers = [("content-type", "application/json"), ("retry-after-ms", "1")];
    let refusal = json!({"error": {"code": "unknown_parameter", "param": "service_tier", "message": "no"}});
    let billed = json!({"error": {"message": "late"}, "usage": {"input_tokens": 10, "output_tokens": 20}});
    let failed = [answer(400, &headers, refusal.to_string()), answer(500, &headers, billed.to_string())];
    let upstream = Upstream::start(failed.into_iter().chain([open(&events()).close()])).await;
    let config = Config { service_tier: Some("flex".to_owned()), ..config(&upstream) };
    let meta = ask(&OpenAi::build(config), &background()).await.0.unwrap().meta;
    assert_eq!((meta.attempts, meta.refused), (3, vec!["service_tier".to_owned()]));
    assert_eq!(meta.metered.usage.unwrap().output_tokens, 27);
}

/// As upstreams do that do not number their events.
#[tokio::test]
async fn without_numbers_it_is_read_from_its_beginning_and_told_once() {
    let unnumbered: Vec<_> = events().iter().map(|event| event.replace("sequence_number", "n")).collect();
    let upstream = Upstream::start([open(&unnumbered[..5]).close(), open(&unnumbered).close()]).await;
    assert_whole(ask(&client(&upstream), &background()).await);
    assert_eq!(upstream.lines()[1], "GET /v1/responses/resp_1?stream=true");
}

#[tokio::test]
async fn where_it_cannot_be_streamed_again_it_is_looked_at() {
    for status in [400, 404, 405] {
        let working = body(json!({"id": "resp_1", "status": "in_progress", "output": []}).to_string());
        let done = body(finished().to_string());
        let upstream = Upstream::start([open(&events()[..5]).close(), refused(status), working, done]).await;
        let start = Instant::now();
        assert_whole(ask(&client(&upstream), &background()).await);
        assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
        let look = "GET /v1/responses/resp_1";
        assert_eq!(upstream.lines()[2..], [look, look]);
    }
}

#[tokio::test]
async fn one_that_is_answered_unfinished_and_in_one_piece_is_looked_at() {
    let queued = body(json!({"id": "resp_1", "status": "queued", "output": []}).to_string());
    let upstream = Upstream::start([queued, body(finished().to_string())]).await;
    assert_whole(ask(&client(&upstream), &background()).await);
    assert_eq!(upstream.lines(), ["POST /v1/responses", "GET /v1/responses/resp_1"]);
}

#[tokio::test]
async fn what_the_upstream_lost_is_as_much_as_had_come() {
    let upstream = Upstream::start([open(&events()[..5]).close(), refused(404)]).await;
    let answer = ask(&client(&upstream), &background()).await.0.unwrap().value;
    assert_eq!(answer.text, "Blue light ");
    assert!(matches!(answer.finish, Finish::CutOff(why) if why.contains("no longer knows the response")));
    assert!(upstream.lines().iter().all(|line| !line.contains("cancel")), "there is nothing to stop");
}

/// As servers do that send a text whole, without deltas.
#[tokio::test]
async fn what_came_whole_is_kept_where_the_rest_is_lost() {
    let item = json!({"type": "message", "content": [{"type": "output_text", "text": "Blue light."}]});
    let done = json!({"type": "response.output_item.done", "sequence_number": 3, "item": item}).to_string();
    let upstream = Upstream::start([open(&events()[..3]).send(upstream::event(&done)).close(), forgotten()]).await;
    let answer = ask(&client(&upstream), &background()).await.0.unwrap().value;
    assert_eq!(answer.text, "Blue light.");
    assert!(matches!(answer.finish, Finish::CutOff(why) if why.contains("no longer knows the response")));
}

#[tokio::test]
async fn it_is_waited_for_until_the_deadline_and_no_longer() {
    let upstream = Upstream::start([open(&events()[..5]).close(), refused(503)]).await;
    let client = OpenAi::build(Config { max_retries: 0, ..config(&upstream) });
    let terms = Terms { deadline: (Instant::now() + Duration::from_millis(800)).into(), ..terms() };
    let answer = client.ask(&background(), &terms).await.unwrap().value;
    assert_eq!(answer.text, "Blue light ");
    assert!(matches!(answer.finish, Finish::CutOff(why) if why.contains("deadline")));
}

#[tokio::test]
async fn an_answer_that_failed_is_told_as_failed() {
    let failed = json!({"type": "response.failed", "sequence_number": 5, "response": {
        "id": "resp_1", "status": "failed", "error": {"code": "server_error", "message": "It broke."}
    }});
    let upstream = Upstream::start([open(&events()[..3]).send(upstream::event(&failed.to_string())).close()]).await;
    let failure = ask(&client(&upstream), &background()).await.0.unwrap_err();
    assert!(matches!(failure.error, Error::Overloaded { .. }), "{failure}");
    let asked = ["POST /v1/responses"; 3];
    assert_eq!(upstream.lines(), asked, "as its status would be; each has ended, so that nothing is stopped");
}

#[tokio::test]
async fn an_upstream_without_a_background_is_asked_once_more_without_and_remembered() {
    for refusal in [
        json!({"code": "unknown_parameter", "param": "background", "message": "Unknown parameter: 'background'."}),
        json!({"code": "unsupported_parameter", "param": "background", "message": "Not with this model."}),
    ] {
        let refusal = answer(400, &[("content-type", "application/json")], json!({"error": refusal}).to_string());
        let upstream = Upstream::start([refusal, body(finished().to_string())]).await;
        let client = client(&upstream);
        assert_eq!(client.run_for(&question("Hi")), Run::Background);
        let (asked, told) = ask(&client, &background()).await;
        assert_eq!(asked.as_ref().unwrap().value.left_out, [""; 0], "nobody asked for it");
        assert_whole((asked, told));
        assert_eq!(upstream.sent()[1].json().get("background"), None);
        assert_eq!(client.run_for(&question("Hi")), Run::Attached);
    }
}

#[tokio::test]
async fn an_upstream_that_answers_plainly_is_remembered_too() {
    let upstream = Upstream::start([body(finished().to_string())]).await;
    let asked = client(&upstream);
    assert_whole(ask(&asked, &background()).await);
    assert_eq!(asked.run_for(&question("Hi")), Run::Attached);

    let plain: Vec<_> =
        events().iter().map(|event| event.replace("\"background\":true", "\"background\":false")).collect();
    let upstream = Upstream::start([open(&plain[..5]).close()]).await;
    let client = client(&upstream);
    let answer = ask(&client, &background()).await.0.unwrap().value;
    assert!(matches!(answer.finish, Finish::CutOff(_)), "what is not in the background cannot be gone on with");
    assert_eq!((client.run_for(&question("Hi")), upstream.lines().len()), (Run::Attached, 1));
}

#[tokio::test]
async fn what_another_process_began_is_read_from_its_beginning() {
    let upstream = Upstream::start([stream(&[]), open(&events()).close()]).await;
    let note: ResponseNote = serde_json::from_value(
        json!({"response_id": "resp_1", "upstream": "", "model": "a-model", "left_out": ["temperature"]}),
    )
    .unwrap();
    let reply = client(&upstream).resume(&note, &terms()).await.unwrap();
    assert_eq!((reply.value.text.as_str(), &reply.value.left_out[..]), (TEXT, &["temperature".to_owned()][..]));
    assert_eq!(upstream.lines(), ["GET /v1/responses/resp_1?stream=true"; 2]);
}

#[tokio::test]
async fn what_the_upstream_does_not_know_any_more_is_lost() {
    for unknown in [refused(404), forgotten()] {
        let upstream = Upstream::start([unknown]).await;
        let note = ResponseNote {
            response_id: "resp_1".into(),
            upstream: String::new(),
            model: question("").model,
            left_out: Vec::new(),
        };
        let failure = client(&upstream).resume(&note, &terms()).await.unwrap_err();
        assert!(matches!(failure.error, Error::Lost { .. }), "{failure}");
        assert_eq!(failure.meta.attempts, 2);
    }
}

#[test]
fn by_itself_only_what_takes_long_at_openai_is_in_the_background() {
    let at = |url: &str| crate::openai::config_at(url.parse().unwrap());
    let (openai, elsewhere) = (at("https://eu.api.openai.com/v1"), at("https://models.example/v1"));
    let run = |config: Config, effort: Option<&str>| {
        let question = Question { reasoning_effort: effort.map(str::to_owned), ..question("Hi") };
        OpenAi::build(config).run_for(&question)
    };
    let auto = |config: &Config| Config { background: Background::Auto, ..config.clone() };
    for effort in ["high", "xhigh", "max"] {
        assert_eq!(run(auto(&openai), Some(effort)), Run::Background);
        assert_eq!(run(auto(&elsewhere), Some(effort)), Run::Attached);
        assert_eq!(run(openai.clone(), Some(effort)), Run::Attached, "never is never");
    }
    for effort in [None, Some("medium"), Some("none")] {
        assert_eq!(run(auto(&openai), effort), Run::Attached);
    }
    let always = Config { background: Background::Always, ..elsewhere };
    assert_eq!(run(always.clone(), None), Run::Background);
    assert_eq!(run(Config { store: ResponseStorage::Nothing, ..always.clone() }, None), Run::Attached);
    assert_eq!(run(Config { api: Api::Chat, ..always }, None), Run::Attached);
}

#[tokio::test]
async fn it_is_noted_how_to_go_on_with_it_as_soon_as_it_has_a_name() {
    let upstream = Upstream::start([open(&events()[..2]).stall()]).await;
    let hold = ResponseHold::shared();
    assert_eq!(hold.note(), None);
    let terms = Terms { hold: hold.clone(), ..terms() };
    let (client, question) = (client(&upstream), background());
    tokio::select! {
        _ = client.ask(&question, &terms) => unreachable!("it stalls"),
        () = hold.noted() => {}
    }
    assert_eq!(hold.note().unwrap().response_id, "resp_1");
}
