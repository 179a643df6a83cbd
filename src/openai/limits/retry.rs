//! The decision to repeat a failed attempt: data and pure functions, and the bucket that keeps a thousand failing calls
//! from becoming three thousand. Knows no HTTP client. The rules are those of OpenAI's own SDKs; the bucket is that of
//! the AWS SDKs. <https://github.com/openai/openai-python/blob/main/src/openai/_base_client.py>

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime},
};

use http::HeaderMap;

/// The longest wait that an upstream may ask for, as in OpenAI's SDKs; beyond it the failure is reported instead.
const LONGEST_WAIT: Duration = Duration::from_mins(2);
/// As in OpenAI's SDKs: 0.5 s, doubled with each retry up to 8 s.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(8);

/// The outcome of an attempt, as far as repeating it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Symptom {
    /// An answer with a failing status.
    Status { code: u16, advice: Advice },
    /// An answer that will not change: used-up credit, a key that cannot be read, a certificate.
    Final,
    /// No connection, or it ended while the request went up: nothing can have been done for it.
    NotSent,
    /// The connection broke, or nothing came in time, with the request sent and no answer begun.
    Unanswered(Silence),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    Broken,
    TimedOut,
}

/// The upstream's own advice about a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Advice {
    /// `x-should-retry`.
    pub verdict: Option<Verdict>,
    /// `retry-after-ms` or `retry-after`, when positive.
    pub wait: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Retry,
    DoNot,
}

/// The risk of paying twice when a request is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resend {
    /// A text: asking twice costs little.
    Always,
    /// A picture: never once it may have been paid for.
    OnlyUnpaid,
}

/// The wait before the next attempt; `None` is not to try again.
/// `retries` were made so far; `jitter` is random in 0..1.
pub(crate) fn decide(symptom: Symptom, resend: Resend, retries: u32, jitter: f64) -> Option<Duration> {
    let asked_for = match symptom {
        Symptom::Final => return None,
        Symptom::Unanswered(_) if resend == Resend::OnlyUnpaid => return None,
        Symptom::Unanswered(_) | Symptom::NotSent => None,
        Symptom::Status { code, advice } => {
            let repeatable = match advice.verdict {
                // The upstream's word goes before every rule of ours.
                Some(verdict) => verdict == Verdict::Retry,
                None if resend == Resend::OnlyUnpaid && is_given_up(code) => false,
                None => matches!(code, 408 | 409 | 429 | 500..),
            };
            if !repeatable || advice.wait.is_some_and(|wait| wait > LONGEST_WAIT) {
                return None;
            }
            advice.wait
        }
    };
    // Without jitter where a wait is named: less than that would only fail again.
    Some(asked_for.unwrap_or_else(|| backoff(retries, jitter)))
}

/// Returns whether a proxy gave up waiting for the server, which may have done the work: 520 and 524 are Cloudflare's.
/// <https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/>
pub(crate) fn is_given_up(code: u16) -> bool {
    matches!(code, 504 | 520 | 524)
}

/// `min(0.5 * 2^n, 8) s`, less up to a quarter: calls that failed together do not come back together.
fn backoff(retries: u32, jitter: f64) -> Duration {
    let full = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(retries)).min(LONGEST_BACKOFF);
    full.mul_f64(1.0 - 0.25 * jitter.clamp(0.0, 1.0))
}

impl Advice {
    pub(crate) fn read(headers: &HeaderMap, now: SystemTime) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let verdict = match text("x-should-retry") {
            Some("true") => Some(Verdict::Retry),
            Some("false") => Some(Verdict::DoNot),
            _ => None,
        };
        let wait = text("retry-after-ms")
            .and_then(|ms| positive(ms, 1e-3))
            .or_else(|| text("retry-after").and_then(|value| positive(value, 1.0).or_else(|| until(value, now))));
        Self { verdict, wait }
    }

    /// The same, with a wait that is said elsewhere where the headers say none.
    pub(crate) fn or_wait(self, wait: Option<Duration>) -> Self {
        Self { wait: self.wait.or(wait), ..self }
    }
}

/// A positive decimal number times `unit` seconds; what is too long for a clock becomes the longest there is.
fn positive(number: &str, unit: f64) -> Option<Duration> {
    // Rust also reads `inf`, `nan`, `+5` and `-10` as numbers; none of them is a wait.
    if !number.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let seconds = number.parse::<f64>().ok()? * unit;
    let longest = Duration::from_secs(u64::from(u32::MAX));
    (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(longest).min(longest))
}

fn until(date: &str, now: SystemTime) -> Option<Duration> {
    httpdate::parse_http_date(date).ok()?.duration_since(now).ok().filter(|wait| !wait.is_zero())
}

/// The retry budget of all calls together: 500 to begin with, 5 a retry, 10 after a timeout, 1 back for a success.
/// <https://docs.rs/crate/aws-smithy-runtime/0.57.1/source/src/client/retries/token_bucket.rs>
#[derive(Debug)]
pub(crate) struct Bucket(AtomicU32);

