//! What it costs a call that processes share their limits and their budget, and whether ten thousand conversations on
//! the disk slow anything down.

use anyhow::{Result, ensure};

use super::{Bench, Rows, calls::Latency};
use crate::{
    child::{Surroundings, Wire},
    figures::{Figure, timed},
    message,
    stdio::Client,
    table::{Goal, Row, Unit},
};

const ROUNDS: u32 = 12;
const CONVERSATIONS: u32 = 10_000;
const IN_FLIGHT: u32 = 64;

/// Caps and budgets so wide that nothing ever waits for them, beside the same server without.
pub fn added(bench: &Bench) -> Rows {
    let capped = bench.surroundings.set("MCP_OPENAI_RPM", "1000000")?;
    let budgeted = bench.surroundings.set("MCP_OPENAI_SPEND_PER_DAY", "1000000")?;
    let free = bench.surroundings.fresh()?;
    let [mut capped, mut budgeted, mut free] =
        [started(bench, &capped)?, started(bench, &budgeted)?, started(bench, &free)?];
    let (mut by_cap, mut by_budget) = (Figure::default(), Figure::default());
    for round in 0..=ROUNDS {
        let floor = latency(&mut free)?;
        let (with_cap, with_budget) = (latency(&mut capped)?, latency(&mut budgeted)?);
        // The first round warms up.
        if round > 0 {
            by_cap.add(with_cap - floor);
            by_budget.add(with_budget - floor);
        }
    }
    let row = |name, ours, goal| Row { name, unit: Unit::Time, ours, floor: None, goal };
    Ok(vec![
        row("added by a shared cap, p50", by_cap, Goal::AtMost(5e-5)),
        row("added by a day's budget, p50", by_budget, Goal::AtMost(5e-5)),
    ])
}

/// The start and a call in a home full of conversations, beside an empty one.
pub fn conversations(bench: &Bench) -> Rows {
    let full = bench.surroundings.fresh()?;
    started(bench, &full)?.pump(IN_FLIGHT, CONVERSATIONS, message::ask)?;
    let kept = full.calls(&bench.ours)?;
    ensure!(kept >= u64::from(CONVERSATIONS), "only {kept} conversations were kept");
    let (mut start_full, mut start_empty) = (Figure::default(), Figure::default());
    let (mut first_full, mut first_empty) = (Figure::default(), Figure::default());
    let (mut call_full, mut call_empty) = (Figure::default(), Figure::default());
    for _ in 0..ROUNDS {
        // Every call begins a conversation: a fresh home each time is what stays empty.
        let empty = bench.surroundings.fresh()?;
        for (home, start, first, call) in [
            (&empty, &mut start_empty, &mut first_empty, &mut call_empty),
            (&full, &mut start_full, &mut first_full, &mut call_full),
        ] {
            let mut client = None;
            start.add(timed(|| {
                client = Some(Client::start(&bench.ours, Wire::Pipes, home)?);
                Ok(())
            })?);
            if let Some(mut client) = client {
                client.settle()?;
                first.add(timed(|| client.request(message::ask).map(drop))?);
                call.add(latency(&mut client)?);
            }
        }
    }
    let row = |name, ours, floor, most| Row {
        name,
        unit: Unit::Time,
        ours,
        floor: Some(floor),
        goal: Goal::RatioAtMost(most),
    };
    Ok(vec![
        row("start, 10,000 conversations", start_full, ("an empty home", start_empty), 1.1),
        row("a call, 10,000 conversations", call_full, ("an empty home", call_empty), 1.1),
        row("first call, an empty home", first_empty, ("a full one", first_full), 1.2),
    ])
}

fn started(bench: &Bench, surroundings: &Surroundings) -> Result<Client> {
    let mut client = Client::start(&bench.ours, Wire::Pipes, surroundings)?;
    client.settle()?;
    Ok(client)
}

/// Of a call, in seconds: the median of a round.
fn latency(client: &mut Client) -> Result<f64> {
    Ok(Latency::measure(|| client.request(message::ask).map(drop))?.p50)
}
