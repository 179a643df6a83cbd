//! At home in a terminal: what is piped in, where pictures go, and what a screen of 80 or 200 columns shows.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::{mcp_openai, told};

mod asked;
mod chat;
mod drawn;
mod failed;
#[cfg(unix)]
mod hidden;
mod piped;
mod pty;
mod saved;
mod screens;
mod served;
mod shells;

/// An upstream's "Yes."
pub const ANSWERED: &str = concat!(
    r#"{"type":"response.completed","response":{"id":"resp_1","object":"response","status":"completed","#,
    r#""model":"gpt-6.2-sol","output":[{"type":"message","role":"assistant","content":["#,
    r#"{"type":"output_text","text":"Yes."}]}]}}"#,
);

/// The program with a home of its own: no key, and nothing of this machine.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// Started in the home.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = mcp_openai(arguments);
        command.current_dir(self.0.path()).env("HOME", self.0.path()).env("XDG_CONFIG_HOME", self.path(".config"));
        command.env("XDG_STATE_HOME", self.path(".state")).env("MCP_OPENAI_IMAGES_DIR", self.path("pictures"));
        command.env("TZ", "UTC0");
        command
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        told(&self.command(arguments).output().unwrap())
    }
}

/// The command's end, after these bytes came through a pipe.
fn piping(mut command: Command, bytes: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // One that refuses to read closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(bytes);
    child.wait_with_output().unwrap()
}
