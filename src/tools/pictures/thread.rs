//! Pictures made in a conversation: one turn of it, for a model to see later.

use chrono::Utc;

use super::Created;
use crate::{
    artifact::Origin,
    conversation::{Said, Turn},
    tools::closing::Continued,
};

impl Created {
    /// The order and the pictures that came of it, as a turn.
    pub(super) fn turn(&self, origin: Origin) -> Turn {
        let started_from = origin.parents.into_iter().filter(|parent| parent.starts_with("image://"));
        let started_from = started_from.map(|uri| Said::Kept { uri });
        Turn {
            at: Utc::now(),
            tool: origin.tool,
            model: self.model.clone(),
            instructions: None,
            said: [Said::Text { text: origin.prompt }].into_iter().chain(started_from).collect(),
            answer: None,
            made: self.images.iter().filter_map(|image| image.uri.clone()).collect(),
            response_id: None,
            items: Vec::new(),
            cost_usd: self.cost_usd,
        }
    }
}

impl Continued for Created {
    fn continued_as(&mut self, handle: Option<String>) {
        self.conversation = handle;
    }
}
