//! The command line, as the real binary: what needs no upstream and no picture folder.

use std::process::{Command, Output, Stdio};

/// The binary with an environment of its own: no key, no configuration of this machine.
pub fn mcp_openai(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-openai"));
    let home = std::env::temp_dir().join("mcp-openai-no-home");
    command.args(arguments).env_clear().env("HOME", &home).env("XDG_CONFIG_HOME", &home).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    told(&mcp_openai(arguments).output().unwrap())
}

pub fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn version_and_help_go_to_stdout() {
    let (code, out, err) = run(&["--version"]);
    assert_eq!((code, out, err), (0, format!("mcp-openai {}\n", env!("CARGO_PKG_VERSION")), String::new()));
    let (code, out, err) = run(&["--help"]);
    assert_eq!((code, err), (0, String::new()));
    insta::assert_snapshot!(out);
}

#[test]
fn wrong_usage_is_2_and_says_what_would_be_right() {
    for (arguments, right) in [
        (&["askk"][..], "'ask'"),
        (&["--log-level", "loud"], "error, warn, info, debug, trace"),
        (&["http", "--bind", "here"], "--bind <ADDR>"),
        (&["completions", "dos"], "bash"),
    ] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains(right), "{err}");
    }
}

#[test]
fn i10_no_argument_takes_a_key_or_an_upstream() {
    for arguments in [["--api-key", "sk-x"], ["--base-url", "http://x"], ["ask", "--api-key=sk-x"]] {
        assert_eq!(run(&arguments).0, 2, "{arguments:?}");
    }
}

#[test]
fn a_configuration_that_cannot_be_used_is_78_for_every_command_that_needs_one() {
    for arguments in [&["stdio"][..], &["http"], &["models"], &["demo"], &[]] {
        let output = mcp_openai(arguments).env("MCP_OPENAI_MAX_RETRIES", "many").output().unwrap();
        let (code, out, err) = told(&output);
        assert_eq!((code, out.as_str()), (78, ""), "{arguments:?}: {err}");
        assert!(
            err.starts_with("mcp-openai: openai.max_retries (environment variable MCP_OPENAI_MAX_RETRIES): "),
            "{err}"
        );
    }
}

#[test]
fn p04_i07_doctor_tells_all_that_is_wrong_with_the_configuration_and_no_key() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[openai]\napi_kee = 'sk-canary-0123456789abcdef'\n").unwrap();
    let path = file.path().to_str().unwrap();
    let doctor = |arguments: &[&str]| {
        let mut command = mcp_openai(&[&["doctor", "--config", path], arguments].concat());
        command.env("MCP_OPENAI_RPM", "0").env("OPENAI_BASE_URL", "https://u:sk-canary-0123456789abcdef@api.example");
        told(&command.output().unwrap())
    };
    let (code, out, err) = doctor(&[]);
    assert_eq!((code, err.as_str()), (78, ""));
    insta::assert_snapshot!(out.replace(path, "FILE").replace(env!("CARGO_PKG_VERSION"), "VERSION"));

    let (code, out, _) = doctor(&["--json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["ok"], report["findings"].as_array().unwrap().len()), (78, &false.into(), 3));
    assert!(!out.contains("canary"), "{out}");
}

#[test]
fn the_configuration_file_is_the_flags_or_the_environments_or_the_users() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("mcp-openai")).unwrap();
    let file = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, "mistake = 1").unwrap();
        path
    };
    let (users, environments, flags) = (file("mcp-openai/config.toml"), file("b.toml"), file("c.toml"));
    let complaint = |command: &mut Command| told(&command.env("XDG_CONFIG_HOME", folder.path()).output().unwrap()).2;
    let named = |path: &std::path::Path| format!("mcp-openai: {}:1:1: there is no setting `mistake`", path.display());

    assert!(complaint(&mut mcp_openai(&["models"])).starts_with(&named(&users)));
    assert!(complaint(mcp_openai(&["models"]).env("MCP_OPENAI_CONFIG", "")).starts_with(&named(&users)));
    let by_environment = complaint(mcp_openai(&["models"]).env("MCP_OPENAI_CONFIG", &environments));
    assert!(by_environment.starts_with(&named(&environments)), "{by_environment}");
    let by_flag =
        complaint(mcp_openai(&["models", "--config", flags.to_str().unwrap()]).env("MCP_OPENAI_CONFIG", &environments));
    assert!(by_flag.starts_with(&named(&flags)), "{by_flag}");
}

/// Waiting for its writer would be for ever.
#[cfg(unix)]
#[test]
fn a_pipe_or_a_device_as_the_configuration_is_read_to_its_end_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.toml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (path, code, says) in [
        (pipe.to_str().unwrap(), 78, "it is not a regular file, and did not end within 5 s"),
        ("/dev/zero", 78, "it is longer than 16 MiB"),
        ("/dev/null", 0, ""),
    ] {
        let (status, _, err) = run(&["models", "--config", path]);
        assert_eq!(status, code, "{path}: {err}");
        assert!(err.contains(says), "{err}");
    }
    let written = "MCP_OPENAI_BINARY models --config <(echo 'mistake = 1')"
        .replace("MCP_OPENAI_BINARY", env!("CARGO_BIN_EXE_mcp-openai"));
    let output = Command::new("bash").args(["-c", &written]).output().unwrap();
    assert!(told(&output).2.contains("there is no setting `mistake`"), "{output:?}");
}

#[test]
fn completions_are_written_for_the_shells() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (code, out, err) = run(&["completions", shell]);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.contains("MCP_OPENAI_COMPLETE"), "{shell}");
    }
}
