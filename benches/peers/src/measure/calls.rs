//! What a call costs over a bare request to the same upstream, one at a time and 64 at once.

use anyhow::Result;
use serde_json::json;

use super::{Bench, Rows};
use crate::{
    child::Wire,
    figures::{Figure, percentile, timed},
    http, message, stdio,
    table::{Goal, Row, Unit},
};

const ROUNDS: u32 = 12;
const CALLS_PER_ROUND: u32 = 400;
const IN_FLIGHT: u32 = 64;
const PUMPED_PER_ROUND: u32 = 8_000;

pub fn latency(bench: &Bench) -> Rows {
    let mut bare = Bare::connect(bench)?;
    let mut ours = stdio::Client::start(&bench.ours, Wire::Pipes, &bench.surroundings)?;
    let mut proxy = stdio::Client::start(&bench.proxy, Wire::Pipes, &bench.surroundings)?;
    ours.settle()?;
    proxy.settle()?;
    let (mut ours_added, mut proxy_added) = (Added::default(), Added::default());
    let mut bare_latency = Figure::default();
    for round in 0..=ROUNDS {
        let floor = Latency::measure(|| bare.ask())?;
        let through_ours = Latency::measure(|| ours.request(message::ask).map(drop))?;
        let through_proxy = Latency::measure(|| proxy.request(message::ask).map(drop))?;
        // The first round warms up.
        if round > 0 {
            bare_latency.add(floor.p50);
            ours_added.add(&through_ours, &floor);
            proxy_added.add(&through_proxy, &floor);
        }
    }
    let row = |name, ours, proxy, most| Row {
        name,
        unit: Unit::Time,
        ours,
        floor: Some(("proxy", proxy)),
        goal: Goal::RatioAtMost(most),
    };
    Ok(vec![
        Row { name: "bare reqwest call, p50", unit: Unit::Time, ours: bare_latency, floor: None, goal: Goal::None },
        row("added to it by a call, p50", ours_added.p50, proxy_added.p50, 2.0),
        row("added to it by a call, p99", ours_added.p99, proxy_added.p99, 3.0),
    ])
}

pub fn http(bench: &Bench) -> Rows {
    let mut bare = Bare::connect(bench)?;
    let mut stdio = stdio::Client::start(&bench.ours, Wire::Pipes, &bench.surroundings)?;
    stdio.settle()?;
    let mut http = http::Client::start(&bench.ours, &bench.surroundings)?;
    let (mut stdio_added, mut http_added) = (Added::default(), Added::default());
    for round in 0..=ROUNDS {
        let floor = Latency::measure(|| bare.ask())?;
        let over_http = Latency::measure(|| http.request(message::ask))?;
        let over_stdio = Latency::measure(|| stdio.request(message::ask).map(drop))?;
        if round > 0 {
            http_added.add(&over_http, &floor);
            stdio_added.add(&over_stdio, &floor);
        }
    }
    Ok(vec![Row {
        name: "added by a call over HTTP, p50",
        unit: Unit::Time,
        ours: http_added.p50,
        floor: Some(("ours over stdio", stdio_added.p50)),
        goal: Goal::RatioAtMost(2.0),
    }])
}

pub fn throughput(bench: &Bench) -> Rows {
    let start = |program, wire| {
        let mut client = stdio::Client::start(program, wire, &bench.surroundings)?;
        client.settle()?;
        client.pump(IN_FLIGHT, PUMPED_PER_ROUND, message::ask)?;
        anyhow::Ok((client, Figure::default()))
    };
    let mut lanes = [
        start(&bench.ours, Wire::Pipes)?,
        start(&bench.proxy, Wire::Pipes)?,
        start(&bench.ours, Wire::Sockets)?,
        start(&bench.proxy, Wire::Sockets)?,
    ];
    for _ in 0..ROUNDS / 2 {
        for (client, rate) in &mut lanes {
            let took = client.pump(IN_FLIGHT, PUMPED_PER_ROUND, message::ask)?;
            rate.add(f64::from(PUMPED_PER_ROUND) / took.as_secs_f64());
        }
    }
    let [ours_pipes, proxy_pipes, ours_sockets, proxy_sockets] = lanes.map(|(_, rate)| rate);
    let row = |name, ours, floor, goal| Row { name, unit: Unit::Rate, ours, floor: Some(floor), goal };
    Ok(vec![
        row("calls, 64 in flight, pipes", ours_pipes.clone(), ("proxy", proxy_pipes), Goal::RatioAtLeast(0.7)),
        row(
            "calls, 64 in flight, sockets",
            ours_sockets.clone(),
            ("ours over pipes", ours_pipes),
            Goal::RatioAtLeast(0.6),
        ),
        row("  the same beside the proxy", ours_sockets, ("proxy", proxy_sockets), Goal::None),
    ])
}

/// One question at a time by reqwest alone: what no server can be faster than.
struct Bare {
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    url: String,
}

impl Bare {
    fn connect(bench: &Bench) -> Result<Self> {
        Ok(Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            http: reqwest::Client::builder().no_proxy().build()?,
            url: format!("{}/responses", bench.surroundings.upstream),
        })
    }

    fn ask(&mut self) -> Result<()> {
        let body = json!({"model": "bench", "input": "What is the capital of France?"});
        let request = self.http.post(&self.url).json(&body);
        self.runtime.block_on(async {
            let _: serde_json::Value = request.send().await?.error_for_status()?.json().await?;
            Ok(())
        })
    }
}

/// Of one round, in seconds.
pub struct Latency {
    pub p50: f64,
    p99: f64,
}

impl Latency {
    pub fn measure(mut call: impl FnMut() -> Result<()>) -> Result<Self> {
        let mut times = Vec::new();
        for _ in 0..CALLS_PER_ROUND {
            times.push(timed(&mut call)?);
        }
        Ok(Self { p50: percentile(&times, 0.5), p99: percentile(&times, 0.99) })
    }
}

/// What calls took longer than the bare ones of the same round.
#[derive(Default)]
struct Added {
    p50: Figure,
    p99: Figure,
}

impl Added {
    fn add(&mut self, through: &Latency, bare: &Latency) {
        self.p50.add(through.p50 - bare.p50);
        self.p99.add(through.p99 - bare.p99);
    }
}
