//! The prompts that have a question asked: written so that the client's model asks it well, and tells honestly what
//! came of it.

use super::Given;
use crate::catalogue::{Catalogue, ModelKind};

/// The parts of a good `query`.
const QUERY: &str = "A model that is asked sees nothing of this chat: put everything that it needs into `query`, with the text \
    of files and messages word for word where the words matter, and what a good answer must have.";

pub(super) fn second_opinion(given: &Given, _: &Catalogue) -> String {
    let question = given.of("question").unwrap_or_default();
    let context = given.of("context").map(|context| format!("\n\nWhat bears on it: {context}")).unwrap_or_default();
    let model = given.of("model").map(|model| format!(" with `model` \"{model}\"")).unwrap_or_default();
    format!(
        "Get me a second opinion on this: {question}{context}\n\n\
         First settle your own answer. Then call ask-openai once{model}: it costs money. {QUERY} Leave your own answer out, \
         so that the other is independent.\n\n\
         Then tell me both, short, and where they differ: which is right, by what evidence, and what remains open. Where \
         the other is right, say so and correct yourself. Name the model that answered and what it cost, both in the line \
         under its answer, any note, and the `conversation` to go on from: a follow-up takes that as `conversation`."
    )
}

pub(super) fn compare_models(given: &Given, catalogue: &Catalogue) -> String {
    let question = given.of("question").unwrap_or_default();
    let models = match given.of("models") {
        Some(models) => named(models),
        None => usual(catalogue),
    };
    let which = match models.as_slice() {
        [] => "two models that list-models shows, a strong and a cheap one".to_owned(),
        models => format!("each of these models: {}", models.join(", ")),
    };
    format!(
        "Compare OpenAI's models on this question: {question}\n\n\
         Call ask-openai once for {which}. Give each as `model`, and the same `query`, word for word; each call costs \
         money, so make no more of them. {QUERY}\n\n\
         Then give me a table with a row for each: the model that answered, what is right and what is wrong or missing \
         in its answer, its cost and its time. Model, cost and time stand in the line under each answer; a note says \
         where another model answered than was asked. Judge the answers by what they say, not by who says it; \
         where you cannot tell who is right, say that. One answer each proves little: end with what this shows and what \
         it does not, and with the `conversation` of each, for follow-ups."
    )
}

/// The models in a list with commas, or in one as JSON has it.
fn named(models: &str) -> Vec<String> {
    let models: Vec<String> =
        serde_json::from_str(models).unwrap_or_else(|_| models.split(',').map(str::to_owned).collect());
    models.iter().map(|model| model.trim().to_owned()).filter(|model| !model.is_empty()).collect()
}

/// The roles that are compared when no model is named, where the catalogue has them.
fn usual(catalogue: &Catalogue) -> Vec<String> {
    let roles = catalogue.roles().filter(|role| role.kind == ModelKind::Text).map(|role| role.name);
    let mut usual: Vec<_> = roles.filter(|name| name == "strong" || name == "cheap").collect();
    usual.sort_by_key(|name| name != "strong");
    usual
}
