//! The folder of pictures in a hostile or clumsy world: processes that were killed, links, and other users.
#![cfg(unix)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use mcp_openai::{
    artifact::{Artifacts, Config},
    media::Encoded,
};

fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(33, 21).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn gallery(dir: &Path) -> Artifacts {
    Artifacts::build(Config { dir: dir.to_owned(), ..Config::default() })
}

async fn keep(artifacts: &Artifacts) -> PathBuf {
    let picture = Encoded::sniff(png().into()).unwrap();
    artifacts.keep(&picture, None, crate::resources::origin("a fox")).await.unwrap().path.unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

const WHOLE: &str = "20261122-105106-k3x9q2-fox.png";
const CUT: &str = "20261122-105107-k3x9q2.png";

/// What `kill -9` leaves at each moment of a write.
fn leave(dir: &Path) {
    fs::write(dir.join(format!("{WHOLE}#1")), png()).unwrap();
    fs::write(dir.join(format!("{CUT}#2")), &png()[..60]).unwrap();
    fs::write(dir.join(format!("{CUT}#3")), b"").unwrap();
    fs::write(dir.join(".check-77#1"), b"can").unwrap();
    fs::create_dir_all(dir.join(".records")).unwrap();
    fs::write(dir.join(format!(".records/.{CUT}.json.0123456789abcdef")), b"{").unwrap();
    fs::write(dir.join("holiday.png#1"), b"somebody else's").unwrap();
}

#[tokio::test]
async fn p01_the_check_of_the_folder_leaves_nothing_and_sweeps_what_an_older_one_left() {
    let dir = tempfile::tempdir().unwrap();
    for left in [".check-77", ".check-77#1", "notes.txt"] {
        fs::write(dir.path().join(left), b"can").unwrap();
    }
    gallery(dir.path()).check().await.unwrap();
    assert_eq!(names(dir.path()), [".records", "notes.txt"]);
    let new = dir.path().join("a/b");
    gallery(&new).check().await.unwrap();
    assert_eq!(names(&new), [""; 0]);
}

#[tokio::test]
async fn p01_what_killed_writes_left_is_swept_and_whole_pictures_are_pictures_again() {
    let dir = tempfile::tempdir().unwrap();
    leave(dir.path());
    let listed = gallery(dir.path()).list(None, 10).await.unwrap();
    let ids: Vec<_> = listed.artifacts.iter().map(|artifact| artifact.id.as_str()).collect();
    assert_eq!(ids, [WHOLE]);
    assert_eq!(fs::read(dir.path().join(WHOLE)).unwrap(), png());
    assert_eq!(names(dir.path()), [".records", WHOLE, "holiday.png#1"]);
    assert_eq!(names(&dir.path().join(".records")), [format!("{WHOLE}.json")]);
}

#[tokio::test]
async fn p01_a_picture_that_is_only_kept_is_one_again_too() {
    let dir = tempfile::tempdir().unwrap();
    let id = WHOLE.replace(".png", ".svg");
    fs::write(dir.path().join(format!("{id}#1")), "<svg width='7' height='5'/>").unwrap();
    let listed = gallery(dir.path()).list(None, 10).await.unwrap();
    assert_eq!(listed.artifacts[0].id.as_str(), id);
}

#[tokio::test]
async fn p01_a_write_that_came_to_its_link_left_one_picture() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(WHOLE), png()).unwrap();
    fs::hard_link(dir.path().join(WHOLE), dir.path().join(format!("{WHOLE}#1"))).unwrap();
    assert_eq!(gallery(dir.path()).list(None, 10).await.unwrap().artifacts.len(), 1);
    assert_eq!(names(dir.path()), [".records", WHOLE]);
}

/// The draft of a living process is not a leftover.
#[tokio::test]
async fn p03_nothing_is_swept_while_another_process_writes() {
    let dir = tempfile::tempdir().unwrap();
    leave(dir.path());
    let lock = fs::File::open(dir.path().join(".records")).unwrap();
    lock.lock_shared().unwrap();
    let gallery = gallery(dir.path());
    assert_eq!(gallery.list(None, 10).await.unwrap().artifacts.len(), 0);
    assert!(dir.path().join(format!("{WHOLE}#1")).exists());
    drop(lock);
    assert_eq!(gallery.list(None, 10).await.unwrap().artifacts.len(), 1, "the next look sweeps");
}

#[tokio::test]
async fn records_are_for_their_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    let records = dir.path().join(".records");
    fs::create_dir(&records).unwrap();
    fs::set_permissions(&records, fs::Permissions::from_mode(0o755)).unwrap();
    keep(&gallery(dir.path())).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&records), 0o700);
    let files = names(&records);
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(mode(&records.join(&files[0])), 0o600);
}

#[tokio::test]
async fn i02_a_linked_folder_of_records_is_not_followed() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    symlink(elsewhere.path(), dir.path().join(".records")).unwrap();
    let gallery = gallery(dir.path());
    let path = keep(&gallery).await;
    assert!(path.exists(), "the picture is worth more than its record");
    assert_eq!(names(elsewhere.path()), [""; 0], "nothing is written there");

    let record = format!("{}.json", path.file_name().unwrap().to_str().unwrap());
    let forged = serde_json::json!({ "format": "png", "width": 1, "height": 1, "prompt": "forged", "model": "", "size": "", "quality": "" });
    fs::write(elsewhere.path().join(&record), forged.to_string()).unwrap();
    let listed = gallery.list(None, 10).await.unwrap().artifacts;
    assert_eq!((listed.len(), listed[0].origin.prompt.as_str(), listed[0].dimensions.width), (1, "", 33));
    gallery.remove(&listed[0].id).await.unwrap();
    assert_eq!(names(elsewhere.path()), [record], "nothing is removed there");
}
