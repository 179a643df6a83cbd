//! What a terminal shows, as a terminal draws it: a real pseudo-terminal, 80 and 200 columns wide.

use super::{
    pty::{Pty, ROWS},
    *,
};
use crate::{
    painting::png,
    upstream::{Upstream, events},
};

/// The screen once the program has ended, without what is blank on the right and below.
pub fn screen(home: &Home, columns: u16, arguments: &[&str]) -> String {
    screen_of(&home.command(arguments), columns)
}

fn screen_of(command: &Command, columns: u16) -> String {
    let (_, bytes) = Pty::start(command, columns).end();
    let mut terminal = vt100::Parser::new(ROWS, columns, 0);
    terminal.process(&bytes);
    let lines: Vec<String> = terminal.screen().rows(0, columns).map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n").trim_end().to_owned() + "\n"
}

/// Without what differs from run to run, as long as it was.
fn steady(screen: &str, ids: &[&str]) -> String {
    let moments = ids.iter().map(|id| id.get(..22).unwrap());
    moments.fold(screen.to_owned(), |screen, moment| {
        let minute = chrono::NaiveDateTime::parse_from_str(moment.get(..15).unwrap(), "%Y%m%d-%H%M%S").unwrap();
        let screen = screen.replace(moment, "20261122-105106-k3x9q2");
        let screen = screen.replace(moment.get(16..).unwrap(), "k3x9q2");
        screen.replace(&minute.format("%Y-%m-%d %H:%M").to_string(), "2026-11-22 10:51")
    })
}

#[tokio::test]
async fn pictures_fit_the_terminal() {
    use mcp_openai::{
        artifact::{Artifacts, Config, Origin, Stem},
        money::Usd,
    };
    let home = Home::new();
    let gallery = Artifacts::build(Config { dir: home.path("pictures"), ..Config::default() });
    let origin = Origin {
        prompt: "a red fox in fresh snow, its breath in the cold air, linocut in three colours, morning light".into(),
        model: "gpt-image-2.6-flare".into(),
        cost_usd: Usd::from_dollars(0.0412),
        ..Origin::default()
    };
    let fox = gallery.keep(&png(8, 6), Stem::parse("red-fox").as_ref(), origin).await.unwrap();
    for columns in [80, 200] {
        let shown = screen(&home, columns, &["images"]);
        insta::assert_snapshot!(format!("images_at_{columns}"), steady(&shown, &[fox.id.as_str()]));
    }
}

/// The widest line, in columns.
fn widest(screen: &str) -> usize {
    screen.lines().map(unicode_width::UnicodeWidthStr::width).max().unwrap()
}

#[test]
fn what_was_asked_and_paid_fits_the_terminal() {
    let home = Home::new();
    let question = "fox 雪の中の赤い狐はどこへ行くのか、朝の光の中で静かに考えてみてください。".repeat(3);
    assert_eq!(home.run(&["ask", &question, "--sandbox"]).0, 0);
    assert_eq!(home.run(&["image", &question, "-q", "low", "--sandbox"]).0, 0);
    for arguments in [
        &["conversations", "--sandbox"][..],
        &["conversations", "search", "fox", "--sandbox"],
        &["images", "--sandbox"],
        &["usage", "--sandbox"],
    ] {
        let (_, bytes) = Pty::start(&home.command(arguments), 80).end();
        let written = String::from_utf8(bytes).unwrap().replace('\r', "");
        assert!(written.lines().count() > 1 && widest(&written) <= 80, "{arguments:?}: {written}");
    }
    let listed = screen(&home, 80, &["conversations", "--sandbox"]);
    let id = listed.lines().nth(1).unwrap().split(' ').next().unwrap().to_owned();
    assert!(id.ends_with('…'), "{listed}");
    let (code, shown, err) = home.run(&["conversations", "show", &id, "--sandbox"]);
    assert!(code == 0 && shown.contains(&question), "{err}");
}

#[test]
fn help_fits_the_terminal() {
    let home = Home::new();
    for columns in [80, 200] {
        let shown = screen(&home, columns, &["image", "--help"]);
        insta::assert_snapshot!(format!("image_help_at_{columns}"), shown);
    }
}

