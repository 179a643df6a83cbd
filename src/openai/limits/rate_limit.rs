//! The upstream's rate limit on us, read from its headers.

use std::time::Duration;

use http::HeaderMap;

/// The upstream's `x-ratelimit-*` headers. <https://platform.openai.com/docs/guides/rate-limits>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateLimits {
    /// Requests that a fresh window allows.
    pub limit_requests: Option<u64>,
    /// Requests left of it.
    pub remaining_requests: Option<u64>,
    /// Time until all requests are there again.
    pub reset_requests: Option<Duration>,
    /// Tokens that a fresh window allows.
    pub limit_tokens: Option<u64>,
    /// Tokens left of it.
    pub remaining_tokens: Option<u64>,
    /// Time until all tokens are there again.
    pub reset_tokens: Option<Duration>,
}

impl RateLimits {
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let count = |name: &str| text(name).and_then(|value| value.trim().parse().ok());
        let time = |name: &str| text(name).and_then(parse_reset);
        Self {
            limit_requests: count("x-ratelimit-limit-requests"),
            remaining_requests: count("x-ratelimit-remaining-requests"),
            reset_requests: time("x-ratelimit-reset-requests"),
            limit_tokens: count("x-ratelimit-limit-tokens"),
            remaining_tokens: count("x-ratelimit-remaining-tokens"),
            reset_tokens: time("x-ratelimit-reset-tokens"),
        }
    }
}

/// Reads a reset as OpenAI writes it (`1s`, `6m0s`, `200ms`, `1h2m3.5s`), or plain seconds.
fn parse_reset(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        let seconds = if unit.is_empty() { 1.0 } else { seconds_in(unit)? };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = after;
    }
    Some(total)
}

/// Seconds in a unit, as headers and messages name it.
pub(crate) fn seconds_in(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" | "millisecond" | "milliseconds" => 1e-3,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_are_read_in_every_shape() {
        let millis = |text| parse_reset(text).map(|reset| reset.as_millis());
        assert_eq!(millis("1s"), Some(1_000));
        assert_eq!(millis("6m0s"), Some(360_000));
        assert_eq!(millis("200ms"), Some(200));
        assert_eq!(millis("1h2m3.5s"), Some(3_723_500));
        assert_eq!(millis("12"), Some(12_000));
        for nonsense in ["", "s", "1y", "-1s", "1.2.3s", "1e9", "1s x", "99999999999999999999999h"] {
            assert_eq!(millis(nonsense), None, "{nonsense:?}");
        }
    }
}
