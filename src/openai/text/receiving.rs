//! Reads an answer from its body to its end: as events, as one JSON value, or as several.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::Value;

use super::{
    answer::{AnswerDraft, Dialect, Step, unreadable},
    redactor::Redactor,
};
use crate::{
    model::ModelId,
    openai::{
        Answer, Finish, Reply, Terms,
        client::{Answering, Client, Unanswered},
        failure::{complaint::Complaint, error::Error},
        transport::{
            body::BodyKind,
            events::{Events, SentEvent},
            json::several,
        },
    },
    text::{self, CutText},
};

/// Reads an answer that has begun to its end.
pub(crate) async fn receive(
    client: &Client,
    answering: Answering,
    dialect: &mut impl Dialect,
    asked: &ModelId,
    terms: &Terms,
) -> Result<Reply<Answer>, Unanswered> {
    let Answering { mut body, mut trail, key, left_out } = answering;
    let mut draft = AnswerDraft::new(asked, left_out, &terms.news);
    draft.redact_by(Redactor::new(client.secrets(&key)));
    let read = match body.shape().await {
        Ok(BodyKind::Json | BodyKind::Raw) => {
            let mut whole = Vec::new();
            match body.read_into(&mut whole).await {
                Ok(()) => take_whole(&whole, dialect, &mut draft),
                Err(error) => take_cut(&whole, error, dialect, &mut draft),
            }
        }
        Ok(BodyKind::Events) => match listen(Events::new(body), dialect, &mut draft).await {
            Ok(()) => Ok(()),
            Err(Stopped::Broken(error)) => {
                dialect.take_rest(&mut draft);
                Err(error)
            }
            Err(Stopped::Refused(error)) => Err(error),
        },
        Err(error) => Err(error),
    };
    // A mere message is the reason only where no answer came to its end.
    let read = match (read, draft.note.take()) {
        (Ok(()) | Err(Error::BadResponse { .. }), Some(note)) if draft.finish.is_none() => Err(draft.refuse(&note)),
        (read, _) => read,
    };
    let read = read.or_else(|error| cut_off(client.cleaned(error, &key), &mut draft));
    let (objection, refused, symptom) = (draft.objection, draft.refused.take(), draft.symptom);
    let metered = trail.meter(draft.metered(&client.config));
    let answer = read.and_then(|()| draft.done()).inspect(|answer| trail.named(&answer.model));
    let closed = trail.close(answer);
    client.count_answer(asked, &closed);
    closed.map_err(|failure| Unanswered::inside_200(failure, metered, objection, refused, symptom, terms))
}

/// Takes a body that is no stream: one JSON value, or several, one a line.
fn take_whole(whole: &[u8], dialect: &mut impl Dialect, draft: &mut AnswerDraft<'_>) -> Result<(), Error> {
    // Gemini answers an error as a list of one.
    if whole.starts_with(b"[")
        && let Some(complaint) = std::str::from_utf8(whole).ok().and_then(Complaint::of_event)
    {
        return Err(draft.refuse(&complaint));
    }
    let whole = unwrapped(text::mend(whole));
    if let Some(events) = events_of(&whole) {
        return take_all(events.into_iter().map(Cow::Owned), dialect, draft).map(|_| ());
    }
    match several(&whole) {
        None => {
            draft.meter_beside(whole.as_bytes());
            dialect.take_body(whole.as_bytes(), draft)
        }
        Some(values) => take_all(values.into_iter().map(Cow::Borrowed), dialect, draft).map(|_| ()),
    }
}

/// The events of a stream that came as one list; `None` where it is another list.
fn events_of(list: &str) -> Option<Vec<String>> {
    let is_event = |value: &Value| {
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
        kind.starts_with("response.") || value.get("choices").is_some()
    };
    // Some servers answer with all events as one list: read as one value, each text would stand in it twice.
    let values: Vec<Value> = list.starts_with('[').then(|| serde_json::from_str(list).ok())??;
    values.iter().any(is_event).then(|| values.iter().map(Value::to_string).collect())
}

/// Takes what came of such a body before it broke off: all of it, where only its length was wrong.
fn take_cut(cut: &[u8], error: Error, dialect: &mut impl Dialect, draft: &mut AnswerDraft<'_>) -> Result<(), Error> {
    if serde_json::from_slice::<IgnoredAny>(cut).is_ok() {
        return match take_whole(cut, dialect, draft) {
            Err(Error::BadResponse { .. }) => Err(error),
            read => read,
        };
    }
    if let Some(closed) = text::close(&text::mend(cut), CutText::Kept) {
        // It is no answer where this fails, and no whole one where it does not.
        let _ = take_whole(closed.as_bytes(), dialect, draft);
        draft.finish = None;
    }
    Err(error)
}

