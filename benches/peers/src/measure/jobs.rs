//! Ten pictures handed out as a job and collected, beside the same call waited for; and whether memory stays flat over
//! two hundred of them.

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Bench, Rows, pictures};
use crate::{
    child::{Surroundings, Wire},
    figures::{Figure, timed},
    message,
    stdio::Client,
    table::{Goal, Row, Unit},
};

const ROUNDS: u32 = 5;
/// Of ten pictures each.
const CALLS: u32 = 20;
/// After so many, everything that is built on first use has been built.
const EARLY: u32 = 2;

pub fn jobs(bench: &Bench) -> Rows {
    let hurried = bench.surroundings.hurried()?;
    let (mut collected, mut waited) = (Figure::default(), Figure::default());
    let (mut early, mut late) = (Figure::default(), Figure::default());
    for _ in 0..ROUNDS {
        let mut patient = started(bench, &bench.surroundings)?;
        waited.add(timed(|| patient.request(message::ten_pictures).map(drop))?);
        let mut client = started(bench, &hurried)?;
        collected.add(timed(|| collect(&mut client))?);
        bench.surroundings.forget_pictures()?;
        hurried.forget_pictures()?;
    }
    for _ in 0..ROUNDS {
        let mut client = started(bench, &hurried)?;
        for call in 1..=CALLS {
            collect(&mut client)?;
            if call == EARLY {
                early.add(client.server.peak_memory()?);
            }
        }
        late.add(client.server.peak_memory()?);
        hurried.forget_pictures()?;
    }
    Ok(vec![
        Row {
            name: "ten pictures as a job",
            unit: Unit::Time,
            ours: collected,
            floor: Some(("waited for", waited)),
            goal: Goal::RatioAtMost(1.2),
        },
        Row {
            name: "peak memory, 200 pictures",
            unit: Unit::Memory,
            ours: late,
            floor: Some(("the first 20", early)),
            goal: Goal::RatioAtMost(1.1),
        },
    ])
}

fn started(bench: &Bench, surroundings: &Surroundings) -> Result<Client> {
    let mut client = Client::start(&bench.ours, Wire::Pipes, surroundings)?;
    client.settle()?;
    Ok(client)
}

/// Has ten pictures made by a server that hands the call out as a job, and asks for them until they are there.
fn collect(client: &mut Client) -> Result<()> {
    let answer: Value = serde_json::from_slice(&client.request(message::ten_pictures)?)?;
    let job =
        answer.pointer("/result/structuredContent/job").and_then(Value::as_str).context("no job was handed out")?;
    loop {
        let collected = client.request(|id| message::get_result(id, job))?;
        let answer: Value = serde_json::from_slice(&collected)?;
        if answer.pointer("/result/structuredContent/status") != Some(&"running".into()) {
            return pictures::check(&collected);
        }
    }
}
