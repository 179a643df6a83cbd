//! Where `-o` puts a picture.

use serde_json::json;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::*;
use crate::painting::png;

fn image(home: &Home, arguments: &[&str]) -> (i32, String, String) {
    home.run(&[&["image", "a fox", "--sandbox", "-q", "low"], arguments].concat())
}

#[test]
fn the_path_that_is_printed_is_the_one_asked_for_and_no_file_is_overwritten() {
    let home = Home::new();
    fs::write(home.path("fox.jpg"), "mine").unwrap();
    let (code, out, err) = image(&home, &["-o", "fox.jpg"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("fox-2.jpg ("), "{out}");
    assert_eq!(fs::read_to_string(home.path("fox.jpg")).unwrap(), "mine");
    assert!(fs::read(home.path("fox-2.jpg")).unwrap().starts_with(b"\xff\xd8\xff"), "the extension decides the format");

    let (_, out, _) = image(&home, &["-o", "fox.jpg", "--force", "--json"]);
    let result: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(result["images"][0]["saved_to"], "fox.jpg");
    assert!(fs::read(home.path("fox.jpg")).unwrap().starts_with(b"\xff\xd8\xff"));
    assert!(!home.path("fox-3.jpg").exists());

    let (_, out, _) = image(&home, &["-o", "fox.webp", "-n", "2"]);
    let names: Vec<_> = out.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["fox.webp", "fox-2.webp"]);
    let left: Vec<_> = fs::read_dir(home.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".partial")), "{left:?}");
}

#[tokio::test]
async fn the_extension_decides_the_format_whatever_the_model_makes() {
    let server = MockServer::start().await;
    let body = json!({ "data": [{ "b64_json": base64_simd::STANDARD.encode_to_string(png(64, 32).bytes()) }] });
    Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200).set_body_json(body)).mount(&server).await;
    let home = Home::new();
    let mut command = home.command(&["image", "a fox", "-m", "local", "-s", "auto", "-o", "fox.jpg"]);
    command.env("OPENAI_BASE_URL", server.uri()).env("OPENAI_API_KEY", "sk-test");
    let (code, out, err) = tokio::task::spawn_blocking(move || told(&command.output().unwrap())).await.unwrap();
    assert!(code == 0 && out.starts_with("fox.jpg ("), "{out}{err}");
    assert!(fs::read(home.path("fox.jpg")).unwrap().starts_with(b"\xff\xd8\xff"), "{err}");
    assert!(err.contains("fox.jpg was converted: the picture came as image/png."), "{err}");
}

