//! Sums of costs, in words.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{money::Usd, store::money::TallySum};

/// All that was paid since a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// In the order of their names; days come oldest first.
    pub rows: Vec<Sum>,
    /// Sum of all rows.
    pub total: Sum,
}

/// The sum of some lines of the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum(pub TallySum);

impl Tally {
    /// Adds the total to the sums.
    #[must_use]
    pub fn of(sums: Vec<TallySum>) -> Self {
        let total = sums.iter().fold(TallySum::default(), |total, sum| total.plus(sum));
        Self { rows: sums.into_iter().map(Sum).collect(), total: Sum(total) }
    }

    /// Explains [`Sum::cost`] and [`Sum::estimated`]; `None` where every cost is known.
    #[must_use]
    pub fn explained(&self) -> Option<String> {
        let TallySum { calls_of_unknown_cost: unknown, unsettled, .. } = self.total.0;
        let unsettled = match unsettled {
            0 => String::new(),
            n => format!(" Unsettled, since their process died while they ran: {n}."),
        };
        let text = "A + stands for what is not known: no price, no usage, or an answer that never came. Budgets count \
                    what was estimated for it.";
        (unknown > 0).then(|| format!("{text}{unsettled}"))
    }
}

impl Sum {
    /// The cost in words: with a `+` where it is not all.
    #[must_use]
    pub fn cost(&self) -> String {
        let TallySum { calls, cost, calls_of_unknown_cost: unknown, .. } = &self.0;
        match *unknown {
            0 => cost.to_string(),
            unknown if unknown == *calls => "+".to_owned(),
            _ => format!("{cost}+"),
        }
    }

    /// The estimates of the requests whose cost is not known, in words.
    #[must_use]
    pub fn estimated(&self) -> String {
        if self.0.estimated == Usd::ZERO { "-".to_owned() } else { self.0.estimated.to_string() }
    }

    /// All that budgets count.
    #[must_use]
    pub fn counted(&self) -> Usd {
        self.0.cost + self.0.estimated
    }
}

/// For programs. The total has no name.
impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let TallySum { name, calls, usage, cost, calls_of_unknown_cost, estimated, unsettled } = &self.0;
        let mut sum = serializer.serialize_struct("Sum", 9)?;
        match name.as_str() {
            "" => sum.skip_field("name")?,
            name => sum.serialize_field("name", name)?,
        }
        sum.serialize_field("calls", calls)?;
        sum.serialize_field("input_tokens", &usage.input_tokens)?;
        sum.serialize_field("cached_tokens", &usage.cached_tokens)?;
        sum.serialize_field("output_tokens", &usage.output_tokens)?;
        sum.serialize_field("cost_usd", cost)?;
        sum.serialize_field("calls_of_unknown_cost", calls_of_unknown_cost)?;
        sum.serialize_field("estimated_usd", estimated)?;
        sum.serialize_field("unsettled_calls", unsettled)?;
        sum.end()
    }
}
