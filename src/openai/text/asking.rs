//! Asks a question by the plan that is likeliest to do, and by the next one when the upstream objects.

use std::sync::Arc;

use super::{
    answer,
    api::TextApi,
    background,
    chat::{self, Chat},
    plan::{Chosen, Plan},
    responses::{self, Responses},
};
use crate::openai::{
    Answer, Failure, Meta, Question, Reply, Run, Terms,
    client::{Client, FailedAttempt, PlannedRequest, Unanswered},
    failure::objection::Objection,
    kind::EndpointKind,
};

/// Asks until there is an answer, or no other way to ask.
pub(crate) async fn ask(client: &Arc<Client>, question: &Question, terms: &Terms) -> Result<Reply<Answer>, Failure> {
    let setting = client.learnt.api(client.config.api, &client.config.base_url);
    let mut plan = Plan::first(question, setting, client.config.store);
    let mut before = Meta::default();
    let mut retries = 0;
    loop {
        let asked = match plan.api {
            TextApi::Responses => by_responses(client, question, plan, terms).await,
            TextApi::Chat => by_chat(client, question, plan, terms).await,
        };
        if plan.chosen == Chosen::AsTheOtherIsMissing && !is_missing(&asked) {
            client.learnt.no_responses();
        }
        let (objection, mut failure) = match asked {
            Ok(mut reply) => {
                reply.meta.follow(&before);
                reply.value.only_by = (plan.chosen == Chosen::ByTheModel).then(|| plan.api.setting());
                return Ok(reply);
            }
            Err(Unanswered::Objected(objection, failure)) => (Some(objection), failure),
            Err(Unanswered::Failed(failure)) => (None, failure),
            Err(Unanswered::Missed(symptom, mut failure)) => {
                failure.meta.follow(&before);
                let attempts = failure.meta.attempts;
                let failed = FailedAttempt { kind: EndpointKind::Text, symptom, error: &failure.error, attempts };
                if !client.pause(&failed, retries, terms).await {
                    client.count_failure(Some(&question.model), &failure.error);
                    return Err(failure);
                }
                retries += 1;
                before = *failure.meta;
                continue;
            }
        };
        failure.meta.follow(&before);
        match objection.and_then(|objection| plan.after(objection, question, &client.config)) {
            Some(other) => (plan, before) = (other, *failure.meta),
            None => return Err(failure),
        }
    }
}

fn is_missing(asked: &Result<Reply<Answer>, Unanswered>) -> bool {
    matches!(asked, Err(Unanswered::Objected(Objection::NoSuchApi, _)))
}

async fn by_responses(
    client: &Arc<Client>,
    question: &Question,
    plan: Plan,
    terms: &Terms,
) -> Result<Reply<Answer>, Unanswered> {
    let payload = responses::request::encode(question, plan, &client.config).dropping(&question.without);
    let call = PlannedRequest { kind: EndpointKind::Text, path: "responses", model: Some(&question.model), payload };
    let answering = client.send(call, terms).await?;
    let mut reply = match question.run {
        Run::Background => {
            // Boxed, so that attached calls need not carry the room for it.
            Box::pin(background::follow(client, question, answering, terms)).await?
        }
        Run::Attached => {
            let mut dialect = Responses::new(client.config.store);
            answer::receive(client, answering, &mut dialect, &question.model, terms).await?
        }
    };
    reply.meta.warnings.extend(responses::request::raised(question));
    Ok(reply)
}

async fn by_chat(client: &Client, question: &Question, plan: Plan, terms: &Terms) -> Result<Reply<Answer>, Unanswered> {
    let (payload, mut left_out) = chat::request::encode(question, plan, &client.config);
    let payload = payload.dropping(&question.without);
    let call =
        PlannedRequest { kind: EndpointKind::Text, path: "chat/completions", model: Some(&question.model), payload };
    let mut answering = client.send(call, terms).await?;
    answering.left_out.append(&mut left_out);
    answer::receive(client, answering, &mut Chat, &question.model, terms).await
}
