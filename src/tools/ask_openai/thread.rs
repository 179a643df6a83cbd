//! One turn of a conversation: from what was kept to what a model is shown of it, and from an answer back to the store.

use chrono::Utc;
use serde::{Deserialize, Serialize};

use super::{Args, AskOpenai, args::AskRequest};
use crate::{
    artifact::{ArtifactId, Artifacts},
    call::Call,
    catalogue::{Catalogue, ModelKind},
    conversation::{Error, Place, Said, Thread, Turn},
    media::Reference,
    model::ModelId,
    money::Usd,
    openai::{Answer, Exchange, Part, Question},
    tools::{Tool, ToolError, threads},
};

impl AskOpenai {
    /// The question that a call asks, and the thread that it stands in: a new one where it goes on from none.
    pub(super) async fn begin(&self, mut args: Args, call: &Call) -> Result<(Thread, AskRequest), ToolError> {
        let thread = threads::open(&self.conversations, args.conversation.as_deref(), call).await?;
        let thread = thread.unwrap_or_else(|| self.conversations.begin(&call.owner));
        self.references.of(&call.owner).admit("attachments", args.attachments.iter().flatten())?;
        self.catalogue.recall().await;
        let warnings = carry_over(thread.turns(), &mut args, &self.catalogue);
        let mut request = args.parse(&self.catalogue)?;
        call.expenses.of_model(&request.model.id);
        request.warnings.extend(warnings);
        // Requests of one key reach the same cache, which has the beginning of the thread.
        // <https://platform.openai.com/docs/guides/prompt-caching>
        // The label is not the handle, which would open the conversation to whoever sees it.
        request.question.cache_key = Some(thread.place().label());
        let gallery = self.references.artifacts.of(&call.owner);
        for turn in thread.turns() {
            request.question.thread.push(exchange(&gallery, &thread, turn).await);
        }
        Ok((thread, request))
    }
}

/// The question, ready to become a turn once it is answered.
pub(super) async fn spoken(gallery: &Artifacts, thread: &Thread, question: &Question) -> Result<NewExchange, Error> {
    let mut said = Vec::with_capacity(question.input.len());
    for part in question.input.clone() {
        said.push(written(gallery, thread, part).await?);
    }
    let turn = Turn {
        at: Utc::now(),
        tool: AskOpenai::NAME.to_owned(),
        model: question.model.to_string(),
        instructions: question.instructions.clone(),
        said,
        answer: None,
        made: Vec::new(),
        response_id: None,
        items: Vec::new(),
        cost_usd: None,
    };
    Ok(NewExchange { place: thread.place(), turn })
}

/// A question, and then its answer, on its way to the store. It can be written down with a job, so that whoever
/// comes by the answer can append the turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct NewExchange {
    place: Place,
    turn: Turn,
}

impl NewExchange {
    pub(super) fn answered_by(mut self, answer: &Answer) -> Self {
        self.turn.answer = Some(answer.text.clone()).filter(|text| !text.is_empty());
        self.turn.response_id.clone_from(&answer.response_id);
        self.turn.items.clone_from(&answer.items);
        self
    }

    /// The whole turn, and its place.
    pub(super) fn ended(self, cost_usd: Option<Usd>) -> (Place, Turn) {
        (self.place, Turn { at: Utc::now(), cost_usd, ..self.turn })
    }
}

/// A conversation goes on with its model and its instructions, unless others are given: the upstream itself carries
/// over neither. <https://platform.openai.com/docs/guides/conversation-state>
fn carry_over(turns: &[Turn], args: &mut Args, catalogue: &Catalogue) -> Vec<String> {
    let Some(last) = turns.iter().rev().find(|turn| turn.tool == AskOpenai::NAME) else { return Vec::new() };
    if args.instructions.is_none() {
        args.instructions.clone_from(&last.instructions);
    }
    if args.model.is_some() {
        return Vec::new();
    }
    let usable = ModelId::parse(&last.model).map_err(|error| error.to_string()).and_then(|model| {
        catalogue.resolve(ModelKind::Text, Some(&model)).map(drop).map_err(|unusable| unusable.to_string())
    });
    match usable {
        Ok(()) => {
            args.model = Some(last.model.clone());
            Vec::new()
        }
        Err(why) => vec![format!("The conversation continues with the default model: {why}.")],
    }
}

/// A part as it is written down: with a copy of what may be gone by the next turn.
async fn written(gallery: &Artifacts, thread: &Thread, part: Part) -> Result<Said, Error> {
    Ok(match part {
        Part::Text(text) => Said::Text { text },
        Part::Picture(picture) => {
            if let Some(uri) = kept(gallery, &picture).await {
                return Ok(Said::Kept { uri });
            }
            let Reference { name, format, dimensions, content } = picture;
            let (bytes, attachment) = (content.length(), thread.keep(content).await?);
            Said::Picture { name, format, dimensions, bytes, attachment }
        }
        Part::Document { name, media_type, content } => {
            let (bytes, attachment) = (content.length(), thread.keep(content).await?);
            Said::Document { name, media_type: media_type.to_owned(), bytes, attachment }
        }
    })
}

/// The URI of a picture that is one of our own: it is called like one, and as long.
async fn kept(gallery: &Artifacts, picture: &Reference) -> Option<String> {
    let id = ArtifactId::parse(&picture.name)?;
    let (_, content) = gallery.open(&id).await.ok()?;
    // Not by its bytes, which would be fetched once more to be compared.
    (content.length() == picture.content.length()).then(|| id.uri())
}

