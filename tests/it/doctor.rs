//! `mcp-openai doctor` against upstreams and clients that are wrong: each fault is found, and its remedy told.

use std::{fs, path::Path, process::Command, time::SystemTime};

use serde_json::Value;

use crate::{
    cli::{mcp_openai, told},
    upstream::{Script, Upstream, answer},
};

const KEY: &str = "sk-canary-0123456789abcdef";

struct Doctor {
    home: tempfile::TempDir,
    arguments: Vec<&'static str>,
    environment: Vec<(&'static str, String)>,
}

impl Doctor {
    fn new(arguments: &[&'static str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { home, arguments: [&["doctor"], arguments].concat(), environment: Vec::new() }
    }

    fn with(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((variable, value.into()));
        self
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = mcp_openai(&self.arguments);
        let home = self.home.path();
        command.env("HOME", home).env("XDG_CONFIG_HOME", home.join(".config"));
        command.env("MCP_OPENAI_IMAGES_DIR", home.join("pictures")).env("MCP_OPENAI_MAX_RETRIES", "0");
        command.env("OPENAI_API_KEY", KEY).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The report for people, the home folder as `~`; no secret is in it.
    fn says(&self) -> String {
        let (_, out, err) = told(&self.command().output().unwrap());
        assert!(err.is_empty() && !out.contains("canary"), "{out}{err}");
        out.replace(&*self.home.path().to_string_lossy(), "~")
    }
}

/// The report holds all of this.
#[track_caller]
fn finds(report: &str, all: &[&str]) {
    let report = report.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in all {
        assert!(report.contains(part), "{part} is not in {report}");
    }
}

fn at(upstream: &Upstream, arguments: &[&'static str]) -> Doctor {
    Doctor::new(arguments).with("OPENAI_BASE_URL", format!("http://{}/v1", upstream.address))
}

async fn examined(doctor: Doctor) -> String {
    tokio::task::spawn_blocking(move || doctor.says()).await.unwrap()
}

fn models(headers: &[(&str, &str)]) -> Script {
    answer(200, headers, r#"{"object":"list","data":[{"id":"gpt-6.2-sol","object":"model"}]}"#)
}

#[test]
fn a_key_that_looks_like_none_is_told_and_not_shown() {
    let doctor =
        Doctor::new(&[]).with("OPENAI_API_KEY", "AIza-canary-0123456789").with("HTTPS_PROXY", "http://127.0.0.1:1");
    finds(
        &doctor.says(),
        &["not what OpenAI gives out: it does not begin with sk-", "copy it whole from https://platform"],
    );
}

#[cfg(unix)]
#[test]
fn i07_a_key_file_that_others_can_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let doctor = Doctor::new(&[]).with("OPENAI_API_KEY", "").with("OPENAI_BASE_URL", "http://127.0.0.1:1/v1");
    doctor.file("key", KEY);
    let path = doctor.home.path().join("key");
    let doctor = doctor.with("OPENAI_API_KEY_FILE", path.to_string_lossy());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    finds(&doctor.says(), &["others on this machine can read ~/key, which holds it", "-> chmod 600 ~/key"]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(!doctor.says().contains("chmod"));

    let doctor = Doctor::new(&[]).with("OPENAI_API_KEY", "").with("OPENAI_BASE_URL", "http://127.0.0.1:1/v1");
    doctor.file(".config/mcp-openai/config.toml", &format!("openai.api_key = '{KEY}'"));
    let path = doctor.home.path().join(".config/mcp-openai/config.toml");
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    finds(&doctor.says(), &["others on this machine can read ~/.config/mcp-openai/config.toml"]);

    let doctor = Doctor::new(&["--sandbox"]);
    for (folder, key) in [(".cursor", KEY), (".lmstudio", "${env:OPENAI_API_KEY}")] {
        let server = format!(r#"{{"command":"/nowhere/mcp-openai","env":{{"OPENAI_API_KEY":"{key}"}}}}"#);
        doctor.file(&format!("{folder}/mcp.json"), &format!(r#"{{"mcpServers":{{"openai":{server}}}}}"#));
        let path = doctor.home.path().join(folder).join("mcp.json");
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let report = doctor.says();
    finds(&report, &["others on this machine can read ~/.cursor/mcp.json", "-> chmod 600 ~/.cursor/mcp.json"]);
    assert!(!report.contains("~/.lmstudio/mcp.json"), "{report}");
}

#[tokio::test]
async fn a_key_that_is_refused_names_its_source() {
    let refused = answer(401, &[], r#"{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}"#);
    let upstream = Upstream::start([refused]).await;
    let report = examined(at(&upstream, &[])).await;
    finds(
        &report,
        &["does not accept the API key from environment variable OPENAI_API_KEY", "check the key, and where"],
    );
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_by_the_upstreams() {
    let hours = std::time::Duration::from_hours(2);
    for (date, says) in [
        (SystemTime::now() - hours, Some("clock is 2h ahead of the upstream's")),
        (SystemTime::now() + hours, Some("clock is 119m behind the upstream's")),
        (SystemTime::now(), None),
    ] {
        let upstream = Upstream::start([models(&[("date", &httpdate::fmt_http_date(date))])]).await;
        let report = examined(at(&upstream, &[])).await;
        match says {
            Some(says) => finds(&report, &[says, "have the system set its clock by the network"]),
            None => assert!(!report.contains("clock"), "{report}"),
        }
    }
}

#[tokio::test]
async fn a_base_url_without_its_v1_is_found_by_asking_there() {
    let missing = answer(404, &[], r#"{"detail":"Not Found"}"#);
    let upstream = Upstream::start([missing, models(&[])]).await;
    let base = format!("http://{}", upstream.address);
    let doctor = Doctor::new(&[]).with("OPENAI_BASE_URL", base.clone());
    let report = examined(doctor).await;
    finds(
        &report,
        &[&format!("answers at {base}/v1, not at openai.base_url"), &format!("set OPENAI_BASE_URL to {base}/v1")],
    );
}

#[tokio::test]
async fn what_speaks_no_openai_api_is_called_so() {
    let page = || answer(200, &[("content-type", "text/html")], "<html>Log in</html>");
    let upstream = Upstream::start([page(), page()]).await;
    let report = examined(at(&upstream, &[])).await;
    finds(&report, &["FAIL upstream", "a server that speaks no OpenAI API"]);
}

#[test]
fn u32_a_proxy_that_fails_is_told_apart_from_the_network() {
    let doctor = Doctor::new(&[]).with("HTTPS_PROXY", "http://user:canary@127.0.0.1:1");
    finds(&doctor.says(), &["the proxy failed (127.0.0.1:1", "NO_PROXY names the hosts"]);
}

/// Only with `--try`, since it costs something: the list of models shows neither.
#[tokio::test]
async fn used_up_credit_and_an_organisation_that_is_not_verified_show_when_tried() {
    let quota =
        answer(429, &[], r#"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#);
    let unverified =
        answer(403, &[], r#"{"error":{"message":"Your organization must be verified to use this model"}}"#);
    let upstream = Upstream::start([models(&[]), quota, unverified]).await;
    let report = examined(at(&upstream, &["--try"])).await;
    finds(
        &report,
        &[
            "FAIL answer",
            "a ChatGPT subscription holds none",
            "FAIL picture",
            "Your organization must be verified",
            "settings/organization/general",
        ],
    );
}

#[test]
fn with_the_sandbox_an_answer_and_a_picture_come() {
    let report = Doctor::new(&["--sandbox", "--try", "--json"]);
    let (code, out, err) = told(&report.command().output().unwrap());
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let checks: Vec<_> = report["findings"].as_array().unwrap().iter().map(|found| &found["check"]).collect();
    assert!(checks.contains(&&"answer".into()) && checks.contains(&&"picture".into()), "{out}");
}

#[test]
fn another_version_in_a_client_a_lost_one_and_a_broken_file_are_named() {
    let doctor = Doctor::new(&["--sandbox"]);
    doctor.file(".cursor/mcp.json", r#"{"mcpServers":{"openai":{"command":"npx","args":["-y","mcp-openai@0.0.9"]}}}"#);
    doctor.file(".codeium/windsurf/mcp_config.json", r#"{"mcpServers":{"openai":{"command":"/nowhere/mcp-openai"}}}"#);
    doctor.file(".lmstudio/mcp.json", r#"{"mcpServers":{"openai":{"command":"somebody-else"}}}"#);
    doctor.file(".copilot/mcp-config.json", r#"{"mcpServers":{"openai":{"command":"uvx","args":["mcp-openai"]}}}"#);
    doctor.file(".gemini/settings.json", "{\n  oh no");
    let install = |client| {
        let mut command = mcp_openai(&["install", client]);
        let home = doctor.home.path();
        command.env("HOME", home).env("XDG_CONFIG_HOME", home.join(".config")).output().unwrap()
    };
    assert_eq!(told(&install("codex")).0, 0);
    let report = doctor.says();
    let ours = env!("CARGO_PKG_VERSION");
    finds(
        &report,
        &[
            &format!("Cursor starts version 0.0.9 (npx); this is {ours} -> mcp-openai install cursor"),
            "Windsurf starts /nowhere/mcp-openai, which is not there -> mcp-openai install windsurf",
            "Gemini CLI: ~/.gemini/settings.json:2:3: ",
            "-> mend the file: Gemini CLI reads no servers from it",
            "ok clients Codex CLI starts this version",
            "ok clients Copilot CLI starts it by uvx, which chooses the version",
        ],
    );
    assert!(!report.contains("LM Studio"), "{report}");
}

#[test]
fn limits_of_a_client_that_will_bite_are_told() {
    let doctor = Doctor::new(&["--sandbox"]).with("MCP_OPENAI_ANSWER_WITHIN", "10m");
    doctor.file(".codex/config.toml", "[mcp_servers.openai]\ncommand = 'npx'\nargs = ['mcp-openai@0.0.9']\n");
    let report = doctor.says();
    finds(
        &report,
        &["answer_within is 10m, but Codex CLI may give a call up soon after 100s", "clients.codex.answer_within"],
    );

    let doctor = Doctor::new(&["--sandbox"]);
    let file = "[mcp_servers.openai]\ncommand = 'npx'\nargs = ['mcp-openai@0.0.9']\ntool_timeout_sec = 60\n";
    doctor.file(".codex/config.toml", file);
    doctor.file(
        ".gemini/settings.json",
        r#"{"mcpServers":{"openai":{"command":"npx","args":["mcp-openai@0"],"timeout":600000}}}"#,
    );
    let report = doctor.says();
    finds(&report, &["has it give a call up after 1m; an answer that takes longer is handed out after 100s"]);
    assert!(!report.contains("Gemini CLI's file"), "{report}");
}

/// Nothing is written in a client's folder, and nothing is started but what is asked its version.
#[test]
fn the_doctor_changes_no_file_of_a_client() {
    let doctor = Doctor::new(&["--sandbox"]);
    let text = r#"{"mcpServers":{"openai":{"command":"/nowhere/mcp-openai"}}}"#;
    doctor.file(".cursor/mcp.json", text);
    doctor.says();
    let folder = doctor.home.path().join(".cursor");
    assert_eq!(fs::read_to_string(folder.join("mcp.json")).unwrap(), text);
    assert_eq!(fs::read_dir::<&Path>(&folder).unwrap().count(), 1);
}
