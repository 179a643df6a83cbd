//! The sandbox's answers: plainly its own words, the same for the same question.

use std::{borrow::Cow, fmt::Write as _, ops::Range, time::Duration};

use super::{
    Pace,
    form::Form,
    thread::{Said, Thread},
};

/// The start of every answer, so that nobody takes it for a model's.
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

/// Pages that exist for being cited: <https://www.iana.org/help/example-domains>.
const PAGES: [(&str, &str); 2] =
    [("Example Domain", "https://example.com/"), ("Example Domains", "https://www.iana.org/help/example-domains")];

/// Time for a word after `[slow]`.
const SLOW: Duration = Duration::from_millis(50);

/// A question, whichever API it came by.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub model: &'a str,
    pub instructions: Option<&'a str>,
    pub thread: &'a Thread,
    pub max_tokens: Option<u64>,
    /// Tokens that the model's reasoning takes, out of `max_tokens`.
    pub reasoning_tokens: usize,
    pub form: Option<&'a Form>,
    pub search: Search,
}

/// Web search for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Search {
    Off,
    On,
}

/// An answer as the model would have written it, with its count.
#[derive(Debug)]
pub(crate) struct Draft {
    pub kind: Kind,
    pub text: String,
    pub citations: Vec<Citation>,
    /// The query of a web search.
    pub searched: Option<String>,
    pub ending: Ending,
    /// All that the model had to read, in its order; what is attached takes as much room as it has tokens.
    pub prompt: String,
    pub input_tokens: usize,
    pub reasoning_tokens: usize,
    /// Reasoning included.
    pub output_tokens: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Answer,
    Refusal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    MaxTokens,
    Failed,
}

/// A page that an answer names; its range is counted in characters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Citation {
    pub title: &'static str,
    pub url: &'static str,
    pub range: Range<usize>,
}

impl Question<'_> {
    pub(crate) fn is_blocked(&self) -> bool {
        is_blocked(self.asked())
    }

    /// Writes the answer, as far as `max_tokens` lets it.
    pub(crate) fn answer(&self) -> Draft {
        let asked = self.asked();
        let mut citations = Vec::new();
        let (kind, whole) = if asked.contains("[refused]") {
            (Kind::Refusal, format!("{MARK} It declines to answer, because the question contains [refused]."))
        } else if let Some(form) = self.form {
            (Kind::Answer, form.fill())
        } else {
            (Kind::Answer, self.compose(&mut citations))
        };
        let most = self.max_tokens.and_then(|tokens| usize::try_from(tokens).ok()).unwrap_or(usize::MAX);
        // Reasoning comes first: as with a model, few tokens leave nothing for an answer.
        let reasoning_tokens = self.reasoning_tokens.min(most);
        let length = (most - reasoning_tokens).saturating_mul(CHARACTERS_PER_TOKEN);
        let text: String = whole.chars().take(length).collect();
        citations.retain(|citation| citation.range.end <= length);
        let ending = match (asked.contains("[failed]"), text.len() < whole.len()) {
            (true, _) => Ending::Failed,
            (false, true) => Ending::MaxTokens,
            (false, false) => Ending::Done,
        };
        Draft {
            kind,
            ending,
            citations,
            searched: (self.search == Search::On).then(|| clip(asked.trim(), 100).into_owned()),
            prompt: self.prompt(),
            input_tokens: input_tokens(self.thread, self.instructions),
            reasoning_tokens,
            output_tokens: reasoning_tokens + tokens(&text),
            text,
        }
    }

    /// Time for one word.
    pub(crate) fn word_time(&self, pace: Pace) -> Duration {
        match pace {
            _ if self.asked().contains("[slow]") => SLOW,
            Pace::Instant => Duration::ZERO,
            Pace::Natural => Duration::from_millis(25),
        }
    }

    fn prompt(&self) -> String {
        format!("{}\n{}", self.instructions.unwrap_or_default(), self.thread.prompt())
    }

    fn asked(&self) -> &str {
        self.thread.question().map_or("", |said| &said.text)
    }

    fn compose(&self, citations: &mut Vec<Citation>) -> String {
        let asked = self.asked().trim();
        let mut text = format!("{MARK}\n\nYou asked: “{}”", clip(asked, 300));
        let earlier: Vec<String> = self.thread.earlier().map(quote).collect();
        if !earlier.is_empty() {
            let _ = write!(text, "\n\nEarlier you asked: {}.", earlier.join("; "));
        }
        let seen = self.thread.question().map(seen).unwrap_or_default();
        if !seen.is_empty() {
            let _ = write!(text, "\n\nI see {seen}.");
        }
        let (words, characters) = (asked.split_whitespace().count(), asked.chars().count());
        let _ = write!(
            text,
            "\n\nThat came as {} ({}) for {}",
            count(words, "word"),
            count(characters, "character"),
            self.model
        );
        let instructions = [self.instructions.unwrap_or_default().trim(), self.thread.instructions.trim()];
        for instructions in instructions.iter().filter(|instructions| !instructions.is_empty()) {
            let _ = write!(text, ", under the instructions “{}”", clip(instructions, 120));
        }
        let aside = ASIDES.iter().cycle().nth(words + characters).copied().unwrap_or_default();
        let _ = write!(text, ". {aside}");
        if self.search == Search::On {
            cite(&mut text, citations);
        }
        text.push_str("\n\nFor a model's answer, set OPENAI_API_KEY and leave the sandbox out.");
        text
    }
}

