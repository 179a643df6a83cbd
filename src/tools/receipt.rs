//! Model, quality, cost and time of a result in one line, for people and models.

use std::fmt;

use crate::money::Usd;

/// `gpt-image-2.6-flare · low · $0.0082 · 2.1 s`: model, quality, cost and time.
#[derive(Debug, Clone, Copy)]
pub struct Receipt<'a> {
    /// The model that answered.
    pub model: &'a str,
    /// Of pictures alone.
    pub quality: Option<&'a str>,
    /// `None` where it is unknown.
    pub cost: Option<Usd>,
    /// From the call to its answer, the queue included.
    pub elapsed_ms: u64,
}

// A line of the text: many clients show a model no structured content.
impl fmt::Display for Receipt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.model)?;
        if let Some(quality) = self.quality {
            write!(f, " · {quality}")?;
        }
        match self.cost {
            Some(cost) => write!(f, " · {cost}")?,
            None => f.write_str(" · cost unknown")?,
        }
        #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
        let seconds = self.elapsed_ms as f64 / 1e3;
        write!(f, " · {seconds:.1} s")
    }
}
