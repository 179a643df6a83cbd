//! The end of every call that was paid for: its cost, its turn and the result of its job are kept together.

use super::{Failed, Outcome, Output, ToolError, spending, threads};
use crate::{
    call::Call,
    code::RequestEnd,
    conversation::{Place, Turn},
    ledger::Spend,
    store::{self, money::Settled},
};

/// An output that may become a turn of a conversation.
pub(super) trait Continued: Output + Clone {
    /// Notes the handle of its turn; `None`: it cannot be continued.
    fn continued_as(&mut self, handle: Option<String>);
}

/// Settles a call that was answered, and returns its output as it was kept. `end` is that of its last request.
pub(super) async fn close<T: Continued>(
    spend: Spend,
    end: RequestEnd,
    turn: Option<(Place, Turn)>,
    mut output: T,
    call: &Call,
) -> T {
    let place = turn.as_ref().map(|(place, _)| (place.handle(), place.gone()));
    // Before the output is written down for its job: whoever collects that needs the handle, too.
    output.continued_as(place.as_ref().map(|(handle, _)| handle.to_string()));
    let turn = turn.map(|(place, turn)| place.turn(&turn));
    // In one transaction with the cost: no process can die between having paid and having told.
    let job = call.running_job().and_then(|id| Some(id.ended(&Ok::<_, Failed>(Outcome::of(output.clone()).ok()?))));
    let unkept = match (spend.settle(end, turn, job).await, place) {
        (Ok(Settled::Whole), _) => return output,
        (Ok(Settled::WithoutTurn), place) => place.map(|(_, gone)| threads::unkept(&gone)),
        (Err(error), Some(_)) => Some(unkept(&error)),
        (Err(error), None) => Some(spending::unkept(&error)),
    };
    // The turn is not kept: a handle that leads nowhere is taken back.
    output.continued_as(None);
    output.warnings().extend(unkept);
    output
}

/// Settles a call that failed, and returns the failure.
pub(super) async fn fail(spend: Spend, error: ToolError, call: &Call) -> ToolError {
    // The reason for a cancellation is the server's to tell.
    let job = call.running_job().filter(|_| !matches!(error, ToolError::Cancelled));
    let job = job.map(|id| id.ended(&Err::<Outcome, _>(Failed::from(&error))));
    let end = RequestEnd::Failed(error.code());
    if let Err(error) = spend.settle(end, None, job).await {
        tracing::warn!(%error, "the cost of a call that failed is not kept, or not yet");
    }
    error
}

/// That neither the line nor the turn of a call is kept, or not yet, as a warning. A turn that is kept later has a
/// handle that nobody was told.
fn unkept(error: &store::Error) -> String {
    let told = if error.may_pass() {
        "The cost and the turn of this call are kept once the store can be reached again, if this server still runs \
         then; this answer cannot be continued"
    } else {
        "Neither the cost nor the turn of this call is kept, so it cannot be continued"
    };
    format!("{told}: {error}. {}", error.remedy())
}
