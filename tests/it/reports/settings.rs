//! Settings as people and clients fill them in: with placeholders, quotes and marks, and with half a base URL.

use std::ffi::OsString;

use mcp_openai::config::{Config, Error, Flags};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::RESPONSES;
use crate::{
    session::Session,
    upstream::{Upstream, json as answer_json},
};

const CANARY: &str = "sk-canary-0123456789abcdef";

fn load(file: &str, env: &[(&str, &str)]) -> Result<Config, Error> {
    let on_disk = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(on_disk.path(), file).unwrap();
    let flags = Flags { file: Some(on_disk.path().to_owned()), ..Flags::default() };
    Config::load_from(&flags, |name| {
        env.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    })
}

#[tokio::test]
async fn a_placeholder_is_no_key_and_is_named() {
    for placeholder in [
        "${OPENAI_API_KEY}",
        "$OPENAI_API_KEY",
        "%OPENAI_API_KEY%",
        "{{OPENAI_API_KEY}}",
        "${input:openai-key}",
        "<key>",
        "<your key>",
        "\"$X\"",
        "sk-...",
        "sk-xxxx",
        "your-api-key",
        "YOUR_API_KEY_HERE",
        "$(OPENAI_API_KEY)",
        "{OPENAI_API_KEY}",
        "#{OPENAI_API_KEY}",
        "@OPENAI_API_KEY@",
        "__OPENAI_API_KEY__",
        "[YOUR_KEY]",
        "process.env.OPENAI_API_KEY",
    ] {
        let env = vec![("OPENAI_API_KEY", placeholder.to_owned())];
        let mut session = Session::start(env).await;
        let told = session.call("ask-openai", json!({ "query": "Hi" })).await;
        let error = &told["structuredContent"]["error"];
        assert_eq!(error["code"], "no_api_key", "{placeholder}: {error}");
        let message = error["message"].as_str().unwrap();
        let shown = placeholder.trim_matches('"');
        assert!(message.contains("environment variable OPENAI_API_KEY"), "{message}");
        assert!(message.contains(&format!("`{shown}`")), "{message}");
    }
}

#[test]
fn a_placeholder_hides_no_weaker_layer_and_every_setting_may_be_one() {
    let env = [("MCP_OPENAI_TEXT_MODEL", "${MODEL}"), ("MCP_OPENAI_IMAGES_DIR", "%PICTURES%"), ("MCP_OPENAI_RPM", "")];
    let config = load("models.text = 'llama-5'\ntimeouts.text = '{{ patience }}'", &env).unwrap();
    assert_eq!(config.catalogue.text.unwrap().as_str(), "llama-5");
    assert!(config.images.dir.ends_with("mcp-openai"), "{:?}", config.images.dir);
    let unfilled: Vec<_> = config.unfilled.iter().map(|unfilled| unfilled.key.to_string()).collect();
    assert_eq!(unfilled, ["timeouts.text", "models.text", "images.dir"]);
    for kept in ["$5 a day", "50%", "a ${b} c", "$HOME/pictures", "%", "$"] {
        let config = load("", &[("OPENAI_ORG_ID", kept)]).unwrap();
        assert_eq!(config.openai.organization.as_deref(), Some(kept));
    }
}

#[test]
fn a_section_whose_lines_are_commented_out_is_no_setting() {
    assert!(load("[clients]\n# cursor.preview = 'never'\n[presets]\n[openai]\n[spend]\n", &[]).is_ok());
    assert!(load("[client]\n", &[]).unwrap_err().to_string().contains("there is no setting `client`"));
}

#[test]
fn a_list_or_a_table_within_a_value_is_no_blank() {
    for file in ["images.inputs = [['/a']]", "[openai.headers]\nx-team = ['a']", "openai.query = { a = { b = 'c' } }"] {
        let error = load(file, &[]).expect_err(file).to_string();
        assert!(error.contains("there is a list or a table within it; it takes a "), "{error}");
    }
}

