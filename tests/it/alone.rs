//! A test in a process of its own: what the whole process holds says nothing while other tests share it.

use std::{env, process::Command};

/// Set for the process that measures.
const ALONE: &str = "MCP_OPENAI_TEST_ALONE";

/// Runs `measure` where no other test runs: this test binary once more, with the test of this name and nothing else.
///
/// # Panics
///
/// If the test fails there, or is not found by its name.
#[expect(clippy::disallowed_methods, reason = "a test that is started alone is told so by its environment")]
pub async fn alone(test: &str, measure: impl Future<Output = ()>) {
    if env::var_os(ALONE).is_some() {
        return measure.await;
    }
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(ALONE, "1");
    let output = child.output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

/// A figure of this process in kB, by its name in `/proc/self/status`.
pub fn process_kilobytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let figure = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    figure.unwrap().split_whitespace().next().unwrap().parse().unwrap()
}
