//! The configuration: layers, provenance and what is said about mistakes.

use std::{ffi::OsString, io::Write as _, path::Path, time::Duration};

use mcp_openai::{
    catalogue::{ModelSource, Retired},
    config::{Config, Error, Flag, Flags, Upstream},
    openai::{Api, ApiKeySource, Transfer},
    server::profile::{Mode, Patience, Structured},
};
use secrecy::ExposeSecret;

mod unused;

const CANARY: &str = "sk-canary-0123456789abcdef";

/// A configuration of a file's text and an environment.
fn load(file: &str, env: &[(&str, &str)]) -> Result<Config, Error> {
    load_with(file, env, Flags::default()).1
}

fn load_with(file: &str, env: &[(&str, &str)], flags: Flags) -> (String, Result<Config, Error>) {
    let mut on_disk = tempfile::NamedTempFile::new().unwrap();
    on_disk.write_all(file.as_bytes()).unwrap();
    let flags = Flags { file: Some(on_disk.path().to_owned()), ..flags };
    let config = Config::load_from(&flags, |name| {
        env.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    });
    (on_disk.path().display().to_string(), config)
}

/// What is said about a mistake, the file's path cut to `FILE`.
fn complaint(file: &str, env: &[(&str, &str)]) -> String {
    let (path, config) = load_with(file, env, Flags::default());
    config.unwrap_err().to_string().replace(&path, "FILE")
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let config = load("", &[]).unwrap();
    assert_eq!(config.openai.base_url.as_str(), "https://api.openai.com/v1");
    assert!(matches!(config.openai.key, ApiKeySource::Missing));
    assert_eq!((config.openai.api, config.openai.image_transfer), (Api::Auto, Transfer::Whole));
    assert_eq!((config.openai.max_retries, config.openai.max_response_bytes), (2, 64 << 20));
    assert_eq!(config.openai.connect_timeout, Duration::from_secs(5));
    assert_eq!(config.openai.first_byte_timeout_text, Duration::from_mins(2));
    assert_eq!(config.openai.first_byte_timeout_image, Duration::from_mins(5));
    assert_eq!(config.openai.idle_timeout, Duration::from_mins(1));
    assert_eq!((config.timeouts.text, config.timeouts.image), (Duration::from_mins(10), Duration::from_mins(10)));
    assert_eq!((config.queue.running, config.queue.waiting), (16, 256));
    assert_eq!((config.clients.preview.mode, config.clients.preview.max_bytes), (Mode::Auto, None));
    assert_eq!((config.clients.preview.max_side, config.http.max_body_bytes), (None, 16 << 20));
    assert_eq!((config.http.bind.to_string().as_str(), config.drain), ("127.0.0.1:8787", Duration::from_secs(3)));
    assert_eq!((config.catalogue.retired, config.provenance.len()), (Retired::Replace, 0));
    assert!(config.images.dir.ends_with("mcp-openai"), "{:?}", config.images.dir);
}

