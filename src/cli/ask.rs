//! `mcp-openai ask`: the ask-openai tool from a terminal, streamed as it comes.

use std::{
    io::{Write, stdout},
    process::ExitCode,
};

use anyhow::Context;
use tokio::io::AsyncReadExt;

use super::outcome::{self, Printing};
use crate::{
    app::App,
    call::Call,
    news::{Feed, News},
    queue::Caller,
    tools::{
        Tool, ToolError,
        ask_openai::{self, Answered},
    },
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The question; `-` reads it from stdin
    pub query: String,
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
    let answering = app.ask_openai.run(args.into_tool().await?, &call);
    let answered = match printing {
        Printing::Json => answering.await,
        Printing::Text => stream(answering, &feed).await?,
    };
    match (answered, printing) {
        (Err(error), printing) => outcome::failed(error, printing),
        (Ok(answered), Printing::Json) => outcome::json(answered, app.notice()),
        (Ok(answered), Printing::Text) => report(&answered, app.notice()),
    }
}

impl Args {
    async fn into_tool(self) -> anyhow::Result<ask_openai::Args> {
        let mut query = self.query;
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
        })
    }
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
    let tokens = answered
        .usage
        .map_or(String::new(), |usage| format!(" · {} tokens in, {} out", usage.input_tokens, usage.output_tokens));
    let cost_and_time = outcome::cost_and_time(answered.cost_usd, answered.elapsed_ms);
    outcome::footer(&answered.warnings, notice, &format!("{}{tokens} · {cost_and_time}", answered.model))
}
