//! Failures of an object store, by what their reader can do about them. What the store itself said stays in the log: it
//! may repeat what it was asked.

use std::{error::Error as StdError, iter, sync::Arc};

use object_store::Error as ObjectError;

use super::wire::{GOOGLE_METADATA, NoAnswer};
use crate::text;

/// An object store that did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BucketFault {
    /// It answers, and will not, until somebody changes something.
    #[error("the image store {place} refuses: {why}")]
    Refused {
        /// The URL of the bucket.
        place: Arc<str>,
        /// Safe to show.
        why: String,
    },
    /// It does not answer as it should now; the same may succeed later.
    #[error("the image store {place} cannot be reached: {why}")]
    Away {
        /// The URL of the bucket.
        place: Arc<str>,
        /// Safe to show.
        why: String,
    },
}

impl BucketFault {
    /// The way out, as a sentence for people.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Refused { .. } => {
                "Correct images.store, or AWS_*, GOOGLE_* or AZURE_* in the environment: they must name a bucket that is \
                 there, and credentials that may read, write, list and delete in it."
            }
            Self::Away { .. } => {
                "See that the store runs and that its endpoint is right; until then, pictures wait in state.dir."
            }
        }
    }

    /// Returns whether the same may succeed later, without anybody's doing here.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Away { .. } => true,
            Self::Refused { .. } => false,
        }
    }

    /// Reads the failure of a request for `place`.
    pub(super) fn of(place: &Arc<str>, error: &ObjectError) -> Self {
        tracing::debug!(%place, ?error, "the image store did not do what it was asked");
        let place = place.clone();
        let refused = |why: &str| Self::Refused { place: place.clone(), why: why.to_owned() };
        match error {
            ObjectError::PermissionDenied { .. } => refused("these credentials may not do that (403)"),
            ObjectError::Unauthenticated { .. } => refused("it does not know these credentials (401)"),
            ObjectError::NotFound { .. } => Self::missing(&place),
            // Of all requests that are made, some servers lack only the write that fails where there is an object.
            ObjectError::NotImplemented { .. } | ObjectError::NotSupported { .. } => {
                refused("it cannot keep an object from being overwritten")
            }
            error => match causes(error).find_map(|cause| cause.downcast_ref::<NoAnswer>()) {
                Some(unanswered) if gives_credentials(&unanswered.host) => {
                    refused("there are no credentials for it, and this machine is given none")
                }
                Some(unanswered) => Self::Away { place, why: unanswered.to_string() },
                None => Self::told(place, status(error)),
            },
        }
    }

    /// Reads the status of an answer that `object_store` has no word for.
    fn told(place: Arc<str>, status: String) -> Self {
        match status.split(' ').next().unwrap_or_default() {
            "401" => Self::Refused { place, why: "it does not know these credentials (401)".to_owned() },
            "403" => Self::Refused { place, why: "these credentials may not do that (403)".to_owned() },
            "404" => Self::missing(&place),
            // Too slow, beside another write, too early, too many: the same may succeed later.
            "408" | "409" | "425" | "429" => Self::Away { place, why: status },
            _ if status.starts_with('4') => Self::Refused { place, why: status },
            _ => Self::Away { place, why: status },
        }
    }

    /// Objects may be missing anywhere; that one cannot be written, or none listed, says so of the bucket.
    pub(super) fn missing(place: &Arc<str>) -> Self {
        Self::Refused { place: place.clone(), why: "there is no such bucket (404)".to_owned() }
    }

    /// No answer came within the time there was.
    pub(super) fn slow(place: &Arc<str>) -> Self {
        Self::Away { place: place.clone(), why: "no answer in time".to_owned() }
    }
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// Clouds give credentials to their machines at these addresses: 169.254.169.254 at most of them, 169.254.170.2 in
/// Amazon's containers.
fn gives_credentials(host: &str) -> bool {
    host.starts_with("169.254.") || host == "[fd00:ec2::254]" || host == GOOGLE_METADATA
}

/// The status in the store's answer, without its body.
fn status(error: &ObjectError) -> String {
    // `object_store` has no field for it: the innermost text begins with it, or has it behind these words.
    let innermost = text::root_cause(error);
    let first = innermost.split([':', '\n']).nth(usize::from(innermost.contains("status code:")));
    text::brief(first.unwrap_or_default().trim(), 100)
}
