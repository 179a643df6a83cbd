//! Facts learnt about the upstream, for as long as this process lives: asked once, then remembered.

use std::sync::atomic::{AtomicBool, Ordering};

use url::Url;

use super::{Api, known::KnownUpstream, transport::form::FieldNaming};

/// Facts about one upstream. All are unknown, and taken for the better, until an answer says otherwise.
#[derive(Debug, Default)]
pub(super) struct UpstreamFacts {
    pub has_no_responses: LearntFact,
    /// It answered without its background: it is not asked for one again.
    pub has_no_background: LearntFact,
    pub takes_no_multipart: LearntFact,
    /// It misses pictures under any other name than `image`.
    pub knows_image_alone: LearntFact,
}

/// Each stands alone, so relaxed order is enough: a call that reads one too early asks once more in the old way.
#[derive(Debug, Default)]
pub(super) struct LearntFact(AtomicBool);

impl LearntFact {
    pub(super) fn learn(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_learnt(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl UpstreamFacts {
    /// The API to ask by where the settings leave it open.
    pub(super) fn api(&self, setting: Api, base_url: &Url) -> Api {
        match setting {
            Api::Auto if self.has_no_responses.is_learnt() => Api::Chat,
            Api::Auto => KnownUpstream::at(base_url).map_or(Api::Auto, |known| known.first),
            setting => setting,
        }
    }

    /// The name that the pictures of an edit go by.
    pub(super) fn naming(&self) -> FieldNaming {
        if self.knows_image_alone.is_learnt() { FieldNaming::Single } else { FieldNaming::List }
    }
}
