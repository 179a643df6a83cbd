//! The thread so far, turn by turn, whichever API it came by and whether it was sent or remembered.

use std::iter::repeat_n;

use super::{attachment::Attachment, prose};

/// A conversation up to the question that is to be answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Thread {
    /// Instructions to the model beside the conversation.
    pub instructions: String,
    turns: Vec<Turn>,
}

#[derive(Debug, Clone, Default)]
struct Turn {
    asked: Said,
    answer: Option<String>,
}

/// The user's words in one turn.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    pub text: String,
    pub attachments: Vec<Attachment>,
}

impl Said {
    /// Adds another part.
    pub(crate) fn add(&mut self, text: &str) {
        add_line(&mut self.text, text);
    }

    fn tokens(&self) -> usize {
        let attached: usize = self.attachments.iter().map(|attachment| attachment.tokens).sum();
        prose::tokens(&self.text) + attached
    }
}

impl Thread {
    pub(crate) fn instruct(&mut self, text: &str) {
        add_line(&mut self.instructions, text);
    }

    /// The user speaks: a new turn begins, unless the last one still waits for its answer.
    pub(crate) fn ask(&mut self, said: Said) {
        match self.turns.last_mut() {
            Some(Turn { asked, answer: None }) => {
                asked.add(&said.text);
                asked.attachments.extend(said.attachments);
            }
            _ => self.turns.push(Turn { asked: said, answer: None }),
        }
    }

    /// The model speaks.
    pub(crate) fn answer(&mut self, text: &str) {
        match self.turns.last_mut() {
            Some(turn) => add_line(turn.answer.get_or_insert_default(), text),
            None => self.turns.push(Turn { asked: Said::default(), answer: Some(text.to_owned()) }),
        }
    }

    /// The question, if it is not answered yet.
    pub(crate) fn question(&self) -> Option<&Said> {
        self.turns.last().filter(|turn| turn.answer.is_none()).map(|turn| &turn.asked)
    }

    /// The questions of earlier turns.
    pub(crate) fn earlier(&self) -> impl Iterator<Item = &Said> {
        self.turns.iter().filter(|turn| turn.answer.is_some()).map(|turn| &turn.asked)
    }

    /// The input of the model, as one text.
    pub(crate) fn prompt(&self) -> String {
        let mut prompt = self.instructions.clone();
        for Turn { asked, answer } in &self.turns {
            for Attachment { description, tokens } in &asked.attachments {
                add_line(&mut prompt, description);
                // Not by a width of `format!`, which panics beyond 65,535: 28 pages are as long.
                let room = tokens * prose::CHARACTERS_PER_TOKEN;
                prompt.extend(repeat_n(' ', room.saturating_sub(description.chars().count())));
            }
            add_line(&mut prompt, &asked.text);
            add_line(&mut prompt, answer.as_deref().unwrap_or_default());
        }
        prompt
    }

    /// All that the model has to read.
    pub(crate) fn tokens(&self) -> usize {
        let said = self.turns.iter().map(|turn| turn.asked.tokens() + turn.answer.as_deref().map_or(0, prose::tokens));
        prose::tokens(&self.instructions) + said.sum::<usize>() + 3
    }
}

fn add_line(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}
