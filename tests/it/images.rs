//! `images` and `image --like` on the command line, as the real binary with the sandbox behind it.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use chrono::Utc;
use mcp_openai::{
    artifact::{Artifact, Artifacts, Config, Origin, Stem},
    money::{Usage, Usd},
};
use serde_json::{Value, json};

use crate::{
    cli::{mcp_openai, told},
    painting::png,
};

fn on(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = mcp_openai(arguments);
    command.env("MCP_OPENAI_IMAGES_DIR", dir).env("TZ", "UTC0");
    command
}

fn run(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    told(&on(dir, arguments).output().unwrap())
}

fn fox() -> Origin {
    Origin {
        prompt: "a red fox\nin fresh snow\u{1b}[31m".to_owned(),
        revised_prompt: Some("a red fox, alone".to_owned()),
        model: "gpt-image-2.6-flare".to_owned(),
        size: "8x6".to_owned(),
        quality: "high".to_owned(),
        cost_usd: Usd::from_dollars(0.042),
        request_id: Some("req_1".to_owned()),
        usage: Some(Usage { input_tokens: 12, output_tokens: 1056, ..Usage::default() }),
        tool: "create-image".to_owned(),
        arguments: serde_json::from_value(json!({
            "prompt": "a red fox\nin fresh snow", "quality": "high", "n": 4, "name": "fox",
        }))
        .unwrap(),
        parents: vec!["image://20261121-101010-00k3x9.png".to_owned(), "sketch.jpg".to_owned()],
        job: Some("job_1".to_owned()),
    }
}

/// Three pictures, the fox second.
async fn gallery(dir: &Path) -> [Artifact; 3] {
    let gallery = Artifacts::build(Config { dir: dir.to_owned(), ..Config::default() });
    let bare = gallery.keep(&png(4, 4), None, Origin::default()).await.unwrap();
    let stem = Stem::parse("fox");
    let fox = gallery.keep(&png(8, 6), stem.as_ref(), fox()).await.unwrap();
    let edit = Origin { tool: "edit-image".to_owned(), prompt: "the fox, running".to_owned(), ..Origin::default() };
    [bare, fox, gallery.keep(&png(5, 5), None, edit).await.unwrap()]
}

/// Without what differs from run to run.
fn stable(text: &str, dir: &Path, pictures: &[Artifact]) -> String {
    let mut text = text.replace(&dir.canonicalize().unwrap().display().to_string(), "DIR");
    text = text.replace(&dir.display().to_string(), "DIR");
    for (number, picture) in pictures.iter().enumerate() {
        let made = picture.made_at;
        text = text.replace(picture.id.as_str(), &format!("ID-{number}"));
        text = text.replace(&made.format("%Y-%m-%d %H:%M:%S +00:00").to_string(), "MOMENT");
    }
    // Every moment goes before its minute: two of them may have it in common.
    for picture in pictures {
        text = text.replace(&picture.made_at.format("%Y-%m-%d %H:%M").to_string(), "MINUTE");
    }
    text
}

#[tokio::test]
async fn pictures_are_listed_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let pictures = gallery(dir.path()).await;
    let (code, all, err) = run(dir.path(), &["images"]);
    assert_eq!((code, err.as_str()), (0, ""));
    // Ids differ in length, and the columns with them.
    let rows: Vec<_> =
        all.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty())).collect();
    let rows: Vec<String> = rows.into_iter().map(|cells| cells.collect::<Vec<_>>().join(" | ")).collect();
    insta::assert_snapshot!(stable(&rows.join("\n"), dir.path(), &pictures));
    assert_eq!(run(dir.path(), &["images", "list"]).1, all);

    let (code, two, err) = run(dir.path(), &["images", "-n", "2"]);
    assert_eq!((code, two.lines().count()), (0, 3));
    assert_eq!(err, "there are older ones: -n 4 shows more\n");
    let (_, json, _) = run(dir.path(), &["images", "list", "--json", "-n", "1"]);
    let listed: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(listed["images"].as_array().unwrap().len(), 1);
    assert_eq!(listed["images"][0]["uri"], pictures[2].id.uri());
}

