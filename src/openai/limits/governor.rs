//! One governor for one key: our own caps and what the upstream's headers teach hold for all processes of a user
//! together, without a daemon. Knows no HTTP client.
//!
//! In each process callers queue, and only the first holds a place in the store, so that processes take turns, however
//! many callers each has. Processes that are set to different caps share one course of time, in which a place
//! is as long as the spacing of whoever takes it: each keeps within its own cap, and all together within the largest.
//! One that has no cap is not counted.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    handle::Account,
    model::ModelId,
    news::Stage,
    openai::{RateLimits, Terms, failure::error::Error},
    store::{
        PaceStore,
        pace::{PaceCap, Rate},
    },
};

mod cap;
mod shared;

use cap::Cap;
use shared::SharedPace;

/// A reset that is further away, as of a limit for a day, is left to the upstream's own 429: its count of what remains
/// is renewed step by step.
const LONGEST_HOLD: Duration = Duration::from_mins(2);

/// The limit that a request counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    Request,
    Picture,
}

#[derive(Debug)]
pub(crate) struct Governor {
    requests: Option<Cap>,
    pictures: Option<Cap>,
    pace: SharedPace,
}

/// A call that may have to wait: what it waits for, and how long it can.
struct Waiting<'a> {
    what: &'static str,
    terms: &'a Terms,
}

impl Governor {
    pub(crate) fn new(
        requests_per_minute: Option<NonZeroU32>,
        images_per_minute: Option<NonZeroU32>,
        shared: Option<Arc<dyn PaceStore>>,
    ) -> Self {
        let of = |cap, most: NonZeroU32| Cap::new(cap, Rate::per_minute(most));
        Self {
            requests: requests_per_minute.map(|most| of(PaceCap::Requests, most)),
            pictures: images_per_minute.map(|most| of(PaceCap::Pictures, most)),
            pace: SharedPace::new(shared),
        }
    }

    /// Waits until a request may be sent; fails at once where that is beyond the deadline.
    pub(crate) async fn pass(
        &self,
        counted: Counted,
        account: &Account,
        model: &ModelId,
        terms: &Terms,
    ) -> Result<(), Error> {
        let waiting = Waiting { what: "no requests are left until the upstream's limit resets", terms };
        // Looked at again after each wait: another process may have been refused meanwhile.
        while let Some(wait) = self.pace.hold_of(account, model).await {
            waiting.out(wait).await?;
        }
        if let Some(cap) = &self.pictures
            && counted == Counted::Picture
        {
            cap.pass(&self.pace, account, &Waiting { what: "limits.images_per_minute, set here", terms }).await?;
        }
        if let Some(cap) = &self.requests {
            cap.pass(&self.pace, account, &Waiting { what: "limits.requests_per_minute, set here", terms }).await?;
        }
        terms.retake_place().await;
        Ok(())
    }

    /// Learns from an answer whether more requests may be sent.
    pub(crate) async fn learn(&self, account: &Account, model: &ModelId, limits: RateLimits) {
        match (limits.remaining_requests, limits.reset_requests) {
            // The next request is certain to be refused: it waits here, and not for a 429.
            (Some(0), Some(reset)) if reset <= LONGEST_HOLD => self.pace.hold(account, model, reset).await,
            // Some are left again: nobody else is held back. An answer that says nothing of it lifts no hold.
            (Some(1..), _) if self.pace.hold_of(account, model).await.is_some() => {
                self.pace.hold(account, model, Duration::ZERO).await;
            }
            _ => {}
        }
    }

    /// The warning that limits are not shared with other processes: given once.
    pub(crate) fn warning(&self) -> Option<String> {
        let why = self.pace.warning()?;
        Some(format!("Rate limits are not shared with other programs: {why}."))
    }

    /// Reason why limits cannot be shared now: found out by writing one that holds nothing.
    pub(crate) async fn sharing_failure(&self, account: &Account) -> Option<String> {
        if let Ok(nothing) = ModelId::parse("none") {
            self.pace.hold(account, &nothing, Duration::ZERO).await;
        }
        self.pace.failure()
    }
}

