//! All that another process needs to bring a call to its end: typed for those who write and read it, one text for the
//! store.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::JobId;
use crate::{
    handle::Owner,
    openai::{ResponseHold, ResponseNote},
};

/// The knowledge that a call leaves to the process that resumes it. `P` is its tool's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumption<P> {
    /// The tool's part, kept when the call began.
    pub call: P,
    /// The answer of the upstream that it waits for.
    pub response: ResponseNote,
}

/// The resumption of a call that runs, as far as it is known. Cheap to clone; clones are one.
#[derive(Clone, Default)]
pub struct Resumable {
    hold: ResponseHold,
    encode: Arc<OnceLock<Box<Encode>>>,
    is_handed_out: Arc<AtomicBool>,
}

/// Writes a tool's part down together with the response. Typed at both ends and a text in between: neither jobs nor the
/// store know a tool.
type Encode = dyn Fn(ResponseNote) -> Option<String> + Send + Sync;

/// A job whose process died, and that another one can resume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The job's own, kept when another process resumes it.
    pub id: JobId,
    /// The only one who may see or cancel it.
    pub owner: Owner,
    /// The tool that was called.
    pub tool: String,
    /// The call's beginning, in UTC.
    pub started_at: DateTime<Utc>,
    pub(super) resume: String,
}

impl Resumable {
    /// The resumption of a call that may become a job; the default is that of a call that nobody can resume.
    #[must_use]
    pub fn shared() -> Self {
        Self { hold: ResponseHold::shared(), ..Self::default() }
    }

    /// Sets the tool's part, once: before its response begins.
    pub fn resume_by<P: Clone + Serialize + Send + Sync + 'static>(&self, call: P) {
        let encode = move |response| serde_json::to_string(&Resumption { call: call.clone(), response }).ok();
        // A call has one tool.
        let _ = self.encode.set(Box::new(encode));
    }

    /// Notes that the call goes on as a job.
    pub(super) fn hand_out(&self) {
        self.is_handed_out.store(true, Ordering::Relaxed);
    }

    /// `true` once the call goes on as a job.
    #[must_use]
    pub fn is_handed_out(&self) -> bool {
        self.is_handed_out.load(Ordering::Relaxed)
    }

    /// The hold on the call's response.
    #[must_use]
    pub fn hold(&self) -> &ResponseHold {
        &self.hold
    }

    /// The resumption for the store; `None` while nobody could resume the call.
    pub(super) fn encode(&self) -> Option<String> {
        (self.encode.get()?)(self.hold.note()?)
    }

    /// Resolves once another process could resume the call.
    pub async fn complete(&self) {
        self.hold.noted().await;
        // Without the tool's part nobody can resume it, and there is nothing to note.
        if self.encode.get().is_none() {
            std::future::pending::<()>().await;
        }
    }
}

impl Orphan {
    /// Reads what the job left; `None` where it is damaged, or of another tool or version.
    #[must_use]
    pub fn resumption<P: DeserializeOwned>(&self) -> Option<Resumption<P>> {
        serde_json::from_str(&self.resume).ok()
    }
}

/// Without the tool's part: it has the question in it.
impl fmt::Debug for Resumable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resumable").field("hold", &self.hold).finish_non_exhaustive()
    }
}
