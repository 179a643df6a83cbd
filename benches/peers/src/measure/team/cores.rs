//! Calls a second that one core makes, with 64 in flight: beside a bare rmcp server over HTTP that says its text again.

use std::time::Duration;

use anyhow::Result;

use super::{Bench, CALLERS, DRY_RUN, QUESTION, Rows, Service};
use crate::{
    child::Running,
    crowd::{Caller, in_turns},
    figures::Figure,
    table::{Goal, Row, Unit},
};

const ROUNDS: u32 = 8;
const CALLS_PER_ROUND: u32 = 60;

pub fn cores(bench: &Bench) -> Rows {
    let service = Service::open(bench, &bench.surroundings.upstream, None)?;
    let (dry, asked) = (service.serve()?, service.serve()?);
    let (echo, proxy) = (service.serve_peer(bench)?, service.serve_peer(bench)?);
    let dry_callers = service.callers(&dry, CALLERS, DRY_RUN)?;
    let asking_callers = service.callers(&asked, CALLERS, QUESTION)?;
    let echo_callers = echo.connect(CALLERS, "echo", r#"{"text":"What is the capital of France?"}"#)?;
    let proxy_callers = proxy.connect(CALLERS, "ask-openai", QUESTION)?;
    let mut lanes = [
        Lane::new(dry.process, dry_callers),
        Lane::new(echo.process, echo_callers),
        Lane::new(asked.process, asking_callers),
        Lane::new(proxy.process, proxy_callers),
    ];
    for round in 0..=ROUNDS {
        for lane in &mut lanes {
            let rate = lane.run()?;
            if round > 0 {
                lane.rate.add(rate);
            }
        }
    }
    let [dry, echo, asked, proxy] = lanes.map(|lane| lane.rate);
    let row = |name, ours, floor, goal| Row { name, unit: Unit::Rate, ours, floor: Some(floor), goal };
    Ok(vec![
        row("calls a core, without the store", dry, ("echo over HTTP", echo.clone()), Goal::RatioAtLeast(0.6)),
        row("calls a core, asked and kept", asked.clone(), ("echo over HTTP", echo), Goal::None),
        row("  the same beside a proxy", asked, ("proxy over HTTP", proxy), Goal::None),
    ])
}

/// One server under a full load.
struct Lane {
    process: Running,
    callers: Vec<Caller>,
    rate: Figure,
}

impl Lane {
    fn new(process: Running, callers: Vec<Caller>) -> Self {
        Self { process, callers, rate: Figure::default() }
    }

    /// Calls in a second of the server's processor time.
    fn run(&mut self) -> Result<f64> {
        // Meanwhile its server may have closed connections that were idle for too long.
        self.callers.iter_mut().for_each(Caller::reconnect);
        let before = self.process.cpu_time()?;
        let calls = in_turns(&mut self.callers, CALLS_PER_ROUND, Duration::ZERO)?.len();
        Ok(calls as f64 / self.process.cpu_time()?.saturating_sub(before).as_secs_f64())
    }
}