impl Bucket {
    const CAPACITY: u32 = 500;

    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(Self::CAPACITY))
    }

    /// Pays for a retry; `false` where too many were made of late.
    #[must_use]
    pub(crate) fn pay(&self, symptom: Symptom) -> bool {
        let price = match symptom {
            Symptom::Unanswered(Silence::TimedOut) => 10,
            _ => 5,
        };
        // Relaxed: the count alone matters, and orders nothing else. It stops at a retry that it cannot pay whole.
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(price)).is_ok()
    }

    pub(crate) fn give_back(&self) {
        // `Err` is a full bucket, the usual case.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| (left < Self::CAPACITY).then_some(left + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn advice(headers: &[(&'static str, &str)]) -> Advice {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Advice::read(&headers, NOW)
    }

    fn wait_for(headers: &[(&'static str, &str)]) -> Option<Duration> {
        decide(Symptom::Status { code: 429, advice: advice(headers) }, Resend::OnlyUnpaid, 0, 0.0)
    }

    #[test]
    fn u02_the_header_in_milliseconds_wins() {
        assert_eq!(wait_for(&[("retry-after-ms", "150"), ("retry-after", "9")]), Some(Duration::from_millis(150)));
        assert_eq!(wait_for(&[("retry-after-ms", "x"), ("retry-after", "9")]), Some(Duration::from_secs(9)));
    }

    #[test]
    fn u03_retry_after_in_every_shape() {
        let obeyed = [
            ("20", 20_000),
            ("60", 60_000),
            ("120", 120_000),
            ("0.25", 250),
            ("Thu, 01 Jan 1970 00:00:30 GMT", 30_000),
        ];
        for (value, millis) in obeyed {
            assert_eq!(wait_for(&[("retry-after", value)]), Some(Duration::from_millis(millis)), "{value:?}");
        }
        let backed_off =
            ["0", "-10", "inf", "nan", "", "soon", "Wed, 31 Dec 1969 00:00:00 GMT", "Fri, 01 Jan 100000 00:00:00 GMT"];
        for value in backed_off {
            assert_eq!(wait_for(&[("retry-after", value)]), Some(FIRST_BACKOFF), "{value:?}");
        }
        let too_long =
            ["121", "120.001", "100000000000000000000000000000000000", "1e300", "Sat, 01 Jan 2050 00:00:00 GMT"];
        for value in too_long {
            assert_eq!(wait_for(&[("retry-after", value)]), None, "{value:?}");
            assert!(advice(&[("retry-after", value)]).wait.is_some(), "{value:?} is reported");
        }
    }

    #[test]
    fn u05_the_verdict_of_the_upstream_is_obeyed() {
        let decided = |code, verdict| {
            let advice = advice(&[("x-should-retry", verdict)]);
            decide(Symptom::Status { code, advice }, Resend::OnlyUnpaid, 0, 0.0).is_some()
        };
        assert!(!decided(500, "false"));
        assert!(decided(400, "true"));
        assert!(decided(503, "perhaps"));
        assert!(!decided(400, "perhaps"));
    }

    #[test]
    fn u06_u08_by_status() {
        let retried = |resend| {
            move |code| {
                let status = Symptom::Status { code, advice: Advice::default() };
                decide(status, resend, 0, 0.0).is_some()
            }
        };
        assert!([408, 409, 429, 500, 502, 503, 504, 520, 524, 529].into_iter().all(retried(Resend::Always)));
        assert!([408, 409, 429, 500, 502, 503, 529].into_iter().all(retried(Resend::OnlyUnpaid)));
        assert!(![504, 520, 524].into_iter().any(retried(Resend::OnlyUnpaid)));
        assert!(![301, 400, 401, 403, 404, 405, 413, 422].into_iter().any(retried(Resend::Always)));
    }

    #[test]
    fn u14_a_picture_that_may_be_paid_for_is_not_asked_for_again() {
        for silence in [Silence::Broken, Silence::TimedOut] {
            assert_eq!(decide(Symptom::Unanswered(silence), Resend::OnlyUnpaid, 0, 0.0), None);
            assert!(decide(Symptom::Unanswered(silence), Resend::Always, 0, 0.0).is_some());
        }
        assert!(decide(Symptom::NotSent, Resend::OnlyUnpaid, 0, 0.0).is_some());
    }

    #[test]
    fn backoff_doubles_up_to_eight_seconds_less_a_quarter_at_most() {
        let full: Vec<_> = (0..6).map(|retries| backoff(retries, 0.0).as_millis()).collect();
        assert_eq!(full, [500, 1000, 2000, 4000, 8000, 8000]);
        assert_eq!(backoff(0, 1.0), Duration::from_millis(375));
        assert_eq!(backoff(u32::MAX, 0.0), LONGEST_BACKOFF);
    }

    #[test]
    fn u09_the_bucket_pays_for_a_hundred_retries() {
        let bucket = Bucket::new();
        assert_eq!((0..200).filter(|_| bucket.pay(Symptom::NotSent)).count(), 100);
        (0..10).for_each(|_| bucket.give_back());
        assert!(bucket.pay(Symptom::Unanswered(Silence::TimedOut)));
        assert!(!bucket.pay(Symptom::NotSent));
    }
}
