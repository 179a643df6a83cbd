//! What a call costs: set aside before it is sent, settled when it has ended, and written down. How much it may come to
//! is each tool's own to say.

use super::ToolError;
use crate::{
    call::Call,
    catalogue::{Quote, Resolved},
    ledger::{self, Bill, Estimate, Ledger, Refused, Spend},
    model::ModelId,
    money::Usd,
    openai::{Billing, Failure, Meta, OpenAi, Reply},
};

/// What a request may come to.
pub trait Costing {
    /// `None` where a price that it needs is not known.
    fn estimate(&self, quote: Quote<'_>) -> Option<Estimate>;

    /// What would fit into this much, in words that follow a semicolon.
    fn fits(&self, quote: Quote<'_>, left: Usd) -> String;
}

/// Where a tool's money comes from.
#[derive(Debug, Clone, Copy)]
pub struct Purse<'a> {
    pub ledger: &'a Ledger,
    pub openai: &'a OpenAi,
    pub tool: &'a str,
}

impl Purse<'_> {
    /// Sets aside what a request may come to.
    ///
    /// # Errors
    /// [`ToolError::OverBudget`]; [`ToolError::Unpriced`] where a budget is set and nobody knows the price; what reading
    /// the key fails with.
    pub async fn open(&self, call: &Call, model: &Resolved, costing: &impl Costing) -> Result<Spend, ToolError> {
        if !self.ledger.has_budgets() {
            return self.unheld(&call.client, &model.id).await;
        }
        let priced = model.quote().and_then(|quote| Some((quote, costing.estimate(quote)?)));
        let (quote, estimate) = priced.ok_or_else(|| ToolError::Unpriced(model.id.clone()))?;
        let request = self.request(&call.client, &model.id).await?;
        self.ledger.open(request, estimate).await.map_err(|refused| match refused {
            Refused::OverBudget(over) => ToolError::OverBudget(format!("{over}; {}", costing.fits(quote, over.left()))),
            Refused::Unusable(unusable) => unusable.into(),
        })
    }

    /// Sets nothing aside: where no budget is set, and for what another process has set money aside for, which counts as
    /// spent with it.
    ///
    /// # Errors
    /// What reading the key fails with.
    pub async fn unheld(&self, client: &str, model: &ModelId) -> Result<Spend, ToolError> {
        Ok(self.ledger.begin(self.request(client, model).await?))
    }

    async fn request(&self, client: &str, model: &ModelId) -> Result<ledger::Request, ToolError> {
        Ok(ledger::Request {
            tool: self.tool.to_owned(),
            model: model.to_string(),
            client: client.to_owned(),
            account: self.openai.account().await?,
        })
    }
}

/// Settles what a request came to: finished once begun. What remains to be said of it is a warning.
pub async fn settle<T>(spend: Spend, model: &Resolved, came: &Result<Reply<T>, ToolError>) -> Option<String> {
    let bill = match came {
        Ok(reply) => due(model, &reply.meta),
        Err(error) => of_failure(model, error),
    };
    spend.settle(bill).await.map_err(|unwritten| unwritten.to_string()).err()
}

/// What the upstream billed; without a cost where it did not say what it came to.
fn due(model: &Resolved, meta: &Meta) -> Bill {
    let metered = &meta.metered;
    Bill::Due { usage: metered.usage, cost: model.cost(metered), request_id: meta.request_id.clone() }
}

/// What a failure reports is billed. Else a refusal is not, and what broke off after it was sent may be.
fn of_failure(model: &Resolved, error: &ToolError) -> Bill {
    match error {
        ToolError::OpenAi(Failure { meta, .. }) if meta.metered.is_reported() => due(model, meta),
        ToolError::Cancelled | ToolError::TimedOut(_) => Bill::Unknown { request_id: None },
        ToolError::OpenAi(Failure { error, meta })
            if meta.attempts > 0 && error.traits().charge == Billing::Possible =>
        {
            Bill::Unknown { request_id: meta.request_id.clone() }
        }
        _ => Bill::Nothing,
    }
}
