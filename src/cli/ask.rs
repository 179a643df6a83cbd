//! `mcp-openai ask`: the ask-openai tool from a terminal, streamed as it comes.

use std::{
    io::{Write, stderr, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use serde_json::{Map, Value};
use tokio::io::AsyncReadExt;

use super::{
    conversations, named,
    outcome::{self, Printing},
};
use crate::{
    app::App,
    call::Call,
    conversation::Conversations,
    news::{Feed, News},
    queue::Caller,
    tools::{
        Output, Tool, ToolError,
        ask_openai::{self, Answered, AskOpenai},
        references::Named,
    },
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The question; `-` reads it from stdin
    #[arg(required_unless_present = "continue_from")]
    pub query: Option<String>,
    /// Go on from an earlier answer [default: the newest one]
    #[arg(short, long = "continue", value_name = "ID", num_args = 0..=1, default_missing_value = "")]
    pub continue_from: Option<String>,
    /// Model id [default: the configured one]
    #[arg(short, long)]
    pub model: Option<String>,
    /// Randomness, 0 to 2
    #[arg(short, long)]
    pub temperature: Option<f64>,
    /// Most output tokens, reasoning included
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<u32>,
    /// How the model should behave
    #[arg(short, long, value_name = "TEXT")]
    pub instructions: Option<String>,
    /// none, minimal, low, medium, high, xhigh, max
    #[arg(long, value_name = "EFFORT")]
    pub reasoning_effort: Option<String>,
    /// low, medium, high
    #[arg(long)]
    pub verbosity: Option<String>,
    /// A picture, a PDF or a text to ask about: a file, or the `image://ID` of a kept picture; may be given up to 20 times
    #[arg(short, long, value_name = "FILE")]
    pub attach: Vec<String>,
    /// A JSON Schema in a file: the answer is such an object
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// Let the model search the web; its sources stand after the answer
    #[arg(long)]
    pub web_search: bool,
    /// Print the whole result as JSON, once it is there
    #[arg(long)]
    pub json: bool,
}

/// Asks, prints the answer on stdout and what it cost on stderr.
///
/// # Errors
/// When stdin or stdout cannot be used; a failed call is an exit code.
pub async fn run(args: Args, app: App) -> anyhow::Result<ExitCode> {
    let printing = Printing::from_flag(args.json);
    let (news, feed) = News::channel();
    let call = Call::new(Caller::local(), news, app.stop.clone());
    let args = args.into_tool(&app.conversations).await?;
    let attached = args.attachments.iter().flatten().map(|Named(name)| name.as_str());
    let references = app.ask_openai.references.allowing(named::folders(attached));
    let ask_openai = AskOpenai { references, ..AskOpenai::clone(&app.ask_openai) };
    let answering = ask_openai.run(args, &call);
    let answered = match printing {
        Printing::Json => Box::pin(answering).await,
        Printing::Text => Box::pin(stream(answering, &feed)).await?,
    };
    match (answered, printing) {
        // The answer is on stdout already.
        (Err(error @ ToolError::Unfit(_)), Printing::Text) => bail!("{error}"),
        (Err(error), printing) => outcome::failed(error, printing),
        (Ok(answered), Printing::Json) => outcome::json(answered, app.notice()),
        (Ok(answered), Printing::Text) => report(&answered, app.notice()),
    }
}

impl Args {
    async fn into_tool(self, conversations: &Conversations) -> anyhow::Result<ask_openai::Args> {
        let (mut query, continue_from) = told_apart(self.query, self.continue_from)?;
        let conversation = match continue_from.as_deref() {
            None => None,
            Some("") => Some(conversations::newest(conversations).await?),
            Some(id) => Some(conversations::find(conversations, id).await?),
        };
        if query == "-" {
            query.clear();
            // Off this thread, so that Ctrl-C is heard meanwhile.
            tokio::io::stdin().read_to_string(&mut query).await.context("the question cannot be read from stdin")?;
        }
        Ok(ask_openai::Args {
            query,
            model: self.model,
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            instructions: self.instructions,
            reasoning_effort: self.reasoning_effort,
            verbosity: self.verbosity,
            conversation: conversation.map(|handle| handle.to_string()),
            attachments: Some(self.attach.iter().map(|name| Named(named::absolute(name))).collect()),
            web_search: Some(self.web_search),
            schema: self.schema.as_deref().map(read_schema).transpose()?,
        })
    }
}

/// In `ask --continue "Why?"` the question stands where an id could: it does not begin like one.
fn told_apart(query: Option<String>, continue_from: Option<String>) -> anyhow::Result<(String, Option<String>)> {
    match (query, continue_from) {
        (Some(query), continue_from) => Ok((query, continue_from)),
        (None, Some(question)) if !question.is_empty() && !question.starts_with("conv") => {
            Ok((question, Some(String::new())))
        }
        (None, _) => bail!("what is the question? mcp-openai ask --continue [ID] QUERY"),
    }
}

/// The object in a file; what is wrong with it, otherwise.
fn read_schema(path: &Path) -> Result<Map<String, Value>, ToolError> {
    let wrong = |why: String| ToolError::InvalidArgument(format!("`--schema` {}: {why}", path.display()));
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| wrong(format!("it is no JSON object ({error})")))
}

/// Prints the text as it comes and ends it with a line feed.
async fn stream(
    answering: impl Future<Output = Result<Answered, ToolError>>,
    feed: &Feed,
) -> std::io::Result<Result<Answered, ToolError>> {
    let mut answering = std::pin::pin!(answering);
    let mut out = stdout();
    let answered = loop {
        tokio::select! {
            answered = &mut answering => break answered,
            () = feed.changed() => write_delta(&mut out, &feed.take().delta)?,
        }
    };
    write_delta(&mut out, &feed.take().delta)?;
    if answered.as_ref().is_ok_and(|answered| !answered.text.ends_with('\n')) {
        writeln!(out)?;
    }
    Ok(answered)
}

fn write_delta(out: &mut impl Write, delta: &str) -> std::io::Result<()> {
    out.write_all(delta.as_bytes())?;
    out.flush()
}

fn report(answered: &Answered, notice: Option<&str>) -> anyhow::Result<ExitCode> {
    if let Some(sources) = answered.sources() {
        writeln!(stderr(), "\nSources:\n{sources}")?;
    }
    let tokens = answered
        .usage
        .map_or(String::new(), |usage| format!(" · {} tokens in, {} out", usage.input_tokens, usage.output_tokens));
    outcome::footer(&answered.warnings, notice, &format!("{}{tokens}", answered.receipt().unwrap_or_default()))
}
