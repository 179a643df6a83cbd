//! One, two and three servers on one PostgreSQL: calls a second under one budget, and a budget that is spent to the cent.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Bench, CALLERS, QUESTION, Rows, Served, Service};
use crate::{
    cluster::Cluster,
    crowd::{Caller, in_turns},
    figures::{Figure, percentile},
    http,
    table::{Goal, Row, Unit},
};

const ROUNDS: u32 = 5;
const CALLS_PER_ROUND: u32 = 8;
const COMMITS_PER_ROUND: usize = 100;
const SERVERS: usize = 3;

/// A call of it costs a cent, and is estimated at a cent: an answer of the upstream has 16 tokens, and none may have fewer.
const MODELS: &str = r#"
[[family]]
kind = "text"
models = [{ id = "cent", price = { input = 0.0, output = 625.0 } }]
"#;
const FOR_A_CENT: &str = r#"{"query":"What is the capital of France?","model":"cent","max_tokens":16}"#;
const BUDGET: &str = "5.00";
const AFFORDABLE: f64 = 500.0;
const CALLS: usize = 1_000;

pub fn replicas(bench: &Bench) -> Rows {
    let cluster = Cluster::start()?;
    let service = Service::open(bench, &bench.surroundings.upstream, Some(&cluster.new_database("rate")?))?;
    let servers = (0..SERVERS).map(|_| service.serve()).collect::<Result<Vec<_>>>()?;
    let mut rates = [Figure::default(), Figure::default(), Figure::default()];
    let mut commits = Figure::default();
    for round in 0..=ROUNDS {
        let bare = 1.0 / percentile(&cluster.commit_times(COMMITS_PER_ROUND, Duration::ZERO)?, 0.5);
        if round > 0 {
            commits.add(bare);
        }
        for (figure, number) in rates.iter_mut().zip(1..) {
            let rate = rate(&service, servers.get(..number).unwrap_or_default())?;
            if round > 0 {
                figure.add(rate);
            }
        }
    }
    drop(servers);
    let names = ["calls, one server on PostgreSQL", "  two servers", "  three servers"];
    let mut rows: Vec<_> = names
        .into_iter()
        .zip(rates)
        .map(|(name, ours)| {
            let floor = Some(("bare commits", commits.clone()));
            Row { name, unit: Unit::Rate, ours, floor, goal: Goal::None }
        })
        .collect();
    rows.push(budget(bench, &cluster)?);
    Ok(rows)
}

/// Calls a second of these servers together, with 64 in flight.
fn rate(service: &Service, servers: &[Served]) -> Result<f64> {
    let mut callers = service.spread(servers, CALLERS, QUESTION)?;
    let since = Instant::now();
    let calls = in_turns(&mut callers, CALLS_PER_ROUND, Duration::ZERO)?.len();
    Ok(calls as f64 / since.elapsed().as_secs_f64())
}

/// Twice as many calls at once as a budget pays for: none too many may pass, and none too few.
fn budget(bench: &Bench, cluster: &Cluster) -> Result<Row> {
    let home = bench.surroundings.set("MCP_OPENAI_SPEND_PER_DAY", BUDGET)?;
    let models = home.folder().join("models.toml");
    std::fs::write(&models, MODELS)?;
    let home = home.with("MCP_OPENAI_MODELS_FILE", &models.to_string_lossy());
    let service = Service::of(bench, home, Some(&cluster.new_database("budget")?))?;
    let servers = (0..SERVERS).map(|_| service.serve()).collect::<Result<Vec<_>>>()?;
    let mut callers = service.spread(&servers, CALLS, FOR_A_CENT)?;
    callers.iter_mut().try_for_each(Caller::send)?;
    let mut passed = 0;
    for caller in &mut callers {
        let body = caller.receive()?;
        if !String::from_utf8_lossy(&body).contains("over_budget") {
            http::answered(&body, 1)?;
            passed += 1;
        }
    }
    let usage = service.home.usage(&bench.ours)?;
    ensure!(usage["total"]["calls"] == passed, "{passed} calls passed, and the ledger says {}", usage["total"]);
    Ok(Row {
        name: "calls that a budget of 500 lets pass",
        unit: Unit::Count,
        ours: [f64::from(passed)].into_iter().collect(),
        floor: None,
        goal: Goal::Exactly(AFFORDABLE),
    })
}
