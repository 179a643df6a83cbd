//! The budgets, and what is left of them today.

use super::report::Finding;
use crate::{
    app::App,
    catalogue::ModelKind,
    cli::exit,
    ledger::{Ledger, Standing},
    money::Usage,
};

const CHECK: &str = "budgets";

/// Nothing where none is set.
pub(super) async fn examine(app: &App) -> Vec<Finding> {
    if !app.ledger.has_budgets(None) {
        return Vec::new();
    }
    let standing = match app.openai.account().await {
        // Without a key there is no account to have spent anything; the key has a finding of its own.
        Err(_) => Ok(None),
        Ok(account) => app.ledger.standing(&account).await,
    };
    let unpriced = [ModelKind::Text, ModelKind::Image].into_iter().filter_map(|kind| unpriced(app, kind));
    let stands = match standing {
        Ok(standing) => Finding::fine(CHECK, message(&app.ledger, standing.as_ref())),
        Err(error) => {
            Finding::failed(CHECK, format!("{error}; until then every call is refused"), error.0.remedy(), exit::FAILED)
        }
    };
    [stands].into_iter().chain(unpriced).collect()
}

fn message(ledger: &Ledger, standing: Option<&Standing>) -> String {
    let per_call = ledger.per_call().map(|limit| format!("a call may cost {limit} (spend.per_call)"));
    let per_day = match standing {
        Some(standing) => Some(standing.to_string()),
        None => ledger.per_day().map(|limit| format!("a day may cost {limit} (spend.per_day)")),
    };
    per_call.into_iter().chain(per_day).collect::<Vec<_>>().join("; ")
}

/// A default model that would be refused, for its price is not known.
fn unpriced(app: &App, kind: ModelKind) -> Option<Finding> {
    let model = app.catalogue.resolve(kind, None).ok()?;
    if model.quote().is_some_and(|quote| quote.most(&Usage::default()).is_some()) {
        return None;
    }
    let message = format!("what {} costs here is not known, so every call to it is refused", model.id);
    let remedy = "give its price in a models.file of your own, or set models.text, models.image to one with a price";
    Some(Finding::doubtful(CHECK, message, remedy))
}
