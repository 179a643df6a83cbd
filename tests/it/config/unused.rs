//! Settings that have no effect as the others are: refused, unless another command uses them.

use super::load;
use crate::cli::{mcp_openai, told};

#[test]
fn a_setting_that_has_no_effect_as_the_others_are_is_refused_with_what_it_needs() {
    let needs = |file: &str, wrong: &str, env: &[(&str, &str)]| {
        let error = load(file, env).map(drop).expect_err(file).to_string();
        assert!(error.contains(wrong) && error.ends_with("; set that, too, or take this out"), "{file}: {error}");
    };
    for (file, wrong) in [
        ("openai = { background = 'always', store = false }", "without openai.store = true"),
        ("openai = { background = 'Always', api = 'chat' }", "without openai.api other than chat"),
        ("images.link_for = '2h'", "without images.store or http.public_url"),
        ("http.public_url = 'https://a.example'\nimages.link_for = 'off'", "without images.link_for other than off"),
        ("http.oauth.issuer = 'https://auth.example'", "without http.oauth.resource"),
        ("http.oauth.resource = 'https://mcp.example/mcp'", "without http.oauth.issuer"),
        ("http.oauth.audience = 'a'", "without http.oauth.issuer"),
        ("http.oauth.scope_prefix = 'a:'", "without http.oauth.issuer"),
        ("http.oauth.limits = 'day=5'", "without http.oauth.issuer"),
        ("http.tls.cert = '/a'", "without http.tls.key"),
        ("http.tls.key = '/a'", "without http.tls.cert"),
        ("traces.headers = { a = 'b' }", "without traces.endpoint or traces.url"),
        ("traces.service = 'a'", "without traces.endpoint or traces.url"),
    ] {
        let key = file.split([' ', '=']).next().unwrap();
        needs(file, &format!("it has no effect {wrong}"), &[]);
        assert!(load(file, &[]).unwrap_err().to_string().contains(key), "{file}");
    }
    needs("", "images.link_for (environment variable MCP", &[("MCP_OPENAI_IMAGES_LINK_FOR", "1h")]);
    for file in [
        "openai = { background = 'auto', store = false }",
        "openai.background = 'always'",
        "images.link_for = 'off'",
        "images.link_for = '2h'\nhttp.public_url = 'https://a.example'",
        "http.tls = { cert = '', key = '' }",
    ] {
        assert!(load(file, &[("OTEL_SERVICE_NAME", "another")]).is_ok(), "{file}");
    }
}

/// One file serves all commands, and a server says why it does not start.
#[test]
fn settings_of_another_command_are_fine_and_one_without_effect_ends_with_78() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.toml");
    let run = |settings: &str, arguments: &[&str]| {
        std::fs::write(&file, settings).unwrap();
        told(&mcp_openai(arguments).env("HOME", home.path()).env("MCP_OPENAI_CONFIG", &file).output().unwrap())
    };
    let http = "[http]\nbind = '127.0.0.1:0'\nadmin_bind = '127.0.0.1:0'\ntokens = 'required'\n\
                public_url = 'https://a.example'\ntls = { cert = '/a', key = '/b' }\nproxies = ['10.0.0.0/8']\n";
    let (code, _, err) = run(http, &["ask", "Hi", "--sandbox"]);
    assert_eq!((code, err.contains("http.")), (0, false), "{err}");
    let (code, _, err) = run(&format!("{http}[images]\nlink_for = 'off'\n"), &["http"]);
    let right = "it has no effect without images.link_for other than off; set that, too, or take this out";
    let words: Vec<_> = err.split_whitespace().collect();
    assert!(code == 78 && words.join(" ").contains(right), "{code} {err}");
}
