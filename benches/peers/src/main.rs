//! `just bench` and `just bench-team`: how light and how fast mcp-openai is, beside floors that are built and measured in
//! the same run.
//!
//! `cargo run --profile dist -p peers --bin bench [-- team] [--check] [--part NAME] [--server PATH] [--json FILE]
//! [--minutes N]`. A missed goal is marked; with `--check` it fails the run, if it is missed by more than the noise (see
//! [`table::Verdict`]). A part that wants a program which is not installed says so, and fails nothing.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    child::Surroundings,
    cluster::NotInstalled,
    machine::Machine,
    measure::{Bench, Rows, calls, jobs, pictures, shared, start, team},
    table::{Row, Verdict},
};

mod child;
mod cluster;
mod crowd;
mod figures;
mod http;
mod machine;
mod measure;
mod message;
mod stdio;
mod table;

type Part = (&'static str, fn(&Bench) -> Rows);

/// On one's own machine.
const OWN: &[Part] = &[
    ("start", start::start),
    ("latency", calls::latency),
    ("HTTP", calls::http),
    ("throughput", calls::throughput),
    ("shared state", shared::added),
    ("conversations", shared::conversations),
    ("pictures", pictures::pictures),
    ("jobs", jobs::jobs),
    ("binary", start::binary_size),
];

/// As a service for many.
const TEAM: &[Part] = &[
    ("latency", team::latency),
    ("latency on PostgreSQL", team::latency_on_postgres),
    ("cores", team::cores),
    ("waiting", team::waiting),
    ("memory", team::at_a_thousand),
    ("replicas", team::replicas),
    ("constant load", team::constant),
    ("constant load on PostgreSQL", team::constant_on_postgres),
];

const USAGE: &str = "bench [team] [--check] [--part NAME] [--server PATH] [--json FILE] [--minutes N]";

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    // The bare calls are made with TLS built in, as those of the servers are.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let programs = programs_folder()?;
    let ours = match &arguments.server {
        Some(path) => path.clone(),
        None => {
            cargo_build(&["-p", "mcp-openai", "--bin", "mcp-openai"])?;
            programs.join("mcp-openai")
        }
    };
    cargo_build(&["-p", "peers", "--bins"])?;
    let upstream = programs.join("upstream");
    let (_upstream, base_url) = child::start_upstream(&upstream, Duration::ZERO)?;
    let bench = Bench {
        ours,
        echo: programs.join("echo"),
        http_peer: programs.join("http_peer"),
        proxy: programs.join("proxy"),
        upstream,
        surroundings: Surroundings::of(base_url)?,
        constant_load: arguments.constant_load,
    };
    let machine = Machine::look();
    println!("server   {}\n{machine}\n", bench.ours.display());
    table::print_head();
    let mut report = Report::default();
    arguments.chosen().for_each(|(name, measure)| report.take(name, measure(&bench)));
    if let Some(path) = &arguments.json {
        report.write(&machine, path)?;
    }
    if arguments.check && !report.missed.is_empty() {
        println!("\nmissed by more than the noise, or not measured: {}", report.missed.join("; "));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

struct Arguments {
    /// The parts that there are.
    parts: &'static [Part],
    /// A missed goal fails the run.
    check: bool,
    /// The only one of the parts to measure.
    part: Option<String>,
    /// Another program than the workspace's own.
    server: Option<PathBuf>,
    /// A file for all that was measured.
    json: Option<PathBuf>,
    /// The time for which the constant load lasts.
    constant_load: Duration,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let constant_load = Duration::from_mins(10);
        let mut arguments = Self { parts: OWN, check: false, part: None, server: None, json: None, constant_load };
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value; usage: {USAGE}"));
            match word.as_str() {
                "team" => arguments.parts = TEAM,
                "--check" => arguments.check = true,
                "--part" => arguments.part = Some(value()?),
                "--server" => arguments.server = Some(value()?.into()),
                "--json" => arguments.json = Some(value()?.into()),
                "--minutes" => arguments.constant_load = Duration::from_secs_f64(60.0 * value()?.parse::<f64>()?),
                other => bail!("unknown argument {other}; usage: {USAGE}"),
            }
        }
        let names: Vec<_> = arguments.parts.iter().map(|(name, _)| *name).collect();
        if let Some(part) = &arguments.part {
            ensure!(names.contains(&part.as_str()), "there is no part {part:?}; the parts are: {}", names.join(", "));
        }
        Ok(arguments)
    }

    fn chosen(&self) -> impl Iterator<Item = Part> {
        self.parts.iter().copied().filter(|(name, _)| self.part.as_ref().is_none_or(|part| part == name))
    }
}

/// All that was measured, printed as it comes.
#[derive(Default)]
struct Report {
    parts: Vec<Value>,
    /// Names of rows and parts.
    missed: Vec<&'static str>,
}

impl Report {
    fn take(&mut self, part: &'static str, measured: Rows) {
        match measured {
            Ok(rows) => {
                rows.iter().for_each(table::print);
                self.parts.push(json!({ "part": part, "rows": rows.iter().map(Row::raw).collect::<Vec<_>>() }));
                self.missed
                    .extend(rows.iter().filter(|row| row.verdict() == Some(Verdict::Missed)).map(|row| row.name));
            }
            Err(error) => {
                table::print_missing(part, &error);
                self.parts.push(json!({ "part": part, "not measured": format!("{error:#}") }));
                if !error.is::<NotInstalled>() {
                    self.missed.push(part);
                }
            }
        }
    }

    fn write(&self, machine: &Machine, path: &Path) -> Result<()> {
        let raw = json!({ "machine": machine.raw(), "parts": self.parts });
        std::fs::write(path, serde_json::to_string_pretty(&raw)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Where cargo puts what is built with the profile `dist`: this one is there, too.
fn programs_folder() -> Result<PathBuf> {
    ensure!(!cfg!(debug_assertions), "measure what is shipped: cargo run --profile dist -p peers --bin bench");
    Ok(std::env::current_exe()?.parent().context("this program lies in no folder")?.to_owned())
}

fn cargo_build(what: &[&str]) -> Result<()> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let status = Command::new("cargo")
        .args(["build", "--profile", "dist", "--quiet", "--manifest-path", manifest])
        .args(what)
        .status()?;
    ensure!(status.success(), "cargo build {} failed", what.join(" "));
    Ok(())
}