#[tokio::test]
async fn pictures_are_found_by_the_words_of_their_records() {
    let dir = tempfile::tempdir().unwrap();
    let [_, fox, edit] = gallery(dir.path()).await;
    let state = tempfile::tempdir().unwrap();
    let found = |words: &[&str]| {
        let mut command = on(dir.path(), &[&["images", "search", "--json", "--"], words].concat());
        let (code, out, err) = told(&command.env("MCP_OPENAI_STATE_DIR", state.path()).output().unwrap());
        assert_eq!((code, err.as_str()), (0, ""), "{words:?}");
        let found: Value = serde_json::from_str(&out).unwrap();
        found["images"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let words: Vec<_> = fox.origin.prompt.split_whitespace().collect();
    assert_eq!(found(&words), [fox.id.as_str()]);
    assert_eq!(found(&[words[0], "-nowhere\""]), [""; 0], "all of them");
    assert_eq!(found(&["AND", "\"", "NEAR(", "*"]), [""; 0]);
    // The folder is the truth: what goes from it, what comes to it, and a store that is lost.
    fs::remove_file(fox.path.as_ref().unwrap()).unwrap();
    assert_eq!(found(&words), [""; 0]);
    let origin = Origin { prompt: "Ein Größenvergleich".into(), ..Origin::default() };
    let artifacts = Artifacts::build(Config { dir: dir.path().to_owned(), ..Config::default() });
    let kept = artifacts.keep(&png(8, 8), Stem::parse("new").as_ref(), origin).await.unwrap();
    for _ in 0..2 {
        assert_eq!(found(&["größenvergleich"]), [kept.id.as_str()]);
        fs::remove_file(state.path().join("store.sqlite3")).unwrap();
    }

    let (code, lines, err) = run(dir.path(), &["images", "export"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (lines.len(), &lines[0]["prompt"], &lines[1]["id"]),
        (3, &json!("Ein Größenvergleich"), &json!(edit.id))
    );
}

#[test]
fn an_empty_gallery_says_how_to_fill_it() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, err) = run(&dir.path().join("none"), &["images"]);
    assert_eq!((code, out.as_str()), (0, ""));
    assert!(err.contains("`mcp-openai image PROMPT` makes one"), "{err}");
    assert_eq!(run(&dir.path().join("none"), &["images", "--json"]).1, "{\n  \"images\": []\n}\n");
}

#[tokio::test]
async fn i06_a_picture_explains_itself() {
    let dir = tempfile::tempdir().unwrap();
    let pictures = gallery(dir.path()).await;
    let fox = &pictures[1];
    let (code, shown, err) = run(dir.path(), &["images", "show", &fox.id.uri()]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!("a_picture_explains_itself", stable(&shown, dir.path(), &pictures));
    assert!(!shown.contains('\u{1b}'));

    let (_, json, _) = run(dir.path(), &["images", "show", fox.id.as_str(), "--json"]);
    let record: Value = serde_json::from_str(&json).unwrap();
    insta::assert_json_snapshot!("a_picture_explains_itself_to_programs", record, {
        ".id" => "ID", ".uri" => "image://ID", ".path" => "PATH", ".made_at" => "MOMENT", ".bytes" => "BYTES",
    });
}

#[tokio::test]
async fn an_id_may_be_cut_short_as_long_as_it_is_clear() {
    let dir = tempfile::tempdir().unwrap();
    let [bare, fox, edit] = gallery(dir.path()).await;
    // The random letters tell them apart, and only the fox has a stem.
    let (short, _) = fox.id.as_str().rsplit_once("-fox").unwrap();
    assert_eq!(run(dir.path(), &["images", "show", short]).0, 0);

    let day = bare.id.made_at().format("%Y").to_string();
    let (code, out, err) = run(dir.path(), &["images", "rm", &day]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("3 pictures have ids with") && err.contains(edit.id.as_str()), "{err}");
    for nothing in ["2199", "../x", "image://x"] {
        let (code, _, err) = run(dir.path(), &["images", "show", nothing]);
        assert_eq!(code, 1);
        assert!(err.contains("no picture has the id") && err.contains("`mcp-openai images` lists"), "{err}");
    }
    for nothing in ["", "image://"] {
        let (code, _, err) = run(dir.path(), &["images", "rm", nothing]);
        assert_eq!(code, 1);
        assert!(err.contains("an empty id"), "{err}");
    }
}

#[tokio::test]
async fn pictures_are_removed_together_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let [bare, fox, edit] = gallery(dir.path()).await;
    let (code, out, _) = run(dir.path(), &["images", "rm", bare.id.as_str(), "2199"]);
    assert_eq!((code, out.as_str()), (1, ""));
    let (code, out, err) = run(dir.path(), &["images", "rm", bare.id.as_str(), &fox.id.uri(), bare.id.as_str()]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, format!("removed {}\nremoved {}\n", bare.id, fox.id));
    let left: Vec<_> = [bare, fox, edit].iter().map(|picture| picture.path.as_ref().unwrap().exists()).collect();
    assert_eq!(left, [false, false, true]);
    assert_eq!(run(dir.path(), &["images", "rm"]).0, 2);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_picture_is_opened_in_the_systems_viewer() {
    let dir = tempfile::tempdir().unwrap();
    let [_, fox, _] = gallery(dir.path()).await;
    let (bin, seen) = (dir.path().join("bin"), dir.path().join("seen"));
    fs::create_dir(&bin).unwrap();
    let open =
        |path: &Path| told(&on(dir.path(), &["images", "open", fox.id.as_str()]).env("PATH", path).output().unwrap());
    let (code, _, err) = open(&bin);
    assert_eq!(code, 1);
    assert!(err.contains("`xdg-open` cannot be started; the picture is ") && err.contains(fox.id.as_str()), "{err}");

    let viewer = bin.join("xdg-open");
    fs::write(&viewer, format!("#!/bin/sh\necho \"$1\" > {0}.part\n/bin/mv {0}.part {0}\n", seen.display())).unwrap();
    fs::set_permissions(&viewer, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (code, out, err) = open(&bin);
    assert_eq!((code, err.as_str()), (0, ""));
    let give_up = Instant::now() + Duration::from_secs(10);
    while !seen.exists() && Instant::now() < give_up {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(fs::read_to_string(&seen).unwrap(), out);
}

fn newest(dir: &Path) -> Value {
    let (_, json, _) = run(dir, &["images", "--json", "-n", "1"]);
    serde_json::from_str::<Value>(&json).unwrap()["images"][0].take()
}

#[tokio::test]
async fn a_picture_is_made_again_with_what_is_said_anew() {
    let dir = tempfile::tempdir().unwrap();
    let [bare, fox, _] = gallery(dir.path()).await;
    let image =
        |arguments: &[&str]| run(dir.path(), &[&["image", "--sandbox", "--json", "--like"], arguments].concat());
    let started = Utc::now();
    let (code, out, err) = image(&[fox.id.as_str(), "-q", "low", "-f", "jpeg"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let made: Value = serde_json::from_str(&out).unwrap();
    // Four were made then; one like one of them is one.
    assert_eq!((made["images"].as_array().unwrap().len(), &made["quality"]), (1, &json!("low")));
    let again = newest(dir.path());
    assert_eq!((&again["prompt"], &again["media_type"]), (&json!("a red fox\nin fresh snow"), &json!("image/jpeg")));
    assert!(again["id"].as_str().unwrap().ends_with("-fox.jpg"));
    assert!(
        again["made_at"].as_str().unwrap().parse::<chrono::DateTime<Utc>>().unwrap()
            >= started - chrono::TimeDelta::seconds(1)
    );

    let (code, out, _) = image(&[fox.id.as_str(), "a grey cat"]);
    assert_eq!((code, &newest(dir.path())["prompt"]), (0, &json!("a grey cat")), "{out}");
    let (code, out, _) = image(&[bare.id.as_str()]);
    assert_eq!(code, 1);
    assert!(out.contains("its record is missing"), "{out}");
}

/// See-through everywhere.
fn mask(side: u32) -> Vec<u8> {
    let mut png = std::io::Cursor::new(Vec::new());
    image::RgbaImage::new(side, side).write_to(&mut png, image::ImageFormat::Png).unwrap();
    png.into_inner()
}

#[test]
fn files_from_anywhere_are_edited_and_the_edit_is_made_again() {
    let (gallery, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (name, bytes) in [
        ("a.png", png(64, 64).bytes().to_vec()),
        ("b.png", png(32, 32).bytes().to_vec()),
        ("m.png", mask(64)),
        ("text.png", b"no picture".to_vec()),
    ] {
        fs::write(elsewhere.path().join(name), bytes).unwrap();
    }
    let image = |arguments: &[&str]| {
        let mut command = on(gallery.path(), &[&["image", "--sandbox"], arguments].concat());
        told(&command.current_dir(elsewhere.path()).output().unwrap())
    };
    let (code, out, err) = image(&["blue", "--from", "a.png", "--from", "./b.png", "--mask", "m.png"]);
    assert_eq!((code, out.lines().count()), (0, 1), "{err}");
    let edit = newest(gallery.path());
    assert_eq!((&edit["tool"], &edit["parents"]), (&json!("edit-image"), &json!(["a.png", "b.png"])));
    let id = edit["id"].as_str().unwrap();

    // The same again, from the same files; then from another picture, which the mask does not fit.
    for (arguments, parents, masked) in [
        (&["--like", id][..], json!(["a.png", "b.png"]), true),
        (&["--like", id, "--from", "b.png"], json!(["b.png"]), false),
        (&["--like", id, "--from", edit["uri"].as_str().unwrap()], json!([edit["uri"]]), false),
    ] {
        let (code, _, err) = image(arguments);
        let again = newest(gallery.path());
        assert_eq!((code, &again["prompt"], &again["parents"]), (0, &json!("blue"), &parents), "{err}");
        assert_eq!(again["arguments"].get("mask").is_some(), masked, "{again}");
    }

    for (arguments, wrong) in [
        (&["--from", "missing.png"][..], "missing.png"),
        (&["--from", "text.png"], "not a PNG, JPEG or WebP picture"),
        (&["--from", "b.png", "--mask", "m.png"], "it is 64x64, the first picture 32x32"),
        (&["--from", "https://example.com/a.png"], "MCP_OPENAI_IMAGES_ALLOW_URLS"),
    ] {
        let (code, out, err) = image(&[&["blue"], arguments].concat());
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}");
        assert!(err.contains(wrong), "{err}");
    }
    assert_eq!(image(&["blue", "--mask", "m.png"]).0, 2);
}

/// The first release wrote down no arguments.
#[tokio::test]
async fn p04_a_picture_of_an_older_release_is_made_again_from_what_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = Artifacts::build(Config { dir: dir.path().to_owned(), ..Config::default() });
    let origin =
        Origin { prompt: "an owl".into(), size: "1024x1024".into(), quality: "low".into(), ..Origin::default() };
    let owl = gallery.keep(&png(8, 8), None, origin).await.unwrap();
    let (code, out, err) = run(dir.path(), &["image", "--sandbox", "--like", owl.id.as_str()]);
    assert_eq!(code, 0, "{out}{err}");
    let again = newest(dir.path());
    assert_eq!((&again["prompt"], &again["quality"], &again["width"]), (&json!("an owl"), &json!("low"), &json!(1024)));
}

#[test]
fn a_prompt_is_needed_where_nothing_is_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, err) = run(dir.path(), &["image", "--sandbox"]);
    assert_eq!(code, 2);
    assert!(err.contains("mcp-openai image PROMPT, or pipe the prompt in"), "{err}");
}
