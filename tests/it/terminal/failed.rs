//! Failures for programs: with `--json`, stdout holds JSON whatever goes wrong.

use clap::{Command, CommandFactory};
use mcp_openai::cli::CommandLine;
use serde_json::Value;

use super::{Home, fs};

/// A line of each command that has `--json`, with something in the place of what it requires.
fn lines(command: &Command, path: &[String]) -> Vec<Vec<String>> {
    let below = command.get_subcommands().flat_map(|below| {
        let path = [path, &[below.get_name().to_owned()]].concat();
        lines(below, &path)
    });
    let has_json = command.get_arguments().any(|argument| argument.get_id() == "json");
    let required = command.get_positionals().filter(|it| it.is_required_set()).map(|_| "some".to_owned());
    let line = has_json.then(|| [path, &required.collect::<Vec<_>>(), &["--json".to_owned()]].concat());
    line.into_iter().chain(below).collect()
}

/// The text on stdout, and the exit code.
fn told(home: &Home, line: &[String], environment: &[(&str, String)]) -> (i32, Value) {
    let line: Vec<_> = line.iter().map(String::as_str).collect();
    let output = home.command(&line).envs(environment.iter().cloned()).output().unwrap();
    let (code, out, err) = crate::cli::told(&output);
    // An export is one value a line, or none at all.
    let values = serde_json::Deserializer::from_str(&out).into_iter::<Value>().collect::<Result<Vec<_>, _>>();
    let values = values.unwrap_or_else(|error| panic!("{line:?}: {error}: {out:?}, {err:?}"));
    assert!(code == 0 || !values.is_empty(), "{line:?}: {code}, {err:?}");
    (code, values.into_iter().last().unwrap_or_default())
}

fn has_reason(error: &Value) -> bool {
    error["code"].is_string() && error["message"].as_str().is_some_and(|message| !message.is_empty())
}

#[test]
fn each_command_with_json_fails_in_json() {
    let home = Home::new();
    fs::write(home.path("broken.toml"), "[log\n").unwrap();
    fs::write(home.path("file"), "").unwrap();
    let inside_a_file = home.path("file").join("inside").to_str().unwrap().to_owned();
    let broken = [("MCP_OPENAI_CONFIG", home.path("broken.toml").to_str().unwrap().to_owned())];
    let unusable = [
        ("MCP_OPENAI_STATE_DIR", inside_a_file.clone()),
        ("MCP_OPENAI_IMAGES_DIR", inside_a_file),
        ("OPENAI_API_KEY", "sk-some".to_owned()),
        ("OPENAI_BASE_URL", "http://127.0.0.1:9/v1".to_owned()),
        ("MCP_OPENAI_MAX_RETRIES", "0".to_owned()),
    ];
    let lines = lines(&CommandLine::command(), &[]);
    assert!(lines.len() > 10, "{lines:?}");
    for line in lines {
        let (code, out) = told(&home, &line, &broken);
        assert_eq!(code, 78, "{line:?}: {out}");
        // It was asked for just that: the faults of the configuration.
        let is_report = line.starts_with(&["doctor".to_owned()]);
        assert_eq!(has_reason(&out["error"]), !is_report, "{line:?}: {out}");

        let (code, out) = told(&home, &line, &unusable);
        assert!(code == 0 || is_report || has_reason(&out["error"]), "{line:?}: {code}, {out}");

        let (code, out) = told(&home, &[&line[..], &["--nonsense".to_owned()]].concat(), &[]);
        assert_eq!((code, &out["error"]["code"]), (2, &"invalid_argument".into()), "{line:?}: {out}");
    }
}

#[test]
fn what_failed_has_its_code_in_json_and_the_exit_status_that_it_has_in_words() {
    let home = Home::new();
    fs::create_dir_all(home.path("taken/store.sqlite3")).unwrap();
    fs::write(home.path("file"), "").unwrap();
    let in_home = |name: &str, path: &str| vec![(name.to_owned(), home.path(path).to_str().unwrap().to_owned())];
    let no_store = || in_home("MCP_OPENAI_STATE_DIR", "taken");
    let no_gallery = || in_home("MCP_OPENAI_IMAGES_DIR", "file/inside");
    for (line, environment, code) in [
        ("images show none", vec![], "not_found"),
        ("conversations export none", vec![], "not_found"),
        ("ask --continue=none Why", vec![], "not_found"),
        ("ask --continue Why", vec![], "not_found"),
        ("token rotate nobody", vec![], "not_found"),
        ("token new oauth.somebody", vec![], "invalid_argument"),
        ("ask --preset none Why", vec![], "invalid_argument"),
        ("ask Why", vec![], "no_api_key"),
        ("image fox -o none/fox.png", vec![], "invalid_argument"),
        ("usage", no_store(), "storage_failed"),
        ("token list", no_store(), "storage_failed"),
        ("conversations", no_store(), "storage_failed"),
        ("images", no_gallery(), "storage_failed"),
        ("image fox", no_gallery(), "storage_failed"),
    ] {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let plain: Vec<_> = words.iter().map(String::as_str).collect();
        let in_words = home.command(&plain).envs(environment.clone()).output().unwrap();
        let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let (status, out) = told(&home, &[&words[..], &["--json".to_owned()]].concat(), &environment);
        assert_eq!(out["error"]["code"], code, "{line}: {out}");
        assert!(has_reason(&out["error"]), "{line}: {out}");
        assert_eq!(Some(status), in_words.status.code(), "{line}: {out}");
        assert!(status > 0, "{line}: {out}");
    }
}
