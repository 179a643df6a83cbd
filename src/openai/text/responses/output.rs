//! The text and the sources in the output of a response that is whole.

use serde::Deserialize;
use serde_json::Value;

use super::wire::{MessageContent, OutputItem, OutputPart};
use crate::openai::{
    text::{
        answer::{AnswerDraft, is_others},
        citations::OutputPosition,
    },
    transport::wire::Lenient,
};

/// The parts of all messages.
pub(super) fn parts(output: &[Value]) -> impl Iterator<Item = (OutputPosition, OutputPart<'_>)> {
    let items = (0..).zip(output).filter_map(|(number, item)| {
        let OutputItem { kind, role, content } = OutputItem::deserialize(item).ok()?;
        let parts = match content.0? {
            _ if kind.text() == Some("reasoning") || is_others(role.text()) => return None,
            MessageContent::Parts(parts) => parts,
            MessageContent::Whole(text) => {
                vec![Lenient(Some(OutputPart { text: Lenient(Some(text)), ..OutputPart::default() }))]
            }
        };
        Some((number, parts))
    });
    items.flat_map(|(output, parts)| {
        let parts =
            (0..).zip(parts).filter_map(|(content, part): (u64, Lenient<OutputPart<'_>>)| Some((content, part.0?)));
        parts.map(move |(content, part)| (OutputPosition { output, content }, part))
    })
}

/// The whole text of all messages, as [`Responses`](super::Responses) sets them apart.
pub(super) fn said(output: &[Value]) -> String {
    let (mut said, mut message) = (String::new(), None);
    for (place, part) in parts(output).filter(|(_, part)| part.is_said()) {
        let Some(text) = part.text.text().filter(|text| !text.is_empty()) else { continue };
        if message.replace(place.output).is_some_and(|before| before != place.output) && !said.ends_with('\n') {
            said.push_str("\n\n");
        }
        said.push_str(text);
    }
    said
}

/// Takes the sources from the finished output where it has them, in place of those that came on the way.
pub(super) fn cite(output: &[Value], draft: &mut AnswerDraft<'_>) {
    let cited = parts(output).flat_map(|(place, part)| {
        part.annotations.0.into_iter().flatten().filter_map(move |annotation| Some((place, annotation.0?)))
    });
    let cited: Vec<_> = cited.collect();
    if !cited.is_empty() {
        draft.citations.restart();
    }
    for (place, annotation) in cited {
        draft.citations.cite(place, annotation);
    }
}
