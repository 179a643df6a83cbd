//! Streams of calls: each is of the replica that runs the call.

use super::*;
use crate::http::Answer;

async fn resumed(site: &Site, session: &str, last: &str) -> Answer {
    let headers = format!("Accept: text/event-stream\r\nLast-Event-ID: {last}\r\nConnection: close\r\n{session}");
    site.raw(&format!("GET /mcp HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", site.address)).await
}

#[tokio::test]
async fn a_stream_that_is_resumed_at_another_replica_gives_no_other_calls_answer() {
    let test = "a_stream_that_is_resumed_at_another_replica_gives_no_other_calls_answer";
    let Some(cluster) = shared(test) else { return };
    let replicas = Replicas::on(cluster);
    let (first, second) = (replicas.another().await, replicas.another().await);
    let session = first.session().await;
    let echo = |text: &str| json!({"name": "echo", "arguments": {"text": text}});
    // Streams are counted from the same number on at both.
    second.post(&session, &message(88, "tools/call", echo("of the second"))).await;
    second.post(&session, &message(89, "tools/call", echo("of the second"))).await;
    let answered = first.post(&session, &message(99, "tools/call", echo("of the first"))).await;
    let begin = answered.body.lines().find_map(|line| line.strip_prefix("id: ")).expect(&answered.body);

    let elsewhere = resumed(&second, &session, begin).await;
    assert!(elsewhere.status == 200 && !elsewhere.body.contains("result"), "{}", elsewhere.body);
    let here = resumed(&first, &session, begin).await;
    assert_eq!(here.last_event()["id"], 99, "{}", here.body);
}
