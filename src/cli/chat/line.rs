//! The line that a person types, with the keys and the history of a shell.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rustyline::{Config, Editor, error::ReadlineError, history::FileHistory};
use tokio::task::spawn_blocking;

/// The file of the history, in the folder for state.
const FILE: &str = "chat-history";
/// Lines of the history that are kept.
const MOST_LINES: usize = 1_000;

/// Something that was typed.
pub(super) enum Line {
    Question(String),
    /// Nothing, or a line that Ctrl-C threw away.
    Empty,
    /// Ctrl-D, `exit`, `quit`.
    End,
}

pub(super) struct LineEditor {
    editor: Editor<(), FileHistory>,
    /// `None` where no folder on this machine keeps state.
    history: Option<PathBuf>,
}

impl LineEditor {
    /// # Errors
    /// When the terminal cannot be used.
    pub(super) fn open(folder: Option<&Path>) -> anyhow::Result<Self> {
        // A line that begins with a blank is not kept, as in shells.
        let config = Config::builder().max_history_size(MOST_LINES)?.history_ignore_space(true).build();
        let mut editor = Editor::with_config(config).context("the terminal cannot be used")?;
        let history = folder.map(|folder| folder.join(FILE));
        if let Some(file) = &history {
            // There is none yet the first time.
            let _ = editor.load_history(file);
        }
        Ok(Self { editor, history })
    }

    /// Reads a line in a thread of its own, so that what is to be kept of the last answer is kept meanwhile.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    pub(super) async fn read(mut self) -> anyhow::Result<(Line, Self)> {
        spawn_blocking(move || Ok((self.line()?, self))).await?
    }

    fn line(&mut self) -> anyhow::Result<Line> {
        // Before a line is read, and not after: the chat may be ended by a signal while it waits.
        self.keep_history();
        let typed = match self.editor.readline("> ") {
            Ok(typed) => typed,
            Err(ReadlineError::Eof) => return Ok(Line::End),
            Err(ReadlineError::Interrupted) => return Ok(Line::Empty),
            Err(error) => return Err(error).context("the terminal cannot be read"),
        };
        match typed.trim() {
            "" => Ok(Line::Empty),
            "exit" | "quit" => Ok(Line::End),
            question => {
                let _ = self.editor.add_history_entry(&typed);
                Ok(Line::Question(question.to_owned()))
            }
        }
    }

    /// Appends what was typed to a file for this user alone. Comes late: the first answer makes the folder. What cannot
    /// be written is forgotten with the chat.
    fn keep_history(&mut self) {
        if let Some(file) = &self.history
            && let Err(error) = self.editor.append_history(file)
        {
            tracing::debug!(%error, "the history of the chat is not kept");
        }
    }
}
