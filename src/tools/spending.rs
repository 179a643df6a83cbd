//! The money of a call: reserved before it is sent, and settled when it has ended. The estimate is each tool's own
//! to say.

use super::ToolError;
use crate::{
    call::Call,
    catalogue::{Quote, Resolved},
    handle::{Account, Owner},
    ledger::{self, Bill, Estimate, Ledger, Refused, Spend},
    model::ModelId,
    money::{Exposure, Usd},
    openai::{Billing, Failure, Meta, OpenAi, Reply},
    store,
};

/// Estimates of a request's cost.
pub(super) trait Costing {
    /// `None` where a price that it needs is not known.
    fn estimate(&self, quote: Quote<'_>) -> Option<Estimate>;

    /// Describes what would fit into this much, in words that follow a semicolon.
    fn fits(&self, quote: Quote<'_>, left: Usd) -> String;
}

/// The source of a tool's money.
#[derive(Debug, Clone, Copy)]
pub(super) struct MoneySource<'a> {
    pub ledger: &'a Ledger,
    pub openai: &'a OpenAi,
    pub tool: &'a str,
}

impl MoneySource<'_> {
    /// Reserves what a request may come to.
    ///
    /// # Errors
    /// - [`ToolError::OverBudget`]: it does not fit.
    /// - [`ToolError::BudgetReserved`]: it will fit once calls that run have ended.
    /// - [`ToolError::Unpriced`]: a budget is set, and nobody knows the price.
    /// - [`ToolError::Ledger`]: the store cannot hold the budget.
    /// - [`ToolError::OpenAi`]: the key cannot be read.
    pub(super) async fn open(&self, call: &Call, model: &Resolved, costing: &impl Costing) -> Result<Spend, ToolError> {
        let request = self.request(call, model, self.openai.of(&call.owner).account().await?);
        // Without a budget nothing can refuse it: the estimate is noted, and the store is not asked first.
        if !self.ledger.has_budgets(request.caller.as_ref()) {
            let estimate = model.quote().and_then(|quote| costing.estimate(quote));
            return Ok(self.ledger.begin(request, estimate.map(|estimate| estimate.most).unwrap_or_default()));
        }
        let (quote, estimate) = priced(model, costing)?;
        self.ledger.open(request, estimate).await.map_err(|refused| over_budget(refused, quote, costing))
    }

    /// The refusal that a call would get from a budget; `None` where it would be let through.
    pub(super) async fn refusal(&self, call: &Call, model: &Resolved, costing: &impl Costing) -> Option<ToolError> {
        // Without a key nothing was spent with it.
        let account = self.openai.of(&call.owner).account().await.unwrap_or_else(|_| Account(String::new()));
        let request = self.request(call, model, account);
        if !self.ledger.has_budgets(request.caller.as_ref()) {
            return None;
        }
        let probed = async {
            let (quote, estimate) = priced(model, costing)?;
            let probed = self.ledger.probe(request, estimate.least).await;
            probed.map_err(|refused| over_budget(refused, quote, costing))
        };
        probed.await.err()
    }

    fn request(&self, call: &Call, model: &Resolved, account: Account) -> ledger::Request {
        ledger::Request {
            tool: self.tool.to_owned(),
            model: model.id.to_string(),
            client: call.client.clone(),
            account,
            caller: call.share(),
            expenses: call.expenses.clone(),
        }
    }
}

/// # Errors
/// [`ToolError::Unpriced`].
fn priced<'a>(model: &'a Resolved, costing: &impl Costing) -> Result<(Quote<'a>, Estimate), ToolError> {
    let priced = model.quote().and_then(|quote| Some((quote, costing.estimate(quote)?)));
    priced.ok_or_else(|| ToolError::Unpriced(model.id.clone()))
}

fn over_budget(refused: Refused, quote: Quote<'_>, costing: &impl Costing) -> ToolError {
    match refused {
        Refused::OverBudget(over) if over.may_pass() => ToolError::BudgetReserved(over),
        // Nothing fits into what is used up.
        Refused::OverBudget(over) if over.left() == Usd::ZERO => ToolError::OverBudget(over.to_string()),
        Refused::OverBudget(over) => ToolError::OverBudget(format!("{over}; {}", costing.fits(quote, over.left()))),
        Refused::Unheld(unheld) => unheld.into(),
    }
}

/// The account that pays for this owner's calls, and the model that answers where a call names none.
pub(super) async fn payer(openai: &OpenAi, owner: &Owner, model: Option<&ModelId>) -> String {
    let account = openai.of(owner).account().await.map(|account| account.0).unwrap_or_default();
    format!("{account}\0{}", model.map(ModelId::as_str).unwrap_or_default())
}

/// The bill of a request, for [`Spend::ended`].
pub(super) fn bill<T>(model: &Resolved, came: &Result<Reply<T>, ToolError>, exposure: &Exposure) -> Bill {
    match came {
        Ok(reply) => due(model, &reply.meta),
        Err(error) => of_failure(model, error, exposure),
    }
}

/// The failure with its cost, where it was billed.
pub(super) fn billed(model: &Resolved, error: ToolError) -> ToolError {
    match &error {
        ToolError::OpenAi(Failure { meta, .. }) => match model.cost(&meta.metered) {
            Some(cost) if meta.metered.is_reported() => ToolError::Billed { cost, cause: Box::new(error) },
            _ => error,
        },
        _ => error,
    }
}

/// A warning that the line of a call is not kept, or not yet.
pub(super) fn unkept(error: &store::Error) -> String {
    let told = if error.may_pass() {
        "The cost of this call is kept once the store can be reached again, if this server still runs then"
    } else {
        "The cost of this call is not kept"
    };
    format!("{told}: {error}. {}", error.remedy())
}

/// The bill by the upstream's report; without a cost where none is known.
fn due(model: &Resolved, meta: &Meta) -> Bill {
    let metered = &meta.metered;
    Bill::Due { usage: metered.usage, cost: model.cost(metered), request_id: meta.request_id.clone() }
}

/// The bill of a failure: its report counts. Without one, a refusal is free, and what broke off after it was sent may
/// be billed.
fn of_failure(model: &Resolved, error: &ToolError, exposure: &Exposure) -> Bill {
    match error {
        ToolError::OpenAi(Failure { meta, .. }) if meta.metered.is_reported() => due(model, meta),
        ToolError::Cancelled | ToolError::TimedOut(_) => match exposure.billed() {
            Some(metered) => Bill::Due { usage: metered.usage, cost: model.cost(&metered), request_id: None },
            None => Bill::Unknown { request_id: None },
        },
        ToolError::OpenAi(Failure { error, meta })
            if meta.attempts > 0 && error.traits().charge == Billing::Possible =>
        {
            Bill::Unknown { request_id: meta.request_id.clone() }
        }
        _ => Bill::Nothing,
    }
}
