//! Sums of days, by account and caller, which budgets are held by.

use super::{transaction::Statement, values::values};
use crate::handle::Owner;

/// An amount that a day comes to more, or less, for an account and for a caller.
pub(super) struct Change {
    pub account: String,
    pub caller: Option<String>,
    pub day: i64,
    pub picodollars: i64,
}

/// Sorts changes into rows of accounts and callers, in the order in which rows are locked: whoever takes several in
/// another may deadlock.
pub(super) fn counted(changes: impl IntoIterator<Item = Change>) -> Vec<(String, i64, i64)> {
    let of_both = changes.into_iter().flat_map(|change| {
        let Change { account, caller, day, picodollars } = change;
        let caller = caller.map(|caller| Owner::caller(&caller).0);
        [Some(account), caller].into_iter().flatten().map(move |key| (key, day, picodollars))
    });
    let mut rows: Vec<_> = of_both.collect();
    rows.sort_unstable();
    rows
}

/// Adds to what days came to.
pub(super) fn additions(rows: &[(String, i64, i64)]) -> Vec<Statement<'_>> {
    // An upstream may report any cost: beyond the largest number a sum stays there. What is taken back of it later must
    // not leave less than nothing, which would hold no budget.
    let upsert = "INSERT INTO days (account, day, spent) VALUES ($1, $2, $3) ON CONFLICT (account, day)
         DO UPDATE SET spent = greatest(least(days.spent::numeric + excluded.spent, 9223372036854775807), 0)::bigint";
    rows.iter().map(|(key, day, picodollars)| (upsert, values![key, *day, *picodollars].to_vec())).collect()
}
