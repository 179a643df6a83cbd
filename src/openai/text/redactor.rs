//! Takes secrets out of a text that comes in pieces, as a key that an upstream echoes does.

use std::{borrow::Cow, sync::Arc};

use crate::openai::key::secrets::SecretForms;

/// The secrets to take out, and the end of the text so far that may be the beginning of one.
#[derive(Default)]
pub(crate) struct Redactor {
    secrets: Arc<SecretForms>,
    held: String,
}

impl Redactor {
    pub(crate) fn new(secrets: Arc<SecretForms>) -> Self {
        Self { secrets, held: String::new() }
    }

    /// Takes a piece of text, and returns what is known to hold no secret.
    pub(crate) fn pass<'a>(&mut self, piece: &'a str) -> Cow<'a, str> {
        let text = if self.held.is_empty() {
            Cow::Borrowed(piece)
        } else {
            Cow::Owned(std::mem::take(&mut self.held) + piece)
        };
        let text = match text {
            Cow::Borrowed(text) => self.whole(text),
            Cow::Owned(text) => Cow::Owned(self.whole(&text).into_owned()),
        };
        // Less than one secret is held back, so a reader never waits for more than that.
        let known = text.len() - self.secrets.begun_in(&text);
        if known == text.len() {
            return text;
        }
        let (known, begun) = text.split_at(known);
        begun.clone_into(&mut self.held);
        Cow::Owned(known.to_owned())
    }

    /// Ends the text, and returns what was held back.
    pub(crate) fn rest(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// The text that is held back so far.
    pub(crate) fn held(&self) -> &str {
        &self.held
    }

    /// A whole text without the secrets in it.
    pub(crate) fn whole<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.secrets.out_of(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: [&str; 3] = ["sk-canary-012345", "sk-canary-0123456789", "short"];

    fn redactor() -> Redactor {
        Redactor::new(Arc::new(SecretForms::new(SECRETS.into_iter())))
    }

    #[test]
    fn i07_the_same_for_every_split() {
        let came = "ä sk-canary-012345 and short ssk-canary-012345sk-canary-01234";
        for (split, _) in came.char_indices() {
            let (head, tail) = came.split_at(split);
            let mut redactor = redactor();
            let text = [redactor.pass(head).into_owned(), redactor.pass(tail).into_owned(), redactor.rest()].concat();
            assert_eq!(text, "ä [secret] and short s[secret]sk-canary-01234", "split at {split}");
        }
    }

    #[test]
    fn what_stands_in_answers_by_right_stays() {
        let sent = ["2025-01-01", "2025-04-01-preview", "https://my.site", "lm-studio"];
        let mut redactor = Redactor::new(Arc::new(SecretForms::new(sent.into_iter())));
        for text in sent {
            assert_eq!(redactor.pass(text), text);
        }
    }

    #[test]
    fn what_cannot_be_a_secret_passes_at_once() {
        let mut redactor = redactor();
        assert!(matches!(redactor.pass("a text"), Cow::Borrowed("a text")));
        assert_eq!(redactor.pass("a ri"), "a ri");
        assert_eq!((&*redactor.pass("s sk"), redactor.held()), ("s ", "sk"));
        assert_eq!((&*redactor.pass("y"), redactor.held()), ("sky", ""));
    }
}
