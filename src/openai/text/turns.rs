//! A thread as both APIs for text take it: who said what, by turns. Knows the wire names of neither.

use std::borrow::Cow;

use serde_json::Value;

use crate::openai::{Exchange, Part, Question, transport::json::Writer};

/// The way in which the upstream learns earlier turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HistoryMode {
    /// It continues the last response that it keeps.
    Kept,
    /// It is sent the whole thread, with its own output as it came.
    Replayed,
    /// It is sent the whole thread in words.
    AsText,
}

/// The words of one side.
#[derive(Debug)]
pub(crate) enum TurnPart<'a> {
    User(Vec<&'a Part>),
    Assistant(&'a str),
    /// A piece of output as the upstream gave it.
    Output(&'a Value),
}

/// The turns to send, oldest first; the last is what is asked now. What the user said without an answer in words, as
/// where a picture was made, belongs to what was said next: some servers insist that the two sides alternate.
pub(crate) fn turns(question: &Question, thread: HistoryMode) -> Vec<TurnPart<'_>> {
    let mut turns = Vec::new();
    let mut said = Vec::new();
    for exchange in to_send(question, thread) {
        said.extend(&exchange.said);
        let answer = answer(exchange, thread);
        if !answer.is_empty() {
            turns.push(TurnPart::User(std::mem::take(&mut said)));
            turns.extend(answer);
        }
    }
    said.extend(&question.input);
    turns.push(TurnPart::User(said));
    turns
}

/// The last response that the upstream keeps of this thread, and what was said after it.
pub(crate) fn kept(question: &Question) -> Option<(&str, &[Exchange])> {
    // From the end: the last one stands for all turns before it.
    let (number, id) = question.thread.iter().enumerate().rev().find_map(|(number, exchange)| {
        let id = exchange.response_id.as_deref()?;
        Some((number, id))
    })?;
    Some((id, question.thread.get(number + 1..).unwrap_or_default()))
}

fn to_send(question: &Question, thread: HistoryMode) -> &[Exchange] {
    match (thread, kept(question)) {
        (HistoryMode::Kept, Some((_, later))) => later,
        _ => &question.thread,
    }
}

fn answer(exchange: &Exchange, thread: HistoryMode) -> Vec<TurnPart<'_>> {
    if thread != HistoryMode::AsText && !exchange.items.is_empty() {
        return exchange.items.iter().filter(|item| can_return(item)).map(TurnPart::Output).collect();
    }
    exchange.answer.iter().filter(|answer| !answer.is_empty()).map(|answer| TurnPart::Assistant(answer)).collect()
}

/// Reasoning that is not encrypted is only a name of what the upstream did not keep.
fn can_return(item: &Value) -> bool {
    let field = |name| item.get(name).and_then(Value::as_str);
    field("type") != Some("reasoning") || field("encrypted_content").is_some()
}

/// The parts as one text, where they are nothing else. Every server takes a text; not every one takes parts.
pub(crate) fn as_text<'a>(parts: &[&'a Part]) -> Option<Cow<'a, str>> {
    let texts = parts.iter().map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        Part::Picture(_) | Part::Document { .. } => None,
    });
    let texts = texts.collect::<Option<Vec<_>>>()?;
    match texts.as_slice() {
        [text] => Some(Cow::Borrowed(text)),
        texts => Some(Cow::Owned(texts.join("\n\n"))),
    }
}

/// Writes a message's content: one text, or a list of parts.
pub(crate) fn write_content(json: &mut Writer, parts: Vec<&Part>, write_part: impl Fn(&mut Writer, &Part)) {
    match as_text(&parts) {
        Some(text) => json.value(&text),
        None => json.list(parts, write_part),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::ModelId;

    fn exchange(said: &str, answer: Option<&str>, response_id: Option<&str>, items: &[Value]) -> Exchange {
        Exchange {
            said: vec![Part::Text(said.to_owned())],
            answer: answer.map(str::to_owned),
            response_id: response_id.map(str::to_owned),
            items: items.to_vec(),
        }
    }

    fn question(thread: Vec<Exchange>) -> Question {
        Question { thread, ..Question::new(ModelId::parse("m").unwrap(), "now".to_owned()) }
    }

    /// The turns in one line.
    fn told(question: &Question, thread: HistoryMode) -> String {
        let turns = turns(question, thread).into_iter().map(|turn| match turn {
            TurnPart::User(parts) => format!("user: {}", as_text(&parts).unwrap().replace("\n\n", "+")),
            TurnPart::Assistant(text) => format!("assistant: {text}"),
            TurnPart::Output(item) => format!("output: {}", item["id"]),
        });
        turns.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_thread_goes_on_from_the_last_response_that_is_kept() {
        let thread = vec![
            exchange("a", Some("1"), Some("resp_1"), &[]),
            exchange("b", Some("2"), Some("resp_2"), &[]),
            exchange("draw", None, None, &[]),
            exchange("c", Some("3"), None, &[]),
        ];
        let question = question(thread);
        assert_eq!(kept(&question).map(|(id, later)| (id, later.len())), Some(("resp_2", 2)));
        assert_eq!(told(&question, HistoryMode::Kept), "user: draw+c, assistant: 3, user: now");
        let whole = "user: a, assistant: 1, user: b, assistant: 2, user: draw+c, assistant: 3, user: now";
        assert_eq!(told(&question, HistoryMode::Replayed), whole);
        assert_eq!(told(&question, HistoryMode::AsText), whole);
    }

    #[test]
    fn output_is_sent_again_as_it_came_or_in_words() {
        let items = [
            json!({"id": "rs_0", "type": "reasoning", "summary": []}),
            json!({"id": "rs_1", "type": "reasoning", "encrypted_content": "x"}),
            json!({"id": "msg_1", "type": "message"}),
        ];
        let question = question(vec![exchange("a", Some("1"), None, &items), exchange("b", Some(""), None, &[])]);
        let replayed = "user: a, output: \"rs_1\", output: \"msg_1\", user: b+now";
        assert_eq!(told(&question, HistoryMode::Replayed), replayed);
        assert_eq!(told(&question, HistoryMode::AsText), "user: a, assistant: 1, user: b+now");
    }
}
