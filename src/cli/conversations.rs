//! `mcp-openai conversations`: what was asked and answered, listed, found, shown, exported and removed.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::bail;
use chrono::{Local, Utc};
use clap_complete::ArgValueCandidates;

use super::{
    candidates,
    export::Destination,
    failure::UnknownName,
    table::{self, Cut, ListOptions, SearchOptions, Width},
};
use crate::{
    app::App,
    config::shape::{Raw, SettingKind, Span},
    conversation::{Conversation, Conversations, Handle, Summary},
    handle::Owner,
    text,
};

mod export;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    #[command(subcommand)]
    action: Option<ConversationsAction>,
    #[command(flatten)]
    list: ListOptions,
}

#[derive(Debug, clap::Subcommand)]
enum ConversationsAction {
    /// List them, newest first (the default)
    List(ListOptions),
    /// Show one, from its first turn on
    Show {
        #[arg(value_name = "ID", help = ID, add = ArgValueCandidates::new(candidates::conversations))]
        id: String,
    },
    /// Search questions and answers, best match first
    Search(SearchOptions),
    /// Write one out as Markdown or JSON, or all of them as JSON Lines
    Export(ExportArgs),
    /// Remove conversations with all their turns and attachments
    Rm(Rm),
}

#[derive(Debug, clap::Args)]
struct ExportArgs {
    /// An id, or the beginning of an id that no other conversation has; without one, every turn of all of them as JSON
    /// Lines
    #[arg(value_name = "ID", add = ArgValueCandidates::new(candidates::conversations))]
    id: Option<String>,
    /// JSON with every turn of every branch instead of Markdown
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    to: Destination,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Rm {
    #[arg(value_name = "ID", help = ID, add = ArgValueCandidates::new(candidates::conversations))]
    ids: Vec<String>,
    /// All of them
    #[arg(long)]
    all: bool,
    /// Those whose last turn is longer ago, such as 30d
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<Duration>,
}

/// Help for the argument that names a conversation.
const ID: &str = "An id, or the beginning of an id that no other conversation has";

/// # Errors
/// When there is no such conversation, the store cannot be used, or what is told cannot be written.
pub async fn run(args: Args, app: App) -> anyhow::Result<ExitCode> {
    app.readable()?;
    let conversations = &app.conversations;
    match args.action.unwrap_or(ConversationsAction::List(args.list)) {
        ConversationsAction::List(list) => self::list(&list, conversations).await?,
        ConversationsAction::Show { id } => {
            let handle = find(conversations, &id).await?;
            let thread = conversations.open(&Owner::local(), &handle.to_string()).await?;
            io::stdout().write_all(thread.markdown().as_bytes())?;
            tell_of_branches(&conversations.whole(&Owner::local(), handle).await?, handle)?;
        }
        ConversationsAction::Search(SearchOptions { words, list }) => {
            search(&words.join(" "), &list, conversations).await?;
        }
        ConversationsAction::Export(export) => export::run(&export, conversations).await?,
        ConversationsAction::Rm(rm) => remove(&rm, conversations).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(args: &ListOptions, conversations: &Conversations) -> anyhow::Result<()> {
    // One more than is shown, which tells if there are others.
    let newest = conversations.newest(&Owner::local(), args.n as usize + 1).await?;
    print(args, newest, "there is no conversation yet; `mcp-openai ask QUERY` begins one", "older ones")
}

async fn search(words: &str, args: &ListOptions, conversations: &Conversations) -> anyhow::Result<()> {
    let found = conversations.search(&Owner::local(), words, args.n as usize + 1).await?;
    print(args, found, "no conversation has all of these words in one turn", "more")
}

/// Prints as many as are wanted. `none` is said where there is none, `others` is what there are more of.
fn print(args: &ListOptions, mut found: Vec<Summary>, none: &str, others: &str) -> anyhow::Result<()> {
    let there_are_others = found.len() > args.n as usize;
    found.truncate(args.n as usize);
    let mut out = io::stdout();
    if args.json {
        let conversations: Vec<_> = found.iter().map(listed).collect();
        writeln!(out, "{:#}", serde_json::json!({ "conversations": conversations }))?;
        return Ok(());
    }
    if found.is_empty() {
        writeln!(io::stderr(), "mcp-openai: {none}")?;
        return Ok(());
    }
    let head = ["id", "when", "turns", "model", "cost", "first words"].map(str::to_owned);
    let rows: Vec<_> = [head].into_iter().chain(found.iter().map(row)).collect();
    // The beginning of an id is enough to name it.
    let cuts = [Cut::End(14), Cut::Never, Cut::Never, Cut::End(12), Cut::Never, Cut::End(10)];
    out.write_all(table::fitted(&rows, cuts, Width::of_stdout()).as_bytes())?;
    if there_are_others {
        writeln!(io::stderr(), "there are {others}: -n {} shows more", args.n.saturating_mul(2))?;
    }
    Ok(())
}

fn row(summary: &Summary) -> [String; 6] {
    let words = summary.first_words.split_whitespace().collect::<Vec<_>>().join(" ");
    [
        summary.handle.to_string(),
        summary.at.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string(),
        summary.turns.to_string(),
        text::brief(&summary.model, 40),
        summary.cost_usd.map_or_else(|| "-".to_owned(), |cost| cost.to_string()),
        text::brief(&words, 60),
    ]
}

fn listed(summary: &Summary) -> serde_json::Value {
    serde_json::json!({
        "conversation": summary.handle,
        "created_at": summary.created,
        "last_turn_at": summary.at,
        "turns": summary.turns,
        "model": summary.model,
        "cost_usd": summary.cost_usd,
        "first_words": summary.first_words,
    })
}

/// All of them are found before the first one goes.
async fn remove(args: &Rm, conversations: &Conversations) -> anyhow::Result<()> {
    let mut found: Vec<Handle> = Vec::new();
    if args.all || args.older_than.is_some() {
        let is_meant = |summary: &Summary| {
            // A clock that was set back makes a turn of the future, which is as young as one can be.
            let age = (Utc::now() - summary.at).to_std().unwrap_or_default();
            args.older_than.is_none_or(|longest| age > longest)
        };
        let all = conversations.newest(&Owner::local(), usize::MAX).await?;
        found.extend(all.into_iter().filter(is_meant).map(|summary| summary.handle));
    }
    let mut roots = Vec::new();
    for id in &args.ids {
        let handle = find(conversations, id).await?;
        // Two handles may be of one conversation, which can go once.
        let root = conversations.open(&Owner::local(), &handle.to_string()).await?.root();
        if !roots.contains(&root) {
            roots.push(root);
            found.push(handle);
        }
    }
    for handle in found {
        conversations.remove(&Owner::local(), handle).await?;
        writeln!(io::stdout(), "removed {handle}")?;
    }
    Ok(())
}

fn tell_of_branches(conversation: &Conversation, shown: Handle) -> io::Result<()> {
    let others: Vec<_> =
        conversation.ends().into_iter().filter(|end| *end != shown).map(|end| end.to_string()).collect();
    if others.is_empty() { Ok(()) } else { writeln!(io::stderr(), "it also continues to {}", others.join(", ")) }
}

/// The turn that is meant: by its handle, or by the beginning of the handle of a conversation's newest turn.
///
/// # Errors
/// When no conversation has such an id, or several begin so.
pub(super) async fn find(conversations: &Conversations, given: &str) -> anyhow::Result<Handle> {
    const SHOWN: usize = 3;
    let start = given.strip_prefix("conversation://").unwrap_or(given).trim_end_matches('…');
    // A whole handle may be that of an older turn, which no list names.
    if let Some(handle) = Handle::parse(start) {
        return Ok(handle);
    }
    if start.is_empty() {
        bail!("an empty id: `mcp-openai conversations` lists those that there are");
    }
    let found = conversations.beginning_with(&Owner::local(), start, SHOWN + 1).await?;
    match found.as_slice() {
        [one] => Ok(one.handle),
        [] => {
            let given = text::brief(given, 100);
            let list = "`mcp-openai conversations` lists those that there are";
            Err(UnknownName(format!("no conversation has the id `{given}`, or one that begins so: {list}")).into())
        }
        several => {
            let first: Vec<_> = several.iter().take(SHOWN).map(|found| found.handle.to_string()).collect();
            bail!("several conversations have ids that begin with `{start}`, such as {}", first.join(", "))
        }
    }
}

/// The newest turn of this user.
///
/// # Errors
/// When there is none.
pub(super) async fn newest(conversations: &Conversations) -> anyhow::Result<Handle> {
    let newest = conversations.newest(&Owner::local(), 1).await?;
    let none = || UnknownName("there is no conversation yet: ask without --continue".to_owned());
    Ok(newest.first().ok_or_else(none)?.handle)
}

/// A duration as settings have it.
fn age(given: &str) -> Result<Duration, String> {
    const AGES: Span = Span { min: Duration::ZERO, max: Duration::from_hours(100 * 365 * 24) };
    AGES.parse(&Raw::Text(given.to_owned()))
}
