//! Facts learnt about the upstream, for as long as this process lives: asked once, then remembered.

use std::sync::atomic::{AtomicBool, Ordering};

use url::Url;

use super::{Api, known::KnownUpstream, transport::form::FieldNaming};

/// Facts about one upstream. All are unknown, and taken for the better, until an answer says otherwise. Each stands
/// alone, so relaxed order is enough: a call that reads one too early asks once more in the old way.
#[derive(Debug, Default)]
pub(super) struct UpstreamFacts {
    has_no_responses: AtomicBool,
    has_no_background: AtomicBool,
    takes_no_multipart: AtomicBool,
    knows_image_alone: AtomicBool,
}

impl UpstreamFacts {
    /// The API to ask by where the settings leave it open.
    pub(super) fn api(&self, setting: Api, base_url: &Url) -> Api {
        match setting {
            Api::Auto if self.has_no_responses.load(Ordering::Relaxed) => Api::Chat,
            Api::Auto => KnownUpstream::at(base_url).map_or(Api::Auto, |known| known.first),
            setting => setting,
        }
    }

    pub(super) fn no_responses(&self) {
        self.has_no_responses.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_background(&self) -> bool {
        !self.has_no_background.load(Ordering::Relaxed)
    }

    /// The upstream answered without its background: it is not asked for one again.
    pub(super) fn no_background(&self) {
        self.has_no_background.store(true, Ordering::Relaxed);
    }

    pub(super) fn takes_multipart(&self) -> bool {
        !self.takes_no_multipart.load(Ordering::Relaxed)
    }

    /// The name that the pictures of an edit go by.
    pub(super) fn naming(&self) -> FieldNaming {
        if self.knows_image_alone.load(Ordering::Relaxed) { FieldNaming::Single } else { FieldNaming::List }
    }

    pub(super) fn image_alone(&self) {
        self.knows_image_alone.store(true, Ordering::Relaxed);
    }

    pub(super) fn no_multipart(&self) {
        self.takes_no_multipart.store(true, Ordering::Relaxed);
    }
}
