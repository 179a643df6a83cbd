//! show-gallery: pictures made earlier, a page at a time, for hosts that open the viewer.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Audience, CallLimit, Effect, Output, Pace, Shows, Tool, ToolError,
    pictures::{Image, KeptPictures, PicturesStatus},
};
use crate::{
    artifact::{Artifact, Page, SearchError},
    call::Call,
    handle::Owner,
    media::Encoded,
    money::Usd,
    preview::Room,
    store::PictureIndex,
    text,
};

/// Pictures on a page.
const PAGE: usize = 12;
/// The last page that can be asked for.
const MOST_PAGES: u32 = 1_000;
/// The longer side of each, in pixels: sharp in a tile, and few tokens for a model that is shown them.
const SIDE: u32 = 400;
/// Time for one page, its previews included: originals may lie in a bucket.
const PATIENCE: Duration = Duration::from_secs(30);

/// `show-gallery`, and the components that it uses.
#[derive(Debug)]
pub struct ShowGallery {
    /// The gallery of the person at this machine; each call takes that of its owner.
    pub kept: KeptPictures,
    /// Finds pictures by words.
    pub index: Arc<dyn PictureIndex>,
}

/// The arguments as sent.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Words that all stand in a picture's prompt, model or name; left out: the newest.
    pub search: Option<String>,
    /// Counted from 1.
    #[schemars(range(min = 1, max = MOST_PAGES))]
    pub page: Option<u32>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[allow(missing_docs, reason = "a docstring would stand in the tool's output schema")]
pub struct Gallery {
    /// Always `complete`.
    pub status: PicturesStatus,
    /// At most 12: newest first, or best match first.
    pub images: Vec<GalleryPicture>,
    /// This page, counted from 1.
    pub page: u32,
    /// The next page, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page: Option<u32>,
    /// The words that were searched for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Further notes for the person.
    pub warnings: Vec<String>,
    #[serde(skip)]
    previews: Vec<Encoded>,
    #[serde(skip)]
    artifacts: Vec<Artifact>,
}

/// A picture made earlier. Its texts are empty where nobody knows any more.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct GalleryPicture {
    /// Its own fields stand in the same object.
    #[serde(flatten)]
    pub image: Image,
    /// The prompt that it was made from.
    pub prompt: String,
    /// The model that made it.
    pub model: String,
    /// Its cost in US dollars; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    pub cost_usd: Option<Usd>,
    /// When it was made, in UTC.
    #[schemars(with = "String")]
    pub made_at: DateTime<Utc>,
}

impl Tool for ShowGallery {
    const NAME: &'static str = "show-gallery";
    const TITLE: &'static str = "Show gallery";
    const DESCRIPTION: &'static str = "Show the user pictures made earlier, 12 a page.";
    const EFFECT: Effect = Effect::Reads;
    const PACE: Pace = Pace::Quick;
    // Its declaration takes some 300 bytes of each conversation.
    const LISTED_FOR: Audience = Audience::AppHosts;
    type Args = Args;
    type Output = Gallery;

    async fn run(&self, args: Args, call: &Call) -> Result<Gallery, ToolError> {
        let page = args.page.unwrap_or(1);
        if !(1..=MOST_PAGES).contains(&page) {
            return Err(ToolError::InvalidArgument(format!("`page` is {page}: it must be from 1 to {MOST_PAGES}")));
        }
        let own = Self { kept: self.kept.of(&call.owner), index: self.index.clone() };
        let shown = own.show(page, args.search, call);
        let limit = CallLimit { time: PATIENCE, setting: None };
        call.wait(call.deadline(PATIENCE), shown).await.map_err(|ended| ToolError::ended(ended, limit))?
    }
}

impl ShowGallery {
    async fn show(&self, page: u32, search: Option<String>, call: &Call) -> Result<Gallery, ToolError> {
        let before = (page as usize - 1) * PAGE;
        let Page { artifacts, next } = match &search {
            Some(words) => self.found(words, before).await?,
            None => self.newest(before).await?,
        };
        let artifacts = self.kept.artifacts.linked(artifacts).await;
        let room = Room { side: call.room.side.min(SIDE), ..call.room };
        Ok(Gallery {
            status: PicturesStatus::Complete,
            images: artifacts.iter().map(|kept| GalleryPicture::of(kept, &call.owner)).collect(),
            page,
            next_page: next.map(|_| page + 1),
            search,
            warnings: Vec::new(),
            previews: self.kept.previews(&artifacts, room).await,
            artifacts,
        })
    }

    async fn newest(&self, before: usize) -> Result<Page, ToolError> {
        let artifacts = &self.kept.artifacts;
        match artifacts.ids("").await?.get(before) {
            Some(start) => Ok(artifacts.list(Some(start), PAGE).await?),
            None => Ok(Page::default()),
        }
    }

    async fn found(&self, words: &str, before: usize) -> Result<Page, ToolError> {
        // One more than the page shows, which tells if there is a next one.
        let found = self.kept.artifacts.search(self.index.as_ref(), words, before + PAGE + 1).await;
        let found = found.map_err(|error| match error {
            SearchError::Folder(error) => ToolError::from(error),
            SearchError::Index(error) => ToolError::from(error),
        })?;
        let mut found = found.into_iter().skip(before);
        let artifacts = found.by_ref().take(PAGE).collect();
        Ok(Page { artifacts, next: found.next().map(|artifact| artifact.id) })
    }
}

impl GalleryPicture {
    fn of(kept: &Artifact, owner: &Owner) -> Self {
        Self {
            image: Image::of(kept, owner),
            prompt: text::sanitize(&kept.origin.prompt).into_owned(),
            model: kept.origin.model.clone(),
            cost_usd: kept.origin.cost_usd,
            made_at: kept.made_at,
        }
    }
}

impl Output for Gallery {
    const SHOWS: Shows = Shows::Pictures;

    fn text(&self) -> String {
        let line = |picture: &GalleryPicture| {
            let place = Image::lines(std::slice::from_ref(&picture.image));
            format!("{place}: {}", text::brief(&picture.prompt, 100))
        };
        let more = self.next_page.map(|next| format!("There are more: page {next}."));
        let none = self.images.is_empty().then(|| "There are no pictures here.".to_owned());
        self.images.iter().map(line).chain(more).chain(none).collect::<Vec<_>>().join("\n")
    }

    fn warnings(&mut self) -> &mut Vec<String> {
        &mut self.warnings
    }

    fn previews(&self) -> &[Encoded] {
        &self.previews
    }

    fn artifacts(&self) -> &[Artifact] {
        &self.artifacts
    }
}
