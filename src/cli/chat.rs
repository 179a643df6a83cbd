//! `mcp-openai chat`: questions and answers in turn, each going on from the last. Ctrl-C stops an answer, not the chat;
//! in a pipe that waits for its next line it ends the chat.

use std::{
    io::{IsTerminal, Write, stderr, stdin, stdout},
    process::ExitCode,
};

use clap_complete::ArgValueCandidates;
use tokio::signal;

use self::line::{Line, LineEditor};
use super::{
    ask::{self, AnswerForm, QuestionOptions},
    candidates, exit,
    outcome::Printing,
    preset,
};
use crate::{
    app::App,
    call::Call,
    news::News,
    queue::Caller,
    tools::{
        Tool, ToolError,
        ask_openai::{self, Answered},
    },
};

mod line;

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    /// Go on from an earlier answer [default of -c alone: the newest one]
    #[arg(short, long = "continue", value_name = "ID", num_args = 0..=1, default_missing_value = "")]
    #[arg(add = ArgValueCandidates::new(candidates::conversations))]
    continue_from: Option<String>,
    #[command(flatten)]
    options: QuestionOptions,
}

/// Asks what is typed, line by line, until Ctrl-D.
///
/// # Errors
/// When the preset or the conversation is not there, or stdout cannot be used. A call that fails is told, and ends the
/// chat only where no person could go on.
pub async fn run(args: Args, app: App) -> anyhow::Result<ExitCode> {
    let preset = preset::find(&app.config, args.options.preset.as_deref())?;
    let common = args.options.over(&preset)?;
    let mut conversation = ask::conversation(&app, args.continue_from.as_deref()).await?;
    // Said once, and not under every answer.
    let mut notice = app.notice();
    let mut editor = LineEditor::open(app.state_folder())?;
    let code: ExitCode = loop {
        let Some((line, returned)) = next_line(editor).await? else { break exit::INTERRUPTED.into() };
        editor = returned;
        let question = match line {
            Line::Empty => continue,
            Line::End => break ExitCode::SUCCESS,
            Line::Question(question) => preset.fill(question),
        };
        let args = ask_openai::Args { query: question, conversation: conversation.clone(), ..common.clone() };
        match Box::pin(turn(args, &app)).await? {
            Ok(answered) => {
                ask::report(&answered, notice.take())?;
                // An answer that could not be kept has no handle: the next question goes on from the one before it.
                conversation = answered.conversation.or(conversation);
            }
            Err(error) if stdin().is_terminal() => drop(exit::report(error.into(), Printing::Text)),
            // In a pipe the lines behind it would go on from an answer that never came.
            Err(error) => return Err(error.into()),
        }
        writeln!(stdout())?;
    };
    if let Some(handle) = conversation {
        writeln!(stderr(), "to go on from here: mcp-openai chat -c {handle}")?;
    }
    Ok(code)
}

/// The next line; `None` where Ctrl-C ends a pipe.
async fn next_line(editor: LineEditor) -> anyhow::Result<Option<(Line, LineEditor)>> {
    tokio::select! {
        read = editor.read() => read.map(Some),
        // At a terminal it is a key of the editor. A process that has listened for the signal once is not ended by it.
        Ok(()) = signal::ctrl_c(), if !stdin().is_terminal() => Ok(None),
    }
}

/// One question and its answer, which Ctrl-C stops.
async fn turn(args: ask_openai::Args, app: &App) -> std::io::Result<Result<Answered, ToolError>> {
    let (news, feed) = News::channel();
    let stop = app.stop.child_token();
    let call = Call::new(Caller::local(), news, stop.clone());
    let answering = ask::stream(app.ask_openai.run(args, &call), &feed, AnswerForm::of_stdout());
    let mut answering = std::pin::pin!(answering);
    tokio::select! {
        answered = &mut answering => return answered,
        // Cancelled, and not dropped: what was written by then is kept, booked and shown.
        Ok(()) = signal::ctrl_c() => stop.cancel(),
    }
    answering.await
}
