//! Progress for a client that waits: 0 at once, then rising, at most four a second while it waits, at least one every
//! ten seconds, each with the stage, and the text that came since the one before.

use std::{future::Future, pin::pin, time::Duration};

use rmcp::model::{NotificationMetaObject, ProgressNotificationParam, ProgressToken};
use tokio::time::{Instant, sleep, sleep_until};

use crate::news::{Feed, Update};

/// Time between two notifications: three a second leave room for the last one, which waits for nothing, within the four
/// that are promised.
const PACE: Duration = Duration::from_millis(334);
/// Early enough to be there within ten seconds. Some clients count their patience anew from each one: Claude Code, and
/// hosts of the TypeScript SDK that set `resetTimeoutOnProgress`.
const HEARTBEAT: Duration = Duration::from_secs(9);
/// Time by which the last one goes ahead of the answer. The TypeScript SDK hands a notification on a tick later than
/// an answer: what it reads together with the answer is lost (modelcontextprotocol/typescript-sdk#2580).
const LEAD: Duration = Duration::from_millis(20);
const DELTA: &str = "mcp-openai/delta";
/// The longest delta, serialized: Python's stream readers take lines of 64 KiB where nothing else is set, and fail on a
/// longer one. The rest is for the envelope. <https://docs.python.org/3/library/asyncio-stream.html>
const LONGEST_DELTA: usize = 60_000;

/// Follows the news while `work` runs, and returns what `work` gave. One `count` serves all that a call waits for, so
/// that it never falls. Each `notify` is awaited before the next look at the news: a slow reader gets fewer
/// notifications, never a queue of them.
pub(super) async fn follow<T, N>(
    work: impl Future<Output = T>,
    feed: &Feed,
    token: ProgressToken,
    count: &mut ProgressCount,
    mut notify: impl FnMut(ProgressNotificationParam) -> N,
) -> T
where
    N: Future<Output = ()>,
{
    let mut work = pin!(work);
    // 0 at once, before anything has happened: it shows that the call has begun.
    let mut unsent = UnsentText::default();
    let mut sent = unsent.next_of(feed.take());
    notify(count.next(&token, &sent)).await;
    loop {
        let last = Instant::now();
        // The work first: once the answer is there, the rest of the news is sent at once, without the pace.
        tokio::select! {
            biased;
            done = &mut work => {
                let mut rest = unsent.next_of(feed.take());
                // The answer is there, and must not wait for the pace of what it repeats: a megabyte took 5.5 s.
                while !unsent.is_empty() {
                    notify(count.next(&token, &rest)).await;
                    rest = unsent.next_of(feed.take());
                }
                if let Some(notification) = count.last(&token, &rest) {
                    notify(notification).await;
                    sleep(LEAD).await;
                }
                return done;
            }
            update = next_update(feed, &sent, &unsent, last) => {
                sent = unsent.next_of(update);
                notify(count.next(&token, &sent)).await;
            }
        }
    }
}

/// The next update worth telling: something new, not sooner than the pace allows, or the heartbeat.
async fn next_update(feed: &Feed, sent: &Update, unsent: &UnsentText, last: Instant) -> Update {
    sleep_until(last + PACE).await;
    if !unsent.is_empty() {
        return feed.take();
    }
    loop {
        let woken_by_news = tokio::select! {
            () = feed.changed() => true,
            () = sleep_until(last + HEARTBEAT) => false,
        };
        let update = feed.take();
        let is_new = !update.delta.is_empty() || update.stage != sent.stage || update.parts != sent.parts;
        if is_new || !woken_by_news {
            return update;
        }
    }
}

/// Text that came and did not fit into one notification. Nothing of it is dropped: the deltas in order are the answer,
/// byte for byte.
#[derive(Debug, Default)]
struct UnsentText(String);

impl UnsentText {
    /// The update, with as much text as one notification may hold.
    fn next_of(&mut self, update: Update) -> Update {
        self.0.push_str(&update.delta);
        let delta = self.0.drain(..fitting(&self.0)).collect();
        Update { delta, ..update }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Length of the text that [`LONGEST_DELTA`] bytes of JSON hold.
fn fitting(text: &str) -> usize {
    let escaped = |next: char| match next {
        // As serde_json writes them: the short escapes, `\u0000` for other control characters, the rest as it is.
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        next if next < ' ' => 6,
        next => next.len_utf8(),
    };
    let mut size = 0;
    text.char_indices()
        .find(|(_, next)| {
            size += escaped(*next);
            size > LONGEST_DELTA
        })
        .map_or(text.len(), |(end, _)| end)
}

/// The progress number: parts done, and a fraction that rises towards the next without reaching it.
#[derive(Debug, Default)]
pub(super) struct ProgressCount {
    whole: u32,
    steps: u32,
}

impl ProgressCount {
    fn next(&mut self, token: &ProgressToken, update: &Update) -> ProgressNotificationParam {
        // The last part counts as done only with the result.
        let whole = update.parts.map_or(0, |(done, total)| done.min(total.saturating_sub(1)));
        if whole > self.whole {
            *self = Self { whole, steps: 0 };
        }
        let steps = f64::from(self.steps);
        self.steps += 1;
        // Halfway to the next part after eight notifications, and never there: how long it takes is not known, and MCP
        // wants a number that always rises.
        notification(token, f64::from(self.whole) + steps / (steps + 8.0), update)
    }

    /// The last notification once the work is done: the end of the text, the last part.
    fn last(&mut self, token: &ProgressToken, update: &Update) -> Option<ProgressNotificationParam> {
        match update.parts {
            Some((done, total)) if done == total && total > 0 => {
                // A call made again may go on after it, with work of its own: what follows has to be more.
                *self = Self { whole: total, steps: 1 };
                Some(notification(token, f64::from(total), update))
            }
            _ if !update.delta.is_empty() => Some(self.next(token, update)),
            _ => None,
        }
    }
}

fn notification(token: &ProgressToken, progress: f64, update: &Update) -> ProgressNotificationParam {
    let mut param = ProgressNotificationParam::new(token.clone(), progress).with_message(update.to_string());
    // Without parts there is no total: MCP has it left out where it is not known.
    if let Some((_, total)) = update.parts {
        param = param.with_total(f64::from(total));
    }
    if !update.delta.is_empty() {
        let mut meta = NotificationMetaObject::new();
        meta.insert(DELTA.to_owned(), update.delta.clone().into());
        param.meta = Some(meta);
    }
    param
}
