//! One conversation written out, or all turns there are.

use std::io::{self, Write};

use super::{super::export, ExportArgs, find};
use crate::{
    cli::outcome::Printing,
    conversation::{Conversation, Conversations, Entry, Error},
    handle::Owner,
};

/// Turns that are read at once: an export of any length takes the memory of one page.
const PAGE: usize = 200;

pub(super) async fn run(args: &ExportArgs, conversations: &Conversations) -> anyhow::Result<()> {
    let Some(id) = &args.id else { return all(args, conversations).await };
    let (owner, handle) = (Owner::local(), find(conversations, id).await?);
    let written = match Printing::from_flag(args.json) {
        Printing::Text => conversations.open(&owner, &handle.to_string()).await?.markdown(),
        Printing::Json => format!("{:#}\n", whole(&conversations.whole(&owner, handle).await?)),
    };
    let mut out = args.to.open()?;
    out.write_all(written.as_bytes())?;
    out.finish()
}

/// Every turn of every conversation, oldest first, one a line. One that cannot be read is said and passed over.
async fn all(args: &ExportArgs, conversations: &Conversations) -> anyhow::Result<()> {
    let mut out = args.to.open()?;
    let mut after = None;
    loop {
        let page = conversations.turns_after(&Owner::local(), after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        for (_, entry) in page {
            match entry {
                Ok(entry) => export::line(&mut out, &turn(&entry))?,
                // One damaged turn must not keep the others from being taken away.
                Err(damaged @ Error::Damaged(_)) => writeln!(io::stderr(), "mcp-openai: {damaged}")?,
                Err(error) => return Err(error.into()),
            }
        }
    }
    out.finish()
}

fn whole(conversation: &Conversation) -> serde_json::Value {
    let turns: Vec<_> = conversation.entries.iter().map(turn).collect();
    let created_at = conversation.entries.first().map(|first| first.turn.at);
    serde_json::json!({ "created_at": created_at, "turns": turns })
}

/// A turn, with its handle and that of the turn before it.
fn turn(Entry { handle, parent, turn }: &Entry) -> serde_json::Value {
    let mut exported = serde_json::json!({ "conversation": handle, "goes_on_from": parent });
    if let (Some(exported), Ok(serde_json::Value::Object(said))) =
        (exported.as_object_mut(), serde_json::to_value(turn))
    {
        exported.extend(said);
    }
    exported
}
