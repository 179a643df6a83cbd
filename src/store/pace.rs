//! The door to the pace of requests: caps that all processes of a user keep together, and what an upstream's headers
//! taught. Moments are told as durations from now: processes share the engine's clock, not each other's.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;

use super::Error;
use crate::{handle::Account, model::ModelId};

/// The cap that a request counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaceCap {
    Requests,
    Pictures,
}

/// A place asked for under a cap, by the generic cell rate algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceRequest {
    pub cap: PaceCap,
    /// From one request to the next, when there is no rest.
    pub spacing: Duration,
    /// How far the theoretical arrival time may lie ahead: the spacing times the burst less one.
    pub tolerance: Duration,
    /// A place further away is not taken.
    pub within: Duration,
}

/// The answer to a [`PlaceRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceGrant {
    Granted {
        wait: Duration,
        /// Gives the place back while nobody took the next one.
        receipt: PlaceReceipt,
    },
    /// The next place is so far away; nothing was taken.
    TooFar { wait: Duration },
}

/// The theoretical arrival times before and after a place was taken, in microseconds of the engine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceReceipt {
    pub cap: PaceCap,
    pub before: i64,
    pub after: i64,
}

/// The pace of requests of one account, kept by all processes together.
#[async_trait]
pub trait PaceStore: Debug + Send + Sync {
    /// Takes the next place under a cap.
    async fn pass(&self, account: &Account, place: PlaceRequest) -> Result<PlaceGrant, Error>;

    /// Gives a place back without anybody waiting, unless another was taken since.
    fn give_back(&self, account: &Account, receipt: PlaceReceipt);

    /// Notes that an upstream has no requests left for a model for so long; zero lifts it.
    async fn hold(&self, account: &Account, model: &ModelId, time: Duration) -> Result<(), Error>;

    /// Holds of an account that have not passed, with the time that is left of each.
    async fn holds(&self, account: &Account) -> Result<Vec<(ModelId, Duration)>, Error>;
}
