//! `mcp-openai image`: the tools create-image and edit-image from a terminal, with a progress bar.

use std::{
    io::{IsTerminal, Write, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail};
use clap::{ValueHint, builder::PossibleValuesParser};
use clap_complete::{ArgValueCandidates, ArgValueCompleter};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    candidates, images,
    inline::InlineOptions,
    named,
    outcome::{self, Printing},
    piped, preset,
    target::{Existing, Target},
};
use crate::{
    app::App,
    argument::{AppliesTo, BACKGROUND, MODERATION, OUTPUT_FORMAT, QUALITY},
    artifact::Artifact,
    call::Call,
    config::Preset,
    media::{Encoded, Format},
    news::{Feed, News},
    queue::Caller,
    tools::{Output, Tool, ToolError, arguments::as_given, create_image::Created, edit_image::EditImage},
};

mod save;

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    #[command(flatten)]
    given: PromptSource,
    /// Reuse this picture's prompt and arguments; flags given here override them
    #[arg(long, value_name = "ID", add = ArgValueCompleter::new(candidates::pictures))]
    like: Option<String>,
    /// A picture to start from: a file, the `image://ID` of an earlier one, or `-` for one that is piped in; may be
    /// given up to 16 times
    #[arg(long, value_name = "PICTURE", add = ArgValueCompleter::new(candidates::files))]
    from: Vec<String>,
    /// A PNG of the first one's size: where it is see-through, the picture may change
    #[arg(long, value_name = "PICTURE", requires = "from", add = ArgValueCompleter::new(candidates::files))]
    mask: Option<String>,
    /// Also write the picture here: a file, whose extension decides the format, a folder, or `-` for stdout. A file
    /// that is there is kept, and the new one called PATH-2; a device or a pipe is written to
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath, value_parser = named::path())]
    output: Option<PathBuf>,
    /// Let `-o` write over a file that is there
    #[arg(long, requires = "output")]
    force: bool,
    #[command(flatten)]
    inline: InlineOptions,
    /// Print the whole result as JSON
    #[arg(long)]
    json: bool,
}

/// The tool's arguments, by its own names.
#[derive(Debug, clap::Args, Serialize)]
struct PromptSource {
    /// Subject of the picture, quoted or not. Text that is piped in follows it, or stands for it; a picture that is
    /// piped in is changed
    #[arg(value_name = "PROMPT")]
    #[serde(skip)]
    words: Vec<String>,
    /// A preset from the configuration; flags given here override it
    #[arg(short, long, value_name = "NAME", add = ArgValueCandidates::new(candidates::presets))]
    #[serde(skip)]
    preset: Option<String>,
    /// Model id or role [default: the configured one]
    #[arg(short, long, add = ArgValueCandidates::new(candidates::image_models))]
    model: Option<String>,
    /// auto, width and height such as 1536x1024, a ratio such as 16:9, or landscape, portrait, square
    #[arg(short, long, add = ArgValueCandidates::new(candidates::sizes))]
    size: Option<String>,
    #[arg(short, long, value_parser = PossibleValuesParser::new(QUALITY.words()), hide_possible_values = true)]
    #[arg(help = format!("Better is slower and dearer: {}", QUALITY.words().join(", ")))]
    quality: Option<String>,
    /// Number of pictures, 1 to 10
    #[arg(short, value_name = "N")]
    n: Option<u32>,
    #[arg(short, long, value_parser = PossibleValuesParser::new(BACKGROUND.words()), hide_possible_values = true)]
    #[arg(help = BACKGROUND.words().join(", "))]
    background: Option<String>,
    #[arg(short = 'f', long, value_name = "FORMAT", value_parser = PossibleValuesParser::new(OUTPUT_FORMAT.words()))]
    #[arg(hide_possible_values = true, help = OUTPUT_FORMAT.words().join(", "))]
    output_format: Option<String>,
    /// Percent, for jpeg and webp
    #[arg(long, value_name = "PERCENT")]
    output_compression: Option<u8>,
    #[arg(long, value_parser = PossibleValuesParser::new(MODERATION.words()), hide_possible_values = true)]
    #[arg(help = format!("How strict the filter is: {}", MODERATION.words().join(", ")))]
    moderation: Option<String>,
    /// A look, such as vivid or natural
    #[arg(long)]
    style: Option<String>,
    /// A file name without extension
    #[arg(long)]
    name: Option<String>,
}