#[test]
fn a_host_an_origin_or_a_folder_that_can_never_match_is_refused_with_the_right_one() {
    let wrong = |name: &str, value: &str| {
        let error = load("", &[(name, value)]).expect_err(value).to_string();
        let (_, wrong) = error.split_once("): ").unwrap();
        wrong.split("; it takes").next().unwrap().to_owned()
    };
    for (value, right) in [
        ("*", ""),
        ("*.example.com", ""),
        ("https://mcp.example.com", ", write `mcp.example.com`"),
        ("https://mcp.example.com/mcp", ", write `mcp.example.com`"),
        ("mcp.example.com:8443/mcp", ", write `mcp.example.com:8443`"),
        ("user@mcp.example.com", ", write `mcp.example.com`"),
        ("mcp.example.com:", ", write `mcp.example.com`"),
        ("mcp.example.com:99999", ""),
        ("mcp.example.com b.example", ""),
        ("bücher.example", ", write `xn--bcher-kva.example`"),
        ("::1", ", write `[::1]`"),
    ] {
        let said = wrong("MCP_OPENAI_HTTP_ALLOWED_HOSTS", value);
        assert_eq!(said, format!("`{value}` is no host name{right}"));
    }
    for (value, right) in [
        ("*", ""),
        ("https://*.example.com", ""),
        ("app.example", ", write `https://app.example`"),
        ("https://app.example/", ", write `https://app.example`"),
        ("https://app.example:443", ", write `https://app.example`"),
        ("http://localhost:6274/callback", ", write `http://localhost:6274`"),
    ] {
        let said = wrong("MCP_OPENAI_HTTP_ALLOWED_ORIGINS", value);
        assert_eq!(said, format!("`{value}` is no origin as browsers send it{right}"));
    }
    let said = wrong("MCP_OPENAI_IMAGE_INPUTS", "/pictures/*.png");
    assert_eq!(said, "`/pictures/*.png` is a pattern: write `/pictures/`, all below it counts");
    assert_eq!(wrong("MCP_OPENAI_IMAGE_INPUTS", "file:///pictures"), "`file:///pictures` is a URL");

    let hosts = "http.allowed_hosts = [' mcp.example ', 'a_b:8443', '[fd00::1]:80', '10.0.0.7', '']";
    let config = load(hosts, &[]).unwrap();
    assert_eq!(config.http.allowed_hosts, ["mcp.example", "a_b:8443", "[fd00::1]:80", "10.0.0.7"]);
    let origins = "https://app.example, http://LOCALHOST:6274, vscode-webview://abc, null";
    let config = load("", &[("MCP_OPENAI_HTTP_ALLOWED_ORIGINS", origins)]).unwrap();
    assert_eq!(config.http.allowed_origins.len(), 4);
}

/// It may hold budgets and another server's address.
#[cfg(unix)]
#[test]
fn a_configuration_that_is_there_and_cannot_be_read_is_not_passed_over() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/mcp-openai");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("config.toml");
    let run = || {
        let mut command = crate::cli::mcp_openai(&["ask", "Hi", "--sandbox"]);
        command.env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path().join(".config"));
        crate::cli::told(&command.env_remove("MCP_OPENAI_CONFIG").output().unwrap())
    };
    std::os::unix::fs::symlink(home.path().join("not-mounted.toml"), &file).unwrap();
    let (code, _, err) = run();
    assert!(code == 78 && err.contains("config.toml cannot be read"), "{code} {err}");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let (code, _, err) = run();
    assert!(code == 78 && err.contains("config.toml cannot be read"), "{code} {err}");
    std::fs::remove_dir(&file).unwrap();
    let (code, _, err) = run();
    assert_eq!(code, 0, "{err}");
}

#[test]
fn a_key_is_read_out_of_its_quotes() {
    for quoted in [
        format!("\"{CANARY}\""),
        format!("'{CANARY}'"),
        format!("“{CANARY}”"),
        format!("\u{feff}{CANARY}\u{200b}\n"),
        format!("' \"{CANARY}\" '"),
        format!("OPENAI_API_KEY={CANARY}"),
        format!("export OPENAI_API_KEY='{CANARY}'"),
        format!("Bearer {CANARY}"),
    ] {
        let config = load("", &[("OPENAI_API_KEY", &quoted)]).unwrap();
        let mcp_openai::openai::ApiKeySource::Value { secret, .. } = config.openai.key else { panic!("{quoted:?}") };
        assert_eq!(secret.expose_secret(), CANARY, "{quoted:?}");
    }
}

#[tokio::test]
async fn a_key_file_is_read_as_editors_and_shells_write_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let utf16: Vec<u8> = format!("\u{feff}{CANARY}\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for content in [
        format!("\u{feff}{CANARY}\r\n").into_bytes(),
        format!("\"{CANARY}\"").into_bytes(),
        format!("export OPENAI_API_KEY='{CANARY}'\n").into_bytes(),
        utf16,
    ] {
        std::fs::write(&file, content).unwrap();
        let upstream = Upstream::start([answer_json(answer("hello"))]).await;
        let base_url = upstream.base_url().to_string();
        let env = vec![("OPENAI_BASE_URL", base_url), ("OPENAI_API_KEY_FILE", file.display().to_string())];
        let mut session = Session::start(env).await;
        let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
        assert_eq!(told["structuredContent"]["text"], "hello", "{told}");
        assert_eq!(upstream.sent()[0].header("authorization"), Some(format!("Bearer {CANARY}").as_str()));
    }
}