/// The JSON that stands in a text of JSON, or is one but for its commas and quotes.
fn unwrapped(whole: Cow<'_, str>) -> Cow<'_, str> {
    let is_json = |text: &str| serde_json::from_str::<IgnoredAny>(text).is_ok();
    // Servers that encode twice, and those in JavaScript or Python that write their own literals, were met.
    if let Ok(inner) = serde_json::from_str::<String>(&whole)
        && is_json(&inner)
    {
        return Cow::Owned(inner);
    }
    if is_json(&whole) {
        return whole;
    }
    Some(text::relax(&whole)).filter(|relaxed| is_json(relaxed)).map_or(whole, Cow::Owned)
}

/// The reason why no more of an answer comes.
pub(crate) enum Stopped {
    /// The connection: the upstream may have more to say.
    Broken(Error),
    /// The upstream said so, or said something that cannot be read.
    Refused(Error),
}

/// Takes the events of one connection.
pub(crate) async fn listen(
    mut events: Events,
    dialect: &mut impl Dialect,
    draft: &mut AnswerDraft<'_>,
) -> Result<(), Stopped> {
    loop {
        let event = match events.next().await {
            Ok(Some(event)) => event,
            Ok(None) if draft.finish.is_some() => return Ok(()),
            Ok(None) => {
                let stray = events.stray().map(|stray| format!(", with {stray:?}")).unwrap_or_default();
                return Err(Stopped::Broken(unreadable(&format!("it ended before its last event{stray}"))));
            }
            Err(error) => return Err(Stopped::Broken(error)),
        };
        match take(&event, dialect, draft) {
            Ok(Step::More) => {}
            Ok(Step::Done) => break,
            Err(error) => return Err(Stopped::Refused(error)),
        }
    }
    events.finish().await;
    Ok(())
}

/// Some text is an answer, if not a whole one, whatever came after it.
pub(crate) fn cut_off(error: Error, draft: &mut AnswerDraft<'_>) -> Result<(), Error> {
    if draft.is_empty() {
        return Err(error);
    }
    let why = match error {
        Error::TimedOut { timer, .. } => timer.to_string(),
        Error::BadResponse { message, .. } => message,
        error => error.to_string(),
    };
    let why = why.trim_end_matches('.').to_owned();
    draft.finish.get_or_insert(Finish::CutOff(why));
    Ok(())
}

/// Takes events without names, up to the one that is the last.
fn take_all<'v>(
    values: impl Iterator<Item = Cow<'v, str>>,
    dialect: &mut impl Dialect,
    draft: &mut AnswerDraft<'_>,
) -> Result<Step, Error> {
    for data in values {
        if take(&SentEvent { name: "".into(), data }, dialect, draft)? == Step::Done {
            return Ok(Step::Done);
        }
    }
    Ok(Step::More)
}

fn take(event: &SentEvent<'_>, dialect: &mut impl Dialect, draft: &mut AnswerDraft<'_>) -> Result<Step, Error> {
    for piece in event.pieces() {
        let step = match piece.trim_ascii() {
            "[DONE]" => Step::Done,
            object if object.starts_with('{') => {
                draft.meter_beside(object.as_bytes());
                let object = draft.halves.join(object);
                dialect.take_event(&event.name, &text::mend(object.as_bytes()), draft)?
            }
            list if let Some(events) = events_of(list) => take_all(events.into_iter().map(Cow::Owned), dialect, draft)?,
            list if list.starts_with('[')
                && let Some(complaint) = Complaint::of_event(list) =>
            {
                return Err(draft.refuse(&complaint));
            }
            reason if event.name == "error" && !reason.is_empty() => {
                return Err(draft.refuse(&Complaint { message: reason.to_owned(), ..Complaint::default() }));
            }
            // A sentence is the reason where no more of the answer comes; with a word, proxies keep a connection alive.
            sentence if sentence.contains(char::is_whitespace) && !sentence.starts_with("[{") => {
                let message = serde_json::from_str(sentence).unwrap_or_else(|_| sentence.to_owned());
                draft.note = Some(Box::new(Complaint { message, ..Complaint::default() }));
                Step::More
            }
            _ => Step::More,
        };
        if step == Step::Done {
            return Ok(Step::Done);
        }
    }
    Ok(Step::More)
}
