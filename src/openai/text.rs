//! Questions and their answers, by the two APIs for text.

pub(super) mod answer;
pub(super) mod api;
pub(super) mod asking;
pub(super) mod background;
pub(super) mod chat;
pub(super) mod citations;
pub(super) mod finish;
pub(super) mod plan;
pub(super) mod question;
pub(super) mod receiving;
pub(super) mod redactor;
pub(super) mod responses;
pub(super) mod turns;
mod unusual;
