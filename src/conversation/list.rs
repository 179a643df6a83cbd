//! Somebody's conversations, newest first: for people who look for one.

use chrono::{DateTime, Utc};

use super::{Conversation, Conversations, Error, Handle, Said, file};
use crate::{handle::Owner, money::Usd};

/// How many of other people's are passed over before it is enough.
const MOST_PASSED_OVER: usize = 200;

/// One line of a list of conversations.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Of its newest turn.
    pub handle: Handle,
    pub created: DateTime<Utc>,
    /// When its newest turn ended.
    pub at: DateTime<Utc>,
    /// In all branches.
    pub turns: usize,
    /// Of its newest turn.
    pub model: String,
    /// What was said first.
    pub first_words: String,
    /// Of all turns; `None` where any of them is unknown.
    pub cost_usd: Option<Usd>,
}

impl Conversations {
    /// The owner's newest, newest first.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn newest(&self, owner: &Owner, most: usize) -> Result<Vec<Summary>, Error> {
        self.beginning_with(owner, "", most).await
    }

    /// The owner's newest whose handles begin so; what stands behind the dot does not count.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn beginning_with(&self, owner: &Owner, start: &str, most: usize) -> Result<Vec<Summary>, Error> {
        let start = start.split_once('.').map_or(start, |(start, _)| start).to_owned();
        let owner = owner.clone();
        self.off_thread(move |store| {
            let folder = &store.config.folder;
            let mut files: Vec<_> = folder
                .files()
                .filter_map(|entry| Some((entry.age, file::root_of(&entry.name)?.to_owned())))
                .filter(|(age, root)| *age <= store.config.keep_for && format!("conv_{root}").starts_with(&start))
                .collect();
            files.sort();
            let read = files.into_iter().take(most.saturating_add(MOST_PASSED_OVER));
            let found = read.filter_map(|(_, root)| file::read(folder, &root).ok()?);
            Ok(found.filter(|found| found.owner == owner).filter_map(|found| Summary::of(&found)).take(most).collect())
        })
        .await
    }
}

impl Summary {
    /// `None` for one without a turn that can be read.
    fn of(conversation: &Conversation) -> Option<Self> {
        let (first, newest) = (conversation.entries.first()?, conversation.entries.last()?);
        let first_words = first.turn.said.iter().find_map(|said| match said {
            Said::Text { text } => Some(text.as_str()),
            _ => None,
        });
        Some(Self {
            handle: conversation.handle(newest),
            created: conversation.created,
            at: newest.turn.at,
            turns: conversation.entries.len(),
            model: newest.turn.model.clone(),
            first_words: first_words.unwrap_or_default().chars().take(200).collect(),
            cost_usd: conversation.entries.iter().map(|entry| entry.turn.cost_usd).sum(),
        })
    }
}
