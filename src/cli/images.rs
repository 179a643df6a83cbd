//! `mcp-openai images`: the pictures that were kept, listed, found, explained, exported, opened and removed.

use std::{
    future::ready,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::bail;
use chrono::Local;
use clap_complete::ArgValueCompleter;

use super::{
    candidates,
    export::{self, Destination},
    failure::UnknownName,
    inline::{Drawn, InlineOptions},
    named,
    outcome::Printing,
    table::{self, Cut, ListOptions, SearchOptions, Width},
};
use crate::{
    app::App,
    artifact::{Artifact, ArtifactId, Artifacts},
    inputs::{GIT, Project, is_glob},
    text,
};

mod listing;
mod open;
mod show;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[allow(missing_docs, reason = "the help says it")]
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
    /// Show all that is known of a picture
    Show(Show),
    /// Search prompts, models and names, best match first
    Search(SearchOptions),
    /// Export the records of all pictures as JSON Lines
    Export(Destination),
    /// Draw a picture in the terminal
    Preview(OnePicture),
    /// Open a picture in the system's viewer
    Open(OnePicture),
    /// Remove pictures and their records
    Rm {
        #[arg(value_name = "ID", required = true, help = ID, add = ArgValueCompleter::new(candidates::pictures))]
        ids: Vec<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Show {
    #[arg(value_name = "ID", help = ID, add = ArgValueCompleter::new(candidates::pictures))]
    id: String,
    #[command(flatten)]
    inline: InlineOptions,
    /// Print one JSON object
    #[arg(long, conflicts_with = "inline")]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct OnePicture {
    #[arg(value_name = "ID", help = ID, add = ArgValueCompleter::new(candidates::pictures))]
    id: String,
    #[command(flatten)]
    inline: InlineOptions,
}

/// Pictures that are read at once: an export of any length takes the memory of one page.
const PAGE: usize = 200;

/// Help for the argument that names a picture.
const ID: &str = "An id or an image:// URI, the beginning or the end of one, or a number of the last listing";

/// # Errors
/// When there is no such picture, the folder cannot be used, or stdout cannot be written to.
pub async fn run(args: Args, app: App) -> anyhow::Result<ExitCode> {
    let gallery = &app.artifacts;
    let find = async |id: &str| find(&app, id).await;
    match args.action.unwrap_or(ImagesAction::List(args.list)) {
        ImagesAction::List(list) => self::list(&list, &app).await?,
        ImagesAction::Show(Show { id, inline, json }) => {
            let (artifact, _) = gallery.open(&find(&id).await?).await?;
            if !json {
                draw(&artifact.id, &inline, &app).await?;
            }
            io::stdout().write_all(show::text(&artifact, Printing::from_flag(json))?.as_bytes())?;
        }
        ImagesAction::Search(SearchOptions { words, list }) => search(&words.join(" "), &list, &app).await?,
        ImagesAction::Export(to) => write_out(&to, gallery).await?,
        ImagesAction::Preview(OnePicture { id, inline }) => {
            let id = find(&id).await?;
            if draw(&id, &inline, &app).await? == Drawn::Nothing {
                bail!(
                    "no picture can be drawn here: `--inline` does so all the same, `mcp-openai images open {id}` opens it"
                )
            }
        }
        ImagesAction::Open(OnePicture { id, inline }) => {
            let (artifact, _) = gallery.open(&find(&id).await?).await?;
            // Without a viewer, the terminal may still show it.
            let drawn = draw(&artifact.id, &inline, &app).await?;
            let place = match (&artifact.path, &artifact.link) {
                (Some(path), _) => path.display().to_string(),
                (None, Some(link)) => link.clone(),
                (None, None) => {
                    bail!("{id} is in a bucket that gives no links: `mcp-openai images preview {id} --inline` draws it")
                }
            };
            open::in_viewer(&place).or_else(|error| if drawn == Drawn::Picture { Ok(()) } else { Err(error) })?;
            writeln!(io::stdout(), "{place}")?;
        }
        ImagesAction::Rm { ids } => remove(&ids, &app).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn draw(id: &ArtifactId, inline: &InlineOptions, app: &App) -> anyhow::Result<Drawn> {
    let (_, original) = app.artifacts.fetch(id).await?;
    Ok(inline.draw(ready(vec![original]), &app.get_result.kept.previews).await?)
}

async fn list(args: &ListOptions, app: &App) -> anyhow::Result<()> {
    let page = app.artifacts.list(None, args.n as usize).await?;
    let others = page.next.is_some().then_some("older ones");
    print(args, app, page.artifacts, "no picture is kept yet; `mcp-openai image PROMPT` makes one", others)
}

async fn search(words: &str, args: &ListOptions, app: &App) -> anyhow::Result<()> {
    let wanted = args.n as usize;
    let mut found = app.artifacts.search(app.store.pictures.as_ref(), words, wanted + 1).await?;
    let others = (found.len() > wanted).then_some("others");
    found.truncate(wanted);
    print(args, app, found, "no picture has all of these words in its record", others)
}

/// Prints pictures. `none` is said where there is none, `others` is what there are besides.
fn print(
    args: &ListOptions,
    app: &App,
    artifacts: Vec<Artifact>,
    none: &str,
    others: Option<&str>,
) -> anyhow::Result<()> {
    let mut out = io::stdout();
    if args.json {
        let images: Vec<_> = artifacts.iter().map(show::ShownPicture::of).collect();
        writeln!(out, "{:#}", serde_json::json!({ "images": images }))?;
        return Ok(());
    }
    if artifacts.is_empty() {
        writeln!(io::stderr(), "mcp-openai: {none}")?;
        return Ok(());
    }
    let head = ["#", "id", "size", "when", "model", "cost", "prompt"].map(str::to_owned);
    let rows: Vec<_> = [head].into_iter().chain(artifacts.iter().zip(1..).map(row)).collect();
    out.write_all(table::fitted(&rows, CUTS, Width::of_stdout()).as_bytes())?;
    let ids: Vec<_> = artifacts.into_iter().map(|artifact| artifact.id).collect();
    listing::note(app, &ids);
    if let Some(others) = others {
        writeln!(io::stderr(), "there are {others}: -n {} shows more", args.n.saturating_mul(2))?;
    }
    Ok(())
}

/// Everything, newest first.
async fn write_out(to: &Destination, gallery: &Artifacts) -> anyhow::Result<()> {
    let mut out = to.open()?;
    let mut start = None;
    loop {
        let page = gallery.list(start.as_ref(), PAGE).await?;
        for artifact in &page.artifacts {
            export::line(&mut out, &show::ShownPicture::of(artifact))?;
        }
        start = page.next;
        if start.is_none() {
            return out.finish();
        }
    }
}

/// An id is still found by its end, and a model by its beginning.
const CUTS: [Cut; 7] = [Cut::Never, Cut::Start(12), Cut::Never, Cut::Never, Cut::End(8), Cut::Never, Cut::End(12)];

fn row((artifact, number): (&Artifact, usize)) -> [String; 7] {
    let origin = &artifact.origin;
    let known = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    [
        number.to_string(),
        artifact.id.to_string(),
        artifact.dimensions.to_string(),
        artifact.made_at.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string(),
        known(text::brief(&origin.model, 40)),
        origin.cost_usd.map_or_else(|| "-".to_owned(), |cost| cost.to_string()),
        known(text::brief(&origin.prompt.split_whitespace().collect::<Vec<_>>().join(" "), 200)),
    ]
}

/// All of them are found before the first one goes.
async fn remove(ids: &[String], app: &App) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for id in ids {
        let id = find(app, id).await?;
        if !found.contains(&id) {
            found.push(id);
        }
    }
    for id in found {
        app.artifacts.remove(&id).await?;
        writeln!(io::stdout(), "removed {id}")?;
    }
    Ok(())
}

/// The address of a kept picture, by what `images show` takes, where no file has that name; else as
/// [`named::absolute`].
pub(super) async fn picture_or_file(app: &App, name: &str, project: Option<&Project>) -> String {
    let is_address = name.starts_with("image://");
    let may_be_id = is_address || !(name.contains(['/', '\\']) || name.starts_with(GIT) || is_glob(name));
    if may_be_id
        && !Path::new(name).exists()
        && let Ok(id) = find(app, name).await
    {
        return id.uri();
    }
    named::absolute(name, project)
}

/// The picture that is meant: by a number of the last listing, or by the beginning or the end of its id.
///
/// # Errors
/// When none is, or several are.
pub(super) async fn find(app: &App, given: &str) -> anyhow::Result<ArtifactId> {
    const SHOWN: usize = 3;
    const SHORTEST_END: usize = 4;
    let part = given.strip_prefix("image://").unwrap_or(given);
    if part.is_empty() {
        bail!("an empty id: `mcp-openai images` lists those that there are");
    }
    // An id begins with its day, whose eight digits are the number of no picture in a listing.
    if let Some(id) = part.parse().ok().and_then(|number| listing::numbered(app, number)) {
        return Ok(id);
    }
    let mut ids = app.artifacts.ids(part).await?;
    if ids.is_empty() && part.len() >= SHORTEST_END {
        // As the table cuts it.
        let end = part.trim_start_matches('…');
        let stem = |id: &ArtifactId| id.as_str().rsplit_once('.').is_some_and(|(stem, _)| stem.ends_with(end));
        ids = app.artifacts.ids("").await?;
        ids.retain(|id| id.as_str().ends_with(end) || stem(id));
    }
    match ids.as_slice() {
        [id] => Ok(id.clone()),
        [] => {
            let given = text::brief(given, 100);
            let list = "`mcp-openai images` lists them";
            Err(UnknownName(format!("no picture has the id `{given}`, or one that begins or ends so: {list}")).into())
        }
        several => {
            let first: Vec<_> = several.iter().take(SHOWN).map(ArtifactId::as_str).collect();
            bail!("{} pictures have ids with `{part}` at one end, such as {}", several.len(), first.join(", "))
        }
    }
}
