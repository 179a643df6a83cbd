//! ask-openai: one question, one answer.

use std::{num::NonZeroU32, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Output, Pace, Timeouts, Tool, ToolError, UsageReport, arguments, milliseconds};
use crate::{
    call::Call,
    catalogue::{Catalogue, Kind, Resolved, Temperature, TextTraits},
    money::Usd,
    openai::{Answer, Finish, OpenAi, Question, Reply, Terms},
    queue::Queue,
};

/// Longer texts do not fit any model's context.
const MAX_QUERY: usize = 4_000_000;
const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
const VERBOSITIES: [&str; 3] = ["low", "medium", "high"];

#[derive(Debug)]
pub struct AskOpenai {
    pub openai: OpenAi,
    pub catalogue: Arc<Catalogue>,
    pub queue: Queue,
    pub timeouts: Timeouts,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The question or task, with all the context it needs: the model sees nothing else of this chat.
    pub query: String,
    /// Model id; left out: the configured default.
    pub model: Option<String>,
    /// Randomness; many models take none.
    #[schemars(range(min = 0, max = 2))]
    pub temperature: Option<f64>,
    /// Most output tokens, reasoning included: a small value can leave no text.
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u32>,
    /// How the model should behave: role, tone, format.
    pub instructions: Option<String>,
    /// How long to think first: more costs more.
    #[schemars(extend("enum" = EFFORTS))]
    pub reasoning_effort: Option<String>,
    /// How long the answer should be.
    #[schemars(extend("enum" = VERBOSITIES))]
    pub verbosity: Option<String>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Answered {
    /// `complete`, or `incomplete`: then `finish_reason` says what cut the answer.
    pub status: Status,
    /// The answer.
    pub text: String,
    /// The model that answered.
    pub model: String,
    /// The model that was asked for, when another answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_model: Option<String>,
    /// `stop`, `refusal`, `max_tokens`, `content_filter`, `cut_off`, or the upstream's own word.
    pub finish_reason: String,
    /// Tokens used, as the upstream reported them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageReport>,
    /// Exact cost in US dollars; absent where the price is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    pub cost_usd: Option<Usd>,
    /// What the person should know besides, such as arguments left out and models replaced.
    pub warnings: Vec<String>,
    /// The upstream's id of the request, for its support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// HTTP requests that it took.
    pub attempts: u32,
    /// From the call to its answer, the queue included.
    pub elapsed_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Status {
    Complete,
    Incomplete,
}

/// A question that is fit to be sent.
#[derive(Debug)]
struct Request {
    question: Question,
    model: Resolved,
    warnings: Vec<String>,
}

impl Tool for AskOpenai {
    const NAME: &'static str = "ask-openai";
    const TITLE: &'static str = "Ask OpenAI";
    const DESCRIPTION: &'static str = "Ask an OpenAI model and get its answer as text: a second opinion, a draft, a review, a \
         translation, a hard question. Every call costs money and stands alone, so put all the context into `query`.";
    const EFFECT: Effect = Effect::Reads;
    const PACE: Pace = Pace::Slow;
    type Args = Args;
    type Output = Answered;

    async fn run(&self, args: Args, call: &Call) -> Result<Answered, ToolError> {
        let request = args.parse(&self.catalogue)?;
        let limit = self.timeouts.text;
        let terms = Terms { deadline: call.deadline(limit), news: call.news.clone() };
        let ticket = self.queue.enter(&call.caller)?;

        let answered = call
            .wait(terms.deadline, async {
                let _slot = ticket.reach(&call.news).await;
                self.openai.ask(&request.question, &terms).await
            })
            .await
            .map_err(|ended| ToolError::ended(ended, limit))?;
        Ok(request.answered(answered?, call))
    }
}

impl Args {
    fn parse(self, catalogue: &Catalogue) -> Result<Request, ToolError> {
        let input = arguments::text("query", self.query, MAX_QUERY)?;
        let instructions =
            self.instructions.map(|text| arguments::text("instructions", text, MAX_QUERY)).transpose()?;
        let requested = self.model.as_deref().map(arguments::model).transpose()?;
        let temperature = self.temperature.map(|t| arguments::within("temperature", t, 0.0, 2.0)).transpose()?;
        let max_tokens = self
            .max_tokens
            .map(|n| {
                NonZeroU32::new(n)
                    .ok_or_else(|| ToolError::InvalidArgument("`max_tokens` is 0: it must be at least 1".into()))
            })
            .transpose()?;
        let effort =
            self.reasoning_effort.map(|word| arguments::word("reasoning_effort", word, &EFFORTS)).transpose()?;
        let verbosity = self.verbosity.map(|word| arguments::word("verbosity", word, &VERBOSITIES)).transpose()?;

        let mut model = catalogue.resolve(Kind::Text, requested.as_ref())?;
        let mut warnings = std::mem::take(&mut model.warnings);
        let traits = model.entry.as_ref().and_then(|entry| entry.text.as_ref());
        let effort =
            arguments::taken("reasoning_effort", effort, traits.map(|t| t.efforts.as_slice()), &model, &mut warnings);
        let verbosity =
            arguments::taken("verbosity", verbosity, traits.map(|t| t.verbosity.as_slice()), &model, &mut warnings);
        let temperature = temperature.filter(|_| match traits.map(|t| takes_temperature(t, effort.as_deref())) {
            None | Some(Ok(())) => true,
            Some(Err(why)) => {
                warnings.push(format!("`temperature` was left out: {} takes {why}.", model.id));
                false
            }
        });

        let question = Question {
            model: model.id.clone(),
            input,
            instructions,
            temperature,
            max_tokens,
            reasoning_effort: effort,
            verbosity,
        };
        Ok(Request { question, model, warnings })
    }
}

/// Whether a model takes a temperature at this effort; if not, the end of the sentence "it takes ...".
fn takes_temperature(traits: &TextTraits, effort: Option<&str>) -> Result<(), &'static str> {
    match traits.temperature {
        Temperature::Always => Ok(()),
        Temperature::Never => Err("none"),
        Temperature::WithEffortNone if effort.or(traits.default_effort.as_deref()) == Some("none") => Ok(()),
        Temperature::WithEffortNone => Err("one only with `reasoning_effort` none"),
    }
}

impl Request {
    fn answered(self, reply: Reply<Answer>, call: &Call) -> Answered {
        let Reply { value: answer, meta } = reply;
        let mut warnings = self.warnings;
        warnings.extend(arguments::left_out(&answer.left_out, &answer.model));
        let (status, finish_reason, cut) = finish(answer.finish, &answer.text);
        warnings.extend(cut);
        let cost = answer.usage.and_then(|usage| self.model.entry.as_ref()?.cost(&usage));
        Answered {
            status,
            text: answer.text,
            model: answer.model,
            requested_model: self.model.requested.map(String::from),
            finish_reason,
            usage: answer.usage.map(UsageReport::from),
            cost_usd: cost,
            warnings,
            request_id: meta.request_id,
            attempts: meta.attempts,
            elapsed_ms: milliseconds(call.elapsed()),
        }
    }
}

/// How an ending is told: status, reason, and a warning where the answer was cut.
fn finish(finish: Finish, text: &str) -> (Status, String, Option<String>) {
    let cut = |reason: &str, why: &str| (Status::Incomplete, reason.to_owned(), Some(why.to_owned()));
    match finish {
        Finish::Stop => (Status::Complete, "stop".into(), None),
        Finish::Refusal => (Status::Complete, "refusal".into(), Some("The model declined to answer.".into())),
        Finish::MaxTokens if text.is_empty() => cut(
            "max_tokens",
            "There is no text: reasoning used up `max_tokens`. Raise it, or lower `reasoning_effort`.",
        ),
        Finish::MaxTokens => cut("max_tokens", "The answer is cut: it reached `max_tokens`. Raise it for the rest."),
        Finish::ContentFilter => cut("content_filter", "The answer is cut: the upstream's content filter stopped it."),
        Finish::CutOff(why) => cut("cut_off", &format!("The answer is cut: {why}.")),
        Finish::Other(reason) => {
            let why = format!("The answer is incomplete: {reason}.");
            (Status::Incomplete, reason, Some(why))
        }
    }
}

impl Output for Answered {
    fn text(&self) -> String {
        self.text.clone()
    }

    fn warnings(&mut self) -> &mut Vec<String> {
        &mut self.warnings
    }
}
