//! The most memory that making a preview takes, measured in a process of its own. Linux only; 0 elsewhere.

use std::{env, fs, process::Command};

use anyhow::{Context as _, Result};

/// What the process of its own is called with.
pub const COMMAND: &str = "memory";

/// In MB, for these arguments behind [`COMMAND`].
pub fn measure(arguments: &[&str]) -> Result<f64> {
    let output = Command::new(env::current_exe()?).arg(COMMAND).args(arguments).output()?;
    let kilobytes = String::from_utf8(output.stdout)?;
    Ok(kilobytes.trim().parse::<f64>().context("no measurement")? / 1000.0)
}

/// The growth in kB of what is resident, at its peak.
pub fn taken_by<T>(work: impl FnOnce() -> Result<T>) -> Result<u64> {
    // Resets the peak to what is resident now (man 5 proc_pid_clear_refs).
    let before = fs::write("/proc/self/clear_refs", "5").map_or(0, |()| peak());
    work()?;
    Ok(peak().saturating_sub(before))
}

fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