/// Makes the pictures and prints their paths on stdout, one a line; with `-o -`, the picture itself.
///
/// # Errors
/// When stdout or the output file cannot be written; a failed call is an exit code.
pub async fn run(args: Args, app: App) -> anyhow::Result<ExitCode> {
    let printing = Printing::from_flag(args.json);
    let preset = preset::find(&app.config, args.given.preset.as_deref())?;
    let (target, existing) = (args.output.clone(), Existing::from_flag(args.force));
    let target = target.map(|given| output(&given, &args, &preset)).transpose();
    let target = target.map_err(|wrong| ToolError::InvalidArgument(format!("`--output`: {wrong}")))?;
    // One that cannot be kept would be paid for and lost.
    app.artifacts.check().await.map_err(ToolError::from)?;
    let inline = args.inline.clone();
    let arguments = arguments(args, &preset, target.as_ref(), &app).await?;
    let (news, feed) = News::channel();
    let call = Call::new(Caller::local(), news, app.stop.clone());
    // Boxed: the future of a call has 8 to 19 kB, which would be moved wherever it is handed on.
    let mut created = watch(Box::pin(make(&app, arguments, &call)), &feed).await?;
    match &target {
        None => {}
        Some(Target::Stdout) => return to_stdout(&created, &app).await,
        Some(target @ (Target::Folder(_) | Target::File(_) | Target::Device(_))) => {
            save::save(&mut created, target, existing, &app.get_result.kept).await?;
        }
    }
    match printing {
        Printing::Json => outcome::json(created, app.notice()),
        Printing::Text => {
            inline.draw(originals(&created, &app), &app.get_result.kept.previews).await?;
            writeln!(stdout(), "{}", created.text())?;
            outcome::footer(&created.warnings, app.notice(), &created.receipt().unwrap_or_default())
        }
    }
}

/// The pictures that were kept, as they came.
async fn originals(created: &Created, app: &App) -> Vec<Encoded> {
    let mut originals = Vec::new();
    for image in &created.images {
        let original = save::original(image, &app.get_result.kept.artifacts).await;
        originals.extend(original.ok().flatten().map(|(_, picture)| picture));
    }
    originals
}

/// Parses `-o`, checked against the other flags and the preset.
///
/// # Errors
/// What is wrong with it, and what would be right.
fn output(given: &Path, args: &Args, preset: &Preset) -> Result<Target, String> {
    let target = Target::parse(given)?;
    if target == Target::Stdout {
        if args.json {
            return Err("stdout takes the picture or the JSON, not both: name a file".into());
        }
        let n = args.given.n.map(u64::from).or_else(|| preset.arguments(AppliesTo::pictures).get("n")?.as_u64());
        if n.is_some_and(|n| n > 1) {
            return Err("stdout takes one picture: say -n 1, or name a file or a folder".into());
        }
        if stdout().is_terminal() {
            return Err("a terminal shows no picture: name a file, or pipe it into a program that does".into());
        }
    }
    let format = target.format()?.map(name);
    match (format, args.given.output_format.as_deref()) {
        (Some(by_name), Some(by_flag)) if by_name != by_flag => {
            Err(format!("{} is a {by_name} by its name, and --output-format says {by_flag}", given.display()))
        }
        _ => Ok(target),
    }
}

/// The word for a format in the tools' arguments: that of its media type, which is `jpeg` and not `jpg`.
fn name(format: Format) -> &'static str {
    format.media_type().trim_start_matches("image/")
}

