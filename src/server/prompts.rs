//! Prompts that a person can choose in the client: one table, each with its arguments and the message it becomes.

use rmcp::{
    ErrorData,
    model::{GetPromptResult, JsonObject, ListPromptsResult, PromptArgument, PromptMessage, Role},
};
use serde_json::Value;

use super::arguments::is_injected;
use crate::{
    catalogue::{Catalogue, ModelKind},
    text,
};

mod ask;

use PromptValues::{Free, Model, Models, Quality, Size};

/// The longest argument, in characters: as long as a prompt of the Images API may be.
/// <https://platform.openai.com/docs/api-reference/images/create#images-create-prompt>
const LONGEST_ARGUMENT: usize = 32_000;

/// In the order of `prompts/list`.
const PROMPTS: &[Prompt] = &[
    Prompt {
        name: "image-brief",
        title: "Brief a picture",
        description: "Turns an idea into a good picture prompt and has create-image paint it.",
        arguments: &[
            required("subject", "What the picture shows."),
            optional("style", "A look: linocut, watercolour, product photograph ...", Free),
            optional("model", "The image model; left out: the configured one.", Model(ModelKind::Image)),
            optional("size", "auto, or WxH such as 1536x1024.", Size),
            optional("quality", "Better is slower and costs more.", Quality),
        ],
        write: image_brief,
    },
    Prompt {
        name: "second-opinion",
        title: "Get a second opinion",
        description: "Asks an OpenAI model the same question, and holds its answer against your own.",
        arguments: &[
            required("question", "What the opinion is to be on."),
            optional("context", "What matters for it that this chat does not say.", Free),
            optional("model", "The model's id, or a role; left out: the default.", Model(ModelKind::Text)),
        ],
        write: ask::second_opinion,
    },
    Prompt {
        name: "compare-models",
        title: "Compare models",
        description: "Asks several OpenAI models one question, and compares answers, time and cost.",
        arguments: &[
            required("question", "What each of them is asked."),
            optional("models", "Ids or roles with commas between; left out: strong and cheap.", Models),
        ],
        write: ask::compare_models,
    },
];

pub(super) struct Prompt {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    arguments: &'static [PromptParameter],
    write: fn(&Given, &Catalogue) -> String,
}

pub(super) struct PromptParameter {
    pub name: &'static str,
    description: &'static str,
    presence: Presence,
    /// Proposals of completions.
    pub values: PromptValues,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Required,
    Optional,
}

/// The source of an argument's values.
#[derive(Clone, Copy)]
pub(super) enum PromptValues {
    /// The person's own words.
    Free,
    /// Ids and roles.
    Model(ModelKind),
    /// The same of text models, with commas between.
    Models,
    Size,
    Quality,
}

const fn required(name: &'static str, description: &'static str) -> PromptParameter {
    PromptParameter { name, description, presence: Presence::Required, values: Free }
}

const fn optional(name: &'static str, description: &'static str, values: PromptValues) -> PromptParameter {
    PromptParameter { name, description, presence: Presence::Optional, values }
}

impl PromptParameter {
    fn describe(&self) -> PromptArgument {
        PromptArgument::new(self.name)
            .with_description(self.description)
            .with_required(self.presence == Presence::Required)
    }
}

impl Prompt {
    fn describe(&self) -> rmcp::model::Prompt {
        let arguments = self.arguments.iter().map(PromptParameter::describe).collect();
        rmcp::model::Prompt::new(self.name, Some(self.description), Some(arguments)).with_title(self.title)
    }

    /// The argument of this name.
    ///
    /// # Errors
    /// Invalid params that name the arguments there are.
    pub(super) fn argument(&self, name: &str) -> Result<&PromptParameter, ErrorData> {
        self.arguments.iter().find(|argument| argument.name == name).ok_or_else(|| {
            let known: Vec<_> = self.arguments.iter().map(|argument| argument.name).collect();
            let (prompt, name) = (self.name, text::brief(name, 60));
            invalid(format!("{prompt} takes no argument `{name}`; it takes: {}", known.join(", ")))
        })
    }

    fn check(&self, arguments: JsonObject) -> Result<Given, ErrorData> {
        let mut given = Vec::new();
        // Hosts send null, and fields of their own, for prompts as they do for tools.
        for (name, value) in arguments.into_iter().filter(|(name, value)| !value.is_null() && !is_injected(name)) {
            let name = self.argument(&name)?.name;
            let Value::String(value) = value else { return Err(invalid(format!("`{name}` must be a string"))) };
            if value.chars().count() > LONGEST_ARGUMENT {
                return Err(invalid(format!(
                    "`{name}` is too long: at most {LONGEST_ARGUMENT} characters are allowed"
                )));
            }
            // The message goes to a model: characters that people do not see, and models read, are taken out.
            let value = text::sanitize(value.trim());
            if !value.is_empty() {
                given.push((name, value.into_owned()));
            }
        }
        let given = Given(given);
        let is_missing =
            |argument: &&PromptParameter| argument.presence == Presence::Required && given.of(argument.name).is_none();
        match self.arguments.iter().find(is_missing) {
            None => Ok(given),
            Some(PromptParameter { name, description, .. }) => {
                Err(invalid(format!("{} needs the argument `{name}`: {description}", self.name)))
            }
        }
    }
}

/// The arguments given, checked; those left empty are not among them.
struct Given(Vec<(&'static str, String)>);

impl Given {
    fn of(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }
}

pub(super) fn list() -> ListPromptsResult {
    ListPromptsResult::with_all_items(PROMPTS.iter().map(Prompt::describe).collect())
}

/// # Errors
/// Invalid params: no such prompt, or arguments that it does not take; the text says what would be right.
pub(super) fn get(name: &str, arguments: JsonObject, catalogue: &Catalogue) -> Result<GetPromptResult, ErrorData> {
    let prompt = find(name).ok_or_else(|| {
        let known: Vec<_> = PROMPTS.iter().map(|prompt| prompt.name).collect();
        invalid(format!("there is no prompt `{}`; the prompts are: {}", text::brief(name, 60), known.join(", ")))
    })?;
    let message = (prompt.write)(&prompt.check(arguments)?, catalogue);
    let messages = vec![PromptMessage::new_text(Role::User, message)];
    Ok(GetPromptResult::new(messages).with_description(prompt.description))
}

pub(super) fn find(name: &str) -> Option<&'static Prompt> {
    PROMPTS.iter().find(|prompt| prompt.name == name)
}

fn image_brief(given: &Given, _: &Catalogue) -> String {
    let subject = given.of("subject").unwrap_or_default();
    let style = given.of("style").map(|style| format!("\nStyle: {style}")).unwrap_or_default();
    let passed_on = ["model", "size", "quality"].into_iter().filter_map(|name| Some((name, given.of(name)?)));
    let passed_on = passed_on.map(|(name, value)| format!(", `{name}` \"{value}\"")).collect::<Vec<_>>().concat();
    format!(
        "Make me a picture. What it shows: {subject}{style}\n\n\
         First write the prompt, as one paragraph of what can be seen: the subject and what it does, the setting, the \
         composition and the viewpoint, light and colours, and the medium or technique. Be concrete and add what I left \
         open; change nothing that I said. Put text that is to stand in the picture in quotes, word for word. Say what \
         must be there rather than what must not.\n\n\
         Then call create-image once, with this paragraph as `prompt`{passed_on}, and nothing else but what I asked for: \
         it costs money. Tell me where the picture is, as the result names it, show me the prompt you used, and offer one \
         way to make the picture better."
    )
}

fn invalid(message: String) -> ErrorData {
    ErrorData::invalid_params(message, None)
}