/// Tokens of all that the model has to read.
pub(crate) fn input_tokens(thread: &Thread, instructions: Option<&str>) -> usize {
    thread.tokens() + instructions.map_or(0, tokens)
}

/// An earlier question, with what was attached to it.
fn quote(said: &Said) -> String {
    let seen = seen(said);
    let attached = if seen.is_empty() { String::new() } else { format!(" with {seen}") };
    format!("“{}”{attached}", clip(said.text.trim(), 100))
}

fn seen(said: &Said) -> String {
    let names: Vec<&str> = said.attachments.iter().map(|attachment| attachment.description.as_str()).collect();
    names.join(", ")
}

/// A sentence that names its sources, as OpenAI's models do it: a link in the text, and an annotation over the link.
fn cite(text: &mut String, citations: &mut Vec<Citation>) {
    text.push_str("\n\nThe sandbox searches no web, but cites as a search would:");
    for (title, url) in PAGES {
        text.push_str(" (");
        let start = text.chars().count();
        let _ = write!(text, "[{title}]({url})");
        citations.push(Citation { title, url, range: start..text.chars().count() });
        text.push(')');
    }
}

impl Draft {
    pub(crate) fn total_tokens(&self) -> usize {
        self.input_tokens + self.output_tokens
    }

    /// The text as it is streamed: word by word, blanks with the word before.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.text.split_inclusive([' ', '\n'])
    }
}

pub(crate) fn is_blocked(text: &str) -> bool {
    text.contains("[blocked]")
}

/// OpenAI's rule of thumb for English.
pub(crate) const CHARACTERS_PER_TOKEN: usize = 4;

pub(crate) fn tokens(text: &str) -> usize {
    text.chars().count().div_ceil(CHARACTERS_PER_TOKEN)
}

/// At most `most` characters; an ellipsis stands for what was cut.
fn clip(text: &str, most: usize) -> Cow<'_, str> {
    if text.chars().nth(most).is_none() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().take(most.saturating_sub(1)).chain(['…']).collect())
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str, max_tokens: Option<u64>, reasoning_tokens: usize) -> Draft {
        ask(text, max_tokens, reasoning_tokens, Search::Off)
    }

    fn ask(text: &str, max_tokens: Option<u64>, reasoning_tokens: usize, search: Search) -> Draft {
        let mut thread = Thread::default();
        thread.ask(Said { text: text.to_owned(), attachments: Vec::new() });
        let question = Question {
            model: "m",
            instructions: None,
            thread: &thread,
            max_tokens,
            reasoning_tokens,
            form: None,
            search,
        };
        question.answer()
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

    #[test]
    fn citations_cover_their_links() {
        let draft = ask("Was ist „neu“?", None, 0, Search::On);
        assert_eq!(draft.citations.len(), PAGES.len());
        for Citation { title, url, range } in &draft.citations {
            let link: String = draft.text.chars().skip(range.start).take(range.len()).collect();
            assert_eq!(link, format!("[{title}]({url})"));
        }
        let cut = ask("Was ist „neu“?", Some(100), 0, Search::On);
        assert!(cut.citations.len() < PAGES.len() && cut.ending == Ending::MaxTokens, "{}", cut.text);
    }
}
