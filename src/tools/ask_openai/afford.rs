//! The highest cost of an answer: found without a tokenizer, whose table alone would be megabytes, and never too low.
//! A token of a byte-level vocabulary stands for at least one byte of the text.

use std::num::NonZeroU32;

use super::{AskOpenai, args::AskRequest};
use crate::{
    call::Call,
    catalogue::Quote,
    ledger::{Estimate, Spend},
    media::{Dimensions, Reference},
    money::{Usage, Usd},
    openai::{Exchange, Part, Question, WebSearch},
    tools::{
        Tool as _, ToolError,
        spending::{Costing, MoneySource},
    },
};

/// Tokens of a message beside its text, for its role and its bounds: a few, and some for what the upstream adds.
const PER_MESSAGE: u64 = 64;
/// Tokens of a picture: eight tiles at 5,667 and a base of 2,833, as gpt-4o-mini counts it. No documented model counts
/// more. <https://platform.openai.com/docs/guides/images-vision>
const PICTURE: u64 = 48_169;
/// Tokens of a document for each byte: text and pictures of its pages are read. Its text is packed, seldom tighter than
/// four to one: an estimate, not a bound.
const DOCUMENT_PER_BYTE: u64 = 4;
/// Tokens of the window that web search works in. <https://platform.openai.com/docs/guides/tools-web-search>
const SEARCH_RESULTS: u64 = 128_000;
/// Number of searches assumed for one answer: an estimate, not a bound.
const SEARCHES: u64 = 10;
/// The most input tokens that a current model reads: what is longer is refused by the upstream.
const WINDOW: u64 = 1_050_000;

/// The longest answer under a budget, in tokens, when the call names no `max_tokens`.
const LONGEST: u64 = 16_384;
/// The shortest answer that is asked for under a budget, in tokens: reasoning may take all of a shorter one.
const SHORTEST: u64 = 1_000;

/// A lower bound may be raised to this on its way up.
const LEAST: NonZeroU32 = NonZeroU32::new(Question::LEAST_TOKENS).unwrap();

/// A question, as far as it costs.
#[derive(Debug)]
pub(super) struct QuestionSize {
    /// The most that it can come to.
    input: Usage,
    max_tokens: Option<NonZeroU32>,
}

impl AskOpenai {
    pub(super) fn purse(&self) -> MoneySource<'_> {
        MoneySource { ledger: &self.ledger, openai: &self.openai, tool: Self::NAME }
    }

    /// Sets aside what the answer may cost. Under a budget an answer that names no bound gets one.
    pub(super) async fn afford(&self, request: &mut AskRequest, call: &Call) -> Result<Spend, ToolError> {
        let reading = QuestionSize::of(&request.question);
        let spend = self.purse().open(call, &request.model, &reading).await?;
        if let Some(quote) = request.model.quote()
            && self.ledger.has_budgets(call.share().as_ref())
            && reading.max_tokens.is_none()
        {
            let tokens = quote.buys(&reading.input, spend.amount()).min(LONGEST);
            // Sent as the bound of the answer: the estimate that was reserved is then the most that it can cost.
            request.afforded = u32::try_from(tokens).ok().and_then(NonZeroU32::new);
            request.question.max_tokens = request.afforded;
        }
        Ok(spend)
    }
}

impl QuestionSize {
    pub(super) fn of(question: &Question) -> Self {
        let Question { input, thread, instructions, schema, .. } = question;
        let schema = schema.as_ref().and_then(|form| serde_json::to_string(&form.schema).ok());
        let texts = [instructions.as_deref(), schema.as_deref()];
        let texts: u64 = texts.into_iter().flatten().map(|text| PER_MESSAGE + text.len() as u64).sum();
        let said = |parts: &[Part]| PER_MESSAGE + parts.iter().map(part).sum::<u64>();
        let earlier: u64 = thread.iter().map(|exchange| said(&exchange.said) + answer(exchange)).sum();
        let (results, web_searches) = match question.web_search {
            WebSearch::Off => (0, 0),
            WebSearch::Allowed => (SEARCH_RESULTS, SEARCHES),
        };
        // Beyond it the upstream refuses: a longer text would only take more of a budget than it can cost.
        let input_tokens = (texts + said(input) + earlier + results).min(WINDOW);
        // All of it may be written to the cache, which costs most where it costs a fee.
        let input = Usage { input_tokens, cache_write_tokens: input_tokens, web_searches, ..Usage::default() };
        let max_tokens = question.max_tokens.map(|tokens| tokens.max(LEAST));
        Self { input, max_tokens }
    }

    /// The most input tokens, and the most output tokens that an estimate counts with.
    pub(super) fn tokens(&self) -> (u64, u64) {
        (self.input.input_tokens, self.max_tokens.map_or(LONGEST, |tokens| tokens.get().into()))
    }

