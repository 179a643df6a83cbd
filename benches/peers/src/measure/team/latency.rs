//! The time that a call takes longer than a bare one, with 64 in flight: the upstream takes seconds, and the calls begin
//! evenly spaced over them, as those of people do.

use std::time::Duration;

use anyhow::Result;

use super::{Bench, CALLERS, QUESTION, Rows, Service};
use crate::{
    child::{Running, start_upstream},
    cluster::Cluster,
    crowd::{Caller, Question, in_turns},
    figures::{Figure, percentile},
    table::{Goal, Row, Unit},
};

const ROUNDS: u32 = 6;
const CALLS_PER_ROUND: u32 = 3;
const UPSTREAM_TAKES: Duration = Duration::from_secs(1);
/// Calls under one budget wait for each other's commits: at 16 a second, hardly ever.
const UPSTREAM_TAKES_ON_POSTGRES: Duration = Duration::from_secs(4);
const COMMITS_PER_ROUND: usize = 100;
/// A call under a budget is two transactions: its reservation, and its settlement with its turn.
const COMMITS_OF_A_CALL: f64 = 2.0;

/// The most that the server itself may add, in seconds.
const P50: f64 = 1e-3;
const P99: f64 = 5e-3;

pub fn latency(bench: &Bench) -> Rows {
    let mut lanes = Lanes::start(bench, UPSTREAM_TAKES, None)?;
    let (mut p50, mut p99) = (Figure::default(), Figure::default());
    for round in 0..=ROUNDS {
        let added = lanes.run()?;
        // The first round warms up.
        if round > 0 {
            p50.add(added.p50);
            p99.add(added.p99);
        }
    }
    Ok(vec![
        row("added at 64 in flight, p50", p50, None, Goal::AtMost(P50)),
        row("added at 64 in flight, p99", p99, None, Goal::AtMost(P99)),
    ])
}

/// The same on PostgreSQL, whose own part is measured in the same round.
pub fn latency_on_postgres(bench: &Bench) -> Rows {
    let cluster = Cluster::start()?;
    let mut lanes = Lanes::start(bench, UPSTREAM_TAKES_ON_POSTGRES, Some(&cluster.new_database("latency")?))?;
    let (mut p50, mut p99) = (Figure::default(), Figure::default());
    let (mut commits_p50, mut commits_p99) = (Figure::default(), Figure::default());
    let (mut own_p50, mut own_p99) = (Figure::default(), Figure::default());
    for round in 0..=ROUNDS {
        // As far apart as the calls: a processor and a disk that idled meanwhile take several times as long.
        let commit = cluster.commit_times(COMMITS_PER_ROUND, lanes.apart)?;
        let commits = [0.5, 0.99].map(|share| COMMITS_OF_A_CALL * percentile(&commit, share));
        let added = lanes.run()?;
        if round > 0 {
            let [median, slow] = commits;
            p50.add(added.p50);
            p99.add(added.p99);
            commits_p50.add(median);
            commits_p99.add(slow);
            own_p50.add(added.p50 - median);
            own_p99.add(added.p99 - slow);
        }
    }
    Ok(vec![
        row("added on PostgreSQL, p50", p50, Some(("two bare commits", commits_p50)), Goal::None),
        row("  beyond its commits, p50", own_p50, None, Goal::AtMost(P50)),
        row("added on PostgreSQL, p99", p99, Some(("two bare commits", commits_p99)), Goal::None),
        row("  beyond its commits, p99", own_p99, None, Goal::AtMost(P99)),
    ])
}

fn row(name: &'static str, ours: Figure, floor: Option<(&'static str, Figure)>, goal: Goal) -> Row {
    Row { name, unit: Unit::Time, ours, floor, goal }
}

/// Callers of ours, and the same number that ask the upstream itself.
struct Lanes {
    ours: Vec<Caller>,
    bare: Vec<Caller>,
    /// The time between the first calls of two of them.
    apart: Duration,
    /// They end with it.
    _service: (Service, [Running; 2]),
}

/// Of one round, in seconds.
struct Added {
    p50: f64,
    p99: f64,
}

impl Lanes {
    fn start(bench: &Bench, takes: Duration, store: Option<&str>) -> Result<Self> {
        let (upstream, base_url) = start_upstream(&bench.upstream, takes)?;
        let service = Service::open(bench, &base_url, store)?;
        let served = service.serve()?;
        let ours = service.callers(&served, CALLERS, QUESTION)?;
        let question = Question::bare(&base_url)?;
        let bare = (0..CALLERS).map(|_| Caller::connect(question.clone())).collect::<Result<_>>()?;
        let apart = takes / u32::try_from(CALLERS)?;
        Ok(Self { ours, bare, apart, _service: (service, [served.process, upstream]) })
    }

    fn run(&mut self) -> Result<Added> {
        let bare = in_turns(&mut self.bare, CALLS_PER_ROUND, self.apart)?;
        // Meanwhile the server may have closed connections that were idle for too long.
        self.ours.iter_mut().for_each(Caller::reconnect);
        let ours = in_turns(&mut self.ours, CALLS_PER_ROUND, self.apart)?;
        let added = |share| percentile(&ours, share) - percentile(&bare, share);
        Ok(Added { p50: added(0.5), p99: added(0.99) })
    }
}
