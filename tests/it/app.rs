//! Commands that need the whole program: the real binary, with the sandbox as its upstream.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::cli::{mcp_openai, told};

fn with_folder(arguments: &[&str]) -> (Command, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = mcp_openai(arguments);
    command.env("MCP_OPENAI_IMAGES_DIR", folder.path().join("pictures"));
    (command, folder)
}

#[test]
fn doctor_finds_the_sandbox_well() {
    let (mut command, _folder) = with_folder(&["--sandbox", "doctor", "--json"]);
    let (code, out, err) = told(&command.output().unwrap());
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, err.as_str(), &report["ok"]), (0, "", &true.into()), "{out}");
}

#[test]
fn doctor_without_a_key_is_78_and_says_what_to_set() {
    let (mut command, _folder) = with_folder(&["doctor"]);
    let (code, out, _) = told(&command.output().unwrap());
    assert_eq!(code, 78, "{out}");
    assert!(out.contains("no API key is set") && out.contains("set OPENAI_API_KEY"), "{out}");
}

#[test]
fn i07_doctor_is_69_at_a_closed_port_and_shows_no_key() {
    let (mut command, _folder) = with_folder(&["doctor"]);
    command.env("OPENAI_BASE_URL", "http://127.0.0.1:1/v1").env("OPENAI_API_KEY", "sk-canary-0123456789abcdef");
    let (code, out, err) = told(&command.env("MCP_OPENAI_MAX_RETRIES", "0").output().unwrap());
    assert_eq!(code, 69, "{out}{err}");
    assert!(out.contains("environment variable OPENAI_API_KEY") && !format!("{out}{err}").contains("canary"), "{out}");
}

#[test]
fn doctor_names_a_folder_that_cannot_be_used() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut command = mcp_openai(&["--sandbox", "doctor"]);
    let (code, out, _) = told(&command.env("MCP_OPENAI_IMAGES_DIR", file.path()).output().unwrap());
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("FAIL") && out.contains("image folder") && out.contains("set images.dir"), "{out}");
}

#[test]
fn doctor_names_folders_of_inputs_that_are_not_there() {
    let home = tempfile::tempdir().unwrap();
    let (mut command, _folder) = with_folder(&["--sandbox", "doctor"]);
    let there = home.path().display();
    command.env("HOME", home.path()).env("MCP_OPENAI_IMAGE_INPUTS", format!("~,{there},~/none"));
    let (code, out, _) = told(&command.output().unwrap());
    assert_eq!(code, 0, "{out}");
    assert_eq!(out.matches("there is no folder").count(), 1, "{out}");
    assert!(out.contains(&format!("there is no folder {there}/none: nothing is read from it")), "{out}");
}

#[test]
fn models_shows_the_catalogue_and_what_the_upstream_lists() {
    let (mut command, _folder) = with_folder(&["--sandbox", "models", "--json"]);
    let (code, out, _) = told(&command.output().unwrap());
    let models: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0);
    assert!(models["models"].as_array().unwrap().iter().any(|model| model["listed"] == true), "{out}");
}

#[test]
fn models_shows_the_catalogue_when_the_upstream_cannot_be_asked() {
    let (mut command, _folder) = with_folder(&["models"]);
    let (code, out, err) = told(&command.output().unwrap());
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("gpt-6.2-sol") && err.contains("no OpenAI API key"), "{out}{err}");
}

#[test]
fn image_looks_at_its_output_before_anything_is_paid_for() {
    let (_, folder) = with_folder(&[]);
    for (output, why) in [(folder.path().join("fox.gif"), ".gif"), (folder.path().join("no/fox.png"), "no folder")] {
        let (mut command, _folder) = with_folder(&["image", "a fox", "-o", output.to_str().unwrap()]);
        command.env("OPENAI_BASE_URL", "http://127.0.0.1:1/v1").env("OPENAI_API_KEY", "sk-test");
        let (code, out, err) = told(&command.output().unwrap());
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.contains("--output") && err.contains(why), "{err}");
    }
}

/// SIGINT, once the process has a handler for it (`SigCgt` in proc(5)).
#[cfg(target_os = "linux")]
fn interrupt(child: &std::process::Child) {
    const SIGINT: u64 = 1 << (2 - 1);
    let status = format!("/proc/{}/status", child.id());
    let caught = || {
        let status = std::fs::read_to_string(&status).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim().to_owned();
        u64::from_str_radix(&mask, 16).unwrap()
    };
    while caught() & SIGINT == 0 {
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_a_question_that_is_still_being_typed() {
    let mut asking = mcp_openai(&["ask", "-", "--sandbox"]).stdin(Stdio::piped()).spawn().unwrap();
    interrupt(&asking);
    let start = Instant::now();
    let status = loop {
        match asking.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if start.elapsed() > Duration::from_secs(20) => break None,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    // Only now: the end of stdin would end it, too.
    asking.kill().unwrap();
    assert_eq!(status.and_then(|status| status.code()), Some(130));
}

#[test]
fn u32_a_proxy_from_the_environment_is_used_named_and_not_asked_for_this_machine() {
    let ask = |upstream: &[&str]| {
        let mut command = mcp_openai(&[&["ask", "Hi"], upstream].concat());
        command.env("HTTP_PROXY", "http://user:canary@127.0.0.1:1").env("http_proxy", "http://user:canary@127.0.0.1:1");
        command.env("OPENAI_BASE_URL", "http://upstream.example/v1").env("MCP_OPENAI_ALLOW_INSECURE", "true");
        told(&command.env("MCP_OPENAI_MAX_RETRIES", "0").output().unwrap())
    };
    let (code, _, err) = ask(&[]);
    assert_eq!(code, 69, "{err}");
    assert!(
        err.contains("cannot reach upstream.example: the proxy failed (127.0.0.1:1") && !err.contains("canary"),
        "{err}"
    );
    let (code, _, err) = ask(&["--sandbox"]);
    assert_eq!(code, 0, "{err}");
}

#[test]
fn p02_image_asks_for_nothing_that_could_not_be_kept() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut command = mcp_openai(&["image", "a fox"]);
    command.env("OPENAI_BASE_URL", "http://127.0.0.1:1/v1").env("OPENAI_API_KEY", "sk-test");
    let (code, out, err) = told(&command.env("MCP_OPENAI_IMAGES_DIR", file.path()).output().unwrap());
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(err.contains(file.path().to_str().unwrap()) && err.contains("set MCP_OPENAI_IMAGES_DIR"), "{err}");
    assert!(!err.contains("Make the folder writable"), "one remedy, not two: {err}");
}

#[cfg(unix)]
#[test]
fn the_sandbox_prints_its_base_url_first_and_ctrl_c_ends_it() {
    let mut sandbox = mcp_openai(&["sandbox", "--instant"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(sandbox.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let interrupt = Command::new("kill").args(["-INT", &sandbox.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    assert_eq!(sandbox.wait().unwrap().code(), Some(130));
    assert!(line.starts_with("http://127.0.0.1:") && line.ends_with("/v1\n"), "{line}");
}
