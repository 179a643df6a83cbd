//! The Secret Service (of GNOME and KDE, say) through `secret-tool`, the program of libsecret: a client of
//! our own would be fifty crates of D-Bus, and 1.3 MB of the binary, for one call. It is started without a shell, and
//! takes the key on its stdin.

use std::{
    io::{self, Write},
    process::{Command, Output, Stdio},
};

use secrecy::{ExposeSecret, SecretString};

use super::{KeyringError, SERVICE};

pub(super) fn read(upstream: &str) -> Result<SecretString, KeyringError> {
    let key = run(&["lookup"], upstream, "")?;
    String::from_utf8(key).map(SecretString::from).map_err(|_| KeyringError::not_a_key())
}

pub(super) fn keep(upstream: &str, key: &SecretString) -> Result<(), KeyringError> {
    let label = format!("--label=mcp-openai: the API key for {upstream}");
    // Through stdin: every user of the machine can see the arguments of a program.
    run(&["store", &label], upstream, key.expose_secret()).map(drop)
}

pub(super) fn remove(upstream: &str) -> Result<(), KeyringError> {
    run(&["clear"], upstream, "").map(drop)
}

/// Returns what it prints.
fn run(arguments: &[&str], upstream: &str, stdin: &str) -> Result<Vec<u8>, KeyringError> {
    let output = start(arguments, upstream, stdin)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let why = crate::text::brief(String::from_utf8_lossy(&output.stderr).trim(), 200);
    if why.is_empty() {
        // Missing or locked: only a search tells them apart.
        let found = start(&["search"], upstream, "")?.stdout;
        return Err(if found.is_empty() { KeyringError::NoSuchKey } else { KeyringError::Locked });
    }
    Err(if why.contains("locked") { KeyringError::Locked } else { KeyringError::Unusable(why) })
}

fn start(arguments: &[&str], upstream: &str, stdin: &str) -> Result<Output, KeyringError> {
    let mut command = Command::new("secret-tool");
    command.args(arguments).args(["service", SERVICE, "upstream", upstream]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = command.spawn().and_then(|mut child| {
        // Closed after it; the program may have ended without reading.
        let _ = child.stdin.take().map(|mut pipe| pipe.write_all(stdin.as_bytes()));
        child.wait_with_output()
    });
    started.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            KeyringError::Unusable("there is no secret-tool (package libsecret-tools or libsecret)".to_owned())
        }
        _ => KeyringError::Unusable(format!("secret-tool cannot be started ({error})")),
    })
}
