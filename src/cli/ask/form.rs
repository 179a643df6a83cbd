//! The form of an answer on stdout: as it came for programs, rendered for a person, or its code alone.

use std::io::{IsTerminal, Write, stderr, stdout};

use anstream::{AutoStream, ColorChoice};

use crate::{
    cli::{
        markdown::{Rendering, first_block},
        table::Width,
    },
    tools::ask_openai::Answered,
};

/// The form in which an answer is printed.
#[derive(Debug)]
pub(in crate::cli) enum AnswerForm {
    /// Byte for byte.
    Source,
    Rendered(Rendering),
    /// `--extract`
    FirstBlock,
}

impl AnswerForm {
    /// Rendered where stdout is a terminal that shows styles, and `NO_COLOR` does not forbid them.
    pub(in crate::cli) fn of_stdout() -> Self {
        // Tells Windows' console to obey escape sequences, too.
        let shows_styles = AutoStream::auto(stdout()).current_choice() != ColorChoice::Never;
        match Width::of_stdout() {
            Width::Terminal(columns) if shows_styles && stdout().is_terminal() => {
                Self::Rendered(Rendering::new(columns))
            }
            Width::Terminal(_) | Width::Any => Self::Source,
        }
    }

    /// The part of the output that one more piece of the answer makes.
    pub(in crate::cli) fn push(&mut self, piece: String) -> String {
        match self {
            Self::Source => piece,
            Self::Rendered(rendering) => rendering.push(&piece),
            Self::FirstBlock => String::new(),
        }
    }

    /// The end of the output.
    pub(in crate::cli) fn finish(&mut self, answered: Option<&Answered>) -> String {
        match (self, answered) {
            (Self::Rendered(rendering), _) => rendering.finish(),
            // A shell's prompt would stand behind the last word.
            (Self::Source, Some(answered)) if !answered.text.ends_with('\n') => "\n".to_owned(),
            (Self::Source, _) | (Self::FirstBlock, None) => String::new(),
            (Self::FirstBlock, Some(answered)) => first_block(&answered.text).unwrap_or_else(|| {
                // All of it, and not nothing: it is paid for.
                let _ = writeln!(stderr(), "note: the answer has no code block: this is all of it");
                answered.text.trim_end().to_owned() + "\n"
            }),
        }
    }
}
