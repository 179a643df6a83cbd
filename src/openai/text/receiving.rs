//! Reads an answer from its body to its end: as events, as one JSON value, or as several.

use serde::de::IgnoredAny;

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
        },
    },
    text,
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
        Ok(BodyKind::Json | BodyKind::Raw) => match body.whole().await {
            Ok(whole) => take_whole(&whole, dialect, &mut draft),
            Err(error) => Err(error),
        },
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
    let read = match (read, draft.note.take()) {
        (Ok(()) | Err(Error::BadResponse { .. }), Some(note)) if draft.is_empty() && draft.finish.is_none() => {
            Err(draft.refuse(&note))
        }
        (read, _) => read,
    };
    let read = read.or_else(|error| cut_off(client.cleaned(error, &key), &mut draft));
    let (objection, refused, symptom) = (draft.objection, draft.refused.take(), draft.symptom);
    trail.meter(draft.metered(&client.config));
    let answer = read.and_then(|()| draft.done());
    trail.close(answer).map_err(|failure| match (objection, refused, symptom) {
        (Some(objection), _, _) => Unanswered::Objected(objection, failure),
        (None, Some(complaint), _) => Unanswered::FieldRefused(complaint, failure),
        (None, None, Some(symptom)) => Unanswered::Missed(symptom, failure),
        (None, None, None) => Unanswered::Failed(failure),
    })
}

/// Takes a body that is no stream: one JSON value, or several, one a line.
fn take_whole(whole: &[u8], dialect: &mut impl Dialect, draft: &mut AnswerDraft<'_>) -> Result<(), Error> {
    if whole.starts_with(b"[")
        && let Some(complaint) = std::str::from_utf8(whole).ok().and_then(Complaint::of_event)
    {
        return Err(draft.refuse(&complaint));
    }
    let whole = text::mend(whole);
    match several(&whole) {
        None => dialect.take_body(whole.as_bytes(), draft),
        Some(values) => {
            for value in values {
                if take(&SentEvent { name: "".into(), data: value.into() }, dialect, draft)? == Step::Done {
                    break;
                }
            }
            Ok(())
        }
    }
}

/// The values of a body that holds several, one a line or one after another; `None` where it holds but one.
fn several(body: &str) -> Option<Vec<&str>> {
    let mut read = serde_json::Deserializer::from_str(body).into_iter::<IgnoredAny>();
    let (mut values, mut start) = (Vec::new(), 0);
    while let Some(Ok(_)) = read.next() {
        values.push(body.get(start..read.byte_offset())?);
        start = read.byte_offset();
    }
    let rest = body.get(start..)?;
    if values.is_empty() || values.len() == 1 && rest.trim().is_empty() {
        return None;
    }
    values.extend(rest.lines());
    Some(values)
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

fn take(event: &SentEvent<'_>, dialect: &mut impl Dialect, draft: &mut AnswerDraft<'_>) -> Result<Step, Error> {
    for piece in event.pieces() {
        let step = match piece.trim_ascii() {
            "[DONE]" => Step::Done,
            object if object.starts_with('{') => {
                dialect.take_event(&event.name, &text::mend(object.as_bytes()), draft)?
            }
            list if list.starts_with('[')
                && let Some(complaint) = Complaint::of_event(list) =>
            {
                return Err(draft.refuse(&complaint));
            }
            reason if event.name == "error" && !reason.is_empty() => {
                return Err(draft.refuse(&Complaint { message: reason.to_owned(), ..Complaint::default() }));
            }
            // Some proxies keep a connection alive so.
            _ => Step::More,
        };
        if step == Step::Done {
            return Ok(Step::Done);
        }
    }
    Ok(Step::More)
}
