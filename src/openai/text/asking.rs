//! Asks a question by the plan that is likeliest to do, and by the next one when the upstream objects.

use std::sync::Arc;

use super::{
    api::TextApi,
    background,
    chat::{self, Chat},
    plan::{Chosen, Plan},
    receiving,
    responses::{self, Responses},
};
use crate::openai::{
    Answer, Failure, Meta, Question, Reply, Run, Terms,
    client::{Answering, Client, FailedAttempt, PlannedRequest, Unanswered},
    failure::{complaint::Complaint, left_out::OmittedPart, objection::Objection, traits::Health},
    kind::EndpointKind,
    transport::payload::Payload,
};

/// Asks until there is an answer, or no other way to ask.
pub(crate) async fn ask(client: &Arc<Client>, question: &Question, terms: &Terms) -> Result<Reply<Answer>, Failure> {
    let setting = client.learnt.api(client.config.api, &client.config.base_url);
    let mut plan = Plan::first(question, setting, client.config.store);
    let mut before = Meta::default();
    // One count for complaints by a status and inside a 200, and for all plans: they would multiply each other.
    let mut retries = 0;
    let mut complaints = Vec::new();
    loop {
        let reduced = reduce(client, question, plan, &complaints);
        let taken_out = reduced.taken_out.len();
        let asked = match plan.api {
            TextApi::Responses => by_responses(client, question, reduced, &mut retries, terms).await,
            TextApi::Chat => by_chat(client, question, reduced, &mut retries, terms).await,
        };
        // Learnt only once the other API has answered: a server that is down for the moment seems to lack both.
        if plan.chosen == Chosen::AsTheOtherIsMissing && has_answered(&asked) {
            client.learnt.has_no_responses.learn();
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
            Err(Unanswered::FieldRefused(complaint, mut failure)) => {
                failure.meta.follow(&before);
                complaints.push(*complaint);
                // A complaint by which nothing more is left out would come back for ever.
                if reduce(client, question, plan, &complaints).taken_out.len() == taken_out {
                    return Err(failure);
                }
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

/// Returns whether the upstream has the API that was asked: it answered by it, if only to refuse.
fn has_answered(asked: &Result<Reply<Answer>, Unanswered>) -> bool {
    match asked {
        Ok(_) => true,
        Err(Unanswered::Objected(Objection::NoSuchApi, _)) => false,
        Err(
            Unanswered::Objected(_, failure)
            | Unanswered::Failed(failure)
            | Unanswered::Missed(_, failure)
            | Unanswered::FieldRefused(_, failure),
        ) => failure.error.traits().health == Health::Well,
    }
}

/// A question on its way, without what the upstream complained of.
struct ReducedQuestion {
    payload: Payload,
    /// The caller's names of what this API has no place for.
    left_out: Vec<String>,
    taken_out: Vec<Option<OmittedPart>>,
}

/// Puts a question without the fields that were complained of inside a 200.
fn reduce(client: &Client, question: &Question, plan: Plan, complaints: &[Complaint]) -> ReducedQuestion {
    let (payload, left_out) = match plan.api {
        TextApi::Responses => (responses::request::encode(question, plan, &client.config), Vec::new()),
        TextApi::Chat => chat::request::encode(question, plan, &client.config),
    };
    let (payload, taken_out) = payload.dropping(&question.without).after(complaints, client.config.edit_transfer);
    ReducedQuestion { payload, left_out, taken_out }
}

async fn by_responses(
    client: &Arc<Client>,
    question: &Question,
    reduced: ReducedQuestion,
    retries: &mut u32,
    terms: &Terms,
) -> Result<Reply<Answer>, Unanswered> {
    let answering = send(client, question, "responses", reduced, retries, terms).await?;
    let mut reply = match question.run {
        Run::Background => {
            // Boxed, so that attached calls need not carry the room for it.
            Box::pin(background::follow(client, question, answering, terms)).await?
        }
        Run::Attached => {
            let mut dialect = Responses::new(client.config.store);
            receiving::receive(client, answering, &mut dialect, &question.model, terms).await?
        }
    };
    reply.meta.warnings.extend(responses::request::raised(question));
    Ok(reply)
}

async fn by_chat(
    client: &Client,
    question: &Question,
    reduced: ReducedQuestion,
    retries: &mut u32,
    terms: &Terms,
) -> Result<Reply<Answer>, Unanswered> {
    let answering = send(client, question, "chat/completions", reduced, retries, terms).await?;
    receiving::receive(client, answering, &mut Chat::default(), &question.model, terms).await
}

async fn send(
    client: &Client,
    question: &Question,
    path: &str,
    reduced: ReducedQuestion,
    retries: &mut u32,
    terms: &Terms,
) -> Result<Answering, Unanswered> {
    let ReducedQuestion { payload, left_out, taken_out } = reduced;
    let call = PlannedRequest { kind: EndpointKind::Text, path, model: Some(&question.model), payload };
    let mut answering = client.send(call, retries, terms).await?;
    answering.left_out.extend(left_out);
    answering.leave_out(taken_out);
    Ok(answering)
}
