//! The upstream's rate limit on us: read from its headers, held to before it has to be enforced, and capped by our own
//! settings. Knows no HTTP client.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};
use http::HeaderMap;
use tokio::time::{Instant, sleep};

use super::{RateLimits, Terms, error::Error};
use crate::{model::ModelId, news::Stage};

/// A reset that is further away is left to the upstream's own 429: its count of what remains is renewed step by step.
const LONGEST_HOLD: Duration = Duration::from_mins(2);

/// Models that are held back at one time, at most: names come from outside.
const MODELS: usize = 256;

/// What a request is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    Request,
    Picture,
}

#[derive(Debug)]
pub(super) struct Gate {
    requests: Option<Cap>,
    pictures: Option<Cap>,
    /// Models that have no requests left, and until when.
    held: Mutex<HashMap<ModelId, Instant>>,
}

type Cap = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Nanos>>;

impl Gate {
    pub(super) fn new(requests_per_minute: Option<NonZeroU32>, images_per_minute: Option<NonZeroU32>) -> Self {
        let clock = TokioClock(Instant::now());
        let cap = |per_minute| RateLimiter::direct_with_clock(Quota::per_minute(per_minute), clock);
        Self { requests: requests_per_minute.map(cap), pictures: images_per_minute.map(cap), held: Mutex::default() }
    }

    /// Waits until a request may be sent; fails at once where that is beyond the deadline.
    pub(super) async fn pass(&self, counted: Counted, model: &ModelId, terms: &Terms) -> Result<(), Error> {
        while let Some(wait) = self.hold_of(model, Instant::now()) {
            hold_back(wait, "no requests are left until the upstream's limit resets", terms).await?;
        }
        if counted == Counted::Picture {
            pass_cap(self.pictures.as_ref(), "limits.images_per_minute, set here", terms).await?;
        }
        pass_cap(self.requests.as_ref(), "limits.requests_per_minute, set here", terms).await
    }

    /// Learns from an answer whether more requests may be sent.
    pub(super) fn learn(&self, model: &ModelId, limits: RateLimits, now: Instant) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match (limits.remaining_requests, limits.reset_requests) {
            (Some(0), Some(reset)) if reset <= LONGEST_HOLD && held.len() < MODELS => {
                held.insert(model.clone(), now + reset);
            }
            _ if held.is_empty() => {}
            _ => {
                held.remove(model);
            }
        }
    }

    fn hold_of(&self, model: &ModelId, now: Instant) -> Option<Duration> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let until = *held.get(model)?;
        if until <= now {
            held.remove(model);
            return None;
        }
        Some(until - now)
    }
}

async fn pass_cap(cap: Option<&Cap>, reached: &str, terms: &Terms) -> Result<(), Error> {
    let Some(cap) = cap else { return Ok(()) };
    while let Err(not_until) = cap.check() {
        hold_back(not_until.wait_time_from(cap.clock().now()), reached, terms).await?;
    }
    Ok(())
}

async fn hold_back(wait: Duration, reached: &str, terms: &Terms) -> Result<(), Error> {
    if Instant::now() + wait >= terms.deadline {
        return Err(Error::RateLimited { message: reached.to_owned(), retry_after: Some(wait) });
    }
    terms.news.stage(Stage::RateLimited { wait });
    sleep(wait).await;
    Ok(())
}

/// Tokio's time for the caps, so that they and the waits go by one clock.
#[derive(Debug, Clone, Copy)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

impl RateLimits {
    pub(super) fn read(headers: &HeaderMap) -> Self {
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

/// `1s`, `6m0s`, `200ms`, `1h2m3.5s`, or plain seconds.
fn parse_reset(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        let seconds = match unit {
            "ms" => 1e-3,
            "s" | "" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = after;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::news::News;

    fn terms(deadline: Duration) -> Terms {
        Terms { deadline: Instant::now() + deadline, news: News::unheard() }
    }

    fn model() -> ModelId {
        ModelId::parse("m").unwrap()
    }

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

    #[tokio::test(start_paused = true)]
    async fn a_model_without_requests_left_is_held_until_the_reset() {
        let gate = Gate::new(None, None);
        let limits = RateLimits {
            remaining_requests: Some(0),
            reset_requests: Some(Duration::from_secs(3)),
            ..RateLimits::default()
        };
        gate.learn(&model(), limits, Instant::now());
        let other = ModelId::parse("other").unwrap();
        let start = Instant::now();
        gate.pass(Counted::Request, &other, &terms(Duration::from_secs(9))).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        let refused = gate.pass(Counted::Request, &model(), &terms(Duration::from_secs(2))).await.unwrap_err();
        assert!(matches!(refused, Error::RateLimited { retry_after: Some(_), .. }), "{refused}");
        assert_eq!(start.elapsed(), Duration::ZERO);
        gate.pass(Counted::Request, &model(), &terms(Duration::from_secs(9))).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn our_own_cap_spaces_pictures_and_leaves_texts_alone() {
        let gate = Gate::new(None, NonZeroU32::new(2));
        let start = Instant::now();
        for _ in 0..2 {
            gate.pass(Counted::Picture, &model(), &terms(Duration::from_secs(90))).await.unwrap();
        }
        gate.pass(Counted::Request, &model(), &terms(Duration::from_secs(90))).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        gate.pass(Counted::Picture, &model(), &terms(Duration::from_secs(90))).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(30));
    }
}
