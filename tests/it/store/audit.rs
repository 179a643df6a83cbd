//! Calls of callers that failed or cost nothing.

use std::slice;

use chrono::{DateTime, Utc};
use mcp_openai::{
    handle::{Id, IdMint},
    store::{
        audit::{AuditedCall, CallKind, CallRun, MOST_OF_CALLER},
        callers::CallerName,
    },
};

use super::Engine;

/// As it is read back, without the secret of its id.
fn line(id: Id, caller: &str, calls: u64) -> CallRun {
    let at = DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap();
    let call = AuditedCall {
        caller: caller.into(),
        client: "test".into(),
        tool: "ask-openai".into(),
        model: Some("m".into()),
        kind: CallKind::Failed,
        outcome: "over_budget".into(),
        request_id: None,
    };
    CallRun { id: Id { secret: 0, ..id }, at, last_at: at, calls, call }
}

pub async fn a_line_of_calls_that_failed_is_replaced_by_one_of_more(engine: &impl Engine) {
    let (store, id) = (engine.open(), IdMint::default().mint());
    assert_eq!(store.audit.calls_after(CallKind::Failed, None, 10).await.unwrap(), []);
    let first = line(id, "alice", 1);
    let call = AuditedCall { model: None, request_id: Some("req_1".into()), ..first.call.clone() };
    let more =
        CallRun { calls: 3, call: AuditedCall { model: first.call.model.clone(), ..call }, ..line(id, "alice", 3) };
    let more = CallRun { at: first.at, ..more };
    for (written, kept) in [(&first, &first), (&more, &more), (&first, &more)] {
        store.audit.keep_calls(vec![written.clone()]).await.unwrap();
        assert_eq!(store.audit.calls_after(CallKind::Failed, None, 10).await.unwrap(), slice::from_ref(kept));
    }
}

pub async fn calls_that_failed_are_read_in_pages_and_by_caller(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let callers = ["alice", "bob", "alice", "bob", "alice", "bob", "alice"];
    let all: Vec<_> = callers.iter().map(|caller| line(mint.mint(), caller, 1)).collect();
    store.audit.keep_calls(all.clone()).await.unwrap();
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let page = store.audit.calls_after(CallKind::Failed, after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        read.extend(page);
    }
    assert_eq!(read, all);
    let newest = async |caller: Option<&str>, most| {
        let caller = caller.map(|caller| CallerName::parse(caller).unwrap());
        store.audit.newest_failed(caller.as_ref(), most).await.unwrap()
    };
    assert_eq!(newest(Some("bob"), 2).await, [all[5].clone(), all[3].clone()]);
    assert_eq!(newest(None, 2).await, [all[6].clone(), all[5].clone()]);
    assert_eq!(newest(Some("carol"), 2).await, []);
}

pub async fn a_caller_that_fails_without_end_loses_its_own_oldest_failures(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let (others, line_of_it) = (line(mint.mint(), "alice", 1), line(mint.mint(), "mallory", 1));
    let call = AuditedCall { kind: CallKind::Answered, outcome: "complete".into(), ..line_of_it.call.clone() };
    let answered = CallRun { call, ..line_of_it };
    store.audit.keep_calls(vec![others.clone(), answered.clone()]).await.unwrap();
    let lines: Vec<_> = (0..MOST_OF_CALLER + 2).map(|_| line(mint.mint(), "mallory", 1)).collect();
    store.audit.keep_calls(lines.clone()).await.unwrap();
    let kept = store.audit.calls_after(CallKind::Failed, None, usize::MAX).await.unwrap();
    assert_eq!((&kept[0], &kept[1..]), (&others, &lines[2..]));
    assert_eq!(store.audit.calls_after(CallKind::Answered, None, usize::MAX).await.unwrap(), [answered]);
}