/// A turn as a model is shown it.
async fn exchange(gallery: &Artifacts, thread: &Thread, turn: &Turn) -> Exchange {
    let mut said = Vec::new();
    for piece in &turn.said {
        said.push(part(gallery, thread, piece).await);
    }
    if !turn.made.is_empty() {
        // As said by the person: the APIs take pictures from no other side.
        said.push(Part::Text(format!("[{} made of this:]", turn.tool)));
        for uri in &turn.made {
            said.push(picture(gallery, uri).await);
        }
    }
    let Turn { answer, response_id, items, .. } = turn.clone();
    Exchange { said, answer, response_id, items }
}

/// A piece as a model is shown it; where it is gone, that it is.
async fn part(gallery: &Artifacts, thread: &Thread, said: &Said) -> Part {
    match said.clone() {
        Said::Text { text } => Part::Text(text),
        Said::Kept { uri } => picture(gallery, &uri).await,
        Said::Picture { name, format, dimensions, bytes, attachment } => {
            Part::Picture(Reference { name, format, dimensions, content: thread.attachment(attachment, bytes) })
        }
        Said::Document { name, media_type, bytes, attachment } => {
            let content = thread.attachment(attachment, bytes);
            Part::Document { name, media_type: document(&media_type), content }
        }
    }
}

/// A picture that was made or kept here, unless it was deleted or has expired.
async fn picture(gallery: &Artifacts, uri: &str) -> Part {
    let Some(id) = ArtifactId::parse_uri(uri) else { return gone(uri) };
    match gallery.open(&id).await {
        Ok((kept, content)) => {
            let (name, format, dimensions) = (id.to_string(), kept.format, kept.dimensions);
            Part::Picture(Reference { name, format, dimensions, content })
        }
        // A turn goes on without it: the conversation is worth more than one picture.
        Err(_) => gone(uri),
    }
}

/// The kinds of document that are sent.
fn document(media_type: &str) -> &'static str {
    match media_type {
        "application/pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}

fn gone(name: &str) -> Part {
    Part::Text(format!("[{name} is no longer there]"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use image::{ImageFormat, RgbImage};
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::{
        artifact::{self, Origin},
        conversation::{self, Conversations},
        handle::Owner,
        media::{Content, Encoded},
        store::{self, LEASE, Store, StorePlace},
    };

    fn png() -> Encoded {
        let mut bytes = std::io::Cursor::new(Vec::new());
        RgbImage::new(3, 2).write_to(&mut bytes, ImageFormat::Png).unwrap();
        Encoded::sniff(bytes.into_inner().into()).unwrap()
    }

    fn named(name: &str) -> Part {
        let picture = png();
        let (format, dimensions) = (picture.format(), picture.dimensions());
        let content = Content::Memory(picture.bytes().clone());
        Part::Picture(Reference { name: name.into(), format, dimensions, content })
    }

    /// Each part's kind, name and bytes.
    async fn told(parts: Vec<Part>) -> Vec<String> {
        let told = move || parts.iter().map(one).collect();
        tokio::task::spawn_blocking(told).await.unwrap()
    }

    fn one(part: &Part) -> String {
        match part {
            Part::Text(text) => text.clone(),
            Part::Picture(Reference { name, format, dimensions, content }) => {
                assert_eq!(content.read(0, 1_000).unwrap(), png().bytes());
                format!("{name}: {} {dimensions}", format.media_type())
            }
            Part::Document { name, media_type, content } => {
                format!("{name}: {media_type} {:?}", content.read(0, 100).unwrap())
            }
        }
    }

    #[tokio::test]
    async fn what_was_said_is_shown_again_whole_and_what_is_gone_is_named() {
        let dir = tempfile::TempDir::new().unwrap();
        let gallery =
            Artifacts::build(artifact::Config { dir: dir.path().join("pictures"), ..artifact::Config::default() });
        let kept = gallery.keep(&png(), None, Origin::default()).await.unwrap().id;
        let store = Store::build(store::Config { place: StorePlace::Memory, lease: LEASE });
        let config = conversation::Config { keep_for: Duration::from_hours(1) };
        let thread = Conversations::build(config, store.turns, TaskTracker::new()).begin(&Owner::local());

        let content = Content::Memory(bytes::Bytes::from_static(b"%PDF-1"));
        let pdf = Part::Document { name: "a.pdf".into(), media_type: "application/pdf", content };
        let mut said = Vec::new();
        for part in [Part::Text("Compare.".into()), named(kept.as_str()), named("elsewhere.png"), pdf] {
            said.push(written(&gallery, &thread, part).await.unwrap());
        }
        assert_eq!(said.get(1), Some(&Said::Kept { uri: kept.uri() }));
        let turn = Turn {
            at: Utc::now(),
            tool: "create-image".into(),
            model: "a-model".into(),
            instructions: None,
            said,
            answer: None,
            made: vec![kept.uri()],
            response_id: None,
            items: Vec::new(),
            cost_usd: None,
        };
        let shown = told(exchange(&gallery, &thread, &turn).await.said).await;
        let picture = format!("{kept}: image/png 3x2");
        let made = "[create-image made of this:]";
        let elsewhere = "elsewhere.png: image/png 3x2";
        let pdf = "a.pdf: application/pdf b\"%PDF-1\"";
        assert_eq!(shown, ["Compare.", &picture, elsewhere, pdf, made, &picture]);

        gallery.remove(&kept).await.unwrap();
        let shown = told(exchange(&gallery, &thread, &turn).await.said).await;
        let picture = format!("[{} is no longer there]", kept.uri());
        assert_eq!(shown, ["Compare.", &picture, elsewhere, pdf, made, &picture]);
    }
}
