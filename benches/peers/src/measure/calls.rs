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
        row("added to it by a call, p50", ours_added.p50, proxy_added.p50, 1.8),
        row("added to it by a call, p99", ours_added.p99, proxy_added.p99, 2.5),
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
        anyhow::Ok(Lane { client, rate: Figure::default(), processor_time: Figure::default(), ping: Figure::default() })
    };
    let mut lanes = [
        start(&bench.ours, Wire::Pipes)?,
        start(&bench.proxy, Wire::Pipes)?,
        start(&bench.ours, Wire::Sockets)?,
        start(&bench.proxy, Wire::Sockets)?,
    ];
    for _ in 0..ROUNDS / 2 {
        lanes.iter_mut().try_for_each(Lane::run)?;
    }
    let [ours, proxy, ours_sockets, proxy_sockets] = lanes;
    let row = |name, unit, ours, floor, goal| Row { name, unit, ours, floor: Some(floor), goal };
    let rate = |name, ours, floor, goal| row(name, Unit::Rate, ours, floor, goal);
    Ok(vec![
        rate("calls, 64 in flight, pipes", ours.rate.clone(), ("proxy", proxy.rate), Goal::RatioAtLeast(0.6)),
        row(
            "  processor time of a call",
            Unit::Time,
            ours.processor_time,
            ("proxy", proxy.processor_time),
            Goal::RatioAtMost(2.0),
        ),
        row("  ping meanwhile, slowest", Unit::Time, ours.ping, ("proxy", proxy.ping), Goal::AtMost(0.010)),
        rate(
            "calls, 64 in flight, sockets",
            ours_sockets.rate.clone(),
            ("ours over pipes", ours.rate),
            Goal::RatioAtLeast(0.6),
        ),
        rate("  the same beside the proxy", ours_sockets.rate, ("proxy", proxy_sockets.rate), Goal::None),
    ])
}

/// One server under a full load.
struct Lane {
    client: stdio::Client,
    rate: Figure,
    processor_time: Figure,
    ping: Figure,
}

impl Lane {
    /// One round. A commit or a checkpoint of the server's shows in the slowest of its pings.
    fn run(&mut self) -> Result<()> {
        let before = self.client.server.cpu_time()?;
        let took = self.client.pump(IN_FLIGHT, PUMPED_PER_ROUND, message::ask)?;
        let used = self.client.server.cpu_time()?.saturating_sub(before);
        self.rate.add(f64::from(PUMPED_PER_ROUND) / took.as_secs_f64());
        self.processor_time.add(used.as_secs_f64() / f64::from(PUMPED_PER_ROUND));
        let pings = self.client.ping_while_pumping(IN_FLIGHT, PUMPED_PER_ROUND / 4, message::ask)?;
        self.ping.add(percentile(&pings, 1.0));
        Ok(())
    }
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