#[test]
fn models_fit_the_terminal() {
    let home = Home::new();
    for columns in [80, 200] {
        let shown = screen(&home, columns, &["models", "--sandbox"]);
        insta::assert_snapshot!(format!("models_at_{columns}"), shown);
        let all = screen(&home, columns, &["models", "--all", "--sandbox"]);
        assert!(all.contains("dall-e-3") && !shown.contains("dall-e-3"), "{all}");
        // As it was written: a terminal breaks what is wider.
        let (_, bytes) = Pty::start(&home.command(&["models", "--all", "--sandbox"]), columns).end();
        let all = String::from_utf8(bytes).unwrap().replace('\r', "");
        assert!(widest(&all) <= columns.into(), "{all}");
        insta::assert_snapshot!(format!("models_all_at_{columns}"), all);
    }
}

#[tokio::test]
async fn long_names_and_callers_fit_the_terminal() {
    let upstream = Upstream::start([events(&[ANSWERED])]).await;
    let home = Home::new();
    let model = "openrouter/anthropic/claude-sonnet-4.5-20250929-thinking:extended";
    let mut command = home.command(&["ask", "Why?", "--model", model]);
    command.env("OPENAI_BASE_URL", upstream.base_url().as_str()).env("OPENAI_API_KEY", "sk-test");
    let (code, _, err) = tokio::task::spawn_blocking(move || told(&command.output().unwrap())).await.unwrap();
    assert_eq!(code, 0, "{err}");
    let limits = "requests=60,pictures=5,running=2,day=5.5,month=100";
    for arguments in [
        &["usage", "--by", "model"][..],
        &["token", "new", "a-caller-with-a-long-name", "--limit", limits],
        &["token", "new", "bob", "--scope", "ask"],
        &["token", "revoke", "bob"],
        &["token", "list"],
    ] {
        let (_, bytes) = Pty::start(&home.command(arguments), 80).end();
        let written = String::from_utf8(bytes).unwrap().replace('\r', "");
        assert!(widest(&written) <= 80, "{arguments:?}: {written}");
    }
    let mut waiting = Pty::start(&home.command(&[]), 80);
    let invitation = waiting.wait_for("--help").replace('\r', "");
    assert!(widest(&invitation) <= 80, "{invitation}");
    waiting.type_in("\u{4}");
    waiting.end();
}

/// In a project of its own: a git work tree that is not the home folder.
#[test]
fn the_project_fits_the_terminal() {
    let home = Home::new();
    let project = home.path("work");
    fs::create_dir_all(project.join("src/queue")).unwrap();
    fs::write(project.join("src/queue.rs"), "fn enter() {}\n").unwrap();
    fs::write(project.join("src/queue/slot.rs"), "struct Slot;\n").unwrap();
    fs::write(project.join(".env"), "SECRET=1\n").unwrap();
    let git = Command::new("git").args(["init", "--quiet"]).current_dir(&project).status().unwrap();
    assert!(git.success());
    let screen_at = |columns, arguments: &[&str]| {
        let mut command = home.command(arguments);
        screen_of(command.current_dir(&project), columns)
    };
    for columns in [80, 200] {
        let asked = screen_at(columns, &["ask", "Review it.", "-a", "src/**/*.rs", "--dry-run", "--sandbox"]);
        insta::assert_snapshot!(format!("dry_run_at_{columns}"), asked);
        let refused = screen_at(columns, &["ask", "What is it?", "-a", "/dev/zero", "--sandbox"]);
        insta::assert_snapshot!(format!("refused_at_{columns}"), refused);
        // The path decides at which word a line breaks.
        let told = screen_at(columns, &["doctor", "--sandbox"]);
        assert!(told.lines().all(|line| line.chars().count() <= columns.into()), "{told}");
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        let counts = "work (the working folder, in a git work tree): its files may be read, except what git ignores";
        assert!(told.contains("ok project /") && told.contains(counts), "{told}");
        assert!(told.contains("--project and MCP_OPENAI_PROJECT name another"), "{told}");
    }
}

#[test]
fn an_error_breaks_between_words() {
    let home = Home::new();
    insta::assert_snapshot!("no_key_at_80", screen(&home, 80, &["ask", "Why?"]));
}
