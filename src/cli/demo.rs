//! `mcp-openai demo`: a whole MCP session. The server is this very binary, started as a child over stdio; what is
//! here is an MCP client like any other and knows nothing of the server's inside.

use std::{
    future::ready,
    io::{Write, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::{Value, json};

use self::session::{Notified, Session};
use super::{ask::AnswerForm, exit, image::progress_bar, inline::InlineOptions, table::Width};
use crate::{
    config::{Config, Flags, Upstream},
    media::Encoded,
    money::Usd,
    preview::Previews,
    text::sanitize,
};

mod session;
mod snippet;

const QUESTION: &str = "In three sentences: why is the sky blue at noon and red at dusk?";
const PROMPT: &str = "A lighthouse on a cliff above the ocean at sunset, a small sailing boat, flat illustration";
const LONG_QUESTION: &str = "Tell the history of the lighthouse, from Pharos to GPS, in two thousand words.";

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {}

/// One line of the closing summary.
struct DemoStep {
    what: &'static str,
    took: Duration,
    cost: Option<Usd>,
}

/// Runs the session and prints what happened.
///
/// # Errors
/// When the server cannot be started or breaks the protocol.
pub async fn run(_: Args, flags: &Flags, config: &Config) -> anyhow::Result<ExitCode> {
    // The first thing that people run must show something: a key is set later.
    let upstream = if config.openai.key.is_missing() { Upstream::Sandbox } else { config.upstream };
    introduce(upstream, config)?;

    let (mut session, discovered) = tokio::select! {
        biased;
        Ok(()) = tokio::signal::ctrl_c() => return Ok(ExitCode::from(exit::INTERRUPTED)),
        discovered = discover(flags, upstream) => discovered?,
    };
    let shown = tokio::select! {
        biased;
        Ok(()) = tokio::signal::ctrl_c() => None,
        shown = show(&mut session, upstream, config) => Some(shown?),
    };
    // The server is this command's child: it ends with it, however that ends.
    session.close().await?;
    let Some((mut steps, folder)) = shown else { return Ok(ExitCode::from(exit::INTERRUPTED)) };
    steps.insert(0, discovered);
    sum_up(&steps, upstream, folder.as_deref())?;
    say(&snippet::for_this_machine(flags))?;
    Ok(ExitCode::SUCCESS)
}

/// The calls; also gives the folder that the pictures lie in.
async fn show(
    session: &mut Session,
    upstream: Upstream,
    config: &Config,
) -> anyhow::Result<(Vec<DemoStep>, Option<PathBuf>)> {
    if upstream == Upstream::Configured {
        greet(session, config).await?;
    }
    let answered = ask(session).await?;
    let (painted, folder) = paint(session).await?;
    let cancelled = cancel(session).await?;
    Ok((vec![answered, painted, cancelled], folder))
}

/// Asks the upstream for what costs nothing, its list of models, before anything is said of who answers.
async fn greet(session: &mut Session, config: &Config) -> anyhow::Result<()> {
    let mut call = session.call("list-models", json!({})).await?;
    while call.news().await?.is_some() {}
    let result = call.result()?;
    let models = result.pointer("/models").and_then(Value::as_array).into_iter().flatten();
    let listed = models.filter(|model| model.get("listed") == Some(&Value::Bool(true))).count();
    let host = config.openai.base_url.host_str().unwrap_or_default();
    if listed > 0 {
        tell(&format!("{host} answers and lists {listed} of the models that are known here"), "   ")?;
    }
    tell_warnings(&result)
}

fn introduce(upstream: Upstream, config: &Config) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    tell(&format!("mcp-openai {version}: a whole MCP session, with this binary as the server over stdio."), "")?;
    say("")?;
    match upstream {
        Upstream::Sandbox if config.openai.key.is_missing() => {
            tell(
                "No OpenAI key is set, so the built-in sandbox answers, not OpenAI: no key, no network, no cost.",
                "",
            )?;
            tell("Set OPENAI_API_KEY to see the same with OpenAI's models.", "")
        }
        Upstream::Sandbox => tell("The built-in sandbox answers, not OpenAI: no network, no cost.", ""),
        Upstream::Configured => {
            let (host, origin) = (config.openai.base_url.host_str().unwrap_or_default(), config.openai.key.origin());
            tell(&format!("It asks {host} with the key from {origin}; this costs a few cents."), "")
        }
    }
}

async fn discover(flags: &Flags, upstream: Upstream) -> anyhow::Result<(Session, DemoStep)> {
    step("1. Start and discover")?;
    let started = Instant::now();
    let mut session = Session::start(flags, upstream).await?;
    let tools = session.tools().await?;
    let took = started.elapsed();
    tell(&format!("{}, {} ms from start to the list of tools", session.server(), took.as_millis()), "   ")?;
    for (name, title) in tools {
        say(&format!("   {name:<14} {title}"))?;
    }
    Ok((session, DemoStep { what: "start and discovery", took, cost: None }))
}

async fn ask(session: &mut Session) -> anyhow::Result<DemoStep> {
    step(&format!("2. ask-openai: {QUESTION}"))?;
    let started = Instant::now();
    let mut call = session.call("ask-openai", json!({ "query": QUESTION })).await?;
    let mut form = AnswerForm::of_stdout();
    while let Some(news) = call.news().await? {
        if let Notified::Delta(text) = news {
            write!(stdout(), "{}", form.push(sanitize(&text).into_owned()))?;
            stdout().flush()?;
        }
    }
    say(&form.finish(None))?;
    let result = call.result()?;
    tell_warnings(&result)?;
    let cost = cost(&result);
    Ok(DemoStep { what: "streamed answer", took: started.elapsed(), cost })
}

/// Makes two pictures; also gives the folder they lie in.
async fn paint(session: &mut Session) -> anyhow::Result<(DemoStep, Option<PathBuf>)> {
    step(&format!("3. create-image, twice: {PROMPT}"))?;
    let started = Instant::now();
    let mut call = session.call("create-image", json!({ "prompt": PROMPT, "n": 2, "name": "lighthouse" })).await?;
    let bar = progress_bar();
    bar.set_length(2);
    while let Some(news) = call.news().await? {
        if let Notified::Progress { progress, message } = news {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 2 pictures")]
            bar.set_position(progress.floor() as u64);
            bar.set_message(message);
        }
    }
    bar.finish_and_clear();
    let result = call.result()?;
    let paths: Vec<&str> = result
        .pointer("/images")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|image| image.get("path")?.as_str())
        .collect();
    let read = |path: &&str| Encoded::sniff(std::fs::read(path).ok()?.into()).ok();
    InlineOptions::default().draw(ready(paths.iter().filter_map(read).collect()), &Previews::build()).await?;
    for path in &paths {
        say(&format!("   {path}"))?;
    }
    tell_warnings(&result)?;
    let folder = paths.first().and_then(|path| Path::new(path).parent()).map(Path::to_owned);
    Ok((DemoStep { what: "two pictures", took: started.elapsed(), cost: cost(&result) }, folder))
}

