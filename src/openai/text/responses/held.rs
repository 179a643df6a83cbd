//! Deltas of other pieces of output than the one that is being written: servers send those of two by turns.

use std::collections::BTreeMap;

use crate::openai::text::citations::OutputPosition;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PieceState {
    Open,
    Done,
}

/// The other pieces so far, in their order.
#[derive(Default)]
pub(super) struct HeldPieces(BTreeMap<OutputPosition, HeldPiece>);

pub(super) struct HeldPiece {
    pub text: String,
    pub state: PieceState,
}

impl HeldPieces {
    pub(super) fn hold(&mut self, place: OutputPosition, delta: &str) {
        let held = self.0.entry(place).or_insert(HeldPiece { text: String::new(), state: PieceState::Open });
        held.text.push_str(delta);
    }

    /// Puts a whole piece in place of what is held of it; `false` where nothing is.
    pub(super) fn end(&mut self, place: OutputPosition, whole: &str) -> bool {
        let held = self.0.get_mut(&place);
        held.map(|held| *held = HeldPiece { text: whole.to_owned(), state: PieceState::Done }).is_some()
    }

    /// Gives the first piece.
    pub(super) fn next(&mut self) -> Option<(OutputPosition, HeldPiece)> {
        self.0.pop_first()
    }
}
