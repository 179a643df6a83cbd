//! From the start of the process to its `initialize` answer; the memory it then holds; the binary's size.

use anyhow::Result;

use super::{Bench, Rows};
use crate::{
    child::Wire,
    figures::{Figure, timed},
    stdio::Client,
    table::{Goal, Row, Unit},
};

const ROUNDS: u32 = 40;

pub fn start(bench: &Bench) -> Rows {
    let mut ours = Start::default();
    let mut echo = Start::default();
    for _ in 0..ROUNDS {
        ours.measure(bench, &bench.ours)?;
        echo.measure(bench, &bench.echo)?;
    }
    let row = |name, unit, ours, echo, goal| Row { name, unit, ours, floor: Some(("echo", echo)), goal };
    Ok(vec![
        row("start to the initialize answer", Unit::Time, ours.time, echo.time, Goal::RatioAtMost(1.5)),
        row("memory after it (RSS)", Unit::Memory, ours.resident, echo.resident, Goal::RatioAtMost(1.8)),
        row("memory after it (PSS)", Unit::Memory, ours.proportional, echo.proportional, Goal::None),
    ])
}

#[derive(Default)]
struct Start {
    time: Figure,
    resident: Figure,
    proportional: Figure,
}

impl Start {
    fn measure(&mut self, bench: &Bench, program: &std::path::Path) -> Result<()> {
        let mut started = None;
        self.time.add(timed(|| {
            started = Some(Client::start(program, Wire::Pipes, &bench.surroundings)?);
            Ok(())
        })?);
        if let Some(mut client) = started {
            client.settle()?;
            let memory = client.server.memory()?;
            self.resident.add(memory.resident);
            self.proportional.add(memory.proportional);
        }
        Ok(())
    }
}

pub fn binary_size(bench: &Bench) -> Rows {
    let mut ours = Figure::default();
    ours.add(std::fs::metadata(&bench.ours)?.len() as f64);
    Ok(vec![Row { name: "binary", unit: Unit::Memory, ours, floor: None, goal: Goal::AtMost(20e6) }])
}
