//! `mcp-openai image`: the tools create-image and edit-image from a terminal, with a progress bar.

use std::{
    io::{Write, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    images,
    named::{self, absolute},
    outcome::{self, Printing},
};
use crate::{
    app::App,
    artifact::{Artifact, Artifacts},
    call::Call,
    news::{Feed, News},
    queue::Caller,
    tools::{Output, Tool, ToolError, create_image::Created, edit_image::EditImage},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    given: PromptSource,
    /// Make one like this picture: its prompt and arguments, but what is said here
    #[arg(long, value_name = "ID")]
    like: Option<String>,
    /// A picture to start from: a file, or the `image://ID` of an earlier one; may be given up to 16 times
    #[arg(long, value_name = "PICTURE")]
    from: Vec<String>,
    /// A PNG of the first one's size: where it is see-through, the picture may change
    #[arg(long, value_name = "PICTURE", requires = "from")]
    mask: Option<String>,
    /// Also write the picture to this file (PATH-2, PATH-3 ... for further ones)
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Print the whole result as JSON
    #[arg(long)]
    json: bool,
}

/// The tool's arguments, by its own names.
#[derive(Debug, clap::Args, Serialize)]
struct PromptSource {
    /// What the picture shows
    #[arg(required_unless_present = "like")]
    prompt: Option<String>,
    /// Model id [default: the configured one]
    #[arg(short, long)]
    model: Option<String>,
    /// auto, or width and height such as 1536x1024
    #[arg(short, long)]
    size: Option<String>,
    /// auto, low, medium, high, xhigh, max
    #[arg(short, long)]
    quality: Option<String>,
    /// How many pictures, 1 to 10
    #[arg(short, value_name = "N")]
    n: Option<u32>,
    /// auto, transparent, opaque
    #[arg(short, long)]
    background: Option<String>,
    /// png, jpeg, webp
    #[arg(short = 'f', long, value_name = "FORMAT")]
    output_format: Option<String>,
    /// Percent, for jpeg and webp
    #[arg(long, value_name = "PERCENT")]
    output_compression: Option<u8>,
    /// auto, low
    #[arg(long)]
    moderation: Option<String>,
    /// A look, such as vivid or natural
    #[arg(long)]
    style: Option<String>,
    /// A file name without extension
    #[arg(long)]
    name: Option<String>,
}

/// Makes the pictures and prints their paths on stdout, one a line.
///
/// # Errors
/// When stdout or the output file cannot be written; a failed call is an exit code.
pub async fn run(args: Args, app: App) -> anyhow::Result<ExitCode> {
    let Args { given, like, from, mask, output, json } = args;
    let printing = Printing::from_flag(json);
    if let Some(error) = output.as_deref().and_then(unwritable) {
        return outcome::failed(error, printing);
    }
    // A terminal shows no picture: one that cannot be kept would be paid for and lost.
    if let Err(error) = app.artifacts.check().await {
        return outcome::failed(error.into(), printing);
    }
    let mut arguments = match like {
        None => Map::new(),
        Some(id) => recorded(&app.artifacts, &id).await?,
    };
    given.lay_over(&mut arguments)?;
    if !from.is_empty() {
        arguments.insert("images".to_owned(), from.iter().map(|picture| absolute(picture)).collect());
        // A mask fits one picture: that of the earlier ones says nothing of these.
        arguments.remove("mask");
        arguments.extend(mask.map(|mask| ("mask".to_owned(), absolute(&mask).into())));
    }
    let (news, feed) = News::channel();
    let call = Call::new(Caller::local(), news, app.stop.clone());
    let created = watch(Box::pin(make(&app, arguments, &call)), &feed).await;
    let created = match created {
        Ok(created) => created,
        Err(error) => return outcome::failed(error, printing),
    };
    if let Some(path) = output {
        copy_to(&created, &path)?;
    }
    match printing {
        Printing::Json => outcome::json(created, app.notice()),
        Printing::Text => report(&created, app.notice()),
    }
}

impl PromptSource {
    /// What is given goes before what there was.
    fn lay_over(&self, arguments: &mut Map<String, Value>) -> anyhow::Result<()> {
        if let Value::Object(given) = serde_json::to_value(self)? {
            arguments.extend(given.into_iter().filter(|(_, value)| !value.is_null()));
        }
        Ok(())
    }
}

/// Pictures to start from make it an edit.
async fn make(app: &App, arguments: Map<String, Value>, call: &Call) -> Result<Created, ToolError> {
    let misread = |error: serde_json::Error| ToolError::InvalidArgument(error.to_string());
    if arguments.contains_key("images") {
        let references = app.edit_image.references.allowing(folders(&arguments));
        let edit_image = EditImage { studio: app.edit_image.studio.clone(), references };
        edit_image.run(serde_json::from_value(arguments.into()).map_err(misread)?, call).await
    } else {
        app.create_image.run(serde_json::from_value(arguments.into()).map_err(misread)?, call).await
    }
}

/// Where the files lie that a person named, now or then: they may be read, wherever that is.
fn folders(arguments: &Map<String, Value>) -> Vec<PathBuf> {
    let images = arguments.get("images").and_then(Value::as_array).into_iter().flatten();
    named::folders(images.chain(arguments.get("mask")).filter_map(Value::as_str))
}

/// The arguments that a picture was made with, as far as its record knows them; for one picture, however many there were.
///
/// # Errors
/// When there is no such picture, or nothing is known of how it was made.
async fn recorded(gallery: &Artifacts, id: &str) -> anyhow::Result<Map<String, Value>> {
    let (Artifact { id, origin, .. }, _) = gallery.open(&images::find(gallery, id).await?).await?;
    let mut arguments = origin.arguments;
    if arguments.is_empty() {
        // Records of the first version.
        let known =
            [("prompt", origin.prompt), ("model", origin.model), ("size", origin.size), ("quality", origin.quality)];
        let known = known.into_iter().filter(|(_, value)| !value.is_empty());
        arguments.extend(known.map(|(name, value)| (name.to_owned(), value.into())));
    }
    if !arguments.contains_key("prompt") {
        bail!("nothing is known of how {id} was made: its record is missing or cannot be read");
    }
    arguments.remove("n");
    Ok(arguments)
}

/// Shows a bar on a terminal (indicatif hides it elsewhere) while `creating` runs.
async fn watch<T>(creating: impl Future<Output = T>, feed: &Feed) -> T {
    let bar = progress_bar();
    let mut creating = std::pin::pin!(creating);
    let created = loop {
        tokio::select! {
            created = &mut creating => break created,
            () = feed.changed() => {
                let update = feed.take();
                if let Some((done, total)) = update.parts {
                    bar.set_length(total.into());
                    bar.set_position(done.into());
                }
                if let Some(stage) = update.stage {
                    bar.set_message(stage.to_string());
                }
            }
        }
    };
    bar.finish_and_clear();
    created
}

/// A bar of pictures done, with the stage and the time beside it; on stderr.
pub fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new(1);
    if let Ok(style) = ProgressStyle::with_template("  {spinner} [{bar:24}] {pos}/{len} {msg} ({elapsed})") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn report(created: &Created, notice: Option<&str>) -> anyhow::Result<ExitCode> {
    writeln!(stdout(), "{}", created.text())?;
    outcome::footer(&created.warnings, notice, &created.receipt().unwrap_or_default())
}

/// What would keep a picture from `target`, seen before it is paid for.
fn unwritable(target: &Path) -> Option<ToolError> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let wrong = if target.is_dir() {
        format!("{} is a folder: name a file in it", target.display())
    } else if !folder.is_dir() {
        format!("there is no folder {}: make it, or name another", folder.display())
    } else {
        return None;
    };
    Some(ToolError::InvalidArgument(format!("`--output`: {wrong}")))
}

/// Copies the kept originals to where the user wants them, each whole or not at all.
fn copy_to(created: &Created, target: &Path) -> anyhow::Result<()> {
    for (index, original) in created.images.iter().filter_map(|image| image.path.as_ref()).enumerate() {
        let target = numbered(target, index);
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let partial = target.with_file_name(format!(".{name}.{}.partial", std::process::id()));
        let copied = std::fs::copy(original, &partial).and_then(|_| std::fs::rename(&partial, &target));
        if copied.is_err() {
            // Best effort: the copy has failed already, and that is what is told.
            let _ = std::fs::remove_file(&partial);
        }
        copied.with_context(|| {
            format!("the picture cannot be written to {}; it is at {}", target.display(), original.display())
        })?;
    }
    Ok(())
}

/// `fox.png`, `fox-2.png`, `fox-3.png` ...
fn numbered(path: &Path, index: usize) -> PathBuf {
    if index == 0 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map_or(String::new(), |extension| format!(".{}", extension.to_string_lossy()));
    path.with_file_name(format!("{stem}-{}{extension}", index + 1))
}
