//! `dry_run`: what a question would send, and what it could cost. Nothing is sent, reserved or kept.

use super::{
    AnswerStatus, Answered, AskOpenai,
    afford::QuestionSize,
    args::AskRequest,
    unsent::{AttachedFile, DryRun, Refusal},
};
use crate::{
    call::Call,
    openai::Terms,
    tools::{ToolError, milliseconds, references::Source, spending::Costing as _},
};

impl AskOpenai {
    /// Opens everything, as a call does, and stops there. Addresses are named, and not fetched.
    pub(super) async fn dry_run(
        &self,
        mut request: AskRequest,
        terms: &Terms,
        call: &Call,
    ) -> Result<Answered, ToolError> {
        let (fetched, opened): (Vec<_>, Vec<_>) = request.attachments.into_iter().partition(Source::is_fetched);
        request.attachments = opened;
        request.open(&self.references.of(&call.owner), &self.checks, terms).await?;
        request
            .warnings
            .extend(fetched.iter().map(|source| format!("{} would be fetched, and is not counted.", source.name())));
        let size = QuestionSize::of(&request.question);
        let refusal = self.purse().refusal(call, &request.model, &size).await;
        Ok(request.into_dry_run(&size, refusal.map(|error| Refusal::from(&error)), call))
    }
}

impl AskRequest {
    fn into_dry_run(self, size: &QuestionSize, refusal: Option<Refusal>, call: &Call) -> Answered {
        let Self { question, model, warnings, names, .. } = self;
        let (max_input_tokens, max_output_tokens) = size.tokens();
        let estimate = model.quote().and_then(|quote| size.estimate(quote));
        let dry_run = DryRun {
            files: names.into_iter().zip(&question.input).map(|(name, part)| AttachedFile::of(name, part)).collect(),
            input_tokens: size.likely_tokens(&question),
            max_input_tokens,
            max_output_tokens,
            max_cost_usd: estimate.map(|estimate| estimate.most),
            refusal,
        };
        Answered {
            status: AnswerStatus::DryRun,
            text: dry_run.text(model.id.as_str()),
            model: model.id.to_string(),
            requested_model: model.requested.map(String::from),
            conversation: None,
            value: None,
            citations: Vec::new(),
            finish_reason: "dry_run".to_owned(),
            usage: None,
            cost_usd: None,
            warnings,
            request_id: None,
            attempts: 0,
            elapsed_ms: milliseconds(call.elapsed()),
            dry_run: Some(dry_run),
        }
    }
}
