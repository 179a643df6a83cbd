//! `mcp-openai ask`: the ask-openai tool from a terminal, streamed as it comes.

use std::{
    io::{Write, stderr, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::bail;
use clap::{ValueHint, builder::PossibleValuesParser};
use clap_complete::{ArgValueCandidates, ArgValueCompleter};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    candidates, conversations, exit, images, named,
    outcome::{self, Printing},
    piped, preset,
    table::Width,
};
use crate::{
    app::App,
    argument::{AppliesTo, REASONING_EFFORT, VERBOSITY},
    call::Call,
    config::Preset,
    news::{Feed, News},
    queue::Caller,
    text,
    tools::{
        Output, Tool, ToolError,
        arguments::as_given,
        ask_openai::{self, AnswerStatus, Answered, AskOpenai},
        references::Named,
    },
};

mod form;

pub(super) use form::AnswerForm;

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    /// The question, quoted or not. Piped input is attached to it, or is the question if none is given here
    #[arg(value_name = "QUERY", add = ArgValueCompleter::new(candidates::begun_conversations))]
    pub query: Vec<String>,
    /// Go on from an earlier answer [default: the newest one]
    // By `=` alone: without it the first word of the question would be taken for the id.
    #[arg(short, long = "continue", value_name = "ID", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "")]
    #[arg(add = ArgValueCandidates::new(candidates::conversations))]
    pub continue_from: Option<String>,
    #[command(flatten)]
    pub options: QuestionOptions,
    /// A picture, a PDF or a text to ask about: a file, a pattern such as 'src/**/*.rs', git:diff [RANGE] or git:show
    /// REV, the `image://ID` of a kept picture, or `-` for what is piped in; may be given up to 20 times
    #[arg(short, long, value_name = "FILE", add = ArgValueCompleter::new(candidates::files))]
    pub attach: Vec<String>,
    /// A file with a JSON Schema that the answer must match
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = named::path())]
    pub schema: Option<PathBuf>,
    /// Say what would be sent, and what it could cost; send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print the first code block of the answer alone, once it is there; the whole answer where it has none
    #[arg(long, conflicts_with_all = ["json", "dry_run"])]
    pub extract: bool,
    /// Print the whole result as JSON, once it is there
    #[arg(long)]
    pub json: bool,
}

/// The tool's arguments that hold for every question, by its own names.
#[derive(Debug, clap::Args, Serialize)]
pub struct QuestionOptions {
    /// A preset from the configuration; flags given here override it
    #[arg(short, long, value_name = "NAME", add = ArgValueCandidates::new(candidates::presets))]
    #[serde(skip)]
    pub preset: Option<String>,
    /// Model id or role [default: the configured one]
    #[arg(short, long, add = ArgValueCandidates::new(candidates::text_models))]
    pub model: Option<String>,
    /// Randomness, 0 to 2
    #[arg(short, long)]
    pub temperature: Option<f64>,
    /// Most output tokens, reasoning included
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<u32>,
    /// Role, tone and format for the model
    #[arg(short, long, value_name = "TEXT")]
    pub instructions: Option<String>,
    /// Amount of thinking before the answer
    #[arg(long, value_name = "EFFORT", value_parser = PossibleValuesParser::new(REASONING_EFFORT.words()), hide_possible_values = true)]
    #[arg(help = format!("How long to think first: {}", REASONING_EFFORT.words().join(", ")))]
    pub reasoning_effort: Option<String>,
    /// Length of the answer
    #[arg(long, value_parser = PossibleValuesParser::new(VERBOSITY.words()), hide_possible_values = true)]
    #[arg(help = format!("How long the answer should be: {}", VERBOSITY.words().join(", ")))]
    pub verbosity: Option<String>,
    /// Let the model search the web; its sources stand after the answer
    #[arg(long)]
    // A flag that is not given says nothing: a preset's `true` stays.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub web_search: bool,
}

