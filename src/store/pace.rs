//! The door to the pace of requests: caps that all processes of a user keep together, calls of a caller at once, and what
//! an upstream's headers taught. Moments are told as durations from now: processes share the engine's clock, not each other's.

use std::{fmt::Debug, num::NonZeroU32, time::Duration};

use async_trait::async_trait;

use super::{Error, callers::CallerName};
use crate::{handle::Account, model::ModelId};

mod rate;
mod running;

pub use rate::Rate;
pub(super) use rate::moved_back;
pub use running::RunningCall;

/// The cap that a request counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PaceCap {
    /// `limits.requests_per_minute`, or the calls of one caller.
    Requests,
    /// `limits.images_per_minute`, or the pictures of one caller.
    Pictures,
}

impl PaceCap {
    /// The word of its column.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Pictures => "pictures",
        }
    }
}

/// A place asked for under a cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceRequest {
    /// Caps of an account are counted apart.
    pub cap: PaceCap,
    /// Given with each request: the store keeps only the moment of the next free place.
    pub rate: Rate,
    /// So many, one after another: all or none.
    pub places: u32,
    /// They are not taken unless the first of them is sooner.
    pub within: Duration,
}

/// The answer to a [`PlaceRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceGrant {
    /// The last of the places is so far away.
    Granted {
        /// From now; zero may go at once.
        wait: Duration,
    },
    /// The first place is so far away; nothing was taken.
    TooFar {
        /// From now.
        wait: Duration,
    },
}

/// The pace of requests of one account, kept by all processes together.
#[async_trait]
pub trait PaceStore: Debug + Send + Sync {
    /// Takes the next places under a cap.
    async fn pass(&self, account: &Account, place: PlaceRequest) -> Result<PlaceGrant, Error>;

    /// Counts one more call of a caller. `None` where `most` of its calls run, in all processes that live.
    async fn begin_call(&self, caller: &CallerName, most: NonZeroU32) -> Result<Option<RunningCall>, Error>;

    /// Notes that an upstream has no requests left for a model for so long; zero lifts it.
    async fn hold(&self, account: &Account, model: &ModelId, time: Duration) -> Result<(), Error>;

    /// Holds of an account that have not passed, with the time that is left of each.
    async fn holds(&self, account: &Account) -> Result<Vec<(ModelId, Duration)>, Error>;
}
