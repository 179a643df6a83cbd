//! What the sandbox has to say: plainly its own words, the same for the same question.

use std::{fmt::Write as _, time::Duration};

use serde_json::Value;

use super::Pace;
use crate::text::clip;

/// The start of every answer.
const MARK: &str = "This is the sandbox of mcp-openai, not OpenAI: no model has read this and nothing was charged.";

/// Something to watch while it streams.
const ASIDES: [&str; 6] = [
    "These words come one by one, as a model's would, so whatever shows them can be seen to do so.",
    "The same question gets the same answer here, which a model would never promise.",
    "The numbers beside this answer are counted from its length, four characters to a token, and are not a bill.",
    "Ask for a picture as well: the sandbox paints one from the words of the prompt, say a sailing boat at sunset.",
    "Errors can be rehearsed here, too: the sandbox's front page lists the faults that it can play.",
    "Everything between the client and the model is real in this exchange; only the model is missing.",
];

/// A question, whichever API it came by.
#[derive(Debug)]
pub struct Question<'a> {
    pub model: &'a str,
    pub instructions: Option<&'a str>,
    pub input: Input,
    pub max_tokens: Option<u64>,
    /// Tokens that the model's reasoning takes, out of `max_tokens`.
    pub reasoning_tokens: usize,
}

/// A question's parts, reduced to what the sandbox looks at.
#[derive(Debug, Default)]
pub struct Input {
    pub text: String,
    pub attachments: usize,
}

/// An answer as the model would have written it, with its count.
#[derive(Debug)]
pub struct Draft {
    pub kind: Kind,
    pub text: String,
    pub ending: Ending,
    pub input_tokens: usize,
    pub reasoning_tokens: usize,
    /// Reasoning included.
    pub output_tokens: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Answer,
    Refusal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Done,
    MaxTokens,
    Failed,
}

impl Input {
    /// Reads what both APIs call content: a text, or a list of parts.
    pub fn add(&mut self, content: &Value) {
        if let Some(text) = content.as_str() {
            self.text.push_str(text);
        }
        for part in content.as_array().into_iter().flatten() {
            match part.get("text").and_then(Value::as_str) {
                Some(text) => self.text.push_str(text),
                None => self.attachments += 1,
            }
        }
    }
}

impl Question<'_> {
    pub fn is_blocked(&self) -> bool {
        is_blocked(&self.input.text)
    }

    /// Writes the answer, as far as `max_tokens` lets it.
    pub fn answer(&self) -> Draft {
        let asked = &self.input.text;
        let (kind, whole) = if asked.contains("[refused]") {
            (Kind::Refusal, format!("{MARK} It declines to answer, because the question contains [refused]."))
        } else {
            (Kind::Answer, self.compose())
        };
        let most = self.max_tokens.and_then(|tokens| usize::try_from(tokens).ok()).unwrap_or(usize::MAX);
        let reasoning_tokens = self.reasoning_tokens.min(most);
        let text: String = whole.chars().take((most - reasoning_tokens).saturating_mul(4)).collect();
        let ending = match (asked.contains("[failed]"), text.len() < whole.len()) {
            (true, _) => Ending::Failed,
            (false, true) => Ending::MaxTokens,
            (false, false) => Ending::Done,
        };
        Draft {
            kind,
            ending,
            input_tokens: tokens(asked) + self.instructions.map_or(0, tokens) + 765 * self.input.attachments + 3,
            reasoning_tokens,
            output_tokens: reasoning_tokens + tokens(&text),
            text,
        }
    }

    fn compose(&self) -> String {
        let asked = self.input.text.trim();
        let mut text = format!("{MARK}\n\nYou asked: “{}”", clip(asked, 300));
        let (words, characters) = (asked.split_whitespace().count(), asked.chars().count());
        let _ = write!(
            text,
            "\n\nThat came as {} ({}) for {}",
            count(words, "word"),
            count(characters, "character"),
            self.model
        );
        if self.input.attachments > 0 {
            let _ = write!(text, ", with {}", count(self.input.attachments, "attachment"));
        }
        if let Some(instructions) = self.instructions {
            let _ = write!(text, ", under the instructions “{}”", clip(instructions.trim(), 120));
        }
        let aside = ASIDES.iter().cycle().nth(words + characters).copied().unwrap_or_default();
        let _ = write!(text, ". {aside}\n\nFor a model's answer, set OPENAI_API_KEY and leave the sandbox out.");
        text
    }
}

impl Draft {
    pub fn total_tokens(&self) -> usize {
        self.input_tokens + self.output_tokens
    }

    /// The text as it is streamed: word by word, blanks with the word before.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.text.split_inclusive([' ', '\n'])
    }
}

pub fn is_blocked(text: &str) -> bool {
    text.contains("[blocked]")
}

/// OpenAI's rule of thumb for English.
pub fn tokens(text: &str) -> usize {
    text.chars().count().div_ceil(4)
}

/// How long one word takes.
pub fn word_time(pace: Pace) -> Duration {
    match pace {
        Pace::Instant => Duration::ZERO,
        Pace::Natural => Duration::from_millis(25),
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str, max_tokens: Option<u64>, reasoning_tokens: usize) -> Draft {
        let input = Input { text: text.to_owned(), attachments: 0 };
        Question { model: "m", instructions: None, input, max_tokens, reasoning_tokens }.answer()
    }

    #[test]
    fn the_same_question_gets_the_same_answer() {
        assert_eq!(answer("Why?", None, 0).text, answer("Why?", None, 0).text);
        assert_ne!(answer("Why?", None, 0).text, answer("Why not?", None, 0).text);
    }

    #[test]
    fn reasoning_comes_out_of_the_same_limit() {
        let cut = answer("Why?", Some(20), 16);
        assert_eq!((cut.ending, cut.text.len(), cut.output_tokens), (Ending::MaxTokens, 16, 20));
        let silent = answer("Why?", Some(10), 16);
        assert_eq!((silent.ending, silent.text.as_str(), silent.reasoning_tokens), (Ending::MaxTokens, "", 10));
    }

    #[test]
    fn words_joined_are_the_text() {
        let draft = answer("What does “naïve” mean?\n\tIn short.", None, 0);
        assert_eq!(draft.words().collect::<String>(), draft.text);
    }
}