/// Asks, prints the answer on stdout and what it cost on stderr.
///
/// # Errors
/// When stdin or stdout cannot be used; a failed call is an exit code.
pub async fn run(args: Args, app: App) -> anyhow::Result<ExitCode> {
    let printing = Printing::from_flag(args.json);
    let form = args.form();
    let args = args.into_tool(&app).await?;
    let (news, feed) = News::channel();
    let call = Call::new(Caller::local(), news, app.stop.clone());
    let attached = args.attachments.iter().flatten().map(|Named(name)| name.as_str());
    // A person who names a file means it, wherever it lies; a model has the project and the folders that are named.
    let references = app.ask_openai.references.allowing(named::folders(attached));
    let ask_openai = AskOpenai { references, ..AskOpenai::clone(&app.ask_openai) };
    let answering = ask_openai.run(args, &call);
    let answered = match printing {
        // Boxed: the future of a call has 8 to 19 kB, which would be moved wherever it is handed on.
        Printing::Json => Box::pin(answering).await,
        Printing::Text => Box::pin(stream(answering, &feed, form)).await?,
    };
    match (answered, printing) {
        // The answer is on stdout already.
        (Err(error @ ToolError::Unfit(_)), Printing::Text) => bail!("{error}"),
        (Err(error), _) => Err(error.into()),
        (Ok(answered), Printing::Json) => outcome::json(answered, app.notice()),
        (Ok(answered), Printing::Text) => report(&answered, app.notice()),
    }
}

impl Args {
    fn form(&self) -> AnswerForm {
        match (self.extract, self.dry_run) {
            (true, _) => AnswerForm::FirstBlock,
            (false, true) => AnswerForm::Source,
            (false, false) => AnswerForm::of_stdout(),
        }
    }

    async fn into_tool(self, app: &App) -> anyhow::Result<ask_openai::Args> {
        let preset = preset::find(&app.config, self.options.preset.as_deref())?;
        let (words, continue_from) = split_positionals(self.query, self.continue_from);
        let (query, piped) = question(&words, &self.attach, &preset).await?;
        let project = app.inputs.project().await;
        let mut files = Vec::new();
        for name in self.attach.iter().filter(|name| *name != piped::STDIN) {
            files.push(images::picture_or_file(app, name, project.as_ref()).await);
        }
        Ok(ask_openai::Args {
            query,
            conversation: conversation(app, continue_from.as_deref()).await?,
            attachments: Some(piped.into_iter().chain(files).map(Named).collect()),
            dry_run: Some(self.dry_run),
            schema: self.schema.as_deref().map(read_schema).transpose()?,
            ..self.options.over(&preset)?
        })
    }
}

impl QuestionOptions {
    /// The tool's arguments but for the question: those that were typed over those of the preset.
    ///
    /// # Errors
    /// [`ToolError::InvalidArgument`] when they are not as the tool takes them.
    pub(super) fn over(&self, preset: &Preset) -> anyhow::Result<ask_openai::Args> {
        let mut arguments = preset.arguments(AppliesTo::text);
        // The words of this question go before a preset, which is for many.
        arguments.extend(as_given(self));
        // Required by the tool's type; the question itself is put in later.
        arguments.insert("query".to_owned(), String::new().into());
        Ok(serde_json::from_value(arguments.into()).map_err(|error| ToolError::InvalidArgument(error.to_string()))?)
    }
}

/// The handle of the answer to go on from: the newest one for an empty id.
///
/// # Errors
/// When there is none.
pub(super) async fn conversation(app: &App, id: Option<&str>) -> anyhow::Result<Option<String>> {
    let handle = match id {
        None => return Ok(None),
        Some("") => conversations::newest(&app.conversations).await?,
        Some(id) => conversations::find(&app.conversations, id).await?,
    };
    Ok(Some(handle.to_string()))
}

/// In `ask --continue ID Why not?` the id stands among the words of the question, and begins as none of them does.
fn split_positionals(mut words: Vec<String>, continue_from: Option<String>) -> (Vec<String>, Option<String>) {
    let is_id = |word: &String| word.starts_with("conv_") || word.starts_with("conversation://");
    match continue_from {
        Some(none) if none.is_empty() => {
            let id = words.iter().position(is_id).map(|at| words.remove(at));
            (words, Some(id.unwrap_or_default()))
        }
        continue_from => (words, continue_from),
    }
}