    /// The input tokens that the question is likely to have, where its bound counts each byte: four bytes of text make
    /// about one.
    pub(super) fn likely_tokens(&self, question: &Question) -> u64 {
        const BYTES_PER_TOKEN: u64 = 4;
        let parts = question.thread.iter().flat_map(|exchange| &exchange.said).chain(&question.input);
        let pictures =
            parts.filter_map(|part| if let Part::Picture(picture) = part { Some(patches(picture)) } else { None });
        let (count, patches) = pictures.fold((0, 0), |(count, all), patches| (count + 1, all + patches));
        self.input.input_tokens.saturating_sub(count * PICTURE) / BYTES_PER_TOKEN + patches
    }

    fn cost(&self, quote: Quote<'_>, output_tokens: u64) -> Option<Usd> {
        quote.most(&Usage { output_tokens, ..self.input })
    }
}

impl Costing for QuestionSize {
    fn estimate(&self, quote: Quote<'_>) -> Option<Estimate> {
        let (shortest, longest) = match self.max_tokens {
            Some(tokens) => (tokens.get().into(), tokens.get().into()),
            None => (SHORTEST, LONGEST),
        };
        Some(Estimate { least: self.cost(quote, shortest)?, most: self.cost(quote, longest)? })
    }

    fn fits(&self, quote: Quote<'_>, left: Usd) -> String {
        match (quote.buys(&self.input, left), self.max_tokens) {
            (0, _) => "not even the input fits: shorten it, use a cheaper model, or raise that budget".to_owned(),
            (tokens, Some(_)) => format!("`max_tokens` of at most {tokens} would fit"),
            (tokens, None) => format!(
                "that would pay for {tokens} tokens of an answer, and fewer than {SHORTEST} may leave no text: name \
                 `max_tokens` yourself if they are enough"
            ),
        }
    }
}

/// Current models read a picture as squares of 32 pixels, scaled down to 1,536 of them at most.
/// <https://platform.openai.com/docs/guides/images-vision>
fn patches(picture: &Reference) -> u64 {
    const SIDE: u32 = 32;
    const MOST: u64 = 1_536;
    let Dimensions { width, height } = picture.dimensions;
    (u64::from(width.div_ceil(SIDE)) * u64::from(height.div_ceil(SIDE))).min(MOST)
}

fn part(part: &Part) -> u64 {
    match part {
        Part::Text(text) => text.len() as u64,
        Part::Picture(_) => PICTURE,
        // By the length alone: to count pages, the file would have to be parsed.
        Part::Document { content, .. } => content.length().saturating_mul(DOCUMENT_PER_BYTE),
    }
}

/// An earlier answer goes up as its text, or as the upstream gave it.
fn answer(exchange: &Exchange) -> u64 {
    let text = exchange.answer.as_ref().map_or(0, |answer| answer.len() as u64);
    let items: u64 = exchange.items.iter().map(|item| item.to_string().len() as u64).sum();
    // By whichever is longer: one of the two goes up, and the plan decides later which.
    PER_MESSAGE + text.max(items)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        catalogue::{Price, Rates},
        model::ModelId,
        money::Tier,
    };

    fn price() -> Price {
        let usd = |dollars| Usd::from_dollars(dollars).unwrap();
        let rates = Rates { input: usd(1.6), cache_write: Some(usd(2.0)), output: usd(10.0), ..Price::FREE.rates };
        Price { rates, ..Price::FREE }
    }

    fn quote(price: &Price) -> Quote<'_> {
        Quote { price, tier: Tier::Default, on: "2026-11-27".parse().unwrap() }
    }

    fn question() -> Question {
        Question::new(ModelId::parse("gpt-6.2-sol").unwrap(), "a".repeat(936))
    }

    #[test]
    fn every_text_is_counted_by_its_bytes() {
        let exchange = Exchange {
            said: vec![Part::Text("\u{1f980}".to_owned())],
            answer: Some("b".repeat(10)),
            response_id: Some("resp_1".to_owned()),
            items: vec![json!({ "encrypted_content": "c".repeat(100) })],
        };
        let with = Question { thread: vec![exchange], instructions: Some("d".to_owned()), ..question() };
        assert_eq!(QuestionSize::of(&question()).input.input_tokens, 1_000);
        assert_eq!(QuestionSize::of(&with).input.input_tokens, 1_000 + (64 + 4) + (64 + 124) + (64 + 1));
    }

    #[test]
    fn an_answer_is_as_long_as_it_can_be_paid_for() {
        let reading = QuestionSize::of(&question());
        let price = price();
        let estimate = reading.estimate(quote(&price)).unwrap();
        assert_eq!(estimate.least, Usd::from_dollars(0.012).unwrap());
        assert_eq!(estimate.most, Usd::from_dollars(0.165_84).unwrap());
        assert_eq!(quote(&price).buys(&reading.input, estimate.most), 16_384);
        assert_eq!(quote(&price).buys(&reading.input, estimate.least), 1_000);
        assert_eq!(quote(&price).buys(&reading.input, Usd::ZERO), 0);
    }

    #[test]
    fn a_search_without_a_price_has_no_estimate() {
        let searching = Question { web_search: WebSearch::Allowed, ..question() };
        let unpriced = Price { web_search: None, ..price() };
        assert!(QuestionSize::of(&searching).estimate(quote(&unpriced)).is_none());
        assert_eq!(QuestionSize::of(&searching).input.input_tokens, 129_000);
    }
}
