//! A key that is typed: it is not shown, and the terminal shows again what is typed after it.

use super::{Home, pty::Pty};

#[test]
fn c07_an_interrupted_prompt_leaves_a_terminal_that_shows_what_is_typed() {
    let home = Home::new();
    let program = home.command(&["key", "set"]);
    let mut shell = std::process::Command::new("sh");
    let script = r#"trap : INT; "$0" key set; echo "ended with $?"; stty -a"#;
    shell.args(["-c", script]).arg(program.get_program()).current_dir(home.path(""));
    shell.env("HOME", home.path("")).env("PATH", "/usr/bin:/bin");
    let mut terminal = Pty::start(&shell, 80);
    terminal.wait_for("API key (it is not shown): ");
    terminal.type_in("sk-canary-0123\x03");
    let shown = terminal.wait_for("ended with 130");
    assert!(!shown.contains("canary"), "{shown}");
    let (_, told) = terminal.end();
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(told.contains(" echo ") && !told.contains("-echo "), "{told}");
}
