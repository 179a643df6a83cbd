//! News of a call while it runs. Any floor writes; whoever shows progress reads. A slow reader never holds a call
//! up, and nothing queues: stages overwrite one another, new text collects until it is taken.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use crate::text::whole_seconds;

/// The stage that a call has reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for a slot.
    Queued {
        /// Calls ahead in the queue, and those that run.
        behind: usize,
    },
    /// Holding back for the upstream's or our own rate limit.
    RateLimited {
        /// Time until it may be sent.
        wait: Duration,
    },
    /// Connecting, or sent and waiting for the first byte.
    Waiting,
    /// The upstream failed, and is asked again.
    Retrying {
        /// The attempt to come: 2 is the first retry.
        attempt: u32,
        /// Time until then.
        wait: Duration,
        /// The failure, in one line.
        cause: String,
    },
    /// The model reasons before it writes.
    Thinking,
    /// The model searches the web.
    Searching,
    /// Answer text is coming.
    Writing,
    /// A large request is going up.
    Sending {
        /// 0 to 100.
        percent: u8,
    },
    /// The upstream works on a picture.
    Painting,
    /// The upstream works on a picture and has sent sketches of it.
    Sketched {
        /// Sketches that came, from 1.
        index: u32,
        /// Sketches that were asked for.
        of: u32,
    },
    /// The answer is arriving.
    Receiving,
    /// Pictures are being written to the store.
    Keeping,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued { behind } => write!(f, "queued behind {behind}"),
            Self::RateLimited { wait } => write!(f, "waiting {} s for the rate limit", whole_seconds(*wait)),
            Self::Waiting => f.write_str("waiting for the model"),
            Self::Retrying { attempt, wait, cause } => {
                write!(f, "{cause}; retrying in {} s (attempt {attempt})", whole_seconds(*wait))
            }
            Self::Thinking => f.write_str("thinking"),
            Self::Searching => f.write_str("searching the web"),
            Self::Writing => f.write_str("writing"),
            Self::Sending { percent } => write!(f, "sending the files ({percent}%)"),
            Self::Painting => f.write_str("painting"),
            Self::Sketched { index, of } => write!(f, "painting, sketch {index} of {of}"),
            Self::Receiving => f.write_str("receiving"),
            Self::Keeping => f.write_str("keeping the picture"),
        }
    }
}

/// The writing end; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct News(Option<Arc<ProgressBoard>>);

/// The reading end: one reader a call.
#[derive(Debug)]
pub struct Feed(Arc<ProgressBoard>);

/// News since the last look. In words: the stage, and which part it is at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Update {
    /// The latest stage, whether or not it changed.
    pub stage: Option<Stage>,
    /// Answer text that came since the last look: the deltas in order are the answer, byte for byte.
    pub delta: String,
    /// Parts done and parts in all (pictures), when the call has parts.
    pub parts: Option<(u32, u32)>,
}

#[derive(Debug)]
struct ProgressBoard {
    update: Mutex<Update>,
    changed: Notify,
    text: AnswerDeltas,
}

/// The treatment of answer text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnswerDeltas {
    Collected,
    Dropped,
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stage {
            Some(stage) => write!(f, "{stage}")?,
            None => f.write_str("starting")?,
        }
        match self.parts {
            Some((done, total)) if total > 1 => write!(f, ", picture {} of {total}", (done + 1).min(total)),
            _ => Ok(()),
        }
    }
}

impl News {
    /// A pair of ends.
    #[must_use]
    pub fn channel() -> (Self, Feed) {
        Self::pair(AnswerDeltas::Collected)
    }

    /// A pair of ends for stages and parts alone: text costs nothing.
    #[must_use]
    pub fn without_text() -> (Self, Feed) {
        Self::pair(AnswerDeltas::Dropped)
    }

    fn pair(text: AnswerDeltas) -> (Self, Feed) {
        let board = Arc::new(ProgressBoard { update: Mutex::default(), changed: Notify::new(), text });
        (Self(Some(board.clone())), Feed(board))
    }

    /// News that nobody reads: writing costs nothing.
    #[must_use]
    pub fn unheard() -> Self {
        Self(None)
    }

    /// Says which stage the call has reached.
    pub fn stage(&self, stage: Stage) {
        self.write(|update| update.stage = Some(stage));
    }

    /// Adds text of the answer; a pair for stages alone drops it.
    pub fn delta(&self, text: &str) {
        if self.0.as_ref().is_some_and(|board| board.text == AnswerDeltas::Collected) {
            self.write(|update| update.delta.push_str(text));
        }
    }

    /// Says of this call what is said of another.
    pub fn repeat(&self, other: &Update) {
        self.write(|update| (update.stage, update.parts) = (other.stage.clone(), other.parts));
    }

    /// Says that the call has `total` parts.
    pub fn parts(&self, total: u32) {
        self.write(|update| update.parts = Some((0, total)));
    }

    /// Says that one more part is done, and what the others are at if some are left.
    pub fn part_done(&self, others: Stage) {
        self.write(|update| {
            if let Some((done, total)) = &mut update.parts {
                *done = (*done + 1).min(*total);
                if *done < *total {
                    update.stage = Some(others);
                }
            }
        });
    }

    fn write(&self, change: impl FnOnce(&mut Update)) {
        let Some(board) = &self.0 else { return };
        change(&mut board.update.lock().unwrap_or_else(PoisonError::into_inner));
        // A permit is kept while the one reader is busy: it misses nothing, and nothing piles up.
        board.changed.notify_one();
    }
}

impl Feed {
    /// Resolves once something was written since the last [`Feed::take`]; may resolve once too often, since the bell
    /// and the board are not read together.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// The current stage and parts, and the text since the last look.
    #[must_use]
    pub fn take(&self) -> Update {
        // Stage and parts stay, as they hold until the next; text is handed over once.
        let mut update = self.0.update.lock().unwrap_or_else(PoisonError::into_inner);
        Update { stage: update.stage.clone(), delta: std::mem::take(&mut update.delta), parts: update.parts }
    }
}