async fn cancel(session: &mut Session) -> anyhow::Result<DemoStep> {
    step(&format!("4. ask-openai, cancelled in the middle: {LONG_QUESTION}"))?;
    let started = Instant::now();
    let mut call = session.call("ask-openai", json!({ "query": LONG_QUESTION })).await?;
    let mut characters = 0;
    while characters < 40 {
        match call.news().await? {
            Some(Notified::Delta(text)) => characters += text.chars().count(),
            Some(Notified::Progress { .. }) => {}
            None => {
                let cost = cost(&call.result()?);
                say("   the answer was over before it could be cancelled")?;
                return Ok(DemoStep { what: "long answer", took: started.elapsed(), cost });
            }
        }
    }
    call.cancel().await?;
    let next = session.round_trip().await.context("the server does not answer after the cancellation")?;
    let next = next.as_secs_f64() * 1e3;
    tell(
        &format!(
            "cancelled after {characters} characters; the server dropped the request and answered the next in {next:.1} ms"
        ),
        "   ",
    )?;
    // A stream that was cut off never says its usage.
    Ok(DemoStep { what: "cancelled call", took: started.elapsed(), cost: None })
}

fn sum_up(steps: &[DemoStep], upstream: Upstream, folder: Option<&Path>) -> anyhow::Result<()> {
    step("What happened")?;
    for DemoStep { what, took, cost } in steps {
        let cost = cost.filter(|cost| *cost > Usd::ZERO).map(|cost| format!("   {cost}")).unwrap_or_default();
        say(&format!("   {what:<22} {:>9}{cost}", time(*took)))?;
    }
    let took: Duration = steps.iter().map(|step| step.took).sum();
    let total: Usd = steps.iter().filter_map(|step| step.cost).sum();
    let charged = match upstream {
        Upstream::Sandbox => "nothing: the sandbox is free".to_owned(),
        Upstream::Configured => format!("{total}, and what a cancelled call had written by then"),
    };
    say(&format!("   {:<22} {:>9}   {charged}", "all in all", time(took)))?;
    if let Some(folder) = folder {
        say(&format!("\nThe pictures are in {}", folder.display()))?;
    }
    Ok(())
}

/// `3 ms`, `2.05 s`
fn time(took: Duration) -> String {
    if took < Duration::from_millis(100) {
        format!("{} ms", took.as_millis())
    } else {
        format!("{:.2} s", took.as_secs_f64())
    }
}

fn tell_warnings(result: &Value) -> anyhow::Result<()> {
    for warning in result.pointer("/warnings").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    {
        let note = Width::of_stdout().lines(&format!("note: {}", sanitize(warning)), 3).join("\n   ");
        say(&format!("   \x1b[2m{note}\x1b[0m"))?;
    }
    Ok(())
}

fn cost(result: &Value) -> Option<Usd> {
    result.get("cost_usd")?.as_f64().and_then(Usd::from_dollars)
}

/// A heading, bold where the terminal can.
fn step(title: &str) -> anyhow::Result<()> {
    say(&format!("\n\x1b[1m{}\x1b[0m\n", Width::of_stdout().lines(title, 0).join("\n")))
}

/// A text in lines that fit the terminal, each after this indent.
fn tell(text: &str, indent: &str) -> anyhow::Result<()> {
    Width::of_stdout().lines(text, indent.len()).iter().try_for_each(|line| say(&format!("{indent}{line}")))
}

/// A line as it is.
fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(anstream::stdout(), "{line}")?)
}
