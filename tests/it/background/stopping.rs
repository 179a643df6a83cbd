//! What is stopped upstream when nobody waits for it any more, and what is not.

use mcp_openai::{
    handle::Owner,
    openai::{ApiKeySource, Background, Config, OpenAi, Question, ResponseHold, Run, Terms},
};

use super::*;
use crate::{
    openai::{config, question, terms},
    upstream::{Upstream, json as body},
};

/// Asks, and drops the question once this many events were said; what the upstream was asked for until all is quiet.
async fn dropped_after(number: usize, drop_it: impl FnOnce(&ResponseHold)) -> Vec<String> {
    let upstream = Upstream::start([open(&events()[..number]).stall(), body("{}")]).await;
    let client = OpenAi::build(Config { background: Background::Always, ..config(&upstream) });
    let hold = ResponseHold::shared();
    let terms = Terms { hold: hold.clone(), ..terms() };
    let question = Question { run: Run::Background, ..question("Why?") };
    {
        let asking = client.ask(&question, &terms);
        tokio::pin!(asking);
        tokio::select! {
            _ = &mut asking => unreachable!("it stalls"),
            () = hold.noted() => drop_it(&hold),
        }
    }
    client.settled().await;
    upstream.lines()
}

#[tokio::test]
async fn c05_a_question_that_is_dropped_is_stopped_upstream() {
    for events in [1, 2, 5] {
        let lines = dropped_after(events, |_| {}).await;
        assert_eq!(lines, ["POST /v1/responses", "POST /v1/responses/resp_1/cancel"]);
    }
}

#[tokio::test]
async fn a_callers_question_is_stopped_also_where_its_key_is_gone_by_then() {
    let upstream = Upstream::start([open(&events()[..2]).stall(), body("{}")]).await;
    let key = ApiKeySource::Value { secret: "sk-of-ada-0123".into(), from: "callers.ada".to_owned() };
    let client = OpenAi::build(Config { callers: [("ada".to_owned(), key)].into(), ..config(&upstream) });
    let hold = ResponseHold::shared();
    let terms = Terms { hold: hold.clone(), ..terms() };
    let question = Question { run: Run::Background, ..question("Why?") };
    let ada = client.of(&Owner::caller("ada"));
    tokio::select! {
        _ = ada.ask(&question, &terms) => unreachable!("it stalls"),
        () = hold.noted() => {}
    }
    client.change_callers(std::collections::BTreeMap::new());
    client.settled().await;
    assert_eq!(upstream.lines(), ["POST /v1/responses", "POST /v1/responses/resp_1/cancel"]);
    assert_eq!(upstream.sent()[1].header("authorization"), Some("Bearer sk-of-ada-0123"));
}

#[tokio::test]
async fn one_that_was_released_to_another_process_goes_on() {
    assert_eq!(dropped_after(5, ResponseHold::release).await, ["POST /v1/responses"]);
}

#[tokio::test]
async fn one_that_was_stopped_elsewhere_is_not_stopped_again() {
    let response = json!({"id": "resp_1", "status": "cancelled", "background": true});
    let last = json!({"type": "response.cancelled", "sequence_number": 5, "response": response});
    let upstream = Upstream::start([open(&events()[..5]).send(upstream::event(&last.to_string())).close()]).await;
    let client = OpenAi::build(Config { background: Background::Always, ..config(&upstream) });
    client.ask(&Question { run: Run::Background, ..question("Why?") }, &terms()).await.unwrap();
    client.settled().await;
    assert_eq!(upstream.lines(), ["POST /v1/responses"]);
}

/// As the real binary, from a terminal.
#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_stops_the_answer_upstream() {
    use tokio::io::AsyncReadExt;
    let upstream = Upstream::start([open(&events()[..5]).stall(), body("{}")]).await;
    let mut command = crate::cli::mcp_openai(&["ask", "Why?"]);
    command.env("OPENAI_BASE_URL", upstream.base_url().as_str()).env("MCP_OPENAI_BACKGROUND", "always");
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut asking = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    asking.stdout.as_mut().unwrap().read_u8().await.unwrap();
    let process = asking.id().unwrap().to_string();
    assert!(tokio::process::Command::new("kill").args(["-INT", &process]).status().await.unwrap().success());
    assert_eq!(asking.wait().await.unwrap().code(), Some(130));
    assert_eq!(upstream.lines(), ["POST /v1/responses", "POST /v1/responses/resp_1/cancel"]);
}
