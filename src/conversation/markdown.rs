//! A thread as people read it: who said what, when, by which model and for how much.

use std::fmt::Write as _;

use super::{Said, Thread, Turn};
use crate::{money::Usd, text};

impl Thread {
    /// The thread as Markdown that shows no control character.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut page = self.last().map_or_else(String::new, |last| format!("# Conversation {last}\n"));
        for (turn, n) in self.turns().iter().zip(1..) {
            // Writing to a text cannot fail.
            let _ = write!(page, "\n{}", section(turn, n));
        }
        let costs: Option<Usd> = self.turns().iter().map(|turn| turn.cost_usd).sum();
        let costs = costs.map_or_else(|| "cost unknown".to_owned(), |costs| costs.to_string());
        let count = if self.turns().len() == 1 { "1 turn".to_owned() } else { format!("{} turns", self.turns().len()) };
        let _ = writeln!(page, "\n---\n\n{count}, {costs}");
        page
    }
}

fn section(turn: &Turn, n: usize) -> String {
    let at = turn.at.format("%Y-%m-%d %H:%M:%S UTC");
    let mut section = format!("## {n}. {}, {at}\n\n", brief(&turn.tool));
    if let Some(instructions) = &turn.instructions {
        let _ = writeln!(section, "Instructions:\n\n{}\n", quoted(instructions));
    }
    let said: Vec<_> = turn.said.iter().map(said).collect();
    let _ = writeln!(section, "{}\n", said.join("\n>\n"));
    let cost = turn.cost_usd.map_or_else(|| "cost unknown".to_owned(), |cost| cost.to_string());
    let _ = writeln!(section, "**{}** ({cost}):", brief(&turn.model));
    if let Some(answer) = &turn.answer {
        let _ = writeln!(section, "\n{}", text::sanitize(answer).trim_end());
    }
    let made: Vec<_> = turn.made.iter().map(|uri| format!("- {}", link(uri))).collect();
    if !made.is_empty() {
        let _ = writeln!(section, "\n{}", made.join("\n"));
    }
    section
}

fn said(said: &Said) -> String {
    match said {
        Said::Text { text } => quoted(text),
        Said::Kept { uri } => format!("> {}", link(uri)),
        Said::Picture { name, format, dimensions, .. } => {
            format!("> [{}: {}, {dimensions}]", brief(name), format.media_type())
        }
        Said::Document { name, media_type, .. } => format!("> [{}: {}]", brief(name), brief(media_type)),
    }
}

/// Quotes a person's words, so that they cannot be taken for a model's answer.
fn quoted(said: &str) -> String {
    let said = text::sanitize(said);
    let lines = said.trim_end().lines().map(|line| format!("> {line}").trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

fn link(uri: &str) -> String {
    let uri = brief(uri);
    format!("[{uri}]({uri})")
}

fn brief(word: &str) -> String {
    text::escape(&text::clip(word, 200))
}
