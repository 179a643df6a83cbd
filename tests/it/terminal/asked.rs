//! An answer on a terminal and in a pipe, its code alone, and presets.

use super::{pty::Pty, *};
use crate::upstream::{Upstream, event, events_open};

const MARKDOWN: &str = "# Queues\n\nA **fair** one:\n\n```rust\nfn enter() {}\n```\n\n- first *come*\n- first served";

/// An upstream's answer of this text.
fn answer(text: &str) -> String {
    let delta = json!({ "type": "response.output_text.delta", "delta": text });
    let done: Value = serde_json::from_str(ANSWERED).unwrap();
    let done = done.to_string().replace("Yes.", "").replace(r#""text":"""#, &format!(r#""text":{}"#, json!(text)));
    event(&delta.to_string()) + &event(&done)
}

/// The command with such an upstream, and its upstream.
async fn asking(home: &Home, arguments: &[&str], text: &str) -> (Command, Upstream) {
    let upstream = Upstream::start([events_open().send(answer(text)).close()]).await;
    let mut command = home.command(arguments);
    command.env("OPENAI_BASE_URL", upstream.base_url().as_str()).env("OPENAI_API_KEY", "sk-test");
    (command, upstream)
}

async fn piped(arguments: &[&str], text: &str) -> (i32, String, String) {
    let home = Home::new();
    let (mut command, _upstream) = asking(&home, arguments, text).await;
    tokio::task::spawn_blocking(move || told(&command.output().unwrap())).await.unwrap()
}

#[tokio::test]
async fn an_answer_is_rendered_on_a_terminal_and_plain_in_a_pipe() {
    assert_eq!(piped(&["ask", "Hi"], MARKDOWN).await.1, format!("{MARKDOWN}\n"));
    for (variables, rendered) in [(&[][..], true), (&[("NO_COLOR", "1")], false), (&[("TERM", "dumb")], false)] {
        let home = Home::new();
        let (mut command, _upstream) = asking(&home, &["ask", "Hi"], MARKDOWN).await;
        command.envs(variables.iter().copied());
        let end = tokio::task::spawn_blocking(move || Pty::start(&command, 80).end());
        let shown = String::from_utf8(end.await.unwrap().1).unwrap().replace("\r\n", "\n");
        let expected = "\x1b[1;4mQueues\x1b[0m\n\nA \x1b[1mfair\x1b[0m one:\n\n\x1b[2m    rust\x1b[0m\n    fn enter() {}\n\n\
             • first \x1b[3mcome\x1b[0m\n• first served\n";
        let expected = if rendered { expected.to_owned() } else { format!("{MARKDOWN}\n") };
        assert!(shown.starts_with(&expected), "{variables:?}: {shown}");
    }
}

#[tokio::test]
async fn ctrl_c_prints_the_line_that_was_held_back() {
    let delta = event(r#"{"type":"response.output_text.delta","delta":"A whole line\n\nand a half"}"#);
    let upstream = Upstream::start([events_open().send(delta).stall()]).await;
    let home = Home::new();
    let mut command = home.command(&["ask", "Hi"]);
    command.env("OPENAI_BASE_URL", upstream.base_url().as_str()).env("OPENAI_API_KEY", "sk-test");
    let typing = tokio::task::spawn_blocking(move || {
        let mut pty = Pty::start(&command, 80);
        pty.wait_for("A whole line");
        pty.type_in("\x03");
        pty.end()
    });
    let (code, rest) = typing.await.unwrap();
    let rest = String::from_utf8(rest).unwrap();
    assert!(code == 130 && rest.contains("and a half"), "{code}: {rest}");
}

#[tokio::test]
async fn extract_prints_the_first_code_block_alone_and_else_the_answer_with_a_note() {
    let (code, out, err) = piped(&["ask", "--extract", "Hi"], MARKDOWN).await;
    assert_eq!((code, out.as_str()), (0, "fn enter() {}\n"), "{err}");
    let (code, out, err) = piped(&["ask", "--extract", "Hi"], "No code, sorry.").await;
    assert_eq!((code, out.as_str()), (0, "No code, sorry.\n"));
    assert!(err.contains("note: the answer has no code block"), "{err}");
    assert_eq!(piped(&["ask", "--extract", "--json", "Hi"], MARKDOWN).await.0, 2);
}

fn configure(home: &Home, presets: &str) {
    fs::create_dir_all(home.path(".config/mcp-openai")).unwrap();
    fs::write(home.path(".config/mcp-openai/config.toml"), presets).unwrap();
}

const PRESETS: &str = r#"
[presets.review]
model = "cheap"
temperature = 0.2
instructions = "Be short.\nBe kind."
reasoning_effort = "none"
web_search = true
size = "landscape"
template = "Review this: {input} Be strict."

[presets.standup]
template = "What did I do?"

[presets.poster]
quality = "low"
size = "portrait"
n = 2
template = "{input}, as a poster"
"#;

#[tokio::test]
async fn a_preset_gives_what_is_not_typed() {
    let sent = async |arguments: &[&str], stdin: &'static [u8]| {
        let home = Home::new();
        configure(&home, PRESETS);
        let (command, upstream) = asking(&home, &[&["ask"], arguments].concat(), "Yes.").await;
        let output = tokio::task::spawn_blocking(move || piping(command, stdin)).await.unwrap();
        let (code, _, err) = told(&output);
        assert_eq!(code, 0, "{err}");
        upstream.sent().last().unwrap().json()
    };
    let body = sent(&["-p", "review", "my", "plan."], b"").await;
    assert_eq!(body["input"].to_string().matches("Review this: my plan. Be strict.").count(), 1, "{body}");
    assert_eq!(body["instructions"], "Be short.\nBe kind.");
    assert_eq!(body["reasoning"]["effort"], "none");
    assert!(body["tools"].to_string().contains("web_search"), "{body}");
    let cheap = body["model"].clone();
    let body = sent(&["-p", "review", "-m", "strong", "-i", "Sing.", "my plan."], b"").await;
    assert!(body["model"] != cheap && body["instructions"] == "Sing.", "{body}");
    // Piped input fills a template, and is attached to one that is complete.
    let body = sent(&["-p", "review"], b"the diff").await;
    assert!(body["input"].to_string().contains("Review this: the diff Be strict."), "{body}");
    let body = sent(&["-p", "standup"], b"the log").await;
    assert!(body["input"].to_string().contains(r"the log\n```\n\nWhat did I do?"), "{body}");
    let body = sent(&["-p", "standup"], b"").await;
    assert!(body["input"].to_string().contains("What did I do?"), "{body}");
}

#[test]
fn a_preset_of_a_picture_goes_below_what_is_typed_and_above_a_picture_that_is_like_it() {
    let home = Home::new();
    configure(&home, PRESETS);
    let made = |arguments: &[&str]| {
        let (code, out, err) = home.run(&[&["image", "--sandbox", "--json"], arguments].concat());
        assert_eq!(code, 0, "{out}{err}");
        serde_json::from_str::<Value>(&out).unwrap()
    };
    let poster = made(&["a fox", "-p", "poster"]);
    assert_eq!(
        (&poster["quality"], &poster["size"], poster["images"].as_array().unwrap().len()),
        (&json!("low"), &json!("1024x1536"), 2)
    );
    let id = poster["images"][0]["uri"].as_str().unwrap().strip_prefix("image://").unwrap().to_owned();
    let (_, shown, _) = home.run(&["images", "show", &id, "--json"]);
    assert!(shown.contains(r#""prompt": "a fox, as a poster""#), "{shown}");
    let typed = made(&["a fox", "-p", "poster", "--size", "1024x1024", "-n", "1"]);
    assert_eq!((&typed["quality"], &typed["size"]), (&json!("low"), &json!("1024x1024")));
    let like = made(&["--like", &id, "-p", "poster", "-n", "1", "-q", "medium"]);
    assert_eq!((&like["quality"], &like["size"]), (&json!("medium"), &json!("1024x1536")));
}

#[test]
fn a_preset_that_is_wrong_is_said_with_its_line_and_one_that_is_not_there_with_the_nearest() {
    let home = Home::new();
    configure(&home, PRESETS);
    for command in [&["ask", "Hi"][..], &["image", "a fox"], &["chat"]] {
        let (code, _, err) = home.run(&[command, &["--sandbox", "-p", "reviw"]].concat());
        assert_eq!(code, 2, "{err}");
        assert!(err.contains("there is no preset `reviw`: the nearest is `review`"), "{err}");
    }
    for (preset, wrong) in [
        ("temperature = 3", "config.toml:2:1): 3 is out of range; it takes a number, 0 to 2"),
        ("n = 1.5", "`1.5` is not such a number; it takes a whole number, 1 to 10"),
        ("quality = 'ultra'", "`ultra` is none of its words"),
        ("web_search = 'maybe'", "`maybe` is none of its words"),
        ("modle = 'x'", "there is no setting `presets.x.modle`; the nearest is `presets.x.model`"),
    ] {
        configure(&home, &format!("[presets.x]\n{preset}\n"));
        let (code, _, err) = home.run(&["ask", "Hi", "--sandbox"]);
        assert_eq!(code, 78, "{err}");
        assert!(err.contains(wrong), "{preset}: {err}");
    }
    configure(&home, "");
    let (_, _, err) = home.run(&["ask", "Hi", "--sandbox", "-p", "x"]);
    assert!(err.contains("put it into the configuration file, as [presets.x]"), "{err}");
}
