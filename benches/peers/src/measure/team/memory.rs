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
const UPSTREAM_TAKES: Duration = Duration::from_secs(30);
/// Calls that have arrived have settled by then.
const SETTLED_AFTER: Duration = Duration::from_secs(5);

const RATE: f64 = 1_000.0;
const LASTING: Duration = Duration::from_secs(20);
const ROUNDS: u32 = 3;

pub fn waiting(bench: &Bench) -> Rows {
    allow_descriptors()?;
    let (_upstream, base_url) = start_upstream(&bench.upstream, UPSTREAM_TAKES)?;
    let service = Service::open(bench, &base_url, None)?;
    let servers = (0..SERVERS).map(|_| service.serve()).collect::<Result<Vec<_>>>()?;
    let of_a_call = while_waiting(&servers, |connections| service.spread(&servers, connections, QUESTION))?;
    drop(servers);
    let peers = (0..SERVERS).map(|_| service.serve_peer(bench)).collect::<Result<Vec<_>>>()?;
    let of_the_floor = while_waiting(&peers, |connections| {
        let lanes = peers.iter().map(|peer| peer.connect(connections / SERVERS, "ask-openai", QUESTION));
        Ok(lanes.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    })?;
    Ok(vec![Row {
        name: "a waiting call, 5,000 in flight",
        unit: Unit::Memory,
        ours: of_a_call,
        floor: Some(("proxy over HTTP", of_the_floor)),
        goal: Goal::AtMost(40e3),
    }])
}

/// Memory that a call takes in each server while all of them wait for the upstream, in bytes.
fn while_waiting(servers: &[Served], connect: impl Fn(usize) -> Result<Vec<Caller>>) -> Result<Figure> {
    // The first call of each builds what is built once.
    in_turns(&mut connect(SERVERS)?, 1, Duration::ZERO)?;
    let before = memory_of(servers)?;
    let mut callers = connect(SERVERS * CALLS_OF_EACH)?;
    let since = Instant::now();
    callers.iter_mut().try_for_each(Caller::send)?;
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
