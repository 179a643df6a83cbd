//! What a terminal shows, as a terminal draws it: a real pseudo-terminal, 80 and 200 columns wide.

use super::{
    pty::{Pty, ROWS},
    *,
};
use crate::painting::png;

/// The screen once the program has ended, without what is blank on the right and below.
pub fn screen(home: &Home, columns: u16, arguments: &[&str]) -> String {
    let (_, bytes) = Pty::start(&home.command(arguments), columns).end();
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
    }
}
