//! The response object and its events, from the draft of an answer.

use std::time::Duration;

use serde_json::{Value, json};

use super::{items, kept::Run, script::Script};
use crate::{
    prose::{Citation, Draft, Ending, Kind},
    reply,
    usage::Usage,
};

/// Words for which a response in the background waits for its turn.
const QUEUED_FOR: u32 = 10;

pub(super) struct Answer<'a> {
    /// The response without what comes to be: status, output, usage.
    pub base: Value,
    pub run: Run,
    pub reasoning: Reasoning,
    pub sources: Sources,
    pub draft: &'a Draft,
    pub usage: &'a Usage<'a>,
    pub ids: Ids,
}

/// The part of the reasoning that is given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reasoning {
    Hidden,
    /// `reasoning.encrypted_content`
    Sealed,
}

/// The sources that a search names: `web_search_call.action.sources`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sources {
    Untold,
    Told,
}

/// The names of the answer's items.
#[derive(Debug)]
pub(super) struct Ids {
    reasoning: String,
    search: String,
    message: String,
}

impl Ids {
    pub(super) fn new() -> Self {
        Self { reasoning: reply::id("rs"), search: reply::id("ws"), message: reply::id("msg") }
    }
}

impl Answer<'_> {
    /// The final answer.
    pub(super) fn output(&self) -> Vec<Value> {
        let draft = self.draft;
        let mut output = Vec::new();
        if draft.ending == Ending::Failed {
            return output;
        }
        output.extend((draft.reasoning_tokens > 0).then(|| self.reasoning()));
        output.extend(draft.searched.as_ref().map(|query| self.search("completed", query)));
        let content = || json!([self.part(&draft.text, &self.annotations())]);
        output.extend((!draft.text.is_empty()).then(|| self.message(self.status(), &content())));
        output
    }

    /// The answer as it comes to be.
    pub(super) fn script(&self, word_time: Duration) -> Script {
        let mut script = Script::default();
        let begun = |kind: &str, status: &str| json!({"type": kind, "response": self.snapshot(status, &json!({}))});
        match self.run {
            Run::Attached => script.add(begun("response.created", "in_progress")),
            Run::Background(_) => {
                script.add(begun("response.created", "queued"));
                script.add(begun("response.queued", "queued"));
                script.wait(word_time * QUEUED_FOR);
            }
        }
        script.add(begun("response.in_progress", "in_progress"));
        for (output_index, item) in self.output().iter().enumerate() {
            match item.get("type").and_then(Value::as_str) {
                Some("message") => self.write(&mut script, output_index, word_time),
                Some("web_search_call") => self.look_up(&mut script, output_index, word_time),
                _ => {
                    for kind in ["response.output_item.added", "response.output_item.done"] {
                        script.add(json!({"type": kind, "output_index": output_index, "item": item}));
                    }
                }
            }
        }
        script.add(json!({"type": format!("response.{}", self.status()), "response": self.whole()}));
        script
    }

    /// The response at its end.
    fn whole(&self) -> Value {
        let draft = self.draft;
        let (usage, tools) = (self.usage.of_response(), self.usage.of_tools());
        let ending = match draft.ending {
            Ending::Done => {
                json!({"output": self.output(), "usage": usage, "tool_usage": tools, "completed_at": reply::now()})
            }
            Ending::MaxTokens => {
                let details = json!({"reason": "max_output_tokens"});
                json!({"output": self.output(), "usage": usage, "tool_usage": tools, "incomplete_details": details})
            }
            Ending::Failed => {
                let message = "The sandbox fails as asked: the question contains [failed].";
                json!({"error": {"code": "server_error", "message": message}})
            }
        };
        self.snapshot(self.status(), &ending)
    }

    fn status(&self) -> &'static str {
        match self.draft.ending {
            Ending::Done => "completed",
            Ending::MaxTokens => "incomplete",
            Ending::Failed => "failed",
        }
    }

    /// The response object with the fields that differ from its beginning.
    fn snapshot(&self, status: &str, changed: &Value) -> Value {
        reply::merged(reply::merged(self.base.clone(), &json!({"status": status})), changed)
    }

    fn reasoning(&self) -> Value {
        let item = json!({"id": self.ids.reasoning, "type": "reasoning", "summary": []});
        match self.reasoning {
            Reasoning::Hidden => item,
            Reasoning::Sealed => reply::merged(item, &json!({"encrypted_content": items::seal(&self.ids.reasoning)})),
        }
    }

    fn search(&self, status: &str, query: &str) -> Value {
        let action = json!({"type": "search", "query": query, "queries": [query]});
        let action = match self.sources {
            Sources::Untold => action,
            Sources::Told => {
                let told = |citation: &Citation| json!({"type": "url", "url": citation.url});
                let sources: Vec<Value> = self.draft.citations.iter().map(told).collect();
                reply::merged(action, &json!({"sources": sources}))
            }
        };
        json!({"id": self.ids.search, "type": "web_search_call", "status": status, "action": action})
    }

    fn message(&self, status: &str, content: &Value) -> Value {
        json!({"id": self.ids.message, "type": "message", "role": "assistant", "status": status, "content": content})
    }

    fn part(&self, text: &str, annotations: &[Value]) -> Value {
        match self.draft.kind {
            Kind::Answer => json!({"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}),
            Kind::Refusal => json!({"type": "refusal", "refusal": text}),
        }
    }

    fn annotations(&self) -> Vec<Value> {
        let annotation = |citation: &Citation| {
            json!({
                "type": "url_citation", "title": citation.title, "url": citation.url,
                "start_index": citation.range.start, "end_index": citation.range.end,
            })
        };
        self.draft.citations.iter().map(annotation).collect()
    }

    /// The search before the answer.
    fn look_up(&self, script: &mut Script, output_index: usize, word_time: Duration) {
        let query = self.draft.searched.as_deref().unwrap_or_default();
        let place = json!({"item_id": self.ids.search, "output_index": output_index});
        let item = |status| json!({"output_index": output_index, "item": self.search(status, query)});
        script.add_at(&item("in_progress"), json!({"type": "response.output_item.added"}));
        script.add_at(&place, json!({"type": "response.web_search_call.in_progress"}));
        script.add_at(&place, json!({"type": "response.web_search_call.searching"}));
        script.wait(word_time * QUEUED_FOR);
        script.add_at(&place, json!({"type": "response.web_search_call.completed"}));
        script.add_at(&item("completed"), json!({"type": "response.output_item.done"}));
    }

    /// The message, word by word.
    fn write(&self, script: &mut Script, output_index: usize, word_time: Duration) {
        let text = &self.draft.text;
        let place = json!({"item_id": self.ids.message, "output_index": output_index, "content_index": 0});
        let item = self.message("in_progress", &json!([]));
        script.add(json!({"type": "response.output_item.added", "output_index": output_index, "item": item}));
        script.add_at(&place, json!({"type": "response.content_part.added", "part": self.part("", &[])}));
        for word in self.draft.words() {
            script.wait(word_time);
            script.add_at(
                &place,
                match self.draft.kind {
                    Kind::Answer => json!({"type": "response.output_text.delta", "delta": word, "logprobs": []}),
                    Kind::Refusal => json!({"type": "response.refusal.delta", "delta": word}),
                },
            );
        }
        let annotations = self.annotations();
        for (number, annotation) in annotations.iter().enumerate() {
            let event = json!({"type": "response.output_text.annotation.added", "annotation": annotation});
            script.add_at(&place, reply::merged(event, &json!({"annotation_index": number})));
        }
        script.add_at(
            &place,
            match self.draft.kind {
                Kind::Answer => json!({"type": "response.output_text.done", "text": text, "logprobs": []}),
                Kind::Refusal => json!({"type": "response.refusal.done", "refusal": text}),
            },
        );
        let part = self.part(text, &annotations);
        script.add_at(&place, json!({"type": "response.content_part.done", "part": part}));
        let item = self.message(self.status(), &json!([part]));
        script.add(json!({"type": "response.output_item.done", "output_index": output_index, "item": item}));
    }
}
