//! Memory of a call that waits for the upstream, with 5,000 in flight, and of a server at 1,000 calls a second.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use super::{Bench, CALLERS, QUESTION, Rows, Served, Service};
use crate::{
    child::{allow_descriptors, start_upstream},
    crowd::{Caller, in_turns, steadily},
    figures::Figure,
    table::{Goal, Row, Unit},
};

/// A server has 1,024 connections, so that 5,000 calls in flight are five servers.
const SERVERS: usize = 5;
const CALLS_OF_EACH: usize = 1_000;
/// Connections to each that are made at once, and the time after them: a listener has room for 1,024 that it has not
/// accepted yet, that of the upstream, too.
const BATCH: usize = 50;
const BETWEEN_BATCHES: Duration = Duration::from_millis(100);
const UPSTREAM_TAKES: Duration = Duration::from_secs(30);
/// Calls that have arrived have settled by then.
const SETTLED_AFTER: Duration = Duration::from_secs(5);

const RATE: f64 = 1_000.0;
const LASTING: Duration = Duration::from_secs(20);
const ROUNDS: u32 = 3;

pub fn waiting(bench: &Bench) -> Rows {
    allow_descriptors()?;
    let (_upstream, base_url) = start_upstream(&bench.upstream, UPSTREAM_TAKES)?;
    // A store each: thousands of reservations at once are more than several processes can make in one file.
    let services = (0..SERVERS).map(|_| Service::open(bench, &base_url, None)).collect::<Result<Vec<_>>>()?;
    let servers = services.iter().map(Service::serve).collect::<Result<Vec<_>>>()?;
    let of_a_call = while_waiting(&servers, |connections| {
        let callers = services.iter().zip(&servers).map(|(service, it)| service.callers(it, connections, QUESTION));
        Ok(callers.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    })?;
    drop(servers);
    let peers = services.iter().map(|service| service.serve_peer(bench)).collect::<Result<Vec<_>>>()?;
    let of_the_floor = while_waiting(&peers, |connections| {
        let callers = peers.iter().map(|peer| peer.connect(connections, "ask-openai", QUESTION));
        Ok(callers.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    })?;
    Ok(vec![Row {
        name: "a waiting call, 5,000 in flight",
        unit: Unit::Memory,
        ours: of_a_call,
        floor: Some(("proxy over HTTP", of_the_floor)),
        goal: Goal::AtMost(40e3),
    }])
}

/// Memory that a call takes in each server while all of them wait for the upstream, in bytes. `connect` makes so many
/// connections to each of them.
fn while_waiting(servers: &[Served], connect: impl Fn(usize) -> Result<Vec<Caller>>) -> Result<Figure> {
    // The first call of each builds what is built once.
    in_turns(&mut connect(1)?, 1, Duration::ZERO)?;
    let before = memory_of(servers)?;
    let since = Instant::now();
    let mut callers = Vec::new();
    while callers.len() < servers.len() * CALLS_OF_EACH {
        let mut batch = connect(BATCH)?;
        batch.iter_mut().try_for_each(Caller::send)?;
        callers.extend(batch);
        thread::sleep(BETWEEN_BATCHES);
    }
    thread::sleep(SETTLED_AFTER);
    let meanwhile = memory_of(servers)?;
    ensure!(since.elapsed() < UPSTREAM_TAKES, "the first calls were answered before the last had arrived");
    callers.iter_mut().try_for_each(Caller::answer)?;
    Ok(before.iter().zip(meanwhile).map(|(before, meanwhile)| (meanwhile - before) / CALLS_OF_EACH as f64).collect())
}

/// Of each, in bytes.
fn memory_of(servers: &[Served]) -> Result<Vec<f64>> {
    servers.iter().map(|server| Ok(server.process.memory()?.resident)).collect()
}

pub fn at_a_thousand(bench: &Bench) -> Rows {
    let (mut peak, mut rate) = (Figure::default(), Figure::default());
    for _ in 0..ROUNDS {
        let service = Service::open(bench, &bench.surroundings.upstream, None)?;
        let served = service.serve()?;
        let mut callers = service.callers(&served, CALLERS, QUESTION)?;
        let since = Instant::now();
        let load = steadily(&mut callers, RATE, LASTING);
        rate.add(load.times.len() as f64 / since.elapsed().as_secs_f64());
        ensure!(load.failures.is_empty(), "{} calls failed: {}", load.failures.len(), load.failures.concat());
        peak.add(served.process.peak_memory()?);
    }
    let row = |name, unit, ours, goal| Row { name, unit, ours, floor: None, goal };
    Ok(vec![
        row("peak memory, 1,000 calls a second", Unit::Memory, peak, Goal::AtMost(25e6)),
        row("  calls that were made", Unit::Rate, rate, Goal::None),
    ])
}
