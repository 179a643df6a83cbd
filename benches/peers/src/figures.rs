//! Medians, spread and percentiles.

use std::time::Duration;

/// One figure, measured in several rounds.
#[derive(Debug, Clone, Default)]
pub struct Figure(Vec<f64>);

impl Figure {
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    pub fn median(&self) -> f64 {
        percentile(&self.0, 0.5)
    }

    /// As they were measured, one after the other.
    pub fn rounds(&self) -> impl Iterator<Item = f64> {
        self.0.iter().copied()
    }

    /// The middle half of the rounds: from the first to the third quartile.
    pub fn spread(&self) -> (f64, f64) {
        (percentile(&self.0, 0.25), percentile(&self.0, 0.75))
    }
}

impl FromIterator<f64> for Figure {
    fn from_iter<T: IntoIterator<Item = f64>>(rounds: T) -> Self {
        Self(rounds.into_iter().collect())
    }
}

/// The value below which `share` (0 to 1) of the values lie; NaN for none.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// How long it takes, in seconds.
pub fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<f64> {
    let started = std::time::Instant::now();
    work()?;
    Ok(started.elapsed().as_secs_f64())
}

/// The processor time that this thread has used so far.
pub fn thread_cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!([0.0, 0.5, 0.75, 1.0].map(|share| percentile(&values, share)), [1.0, 3.0, 4.0, 5.0]);
        assert!(percentile(&[], 0.5).is_nan());
    }
}
