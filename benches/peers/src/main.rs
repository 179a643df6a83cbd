//! `just bench`: how light and how fast mcp-openai is, beside floors that are built and measured in the same run.
//!
//! `cargo run --profile dist -p peers --bin bench [-- --server PATH]`. A missed goal is marked, it never fails the run.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    child::Surroundings,
    measure::{Bench, Rows, calls, jobs, pictures, shared, start},
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

fn main() -> Result<()> {
    // The bare calls are made with TLS built in, as those of the servers are.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let programs = programs_folder()?;
    let ours = match server_argument()? {
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
    for (name, measure) in PARTS {
        match measure(&bench) {
            Ok(rows) => rows.iter().for_each(table::print),
            Err(error) => table::print_missing(name, &error),
        }
    }
    Ok(())
}

/// `--server PATH` measures another program than the workspace's own.
fn server_argument() -> Result<Option<PathBuf>> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        None => Ok(None),
        Some("--server") => Ok(Some(arguments.next().context("--server needs a path")?.into())),
        Some(other) => bail!("unknown argument {other}; usage: bench [--server PATH]"),
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