impl Waiting<'_> {
    async fn out(&self, wait: Duration) -> Result<(), Error> {
        self.fits(wait)?;
        // The shortest sleep takes a millisecond.
        if !wait.is_zero() {
            self.terms.leave_place();
            sleep(wait).await;
        }
        Ok(())
    }

    /// Tells of a wait, if the deadline leaves time for it.
    fn fits(&self, wait: Duration) -> Result<(), Error> {
        if wait >= self.left() {
            return Err(self.too_long(wait));
        }
        if !wait.is_zero() {
            self.terms.news.stage(Stage::RateLimited { wait });
        }
        Ok(())
    }

    fn too_long(&self, wait: Duration) -> Error {
        Error::RateLimited { message: self.what.to_owned(), retry_after: Some(wait) }
    }

    fn left(&self) -> Duration {
        self.terms.deadline.at.saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::store::{Config, LEASE, Store, StorePlace};

    const PLENTY: Duration = Duration::from_mins(10);

    fn terms(deadline: Duration) -> Terms {
        Terms::until(Instant::now() + deadline)
    }

    fn account() -> Account {
        Account("0123456789abcdef".into())
    }

    fn model() -> ModelId {
        ModelId::parse("m").unwrap()
    }

    fn alone(requests: u32, pictures: u32) -> Governor {
        Governor::new(NonZeroU32::new(requests), NonZeroU32::new(pictures), None)
    }

    fn sharing(dir: &TempDir, requests: u32) -> Governor {
        Governor::new(NonZeroU32::new(requests), None, Some(store(dir)))
    }

    /// The store as one more process opens it.
    fn store(dir: &TempDir) -> Arc<dyn PaceStore> {
        Store::build(Config { place: StorePlace::Folder(dir.path().join("state")), lease: LEASE }).pace
    }

    async fn pass(governor: &Governor, counted: Counted, deadline: Duration) -> Result<(), Error> {
        governor.pass(counted, &account(), &model(), &terms(deadline)).await
    }

    async fn request(governor: &Governor) -> Result<(), Error> {
        pass(governor, Counted::Request, Duration::from_secs(2)).await
    }

    fn none_left(reset: Duration) -> RateLimits {
        RateLimits { remaining_requests: Some(0), reset_requests: Some(reset), ..RateLimits::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_model_without_requests_left_is_held_until_the_reset() {
        let governor = alone(0, 0);
        governor.learn(&account(), &model(), none_left(Duration::from_secs(3))).await;
        let other = ModelId::parse("other").unwrap();
        let start = Instant::now();
        governor.pass(Counted::Request, &account(), &other, &terms(PLENTY)).await.unwrap();
        let refused = request(&governor).await.unwrap_err();
        assert!(matches!(refused, Error::RateLimited { retry_after: Some(_), .. }), "{refused}");
        assert_eq!(start.elapsed(), Duration::ZERO);
        pass(&governor, Counted::Request, PLENTY).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(3));

        governor.learn(&account(), &model(), none_left(Duration::from_secs(3))).await;
        governor.learn(&account(), &model(), RateLimits::default()).await;
        request(&governor).await.unwrap_err();
        let some = RateLimits { remaining_requests: Some(1), ..RateLimits::default() };
        governor.learn(&account(), &model(), some).await;
        request(&governor).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn our_own_cap_spaces_pictures_and_leaves_texts_alone() {
        let governor = alone(0, 2);
        let start = Instant::now();
        pass(&governor, Counted::Picture, PLENTY).await.unwrap();
        request(&governor).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        pass(&governor, Counted::Picture, PLENTY).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn callers_go_in_the_order_they_came_and_the_hopeless_are_told_at_once() {
        let (governor, start) = (alone(6, 0), Instant::now());
        let went = std::sync::Mutex::new(Vec::new());
        let callers = (0..4).map(|number| {
            let (governor, went) = (&governor, &went);
            async move {
                pass(governor, Counted::Request, PLENTY).await.unwrap();
                went.lock().unwrap().push((number, start.elapsed().as_secs()));
            }
        });
        let hopeless = async {
            let refused = pass(&governor, Counted::Request, Duration::from_secs(29)).await.unwrap_err();
            assert!(matches!(refused, Error::RateLimited { retry_after: Some(_), .. }), "{refused}");
            assert_eq!(start.elapsed(), Duration::ZERO);
        };
        tokio::join!(futures_util::future::join_all(callers), hopeless);
        assert_eq!(went.into_inner().unwrap(), [(0, 0), (1, 10), (2, 20), (3, 30)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_caller_leaves_its_place_to_the_next() {
        let (governor, start) = (alone(2, 0), Instant::now());
        request(&governor).await.unwrap();
        for _ in 0..3 {
            let waiting = pass(&governor, Counted::Request, PLENTY);
            tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap_err();
        }
        pass(&governor, Counted::Request, PLENTY).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 30);
    }

    #[tokio::test]
    async fn processes_share_a_cap_and_what_one_of_them_learnt() {
        let dir = TempDir::new().unwrap();
        let (one, other) = (sharing(&dir, 1), sharing(&dir, 1));
        request(&one).await.unwrap();
        let refused = request(&other).await.unwrap_err();
        assert!(
            matches!(refused, Error::RateLimited { retry_after: Some(wait), .. } if wait > PLENTY / 11),
            "{refused}"
        );

        let (one, other) = (sharing(&dir, 0), sharing(&dir, 0));
        one.learn(&account(), &model(), none_left(Duration::from_secs(30))).await;
        request(&other).await.unwrap_err();
        assert_eq!((one.warning(), other.warning()), (None, None));
    }

    /// The place of somebody who was cancelled goes to the next of the same process, when another one stands behind it.
    #[tokio::test]
    async fn the_place_of_somebody_who_was_cancelled_is_not_lost() {
        let dir = TempDir::new().unwrap();
        let (one, other) = (sharing(&dir, 10), sharing(&dir, 10));
        for _ in 0..2 {
            request(&one).await.unwrap();
        }
        let soon = Duration::from_millis(500);
        let mut behind = Box::pin(pass(&other, Counted::Request, PLENTY));
        tokio::time::timeout(soon, pass(&one, Counted::Request, PLENTY)).await.unwrap_err();
        tokio::time::timeout(soon, &mut behind).await.unwrap_err();
        let refused = request(&one).await.unwrap_err();
        assert!(
            matches!(refused, Error::RateLimited { retry_after: Some(wait), .. } if wait.as_secs() < 7),
            "{refused}"
        );
    }

    #[tokio::test]
    async fn without_caps_nothing_is_written() {
        let dir = TempDir::new().unwrap();
        let governor = sharing(&dir, 0);
        request(&governor).await.unwrap();
        governor.learn(&account(), &model(), RateLimits { remaining_requests: Some(9), ..RateLimits::default() }).await;
        assert!(!dir.path().join("state").exists());
    }

    #[tokio::test]
    async fn a_removed_store_is_made_again_for_all() {
        let dir = TempDir::new().unwrap();
        let (one, other) = (sharing(&dir, 1), sharing(&dir, 1));
        request(&one).await.unwrap();
        fs::remove_dir_all(dir.path().join("state")).unwrap();
        request(&other).await.unwrap();
        request(&one).await.unwrap_err();
    }

    #[tokio::test]
    async fn p02_without_a_store_each_process_holds_its_own_cap_and_says_so_once() {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("state"), "a file where the folder should be").unwrap();
        let governor = sharing(&dir, 1);
        request(&governor).await.unwrap();
        request(&governor).await.unwrap_err();
        let said = governor.warning().unwrap();
        assert!(said.starts_with("Rate limits are not shared with other programs: ") && said.ends_with('.'), "{said}");
        assert_eq!(governor.warning(), None);
        assert!(governor.sharing_failure(&account()).await.is_some());
    }
}