#[test]
fn a_folder_is_a_folder_and_stdout_is_the_picture_alone() {
    let home = Home::new();
    fs::create_dir(home.path("out")).unwrap();
    let (code, out, err) = image(&home, &["-o", "out", "--name", "fox"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("out/") && out.contains("-fox.png ("), "{out}");
    assert_eq!(fs::read_dir(home.path("out")).unwrap().count(), 1);

    let output = home.command(&["image", "a fox", "--sandbox", "-q", "low", "-o", "-", "-f", "webp"]).output().unwrap();
    assert!(output.stdout.starts_with(b"RIFF"), "{:?}", output.stdout.get(..20));
    assert!(String::from_utf8(output.stderr).unwrap().contains("the built-in sandbox"));
}

#[test]
fn a_device_and_a_pipe_are_written_to_as_they_are() {
    let home = Home::new();
    let (code, out, err) = image(&home, &["-o", "/dev/null", "-n", "2", "--force"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.lines().count() == 2 && out.lines().all(|line| line.starts_with("/dev/null (")), "{out}");
    assert!(!Path::new("/dev/null-2").exists());

    let pipe = home.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let read = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    let (code, out, err) = image(&home, &["-o", "pipe", "-f", "png"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("pipe ("), "{out}");
    assert!(read.join().unwrap().starts_with(b"\x89PNG"));

    let output = home.command(&["image", "a fox", "--sandbox", "-q", "low", "-o", "/dev/stdout"]).output().unwrap();
    assert!(output.stdout.starts_with(b"\x89PNG"), "{:?}", output.stdout.get(..20));

    assert_eq!(home.run(&["ask", "Why?", "--sandbox"]).0, 0);
    let read = std::thread::spawn(move || fs::read_to_string(pipe).unwrap());
    let (code, _, err) = home.run(&["conversations", "export", "--sandbox", "-o", "pipe"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(read.join().unwrap().contains("Why?"));
}

#[test]
fn what_cannot_be_written_to_is_said_before_anything_is_paid_for() {
    let home = Home::new();
    fs::create_dir_all(home.path(".config/mcp-openai")).unwrap();
    fs::write(home.path(".config/mcp-openai/config.toml"), "[presets.pair]\nn = 2\n").unwrap();
    for (arguments, right) in [
        (&["-o", "no/fox.png"][..], "there is no folder no: make it, or name another"),
        (&["-o", "no/"], "there is no folder no/"),
        (&["-o", "fox.gif"], "name a .png, .jpg or .webp"),
        (&["-o", "fox.png", "-f", "webp"], "fox.png is a png by its name, and --output-format says webp"),
        (&["-o", "-", "--json"], "the picture or the JSON, not both"),
        (&["-o", "-", "-n", "2"], "stdout takes one picture"),
        (&["-o", "-", "-p", "pair"], "stdout takes one picture"),
        (&["--force"], "--output <PATH>"),
    ] {
        let (code, out, err) = image(&home, arguments);
        let told = out + &err;
        assert_eq!(code, 2, "{arguments:?}: {told}");
        assert!(told.contains(right), "{arguments:?}: {told}");
    }
    assert!(!home.path("pictures").exists());
}

#[tokio::test]
async fn a_picture_is_named_by_the_end_of_its_id_or_by_its_number_in_the_last_listing() {
    use mcp_openai::artifact::{Artifacts, Config, Origin, Stem};
    let home = Home::new();
    let gallery = Artifacts::build(Config { dir: home.path("pictures"), ..Config::default() });
    let fox = gallery.keep(&png(4, 4), Stem::parse("red-fox").as_ref(), Origin::default()).await.unwrap().id;
    let owl = gallery.keep(&png(4, 4), Stem::parse("grey-owl").as_ref(), Origin::default()).await.unwrap().id;
    let shown = |given: &str| {
        let (code, out, _) = home.run(&["images", "show", given, "--json"]);
        let shown: Value = serde_json::from_str(&out).unwrap();
        (code, shown["id"].as_str().or(shown["error"]["message"].as_str()).unwrap().to_owned())
    };
    assert_eq!(shown("1").0, 1, "nothing was listed yet");
    assert_eq!(home.run(&["images"]).0, 0);
    // A picture that comes after the listing moves no number.
    let newer = gallery.keep(&png(4, 4), Stem::parse("newer").as_ref(), Origin::default()).await.unwrap().id;
    assert_eq!(shown("1").1, owl.as_str());
    assert_eq!(shown("2").1, fox.as_str());
    assert_eq!(shown("red-fox").1, fox.as_str());
    assert_eq!(shown("…-red-fox.png").1, fox.as_str());
    assert_eq!(shown("newer.png").1, newer.as_str());
    let (code, err) = shown(".png");
    assert_eq!(code, 1);
    assert!(err.contains("3 pictures have ids with `.png` at one end"), "{err}");
}

#[test]
fn an_export_is_never_written_over_a_file() {
    let home = Home::new();
    assert_eq!(home.run(&["ask", "Why?", "--sandbox"]).0, 0);
    let export = |more: &[&str]| home.run(&[&["conversations", "export", "--sandbox", "-o"], more].concat());
    assert_eq!(export(&["log.jsonl"]).0, 0);
    fs::write(home.path("log.jsonl"), "mine").unwrap();
    let (code, out, err) = export(&["log.jsonl"]);
    assert_eq!((code, out.as_str()), (0, ""));
    assert!(err.contains("log.jsonl is there already: written to log-2.jsonl"), "{err}");
    assert_eq!(fs::read_to_string(home.path("log.jsonl")).unwrap(), "mine");
    assert!(fs::read_to_string(home.path("log-2.jsonl")).unwrap().contains("Why?"));
    #[cfg(unix)]
    let mode = || std::os::unix::fs::PermissionsExt::mode(&fs::metadata(home.path("log.jsonl")).unwrap().permissions());
    #[cfg(unix)]
    fs::set_permissions(home.path("log.jsonl"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(export(&["log.jsonl", "--force"]).0, 0);
    assert!(fs::read_to_string(home.path("log.jsonl")).unwrap().contains("Why?"));
    #[cfg(unix)]
    assert_eq!(mode() & 0o777, 0o600, "nobody else may read all that was asked");
    assert!(export(&["-"]).1.contains("Why?"));
    for (target, why) in [(".", "is a folder"), ("none/log.jsonl", "there is no folder")] {
        let (code, _, err) = export(&[target]);
        assert_eq!(code, 2, "{err}");
        assert!(err.contains(why), "{err}");
    }
}