/// The question, and what is piped in to be attached to it.
///
/// # Errors
/// When there is no question, or stdin cannot be what it should be.
async fn question(words: &[String], attached: &[String], preset: &Preset) -> anyhow::Result<(String, Option<String>)> {
    let wants_stdin = attached.iter().any(|name| name == piped::STDIN);
    let asked = if words.is_empty() || *words == [piped::STDIN] {
        preset.complete().map(str::to_owned)
    } else {
        Some(preset.fill(words.join(" ")))
    };
    let Some(asked) = asked else {
        if wants_stdin {
            return Err(unasked("what is the question? `--attach -` attaches what is piped in to one"));
        }
        if words.is_empty() && !piped::is_offered() {
            return Err(unasked("what is the question? mcp-openai ask QUERY, or pipe it in"));
        }
        return Ok((preset.fill(piped::question().await?), None));
    };
    let piped = if wants_stdin || piped::is_offered() { piped::bytes().await? } else { Vec::new() };
    if piped.is_empty() && wants_stdin {
        return Err(unasked("`--attach -`: stdin is empty"));
    }
    if piped.is_empty() && piped::is_offered() {
        writeln!(stderr(), "note: what was piped in is empty, and nothing of it is attached")?;
    }
    Ok((asked, (!piped.is_empty()).then(|| piped::named(&piped))))
}

fn unasked(wrong: &str) -> anyhow::Error {
    ToolError::InvalidArgument(wrong.to_owned()).into()
}

/// The object in a file; what is wrong with it, otherwise.
fn read_schema(path: &Path) -> Result<Map<String, Value>, ToolError> {
    let wrong = |why: String| ToolError::InvalidArgument(format!("`--schema` {}: {why}", path.display()));
    let text = text::read_file(path).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| wrong(format!("it is not a JSON object ({error})")))
}

/// Prints the text as it comes and ends it with a line feed.
///
/// # Errors
/// When stdout cannot be written to.
pub(super) async fn stream(
    answering: impl Future<Output = Result<Answered, ToolError>>,
    feed: &Feed,
    form: AnswerForm,
) -> std::io::Result<Result<Answered, ToolError>> {
    let mut answering = std::pin::pin!(answering);
    let (mut out, mut shown) = (stdout(), Shown(form));
    let answered = loop {
        tokio::select! {
            answered = &mut answering => break answered,
            () = feed.changed() => write_delta(&mut out, &shown.0.push(feed.take().delta))?,
        }
    };
    write_delta(&mut out, &shown.0.push(feed.take().delta))?;
    if let Ok(Answered { status: AnswerStatus::DryRun, text, .. }) = &answered {
        // A dry run names settings and arguments, as errors do; an answer is left as the model wrote it.
        let text = exit::in_words_of_a_terminal(text);
        let lines: String = text.lines().map(|line| Width::of_stdout().paragraph(line)).collect();
        write_delta(&mut out, &lines)?;
        return Ok(answered);
    }
    write_delta(&mut out, &shown.0.finish(answered.as_ref().ok()))?;
    Ok(answered)
}

/// An answer that is being printed. The line that it holds back is printed, too, where the person ends it: it is paid
/// for.
struct Shown(AnswerForm);

impl Drop for Shown {
    fn drop(&mut self) {
        let _ = write_delta(&mut stdout(), &self.0.finish(None));
    }
}

fn write_delta(out: &mut impl Write, delta: &str) -> std::io::Result<()> {
    out.write_all(delta.as_bytes())?;
    // A delta without a line feed would stay in the buffer of stdout.
    out.flush()
}

/// Says what the person should know besides the answer.
///
/// # Errors
/// When stderr cannot be written to.
pub(super) fn report(answered: &Answered, notice: Option<&str>) -> anyhow::Result<ExitCode> {
    if let Some(sources) = answered.sources() {
        writeln!(stderr(), "\nSources:\n{sources}")?;
    }
    let tokens = answered
        .usage
        .map_or(String::new(), |usage| format!(" · {} tokens in, {} out", usage.input_tokens, usage.output_tokens));
    outcome::footer(&answered.warnings, notice, &format!("{}{tokens}", answered.receipt().unwrap_or_default()))
}