/// The tool's arguments: an earlier picture's, then what is typed, then what is piped in.
async fn arguments(
    args: Args,
    preset: &Preset,
    target: Option<&Target>,
    app: &App,
) -> anyhow::Result<Map<String, Value>> {
    let Args { mut given, like, mut from, mask, .. } = args;
    let piped = piped_in(&given.words, like.as_deref(), &mut from).await?;
    if *given.words == [piped::STDIN] {
        given.words.clear();
    }
    let mut arguments = match like {
        None => Map::new(),
        Some(id) => recorded(app, &id).await?,
    };
    // The later goes before the earlier: what is typed is meant for this picture alone.
    arguments.extend(preset.arguments(AppliesTo::pictures));
    arguments.extend(as_given(&given));
    if let Some(format) = target.and_then(|target| target.format().ok()?) {
        arguments.insert("output_format".to_owned(), name(format).into());
    }
    let prompt = match (given.words.is_empty(), piped) {
        (true, text) => text,
        (false, None) => Some(given.words.join(" ")),
        (false, Some(text)) => Some(format!("{}\n\n{text}", given.words.join(" "))),
    };
    let prompt = prompt.map(|prompt| preset.fill(prompt)).or_else(|| preset.complete().map(str::to_owned));
    arguments.extend(prompt.map(|prompt| ("prompt".to_owned(), prompt.into())));
    if !arguments.contains_key("prompt") {
        let wrong = "what should it show? mcp-openai image PROMPT, or pipe the prompt in";
        return Err(ToolError::InvalidArgument(wrong.into()).into());
    }
    if !from.is_empty() {
        let project = app.inputs.project().await;
        let opened = async |picture: &str| images::picture_or_file(app, picture, project.as_ref()).await;
        let mut images = Vec::new();
        for picture in &from {
            images.push(opened(picture).await);
        }
        arguments.insert("images".to_owned(), images.into());
        // A mask fits one picture: that of the earlier ones says nothing of these.
        arguments.remove("mask");
        if let Some(mask) = mask {
            arguments.insert("mask".to_owned(), opened(&mask).await.into());
        }
    }
    Ok(arguments)
}

/// Text that is piped in. A picture goes among those to start from instead.
async fn piped_in(words: &[String], like: Option<&str>, from: &mut Vec<String>) -> anyhow::Result<Option<String>> {
    let named = from.iter().position(|picture| picture == piped::STDIN);
    let is_needed = named.is_some() || *words == [piped::STDIN];
    if !is_needed && !piped::is_offered() {
        return Ok(None);
    }
    let bytes = piped::bytes().await?;
    let wrong = |wrong: &str| Err(ToolError::InvalidArgument(wrong.to_owned()).into());
    match (named, Format::sniff(&bytes).filter(|format| format.is_common())) {
        (Some(at), Some(_)) => {
            from.splice(at..=at, [piped::named(&bytes)]);
            Ok(None)
        }
        (Some(_), None) => wrong("`--from -`: stdin holds no PNG, JPEG or WebP picture"),
        (None, Some(_)) if words.is_empty() && like.is_none() => {
            wrong("a picture is piped in: say what should become of it, mcp-openai image PROMPT")
        }
        (None, Some(_)) => {
            from.push(piped::named(&bytes));
            Ok(None)
        }
        // Before it is looked at as text, which a PDF may be by chance.
        (None, None) if bytes.starts_with(b"%PDF-") => wrong("stdin holds a PDF: pipe in text, or a picture"),
        (None, None) => match String::from_utf8(bytes) {
            Ok(text) if text.trim().is_empty() => Ok(None),
            Ok(text) => Ok(Some(text.trim_end().to_owned())),
            Err(_) => wrong("stdin holds neither text in UTF-8 nor a PNG, JPEG or WebP picture"),
        },
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

/// Folders of the files that a person named, now or earlier: those files may be read wherever they lie.
fn folders(arguments: &Map<String, Value>) -> Vec<PathBuf> {
    let images = arguments.get("images").and_then(Value::as_array).into_iter().flatten();
    named::folders(images.chain(arguments.get("mask")).filter_map(Value::as_str))
}

/// The arguments that a picture was made with, as far as its record knows them; for one picture, however many there
/// were.
///
/// # Errors
/// When there is no such picture, or nothing is known of how it was made.
async fn recorded(app: &App, id: &str) -> anyhow::Result<Map<String, Value>> {
    let (Artifact { id, origin, .. }, _) = app.artifacts.open(&images::find(app, id).await?).await?;
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

/// The picture to stdout, all that is said of it to stderr.
async fn to_stdout(created: &Created, app: &App) -> anyhow::Result<ExitCode> {
    let original = match created.images.first() {
        Some(image) => save::original(image, &app.get_result.kept.artifacts).await?,
        None => None,
    };
    let (_, original) = original.context("the picture was not kept")?;
    stdout().write_all(original.bytes())?;
    stdout().flush()?;
    outcome::footer(&created.warnings, app.notice(), &created.receipt().unwrap_or_default())
}