#[test]
fn folders_of_a_clients_entry_come_on_top_of_those_in_the_file() {
    let file = "[images]\ndir = '/pictures'\ninputs = ['/mine', '/ours']";
    let config = load(file, &[("MCP_OPENAI_IMAGE_INPUTS", "/theirs, /ours")]).unwrap();
    let folders: Vec<_> = config.inputs.folders.iter().map(|folder| folder.to_str().unwrap()).collect();
    assert_eq!(folders, ["/pictures", "/mine", "/ours", "/theirs", "/ours"]);
    assert!(config.provenance.iter().any(|set| set.value == "/mine, /ours, /theirs, /ours"), "{:?}", config.provenance);
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let file = "[log]\nlevel = 'error'\n[timeouts]\ntext = '1m'\nimage = '2m'";
    let env = [("MCP_OPENAI_LOG", "debug"), ("MCP_OPENAI_TEXT_TIMEOUT", "250ms")];
    let flag = Flag { key: "log.level", name: "--log-level", value: "warn".to_owned() };
    let (path, config) = load_with(file, &env, Flags { settings: vec![flag], ..Flags::default() });
    let config = config.unwrap();
    assert_eq!(config.log.level, tracing::Level::WARN);
    assert_eq!((config.timeouts.text, config.timeouts.image), (Duration::from_millis(250), Duration::from_mins(2)));
    let lines: Vec<_> = config.provenance.iter().map(|p| format!("{} = {} ({})", p.key, p.value, p.source)).collect();
    insta::assert_snapshot!(lines.join("\n").replace(&path, "FILE"), @r"
    timeouts.text = 250ms (environment variable MCP_OPENAI_TEXT_TIMEOUT)
    timeouts.image = 2m (FILE:5:1)
    log.level = warn (flag --log-level)
    ");
}

#[test]
fn every_key_can_be_set_in_the_file() {
    let config = load(
        r#"
        drain = "1s"
        preview = "never"
        openai.base_url = "http://127.0.0.1:8080/v1"
        openai.headers = { X-Team = "blue", x-number = 7 }
        openai.query = { api-version = "preview" }
        openai.api = "chat"
        openai.image_transfer = "streamed"
        openai.max_retries = 0
        openai.first_byte_timeout = "1h"
        openai.max_response_bytes = 2048
        openai.organization = "org-1"
        limits = { requests_per_minute = 60, images_per_minute = 5 }
        queue = { running = 2, waiting = 0 }
        models = { text = "llama-5", image = "flux", retired = "refuse", file = "/etc/models.toml" }
        images.dir = "/srv/pictures"
        http = { bind = "[::1]:9000", allowed_hosts = ["a.example"], allowed_origins = ["https://b.example"], max_body_bytes = "1MiB" }
        "#,
        &[],
    )
    .unwrap();
    assert_eq!((config.drain, config.clients.preview.mode), (Duration::from_secs(1), Mode::Never));
    let headers: Vec<_> = config.openai.headers.iter().map(|(n, v)| format!("{n}: {}", v.expose_secret())).collect();
    assert_eq!(headers, ["x-team: blue", "x-number: 7"]);
    assert_eq!(config.openai.query, [("api-version".to_owned(), "preview".to_owned())]);
    assert_eq!((config.openai.api, config.openai.image_transfer), (Api::Chat, Transfer::Streamed));
    assert_eq!((config.openai.max_retries, config.openai.max_response_bytes), (0, 2048));
    assert_eq!(config.openai.first_byte_timeout_text, Duration::from_hours(1));
    assert_eq!(config.openai.organization.as_deref(), Some("org-1"));
    assert_eq!(config.openai.requests_per_minute.unwrap().get(), 60);
    assert_eq!((config.queue.running, config.queue.waiting), (2, 0));
    assert_eq!(config.catalogue.text.unwrap().as_str(), "llama-5");
    assert_eq!(
        (config.catalogue.retired, config.catalogue.file.unwrap().as_path()),
        (Retired::Refuse, Path::new("/etc/models.toml"))
    );
    assert_eq!(config.images.dir, Path::new("/srv/pictures"));
    assert_eq!((config.http.allowed_hosts, config.http.max_body_bytes), (vec!["a.example".to_owned()], 1 << 20));
}

#[test]
fn every_setting_with_a_variable_is_read_from_it() {
    let env = [
        ("OPENAI_CUSTOM_HEADERS", "X-One: 1\nX-Two: a: b\n"),
        ("MCP_OPENAI_HTTP_ALLOWED_HOSTS", "a.example, b.example"),
        ("MCP_OPENAI_PREVIEW_MAX_BYTES", "1.5MB"),
    ];
    assert!(complaint("", &env).contains("MCP_OPENAI_PREVIEW_MAX_BYTES"));
    let config = load("", &env[..2]).unwrap();
    assert_eq!(config.openai.headers[1].1.expose_secret(), "a: b");
    assert_eq!(config.http.allowed_hosts, ["a.example", "b.example"]);
}

#[test]
fn traces_are_off_without_a_collector_and_its_standard_variables_are_read() {
    let others = [("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20a%2Bb=,x=1"), ("OTEL_SERVICE_NAME", "chat")];
    assert!(load("", &others).unwrap().traces.is_none(), "meant for other programs");
    let below = [others[0], others[1], ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318/")];
    let collector = load("", &below).unwrap().traces.unwrap();
    assert_eq!((collector.url.as_str(), collector.service.as_str()), ("http://localhost:4318/v1/traces", "chat"));
    assert_eq!(collector.headers[0].1.expose_secret(), "Basic a+b=");
    let whole = [below[2], ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://api.example/own")];
    assert_eq!(load("", &whole).unwrap().traces.unwrap().url.as_str(), "https://api.example/own");
    let shown = format!("{:?}", load("[traces]\nendpoint = 'http://a:1'\nheaders = { x = 'canary' }", &[]).unwrap());
    assert!(shown.contains("traces.headers") && !shown.contains("canary"), "{shown}");
    for wrong in ["localhost:4317", "http://user:canary@a:1", "http://a:1?key=canary", "nowhere"] {
        let told = complaint("", &[("OTEL_EXPORTER_OTLP_ENDPOINT", wrong)]);
        assert!(told.contains("traces.endpoint (environment variable OTEL_EXPORTER_OTLP_ENDPOINT)"), "{told}");
        assert!(!told.contains("canary"), "{told}");
    }
}

#[test]
fn empty_values_and_unfilled_placeholders_count_as_not_set() {
    let env = [
        ("OPENAI_API_KEY", "${user_config.api_key}"),
        ("OPENAI_BASE_URL", "  "),
        ("MCP_OPENAI_TEXT_TIMEOUT", "${user_config.timeout}"),
    ];
    let config = load("models.text = ''\nimages.dir = '${user_config.dir}'", &env).unwrap();
    assert!(matches!(config.openai.key, ApiKeySource::Missing));
    assert_eq!(config.provenance, []);
}

#[test]
fn mistakes_are_named_with_place_and_remedy() {
    let numbers = [("MCP_OPENAI_MAX_RETRIES", "many"), ("MCP_OPENAI_MAX_RUNNING", "0"), ("MCP_OPENAI_RPM", "-1")];
    insta::assert_snapshot!(complaint("", &numbers), @r"
    openai.max_retries (environment variable MCP_OPENAI_MAX_RETRIES): `many` is not such a number; it takes a whole number, 0 to 10
    limits.requests_per_minute (environment variable MCP_OPENAI_RPM): `-1` is not such a number; it takes a whole number, 1 to 1000000
    queue.running (environment variable MCP_OPENAI_MAX_RUNNING): 0 is out of range; it takes a whole number, 1 to 1000
    ");
    let file = "\n[timeouts]\n  text = 600\n  image = '5 days'\n[preview]\nmode = 'sometimes'\nmax_bytes = '1TB'\n[openai]\nmax_retries = [1]";
    insta::assert_snapshot!(complaint(file, &[]), @r"
    openai.max_retries (FILE:9:1): it is a list and has to be one value; it takes a whole number, 0 to 10
    timeouts.text (FILE:3:3): `600` has no unit; it takes a duration such as `250ms`, `45s`, `10m`, `1h`; 1ms to 24h
    timeouts.image (FILE:4:3): `days` is not a unit of time; it takes a duration such as `250ms`, `45s`, `10m`, `1h`; 1ms to 24h
    preview.mode (FILE:6:1): `sometimes` is none of its words; it takes `auto`, `always`, `never`
    preview.max_bytes (FILE:7:1): `TB` is not a unit of size; it takes a size such as `600kB`, `64MiB`; 1000 to 50000000 bytes
    ");
}

#[test]
fn unknown_keys_are_named_with_the_nearest_one() {
    let file = "[openai]\nbase_ulr = 'x'\n\n[spent]\nper_day = 5\n[timeout]\ntext = '5m'\n";
    insta::assert_snapshot!(complaint(file, &[]), @r"
    FILE:2:1: there is no setting `openai.base_ulr`; the nearest is `openai.base_url`
    FILE:5:1: there is no setting `spent.per_day`; the nearest is `spend.per_day`
    FILE:7:1: there is no setting `timeout.text`; the nearest is `timeouts.text`
    ");
}

#[test]
fn a_client_has_settings_under_its_name() {
    let file = r#"
        clients.cursor.answer_within = "off"
        [clients."Visual Studio Code"]
        max_result_bytes = "64kB"
        preview = "never"
        structured = "never-beside-pictures"
        [clients."my.client"]
        preview_max_bytes = "1MB"
        preview_max_side = 256
    "#;
    let (path, config) = load_with(file, &[], Flags::default());
    let config = config.unwrap();
    let lines: Vec<_> = config.provenance.iter().map(|p| format!("{} = {} ({})", p.key, p.value, p.source)).collect();
    insta::assert_snapshot!(lines.join("\n").replace(&path, "FILE"), @r#"
    clients.cursor.answer_within = off (FILE:2:24)
    clients."Visual Studio Code".max_result_bytes = 64kB (FILE:4:9)
    clients."Visual Studio Code".preview = never (FILE:5:9)
    clients."my.client".preview_max_bytes = 1MB (FILE:8:9)
    clients."my.client".preview_max_side = 256 (FILE:9:9)
    clients."Visual Studio Code".structured = never-beside-pictures (FILE:6:9)
    "#);
    let set = &config.clients.clients;
    assert_eq!(set["cursor"].answer_within, Some(Patience::ToTheEnd));
    assert_eq!(set["Visual Studio Code"].max_result_bytes, Some(64_000));
    assert_eq!(set["Visual Studio Code"].preview, Some(Mode::Never));
    assert_eq!(set["Visual Studio Code"].structured, Some(Structured::NeverBesidePictures));
    assert_eq!((set["my.client"].preview_max_bytes, set["my.client"].preview_max_side), (Some(1_000_000), Some(256)));
    assert_eq!(set["my.client"].answer_within, None);
}

#[test]
fn mistakes_in_a_clients_settings_are_named_with_its_name() {
    let file = "[clients.cursor]\nanwser_within = '5m'\n[clients.'Visual Studio Code']\nside = 1\npreview = 'perhaps'\n\
        max_result_bytes = '1kB'\n[clients]\npreview = 'never'\n";
    insta::assert_snapshot!(complaint(file, &[]), @r#"
    FILE:2:1: there is no setting `clients.cursor.anwser_within`; the nearest is `clients.cursor.answer_within`
    FILE:4:1: there is no setting `clients.Visual Studio Code.side`; the nearest is `clients."Visual Studio Code".preview`
    FILE:8:1: there is no setting `clients.preview`; the nearest is `clients.NAME.preview`
    clients."Visual Studio Code".max_result_bytes (FILE:6:1): `1kB` is out of range; it takes a size such as `600kB`, `64MiB`; 32000 to 1073741824 bytes
    clients."Visual Studio Code".preview (FILE:5:1): `perhaps` is none of its words; it takes `auto`, `always`, `never`
    "#);
}

#[test]
fn p04_a_broken_file_is_named_with_line_and_column() {
    insta::assert_snapshot!(complaint("[openai]\napi_key = 'sk-canary\n", &[]), @r"FILE:2:21: invalid literal string, expected `'`; the file is written in TOML (https://toml.io)");
    insta::assert_snapshot!(complaint("[openai\n", &[]), @r"FILE:1:8: unclosed table, expected `]`; the file is written in TOML (https://toml.io)");
    let missing = Flags { file: Some("/nowhere/config.toml".into()), ..Flags::default() };
    let error = Config::load_from(&missing, |_| None).unwrap_err().to_string();
    assert!(error.starts_with("the file /nowhere/config.toml cannot be read: "), "{error}");
}

#[test]
fn an_upstream_must_be_safe_to_send_a_key_to() {
    let base = |url| load("", &[("OPENAI_BASE_URL", url)]);
    for fine in ["https://eu.example/v1", "http://localhost:11434/v1", "http://127.0.0.2/v1", "http://[::1]:1/v1"] {
        assert!(base(fine).is_ok(), "{fine}");
    }
    for (url, wrong) in [
        ("http://10.0.0.1/v1", "plain http to another machine"),
        ("http://localhost.example/v1", "plain http to another machine"),
        ("https://user:pass@eu.example/v1", "user name or password"),
        ("https://eu.example/v1?key=secret", "has a `?`"),
        ("ftp://eu.example", "not an https URL"),
        ("https://", "not a URL"),
    ] {
        let error = base(url).unwrap_err().to_string();
        assert!(error.starts_with("openai.base_url (environment variable OPENAI_BASE_URL): "), "{error}");
        assert!(error.contains(wrong) && !error.contains("pass@") && !error.contains("secret"), "{error}");
    }
    let insecure = [("OPENAI_BASE_URL", "http://10.0.0.1/v1"), ("MCP_OPENAI_ALLOW_INSECURE", "true")];
    assert!(load("", &insecure).is_ok());
}

#[test]
fn the_key_comes_from_the_strongest_layer_then_value_file_command() {
    let all = "openai.api_key = 'a'\nopenai.api_key_file = '/b'\nopenai.api_key_command = 'c d'";
    let key = |file: &str, env: &[(&str, &str)]| match load(file, env).unwrap().openai.key {
        ApiKeySource::Value { secret, from } => {
            format!("{} from {}", secret.expose_secret(), from.split("/tmp").next().unwrap())
        }
        ApiKeySource::File { path, .. } => path.display().to_string(),
        ApiKeySource::Command(line) => line,
        ApiKeySource::Missing => "missing".to_owned(),
        ApiKeySource::NotNeeded => "not needed".to_owned(),
        ApiKeySource::Kept(kept) => panic!("the keys of this machine are no test's: {kept:?}"),
    };
    assert_eq!(key(all, &[("OPENAI_API_KEY", "e")]), "e from environment variable OPENAI_API_KEY");
    assert_eq!(key(all, &[("OPENAI_API_KEY_FILE", "/e")]), "/e");
    assert!(key(all, &[]).starts_with("a from "));
    assert_eq!(key(&all[20..], &[]), "/b");
    assert_eq!(key("openai.api_key_command = 'c d'", &[]), "c d");
    assert_eq!(key("", &[]), "missing");
    assert_eq!(key("", &[("OPENAI_BASE_URL", "http://localhost:1/v1")]), "not needed");
    let azure = [("OPENAI_CUSTOM_HEADERS", "api-key: x"), ("OPENAI_API_KEY", "e")];
    assert_eq!(key("", &azure), "not needed", "OpenAI's key does not go where another one stands in for it");
}

#[test]
fn retired_models_are_replaced_only_where_they_are_known_to_be_retired() {
    let retired = |url| load("", &[("OPENAI_BASE_URL", url)]).unwrap().catalogue.retired;
    assert_eq!(retired("https://api.openai.com/v1"), Retired::Replace);
    assert_eq!(retired("https://eu.api.openai.com/v1"), Retired::Replace);
    assert_eq!(retired("http://localhost:11434/v1"), Retired::Send);
    assert_eq!(retired("https://evil-api.openai.com.example/v1"), Retired::Send);
}

#[test]
fn the_sandbox_gets_nothing_that_is_meant_for_the_upstream() {
    let env = [("OPENAI_API_KEY", CANARY), ("OPENAI_CUSTOM_HEADERS", "api-key: x"), ("OPENAI_ORG_ID", "org-1")];
    let flags = Flags { upstream: Upstream::Sandbox, ..Flags::default() };
    let config = load_with("openai.query = { a = 'b' }", &env, flags).1.unwrap();
    assert!(matches!(config.openai.key, ApiKeySource::NotNeeded));
    assert!(config.openai.headers.is_empty() && config.openai.query.is_empty() && config.openai.organization.is_none());
    assert_eq!((config.catalogue.retired, config.catalogue.at), (Retired::Replace, ModelSource::OpenAi));
}

#[test]
fn what_is_remembered_of_models_has_a_name_for_each_upstream() {
    let named = |base_url: &str| {
        let config = load("", &[("OPENAI_BASE_URL", base_url), ("MCP_OPENAI_STATE_DIR", "/state")]).unwrap();
        (config.catalogue.upstream, config.catalogue.at)
    };
    assert_eq!(named("https://eu.api.openai.com/v1/"), ("eu.api.openai.com:443/v1".into(), ModelSource::OpenAi));
    assert_eq!(named("http://[::1]:11434/v1/"), ("[::1]:11434/v1".into(), ModelSource::Elsewhere));
}

#[test]
fn i07_a_key_shows_in_no_provenance_error_or_debug() {
    let env = [("OPENAI_API_KEY", CANARY), ("OPENAI_CUSTOM_HEADERS", &format!("X-ApiKeySource: {CANARY}"))];
    let config = load("openai.organization = 'org-visible'", &env).unwrap();
    let shown = format!("{:?}", config.provenance);
    assert!(shown.contains("org-visible") && !shown.contains("canary"), "{shown}");
    let openai = format!("{:?}", config.openai);
    assert!(!openai.contains("canary"), "{openai}");
    for name in ["MCP_OPENAI_MAX_RETRIES", "MCP_OPENAI_API", "MCP_OPENAI_TEXT_TIMEOUT", "MCP_OPENAI_HTTP_BIND"] {
        let error = complaint("", &[(name, CANARY)]);
        assert!(error.contains(name) && !error.contains("canary"), "{error}");
    }
    let split = complaint("", &[("OPENAI_API_KEY", &format!("{CANARY} {CANARY}"))]);
    assert!(split.contains("OPENAI_API_KEY") && !split.contains("canary"), "{split}");
    let as_number = complaint(&format!("openai.api_key = '{CANARY}\n"), &[]);
    assert!(!as_number.contains("canary"), "{as_number}");
}

#[test]
fn every_default_reads_as_its_own_setting_and_no_name_stands_twice() {
    use mcp_openai::config::{settings, shape::Raw};
    let mut names = std::collections::BTreeSet::new();
    for setting in settings::ALL {
        assert!(names.insert(setting.key), "{} stands twice", setting.key);
        assert!(setting.env.is_none_or(|name| names.insert(name)), "{:?} stands twice", setting.env);
        if let settings::Fallback::Is(text) = setting.default {
            assert_eq!(setting.shape.check(&Raw::Text(text.to_owned())), Ok(()), "{}", setting.key);
        }
    }
}

#[test]
fn an_issuer_of_tokens_is_whole_or_refused() {
    let file = "[http.oauth]\nissuer = 'https://auth.example/'\nresource = 'https://mcp.example/mcp'\nlimits = 'day=5,running=2'";
    let oauth = load(file, &[]).unwrap().http.oauth.unwrap();
    assert_eq!(
        (oauth.issuer.issuer.as_str(), oauth.issuer.audience.as_str()),
        ("https://auth.example/", "https://mcp.example/mcp")
    );
    assert_eq!(oauth.limits.running.map(std::num::NonZero::get), Some(2));
    let all = complaint("[http.oauth]\nissuer = 'http://auth.example'\nlimits = 'dya=5'", &[]);
    assert!(all.contains("not an https address") && all.contains("no limit `dya`; the nearest is day"), "{all}");
    let wrong = complaint("[http.oauth]\nissuer = 'https://user@auth.example'", &[]);
    assert!(wrong.contains("a user name"), "{wrong}");
}

#[test]
fn a_callers_own_key_is_there_or_said_to_be_missing() {
    let file = "[callers.alice]\napi_key_env = 'ALICE_KEY'\n[callers.\"bob@example.com\"]\napi_key_file = '/keys/bob'";
    let config = load(file, &[("ALICE_KEY", CANARY)]).unwrap();
    let origins: Vec<_> = config.openai.callers.values().map(ApiKeySource::origin).collect();
    assert_eq!(
        origins,
        ["ALICE_KEY (callers.alice.api_key_env)", "the file /keys/bob (callers.bob@example.com.api_key_file)"]
    );
    assert!(!format!("{:?}", config.openai.callers).contains(CANARY));
    for (file, right) in [
        ("[callers.alice]\napi_key_env = 'ALICE_KEY'", "the variable ALICE_KEY is not set"),
        ("[callers.Alice]\napi_key_file = '/keys/alice'", "a name has 1 to 64 lower-case letters"),
        ("[callers.alice]\napi_key_file = '/keys/alice'\napi_key_env = 'HOME'", "one of them is enough"),
        ("[callers.a]\napi_key_file = '/a'\n[openai]\nheaders = { api-key = 'x' }", "has the key for everybody"),
        ("[callers.alice]\napi_key = 'x'", "the nearest is `callers.alice.api_key_env`"),
    ] {
        let wrong = complaint(file, &[]);
        assert!(wrong.contains(right), "{wrong}");
    }
}
