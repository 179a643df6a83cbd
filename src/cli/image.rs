//! `mcp-openai image`: the create-image tool from a terminal, with a progress bar.

use std::{
    io::{Write, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use super::outcome::{self, Printing};
use crate::{
    app::App,
    call::Call,
    news::{Feed, News},
    queue::Caller,
    tools::{
        Output, Tool, ToolError,
        create_image::{self, Created},
    },
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the picture shows
    pub prompt: String,
    /// Model id [default: the configured one]
    #[arg(short, long)]
    pub model: Option<String>,
    /// auto, or width and height such as 1536x1024
    #[arg(short, long)]
    pub size: Option<String>,
    /// auto, low, medium, high, xhigh, max
    #[arg(short, long)]
    pub quality: Option<String>,
    /// How many pictures, 1 to 10
    #[arg(short, value_name = "N")]
    pub n: Option<u32>,
    /// auto, transparent, opaque
    #[arg(short, long)]
    pub background: Option<String>,
    /// png, jpeg, webp
    #[arg(short = 'f', long, value_name = "FORMAT")]
    pub output_format: Option<String>,
    /// Percent, for jpeg and webp
    #[arg(long, value_name = "PERCENT")]
    pub output_compression: Option<u8>,
    /// auto, low
    #[arg(long)]
    pub moderation: Option<String>,
    /// A look, such as vivid or natural
    #[arg(long)]
    pub style: Option<String>,
    /// A file name without extension
    #[arg(long)]
    pub name: Option<String>,
    /// Also write the picture to this file (PATH-2, PATH-3 ... for further ones)
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Print the whole result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Makes the pictures and prints their paths on stdout, one a line.
///
/// # Errors
/// When stdout or the output file cannot be written; a failed call is an exit code.
pub async fn run(args: Args, app: App) -> anyhow::Result<ExitCode> {
    let printing = Printing::from_flag(args.json);
    let output = args.output.clone();
    if let Some(error) = output.as_deref().and_then(unwritable) {
        return outcome::failed(error, printing);
    }
    // A terminal shows no picture: one that cannot be kept would be paid for and lost.
    if let Err(error) = app.artifacts.check().await {
        return outcome::failed(error.into(), printing);
    }
    let (news, feed) = News::channel();
    let call = Call::new(Caller::local(), news, app.stop.clone());
    let created = watch(app.create_image.run(args.into_tool(), &call), &feed).await;
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

impl Args {
    fn into_tool(self) -> create_image::Args {
        create_image::Args {
            prompt: self.prompt,
            model: self.model,
            size: self.size,
            quality: self.quality,
            n: self.n,
            background: self.background,
            output_format: self.output_format,
            output_compression: self.output_compression,
            moderation: self.moderation,
            style: self.style,
            name: self.name,
        }
    }
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
    let cost_and_time = outcome::cost_and_time(created.cost_usd, created.elapsed_ms);
    outcome::footer(&created.warnings, notice, &format!("{} · {cost_and_time}", created.model))
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
