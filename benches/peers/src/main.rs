//! `just bench`: how light and how fast mcp-openai is, beside floors that are built and measured in the same run.
//!
//! `cargo run --profile dist -p peers --bin bench [-- --check] [--part NAME] [--server PATH]`. A missed goal is marked;
//! with `--check` it fails the run, if it is missed by more than the noise (see [`table::Verdict`]).

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    child::Surroundings,
    measure::{Bench, Rows, calls, jobs, pictures, shared, start},
    table::Verdict,
};

mod child;
mod figures;
mod http;
mod measure;
mod message;
mod stdio;
mod table;

type Part = fn(&Bench) -> Rows;

const PARTS: [(&str, Part); 9] = [
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

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    // The bare calls are made with TLS built in, as those of the servers are.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let programs = programs_folder()?;
    let ours = match arguments.server {
        Some(path) => path,
        None => {
            cargo_build(&["-p", "mcp-openai", "--bin", "mcp-openai"])?;
            programs.join("mcp-openai")
        }
    };
    cargo_build(&["-p", "peers", "--bins"])?;
    let (_upstream, base_url) = child::start_upstream(&programs.join("upstream"))?;
    let bench = Bench {
        ours,
        echo: programs.join("echo"),
        proxy: programs.join("proxy"),
        surroundings: Surroundings::of(base_url)?,
    };
    print_machine(&bench.ours);
    table::print_head();
    let mut missed = Vec::new();
    for (name, measure) in PARTS.into_iter().filter(|(name, _)| arguments.part.as_ref().is_none_or(|it| it == name)) {
        match measure(&bench) {
            Ok(rows) => {
                rows.iter().for_each(table::print);
                missed.extend(rows.iter().filter(|row| row.verdict() == Some(Verdict::Missed)).map(|row| row.name));
            }
            Err(error) => {
                table::print_missing(name, &error);
                missed.push(name);
            }
        }
    }
    if arguments.check && !missed.is_empty() {
        println!("\nmissed by more than the noise, or not measured: {}", missed.join("; "));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Default)]
struct Arguments {
    /// A missed goal fails the run.
    check: bool,
    /// The only one of [`PARTS`] to measure.
    part: Option<String>,
    /// Another program than the workspace's own.
    server: Option<PathBuf>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let parts = PARTS.map(|(name, _)| name);
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--check" => arguments.check = true,
                "--part" => arguments.part = Some(words.next().context("--part needs a name")?),
                "--server" => arguments.server = Some(words.next().context("--server needs a path")?.into()),
                other => bail!("unknown argument {other}; usage: bench [--check] [--part NAME] [--server PATH]"),
            }
        }
        if let Some(part) = &arguments.part {
            ensure!(parts.contains(&part.as_str()), "there is no part {part:?}; the parts are: {}", parts.join(", "));
        }
        Ok(arguments)
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

fn print_machine(server: &Path) {
    let system = rustix::system::uname();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("server   {}", server.display());
    println!("machine  {} x {}", cores, cpu_model().unwrap_or_else(|| "unknown processor".to_owned()));
    println!("kernel   {} {}", system.sysname().to_string_lossy(), system.release().to_string_lossy());
    println!("date     {}\n", today());
}

fn cpu_model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn today() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
