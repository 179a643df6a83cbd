//! The events of one response, each at its time. All of them are known from the start: what has happened is a
//! question of the clock, whoever is connected.

use std::{sync::OnceLock, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::reply;

#[derive(Debug, Default)]
pub(crate) struct Script {
    events: Vec<Event>,
    clock: Duration,
}

#[derive(Debug)]
struct Event {
    /// After the response's beginning.
    due: Duration,
    data: Value,
}

impl Script {
    /// The events from here on come later by this time.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.clock += time;
    }

    pub(crate) fn add(&mut self, event: Value) {
        self.add_at(&json!({}), event);
    }

    /// An event with its place in the answer.
    pub(crate) fn add_at(&mut self, place: &Value, event: Value) {
        let event = reply::merged(event, place);
        let data = reply::merged(event, &json!({"sequence_number": self.events.len()}));
        self.events.push(Event { due: self.clock, data });
    }
}

/// A script that runs.
#[derive(Debug)]
pub(crate) struct Play {
    script: Script,
    started: Instant,
    /// Number of events that had happened when it was stopped.
    cut: OnceLock<usize>,
    stopped: CancellationToken,
}

impl Play {
    pub(crate) fn start(script: Script) -> Self {
        Self { script, started: Instant::now(), cut: OnceLock::new(), stopped: CancellationToken::new() }
    }

    /// The response as its first event told it.
    pub(crate) fn beginning(&self) -> Value {
        self.told(1)
    }

    /// The response as the events so far leave it.
    pub(crate) fn response(&self) -> Value {
        let response = self.told(self.happened());
        match self.cut.get() {
            Some(_) => reply::merged(response, &json!({"status": "cancelled"})),
            None => response,
        }
    }

    /// Waits for the last event.
    pub(crate) async fn end(&self) {
        self.time(self.script.clock).await;
    }

    /// Stops it, unless it has ended.
    pub(crate) fn stop(&self) {
        let happened = self.happened();
        if happened < self.script.events.len() {
            self.cut.get_or_init(|| happened);
            self.stopped.cancel();
        }
    }

    /// The event of this number when it happens, if it ever does.
    pub(crate) async fn event(&self, number: usize) -> Option<&Value> {
        let event = self.script.events.get(number)?;
        self.time(event.due).await;
        self.cut.get().is_none_or(|cut| number < *cut).then_some(&event.data)
    }

    /// Waits until this time of it has passed, or it is stopped.
    async fn time(&self, time: Duration) {
        let due = self.started + time;
        // A timer would round up to the next millisecond.
        if due > Instant::now() {
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = self.stopped.cancelled() => {}
            }
        }
    }

    /// Number of events that have happened.
    fn happened(&self) -> usize {
        let due = || self.script.events.partition_point(|event| event.due <= self.started.elapsed());
        self.cut.get().copied().unwrap_or_else(due)
    }

    fn told(&self, events: usize) -> Value {
        let events = self.script.events.iter().take(events).rev();
        events.map(|event| &event.data).find_map(|event| event.get("response")).cloned().unwrap_or_default()
    }
}
