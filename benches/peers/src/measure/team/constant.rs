//! A constant load for minutes: no call may fail, and nothing may grow.

use anyhow::Result;

use super::{Bench, CALLERS, QUESTION, Rows, Service};
use crate::{
    cluster::Cluster,
    crowd::{Load, steadily},
    figures::{Figure, percentile},
    table::{Goal, Row, Unit},
};

/// Calls a second on the embedded store.
const RATE: f64 = 200.0;
/// Calls a second of all servers on one PostgreSQL, far below what its disk commits.
const RATE_ON_POSTGRES: f64 = 30.0;
const SERVERS_ON_POSTGRES: usize = 3;

pub fn constant(bench: &Bench) -> Rows {
    let service = Service::open(bench, &bench.surroundings.upstream, None)?;
    let names = ["200 calls a second, failed", "  calls made", "  a call, p50", "  a call, p99", "  memory at the end"];
    run(bench, &service, 1, RATE, names)
}

pub fn constant_on_postgres(bench: &Bench) -> Rows {
    let cluster = Cluster::start()?;
    let service = Service::open(bench, &bench.surroundings.upstream, Some(&cluster.new_database("constant")?))?;
    let names =
        ["30 a second, three servers, failed", "  calls made", "  a call, p50", "  a call, p99", "  memory at the end"];
    run(bench, &service, SERVERS_ON_POSTGRES, RATE_ON_POSTGRES, names)
}

fn run(bench: &Bench, service: &Service, servers: usize, rate: f64, names: [&'static str; 5]) -> Rows {
    let servers = (0..servers).map(|_| service.serve()).collect::<Result<Vec<_>>>()?;
    let memory = || servers.iter().map(|server| Ok(server.process.memory()?.resident)).collect::<Result<Figure>>();
    let mut callers = service.spread(&servers, CALLERS, QUESTION)?;
    let start = steadily(&mut callers, rate, bench.constant_load / 10);
    let early = memory()?;
    let rest = steadily(&mut callers, rate, bench.constant_load / 10 * 9);
    let late = memory()?;
    let Load { times, failures } = start.and(rest);
    for failure in failures.iter().take(3) {
        eprintln!("a call failed: {failure}");
    }
    let one = |value| Some(value).into_iter().collect::<Figure>();
    let row = |name, unit, ours, floor, goal| Row { name, unit, ours, floor, goal };
    let [failed, made, p50, p99, memory] = names;
    Ok(vec![
        row(failed, Unit::Count, one(failures.len() as f64), None, Goal::Exactly(0.0)),
        row(made, Unit::Count, one(times.len() as f64), None, Goal::None),
        row(p50, Unit::Time, one(percentile(&times, 0.5)), None, Goal::None),
        row(p99, Unit::Time, one(percentile(&times, 0.99)), None, Goal::None),
        row(memory, Unit::Memory, late, Some(("after a tenth", early)), Goal::RatioAtMost(1.1)),
    ])
}