fn answer(text: &str) -> String {
    let text = json!({ "type": "output_text", "text": text });
    json!({ "status": "completed", "output": [{ "type": "message", "content": [text] }] }).to_string()
}

#[test]
fn a_base_url_is_mended_where_it_is_clear_what_was_meant() {
    for (given, meant) in [
        ("api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://api.openai.com", "https://api.openai.com/v1"),
        ("https://api.openai.com/", "https://api.openai.com/v1"),
        ("api.openai.com", "https://api.openai.com/v1"),
        ("\"https://api.openai.com/v1\"", "https://api.openai.com/v1"),
        ("'https://eu.api.openai.com/v1/'", "https://eu.api.openai.com/v1/"),
        ("https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/responses/", "https://api.openai.com/v1"),
        ("https://openrouter.ai", "https://openrouter.ai/api/v1"),
        ("https://mine.openai.azure.com", "https://mine.openai.azure.com/openai/v1/"),
        ("localhost:1234/v1", "http://localhost:1234/v1"),
        ("127.0.0.1:8080/v1/models", "http://127.0.0.1:8080/v1"),
        ("[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("//llm.example/v1", "https://llm.example/v1"),
        ("<http://127.0.0.1:8080/v1>", "http://127.0.0.1:8080/v1"),
        ("http//llm.example/v1", "http://llm.example/v1"),
        ("https//llm.example/v1", "https://llm.example/v1"),
        ("https://llm.example/v1,", "https://llm.example/v1"),
        ("https://llm.example/v1;", "https://llm.example/v1"),
        ("https://llm.example//v1", "https://llm.example/v1"),
        ("https://llm.example/v1/v1/", "https://llm.example/v1/"),
        ("OPENAI_BASE_URL=https://llm.example/v1", "https://llm.example/v1"),
        ("export OPENAI_BASE_URL=\"https://llm.example/v1\"", "https://llm.example/v1"),
        ("[my server](https://llm.example/v1)", "https://llm.example/v1"),
        // Some have their API at the root.
        ("https://llm.example", "https://llm.example/"),
    ] {
        let config = load("", &[("OPENAI_BASE_URL", given), ("MCP_OPENAI_ALLOW_INSECURE", "true")]).unwrap();
        assert_eq!(config.openai.base_url.as_str(), meant, "{given}");
        let shown = config.provenance.iter().find(|set| set.key.to_string() == "openai.base_url").unwrap();
        assert_eq!(shown.value, meant, "what is asked is what is shown");
    }
}

/// What is no known host may have its API anywhere; where it has not, the right value is named.
#[tokio::test]
async fn a_base_url_without_its_path_is_told_the_usual_one() {
    let upstream = Upstream::start([super::failing(404, "404 page not found")]).await;
    let mut base_url = upstream.base_url();
    base_url.set_path("");
    let mut session = Session::start(crate::session::upstream(base_url.as_str())).await;
    for (tool, arguments) in [
        ("ask-openai", json!({ "query": "Hi", "model": "m" })),
        ("create-image", json!({ "prompt": "Hi", "model": "m" })),
    ] {
        let told = session.call(tool, arguments).await;
        let message = told["structuredContent"]["error"]["message"].as_str().unwrap();
        let right = format!("most servers answer at http://{}/v1", upstream.address);
        assert!(message.contains(&right), "{message}");
    }
}

#[test]
fn i07_a_key_in_the_place_of_a_name_is_not_printed() {
    for file in [
        format!("[{CANARY}]\nx = 1\n"),
        format!("[openai.{CANARY}]\nx = 1\n"),
        format!("[clients.{CANARY}]\npreview = 'perhaps'\nside = 1\n"),
        format!("{CANARY} = 'x'\n"),
        format!("[[{CANARY}]]\n"),
        format!("[openai]\n{CANARY} = 'x'\n"),
        format!("[openai]\napi_key = {CANARY}\n"),
        format!("openai.{CANARY}\n"),
        "[a0b1c2d3e4f5a0b1c2d3e4f5]\nx = 1\n".to_owned(),
    ] {
        let error = load(&file, &[]).unwrap_err().to_string();
        assert!(!error.contains("canary") && !error.contains("a0b1c2"), "{file}: {error}");
    }
    let file = format!("clients.{CANARY}.preview = 'never'\nopenai.headers = {{ {CANARY} = 'x' }}");
    let shown: Vec<_> =
        load(&file, &[]).unwrap().provenance.iter().map(|set| format!("{} = {}", set.key, set.value)).collect();
    assert!(!shown.concat().contains("canary"), "{shown:?}");
}

/// Both at the same failing upstream: what differs is whose it is.
#[tokio::test]
async fn hints_name_openais_pages_only_for_openai() {
    let quota = json!({ "error": { "message": "pay", "code": "insufficient_quota" } }).to_string();
    for (status, body) in [(401, "{}"), (403, "{}"), (429, quota.as_str()), (500, "{}")] {
        let (told, _upstream): (Value, _) = super::ask(RESPONSES, vec![super::failing(status, body)]).await;
        let message = told["error"]["message"].as_str().unwrap();
        assert!(!message.contains("openai.com"), "{status}: {message}");
    }
    for code in mcp_openai::tools::Code::ALL {
        let remedies = [code.remedy(), code.remedy_at_terminal()].map(|usual| code.remedy_elsewhere().unwrap_or(usual));
        assert!(remedies.iter().all(|remedy| !remedy.contains("openai.com")), "{code:?}: {remedies:?}");
    }
}

#[test]
fn a_key_in_the_place_of_another_setting_is_refused_and_not_shown() {
    for name in ["MCP_OPENAI_TEXT_MODEL", "MCP_OPENAI_IMAGES_DIR", "MCP_OPENAI_PROJECT", "OPENAI_BASE_URL"] {
        let refused = load("", &[(name, CANARY)]).unwrap_err().to_string();
        assert!(refused.contains(name) && refused.contains("OPENAI_API_KEY"), "{refused}");
        assert!(!refused.contains("canary"), "{refused}");
    }
}

#[test]
fn a_key_in_the_place_of_a_files_name_is_not_told() {
    let key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789";
    for arguments in [&["doctor", "--sandbox"] as &[&str], &["models"]] {
        let told = crate::cli::mcp_openai(arguments).env("MCP_OPENAI_CONFIG", key).output().unwrap();
        let told = String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned();
        assert!(told.contains("cannot be read") && !told.contains(key), "{told}");
    }
}

#[test]
fn what_cannot_be_a_key_is_not_sent_as_one() {
    let long = "a".repeat(10_000);
    for (key, why) in [
        ("null", "the word `null`"),
        ("undefined", "the word `undefined`"),
        ("nil", "the word `nil`"),
        ("op://vault/item/key", "op read"),
        (r#"{"api_key":"sk-0123456789"}"#, "is not a key"),
        (&long, "is not a key"),
    ] {
        let refused = load("", &[("OPENAI_API_KEY", key)]).unwrap_err().to_string();
        assert!(refused.contains("OPENAI_API_KEY") && refused.contains(why), "{refused}");
    }
}

#[test]
fn a_word_without_a_scheme_is_no_address() {
    for word in ["3", "null", "none", "undefined", "api", "your-base-url", "unix:/x"] {
        let refused = load("", &[("OPENAI_BASE_URL", word)]).map(drop).unwrap_err().to_string();
        assert!(refused.contains("OPENAI_BASE_URL"), "{refused}");
    }
    for address in ["localhost/v1", "ollama:11434/v1", "http://ollama/v1", "api.example.com/v1", "[::1]:8080/v1"] {
        let loaded = load("openai.allow_insecure = true", &[("OPENAI_BASE_URL", address)]);
        assert!(loaded.is_ok(), "{address}: {:?}", loaded.err().map(|error| error.to_string()));
    }
}

#[test]
fn a_budget_may_be_off() {
    let config = load("spend.per_call = 'off'", &[("MCP_OPENAI_SPEND_PER_DAY", "OFF")]).unwrap();
    assert!(config.ledger.per_call.is_none() && config.ledger.per_day.is_none());
}

#[test]
fn i07_a_key_in_the_place_of_its_variable_is_not_printed() {
    let refused = load(&format!("[callers.x]\napi_key_env = '{CANARY}'"), &[]).unwrap_err().to_string();
    assert!(refused.contains("looks like an API key") && !refused.contains("canary"), "{refused}");
}
