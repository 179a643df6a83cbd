//! An answer that is not what its schema asked for: a failure that has cost something, and has an answer to show.

use std::fmt;

use crate::{money::Usd, openai::Meta};

/// An answer that was paid for and does not fit the schema that was asked for. It is shown all the same.
#[derive(Debug)]
pub struct Unfit {
    /// The place where it does not fit, and what would. It may quote the answer.
    pub why: String,
    /// The answer as it came; empty where the model wrote nothing.
    pub answer: String,
    /// The cost in US dollars; `None`: not known.
    pub cost_usd: Option<Usd>,
    /// Facts of the request, for the report.
    pub meta: Meta,
}

impl Unfit {
    /// The remedy, and the answer.
    pub(super) fn remedy(&self) -> String {
        match self.answer.as_str() {
            "" => "Ask again with that mended.".to_owned(),
            answer => format!("Ask again with a clearer question or a simpler schema. The answer was:\n{answer}"),
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = self.why.trim_end_matches('.');
        write!(f, "the answer does not fit the schema: {why}. It was billed all the same")?;
        self.cost_usd.map_or(Ok(()), |cost| write!(f, " ({cost})"))
    }
}
