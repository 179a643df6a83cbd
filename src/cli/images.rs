//! `mcp-openai images`: the pictures that were kept, listed, explained, opened and removed.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::bail;
use chrono::Local;

use super::{
    outcome::Printing,
    table::{self, ListOptions},
};
use crate::{
    app::App,
    artifact::{Artifact, ArtifactId, Artifacts},
    text,
};

mod open;
mod show;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<ImagesAction>,
    #[command(flatten)]
    list: ListOptions,
}

#[derive(Debug, clap::Subcommand)]
enum ImagesAction {
    /// List them, newest first (the default)
    List(ListOptions),
    /// Tell all that is known of a picture
    Show(Show),
    /// Open a picture in the system's viewer
    Open {
        #[arg(value_name = "ID", help = ID)]
        id: String,
    },
    /// Remove pictures and their records
    Rm {
        #[arg(value_name = "ID", required = true, help = ID)]
        ids: Vec<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Show {
    #[arg(value_name = "ID", help = ID)]
    id: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What stands for a picture on the command line.
const ID: &str = "An id, an image:// URI, or the beginning of an id that no other picture has";

/// # Errors
/// When there is no such picture, the folder cannot be used, or stdout cannot be written to.
pub async fn run(args: Args, app: App) -> anyhow::Result<ExitCode> {
    let gallery = &app.artifacts;
    match args.action.unwrap_or(ImagesAction::List(args.list)) {
        ImagesAction::List(list) => self::list(&list, gallery).await?,
        ImagesAction::Show(Show { id, json }) => {
            let (artifact, _) = gallery.open(&find(gallery, &id).await?).await?;
            io::stdout().write_all(show::text(&artifact, Printing::from_flag(json))?.as_bytes())?;
        }
        ImagesAction::Open { id } => {
            let (artifact, _) = gallery.open(&find(gallery, &id).await?).await?;
            open::in_viewer(&artifact.path)?;
            writeln!(io::stdout(), "{}", artifact.path.display())?;
        }
        ImagesAction::Rm { ids } => remove(&ids, gallery).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(args: &ListOptions, gallery: &Artifacts) -> anyhow::Result<()> {
    let page = gallery.list(None, args.n as usize).await?;
    let mut out = io::stdout();
    if args.json {
        let images: Vec<_> = page.artifacts.iter().map(show::ShownPicture::of).collect();
        writeln!(out, "{:#}", serde_json::json!({ "images": images }))?;
        return Ok(());
    }
    if page.artifacts.is_empty() {
        writeln!(io::stderr(), "mcp-openai: no picture is kept yet; `mcp-openai image PROMPT` makes one")?;
        return Ok(());
    }
    let head = ["id", "size", "when", "model", "cost", "prompt"].map(str::to_owned);
    let rows: Vec<_> = [head].into_iter().chain(page.artifacts.iter().map(row)).collect();
    out.write_all(table::columns(&rows).as_bytes())?;
    if page.next.is_some() {
        writeln!(io::stderr(), "there are older ones: -n {} shows more", args.n.saturating_mul(2))?;
    }
    Ok(())
}

fn row(artifact: &Artifact) -> [String; 6] {
    let origin = &artifact.origin;
    let known = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    [
        artifact.id.to_string(),
        artifact.dimensions.to_string(),
        artifact.made_at.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string(),
        known(text::brief(&origin.model, 40)),
        origin.cost_usd.map_or_else(|| "-".to_owned(), |cost| cost.to_string()),
        known(text::brief(&origin.prompt.split_whitespace().collect::<Vec<_>>().join(" "), 60)),
    ]
}

/// All of them are found before the first one goes.
async fn remove(ids: &[String], gallery: &Artifacts) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for id in ids {
        let id = find(gallery, id).await?;
        if !found.contains(&id) {
            found.push(id);
        }
    }
    for id in found {
        gallery.remove(&id).await?;
        writeln!(io::stdout(), "removed {id}")?;
    }
    Ok(())
}

/// The picture that is meant.
///
/// # Errors
/// When none has such an id, or several begin so.
pub(super) async fn find(gallery: &Artifacts, given: &str) -> anyhow::Result<ArtifactId> {
    const SHOWN: usize = 3;
    let prefix = given.strip_prefix("image://").unwrap_or(given);
    if prefix.is_empty() {
        bail!("an empty id: `mcp-openai images` lists those that there are");
    }
    let ids = gallery.ids(prefix).await?;
    match ids.as_slice() {
        [id] => Ok(id.clone()),
        [] => {
            let given = text::brief(given, 100);
            bail!(
                "no picture has the id `{given}`, or one that begins so: `mcp-openai images` lists those that there are"
            )
        }
        several => {
            let first: Vec<_> = several.iter().take(SHOWN).map(ArtifactId::as_str).collect();
            bail!("{} pictures have ids that begin with `{prefix}`, such as {}", several.len(), first.join(", "))
        }
    }
}
