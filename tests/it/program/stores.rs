//! The real binary and the store on this machine: it starts without one unless money or callers are held to it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use super::http::{Program, command};

/// Makes a program whose store is a file in the place of a folder.
fn without_store(home: &Path) -> Command {
    let state = home.join("state");
    fs::write(&state, "no folder").unwrap();
    let mut command = command(home);
    command.env("MCP_OPENAI_STATE_DIR", state);
    command
}

const HTTP: [&str; 3] = ["http", "--bind", "127.0.0.1:0"];

#[test]
fn p02_a_server_of_money_or_callers_without_a_store_does_not_start() {
    let home = tempfile::tempdir().unwrap();
    let (file, key) = (home.path().join("callers.toml"), home.path().join("key"));
    fs::write(&key, "sk-alice").unwrap();
    fs::write(&file, format!("[callers.alice]\napi_key_file = {:?}\n", key.display().to_string())).unwrap();
    let named = [
        (&HTTP[..], "MCP_OPENAI_SPEND_PER_DAY", "5"),
        (&HTTP, "MCP_OPENAI_SPEND_PER_CALL", "5"),
        (&HTTP, "MCP_OPENAI_HTTP_TOKENS", "required"),
        (&HTTP, "MCP_OPENAI_CONFIG", file.to_str().unwrap()),
        (&["stdio"], "MCP_OPENAI_SPEND_PER_DAY", "5"),
    ];
    for (server, variable, value) in named {
        let ended = without_store(home.path()).args(server).env(variable, value).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(78), "{variable}: {said}");
        assert!(said.contains("state cannot be used: "), "{variable}: {said}");
        assert!(said.contains("Make the folder writable"), "{variable}: {said}");
    }
    let ended = without_store(home.path()).arg("stdio").output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// A misspelt name would have everybody's key pay.
#[test]
fn a_key_of_a_caller_that_does_not_exist_is_warned_of() {
    let home = tempfile::tempdir().unwrap();
    let (file, key) = (home.path().join("callers.toml"), home.path().join("key"));
    fs::write(&key, "sk-alice").unwrap();
    let of = |name: &str| format!("[callers.{name}]\napi_key_file = {:?}\n", key.display().to_string());
    fs::write(&file, of("alise") + &of("bob")).unwrap();
    assert!(command(home.path()).args(["token", "new", "bob"]).output().unwrap().status.success());
    let mut http = command(home.path());
    http.args(HTTP).env("MCP_OPENAI_CONFIG", &file).stderr(Stdio::piped());
    let mut program = Program(http.spawn().unwrap());
    let log = BufReader::new(program.0.stderr.take().unwrap()).lines();
    let log: Vec<_> = log.map(Result::unwrap).take_while(|line| !line.contains("serving MCP at")).collect();
    let log = log.join("\n");
    assert!(log.contains("WARN") && log.contains("there is no caller alise"), "{log}");
    assert!(!log.contains("no caller bob"), "{log}");
    let doctor = command(home.path()).arg("doctor").env("MCP_OPENAI_CONFIG", &file).output().unwrap();
    let doctor = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.contains("callers.alise") && !doctor.contains("callers.bob has"), "{doctor}");
}
