//! Completions as the shells themselves make them, where a shell is installed; and the manual.
#![allow(clippy::disallowed_methods, reason = "a test may read its environment")]

use super::*;
use crate::upstream::{Upstream, events};

/// What a shell prints for this script, or `None` where there is no such shell.
fn shell(home: &Home, name: &str, arguments: &[&str], script: &str) -> Option<String> {
    let mut command = home.command(&[]);
    let bin = Path::new(env!("CARGO_BIN_EXE_mcp-openai")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let environment: Vec<_> =
        command.get_envs().map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_owned())).collect();
    command = Command::new(name);
    command.env_clear().envs(environment).env("PATH", path).env("TERM", "dumb").current_dir(home.0.path());
    let output = command.args(arguments).arg(script).stdin(Stdio::null()).output();
    let output = match output {
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => return None,
        output => output.unwrap(),
    };
    Some(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

/// How a line goes on: the last word is the one to be completed.
const LINES: [(&str, &[&str]); 9] = [
    ("mcp-openai do", &["doctor"]),
    ("mcp-openai ask --model gpt-6.2-", &["gpt-6.2-sol", "gpt-6.2-astra"]),
    ("mcp-openai image --quality h", &["high", "hd"]),
    ("mcp-openai image --size 16:", &["16:9"]),
    ("mcp-openai ask --reasoning-effort x", &["xhigh"]),
    ("mcp-openai ask --model=gpt-6.2-", &["gpt-6.2-sol", "gpt-6.2-astra"]),
    ("mcp-openai install cl", &["claude-code", "claude-desktop"]),
    ("mcp-openai print-config cur", &["cursor"]),
    ("mcp-openai man conv", &["conversations"]),
];

fn check(told: Option<String>, line: &str, expected: &[&str]) {
    let Some(told) = told else { return };
    for value in expected {
        assert!(told.contains(value), "`{line}` does not go on with {value}: {told}");
    }
}

#[test]
fn bash_completes_commands_and_values() {
    let home = Home::new();
    for (line, expected) in LINES {
        // As readline does it: `=` and `:` are words of their own, and the registered function is called with the line
        // in these variables. A reply stands in the place of what follows the last of them.
        let parted = line.replace('=', " = ").replace(':', " : ");
        let words: Vec<_> = parted.trim_end().split(' ').collect();
        let typed = line.rsplit([' ', '=', ':']).next().unwrap();
        let (last, quoted) = (words.len() - 1, words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>());
        let script = format!(
            "source <(mcp-openai completions bash); f=$(complete -p mcp-openai | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \
             COMP_WORDS=({}); COMP_CWORD={last}; COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; COMP_TYPE=9; \
             $f mcp-openai '{typed}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            quoted.join(" "),
            words[last - 1],
        );
        let Some(told) = shell(&home, "bash", &["-c"], &script) else { return };
        let begun = line.rsplit(' ').next().unwrap().strip_suffix(typed).unwrap();
        for value in expected {
            let reply = value.strip_prefix(begun).unwrap_or(value);
            assert!(told.lines().any(|line| line == reply), "`{line}` does not go on with {reply}: {told}");
        }
    }
}

#[tokio::test]
async fn the_ids_of_conversations_are_completed_where_one_is_named() {
    let upstream = Upstream::start([events(&[ANSWERED])]).await;
    let home = Home::new();
    let mut command = home.command(&["ask", "Why?"]);
    command.env("OPENAI_BASE_URL", upstream.base_url().as_str()).env("OPENAI_API_KEY", "sk-test");
    let (code, _, err) = tokio::task::spawn_blocking(move || told(&command.output().unwrap())).await.unwrap();
    assert_eq!(code, 0, "{err}");
    let (_, listed, _) = home.run(&["conversations", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let id = listed["conversations"][0]["conversation"].as_str().unwrap();
    for action in ["show", "export", "rm"] {
        let mut command = home.command(&["--", "mcp-openai", "conversations", action, "conv"]);
        command.env("MCP_OPENAI_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "3");
        let (_, out, err) = told(&command.output().unwrap());
        assert!(out.contains(id), "{action}: {out}{err}");
    }
}

/// A picture that was made, and files whose names a shell has to quote.
fn with_a_picture() -> (Home, String) {
    let home = Home::new();
    let (code, out, err) = home.run(&["image", "A fox", "-q", "low", "--json", "--sandbox"]);
    assert_eq!(code, 0, "{err}");
    let made: Value = serde_json::from_str(&out).unwrap();
    let id = made["images"][0]["uri"].as_str().unwrap().strip_prefix("image://").unwrap().to_owned();
    fs::write(home.path("my photo.png"), "x").unwrap();
    fs::write(home.path("some.txt"), "x").unwrap();
    (home, id)
}

/// A bash that a person types at: the last line that it shows of what was typed and completed.
fn typed_at_bash(home: &Home, line: &str) -> Option<String> {
    let bin = Path::new(env!("CARGO_BIN_EXE_mcp-openai")).parent().unwrap();
    let mut bash = Command::new("/bin/bash");
    if !Path::new("/bin/bash").exists() {
        return None;
    }
    bash.args(["--norc", "--noprofile", "-i"]).current_dir(home.0.path());
    for (name, value) in home.command(&[]).get_envs() {
        bash.env(name, value.unwrap_or_default());
    }
    bash.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()))
        .env("PS1", "")
        .env("INPUTRC", "/dev/null");
    bash.env("PROGRAM", env!("CARGO_BIN_EXE_mcp-openai"));
    let mut bash = super::pty::Pty::start(&bash, 400);
    bash.type_in("bind 'set bell-style none'; source <($PROGRAM completions bash); echo REA''DY\n");
    bash.wait_for("READY");
    // It is not run: what was typed is shown as arguments.
    bash.type_in("mcp-openai() { printf '<%s>' \"$@\"; echo; echo DO''NE; }; echo DEF''INED\n");
    bash.wait_for("DEFINED");
    bash.type_in(&format!("{line}\t\n"));
    let told = bash.wait_for("DONE");
    bash.type_in("exit\n");
    bash.end();
    Some(told)
}

#[test]
fn bash_completes_pictures_and_quotes_names_as_it_must() {
    let (home, id) = with_a_picture();
    let (begun, end) = (&id[..17], &id[16..22]);
    for (line, argument) in [
        (format!("mcp-openai images show image://{begun}"), format!("image://{id}")),
        (format!("mcp-openai images show \"image://{begun}"), format!("image://{id}")),
        (format!("mcp-openai images show {end}"), id.clone()),
        (format!("mcp-openai image --like=image://{begun}"), format!("--like=image://{id}")),
        (format!("mcp-openai image --from image://{begun}"), format!("image://{id}")),
        (format!("mcp-openai ask --attach=image://{begun}"), format!("--attach=image://{id}")),
        ("mcp-openai ask -a my".to_owned(), "my photo.png".to_owned()),
        ("mcp-openai ask -a my\\ ph".to_owned(), "my photo.png".to_owned()),
        ("mcp-openai ask -a 'my ph".to_owned(), "my photo.png".to_owned()),
        ("mcp-openai ask --attach=\"my ph".to_owned(), "--attach=my photo.png".to_owned()),
        ("mcp-openai ask -a $HOME/som".to_owned(), home.path("some.txt").display().to_string()),
    ] {
        let Some(told) = typed_at_bash(&home, &line) else { return };
        assert!(told.contains(&format!("<{argument}>")), "`{line}` does not become {argument}: {told}");
    }
}

#[test]
fn a_picture_is_named_by_its_number_and_by_its_end_wherever_one_is() {
    let (home, id) = with_a_picture();
    assert_eq!(home.run(&["images", "--sandbox"]).0, 0);
    for name in ["1", "image://1", &id[16..22], &id] {
        let (code, out, err) = home.run(&["ask", "What is it?", "-a", name, "--dry-run", "--sandbox"]);
        assert!(code == 0 && out.contains(&id), "{name}: {out}{err}");
        let (code, out, err) = home.run(&["image", "at night", "--from", name, "-q", "low", "--sandbox"]);
        assert_eq!(code, 0, "{name}: {out}{err}");
        assert_eq!(home.run(&["images", "--sandbox", "-n", "1"]).0, 0);
        let (_, out, _) = home.run(&["images", "show", "1", "--sandbox", "--json"]);
        let shown: Value = serde_json::from_str(&out).unwrap();
        home.run(&["images", "rm", "1", "--sandbox"]);
        assert!(shown.to_string().contains(&id), "{shown}");
        home.run(&["images", "--sandbox"]);
    }
}

#[test]
fn the_other_shells_complete_pictures_too() {
    let (home, id) = with_a_picture();
    let begun = &id[..17];
    for line in ["images show", "image --like", "image --from", "ask --attach"] {
        let line = format!("mcp-openai {line} image://{begun}");
        let script = format!("mcp-openai completions fish | source; complete -C '{line}'");
        check(shell(&home, "fish", &["--no-config", "-c"], &script), &line, &[&id]);
        let mut command = home.command(&["--"]);
        command.args(line.split(' ')).env("MCP_OPENAI_COMPLETE", "zsh").env("_CLAP_COMPLETE_INDEX", "3");
        let (_, out, err) = told(&command.output().unwrap());
        assert!(out.contains(&id), "{line}: {out}{err}");
    }
}

#[test]
fn fish_completes_commands_and_values() {
    let home = Home::new();
    for (line, expected) in LINES {
        let script = format!("mcp-openai completions fish | source; complete -C '{line}'");
        check(shell(&home, "fish", &["--no-config", "-c"], &script), line, expected);
    }
}

/// A zsh completes on a terminal alone: it is given one of its own, and typed at.
#[test]
fn zsh_completes_commands_and_values() {
    let home = Home::new();
    for (line, expected) in LINES {
        let script = format!(
            "zmodload zsh/zpty; zpty z zsh -f -i; \
             zpty -w z \"PS1=; stty -echo; autoload -Uz compinit && compinit -u; \
             source <(mcp-openai completions zsh); zstyle ':completion:*' list-prompt ''; \
             mark() {{ zle -I; print DO''NE }}; zle -N mark; bindkey '^X^X' mark; print REA''DY\"; \
             zpty -r -m z ready '*READY*'; zpty -w -n z '{line}'$'\\t\\t\\x18\\x18'; \
             zpty -r -m z out '*DONE*'; zpty -d z; print -r -- $out"
        );
        check(shell(&home, "zsh", &["-f", "-c"], &script), line, expected);
    }
}

#[test]
fn the_manual_is_written_for_the_program_and_for_each_command() {
    let home = Home::new();
    let (code, page, err) = home.run(&["man"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(page.contains(".TH mcp-openai 1") && page.contains("doctor"), "{page}");
    let (code, page, _) = home.run(&["man", "image"]);
    assert_eq!(code, 0);
    assert!(page.contains("mcp\\-openai image") && page.contains("\\-\\-output"), "{page}");
    let (code, _, err) = home.run(&["man", "imag"]);
    assert_eq!(code, 2);
    assert!(err.contains("there is no command `imag`"), "{err}");
}
