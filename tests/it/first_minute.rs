//! The first minute: an empty home, `install`, and then exactly what the client's file says is started and driven to an
//! answer and a picture. The files are read by other parsers than those that wrote them.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use mcp_openai::cli::clients::{CLIENTS, Places, Platform, Scope, Syntax};
use serde_json::{Value, json};

use crate::cli::{mcp_openai, told};

/// A client as far as it matters here: it starts what its file names, with the little environment that clients give.
struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    sent: u64,
}

impl Client {
    fn start(server: &Value, home: &Path) -> Self {
        let text = |keys: [&str; 2]| keys.iter().find_map(|key| server[key].as_str()).unwrap().to_owned();
        let args = server["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap());
        let mut command = Command::new(text(["command", "cmd"]));
        command.args(args).env_clear().env("HOME", home).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut client = Self { child, input, output, sent: 0 };
        let information = json!({ "name": "first-minute", "version": "1" });
        let opening = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": information });
        client.request("initialize", opening);
        client.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        client
    }

    fn send(&mut self, message: Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        self.send(json!({ "jsonrpc": "2.0", "id": self.sent, "method": method, "params": params }));
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "{method}: the server is gone");
            let mut message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == self.sent {
                return message["result"].take();
            }
        }
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.request("tools/call", json!({ "name": tool, "arguments": arguments }));
        assert_ne!(result["isError"], true, "{result}");
        result
    }

    fn close(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

/// The server that a client's file names.
fn named(syntax: Syntax, text: &str, section: &str) -> Value {
    let file: Value = match syntax {
        Syntax::Json => serde_json::from_str(text).unwrap(),
        Syntax::Toml => toml::from_str(text).unwrap(),
        Syntax::Yaml => yaml(text),
    };
    file[section]["openai"].clone()
}

/// A mapping of texts, lists and mappings, as `install` writes one.
fn yaml(text: &str) -> Value {
    fn value(node: &saphyr::Yaml<'_>) -> Value {
        if let Some(mapping) = node.as_mapping() {
            return mapping.iter().map(|(key, node)| (key.as_str().unwrap().to_owned(), value(node))).collect();
        }
        match node.as_vec() {
            Some(items) => items.iter().map(value).collect(),
            None => node.as_str().map_or(Value::Null, Value::from),
        }
    }
    value(&<saphyr::Yaml<'_> as saphyr::LoadableYamlNode>::load_from_str(text).unwrap()[0])
}

#[test]
fn every_client_has_an_answer_and_a_picture_from_what_install_wrote() {
    for client in &CLIENTS {
        let home = tempfile::tempdir().unwrap();
        let mut install = mcp_openai(&["install", client.id, "--sandbox"]);
        let (code, out, err) = told(&install.env("HOME", home.path()).env_remove("XDG_CONFIG_HOME").output().unwrap());
        assert_eq!(code, 0, "{out}{err}");
        let places = Places::new(Platform::here(), home.path(), |_| None);
        let file = client.file(Scope::User, &places, home.path()).unwrap();
        let server = named(client.syntax, &fs::read_to_string(file).unwrap(), client.section);

        let mut session = Client::start(&server, home.path());
        let answer = session.call("ask-openai", json!({ "query": "Say hello" }));
        assert!(!answer["structuredContent"]["text"].as_str().unwrap().is_empty(), "{}", client.id);
        let made = session.call("create-image", json!({ "prompt": "a red boat", "quality": "low" }));
        let path = made["structuredContent"]["images"][0]["path"].as_str().unwrap();
        assert!(Path::new(path).starts_with(home.path()), "{path}");
        assert!(image::image_dimensions(path).unwrap().0 > 100, "{}", client.id);
        session.close();
    }
}
