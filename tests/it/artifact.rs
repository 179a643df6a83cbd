//! The gallery on disk: what is kept is found again, and nothing else is.

#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt;
#[cfg(unix)]
use std::os::unix::fs::symlink;
use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc::{TryRecvError, channel},
    thread,
    time::{Duration, Instant},
};

use image::ImageFormat;
use mcp_openai::{
    artifact::{Artifact, ArtifactId, Artifacts, Config, Error, Origin, Stem},
    media::Encoded,
};
use tempfile::TempDir;

use crate::painting::{encode, paint, png};

fn gallery(dir: &Path) -> Artifacts {
    Artifacts::build(Config { dir: dir.to_owned(), ..Config::default() })
}

fn origin() -> Origin {
    Origin {
        prompt: "a red fox in the snow".to_owned(),
        revised_prompt: None,
        model: "painter-1".to_owned(),
        size: "1024x1024".to_owned(),
        quality: "high".to_owned(),
        cost_usd: mcp_openai::money::Usd::from_dollars(0.042),
        request_id: Some("req_1".to_owned()),
        ..Origin::default()
    }
}

async fn keep(gallery: &Artifacts) -> Artifact {
    gallery.keep(&png(8, 8), None, origin()).await.unwrap()
}

/// Names in a folder that a person sees there.
fn visible(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.starts_with('.')).collect()
}

fn record_of(artifact: &Artifact) -> PathBuf {
    artifact.path.as_ref().unwrap().with_file_name(".records").join(format!("{}.json", artifact.id))
}

#[tokio::test]
async fn a_kept_picture_is_fetched_and_listed_as_it_was() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("made/on demand #1 100%");
    let gallery = gallery(&folder);
    assert!(!folder.exists());

    for (format, extension) in [(ImageFormat::Png, "png"), (ImageFormat::Jpeg, "jpg"), (ImageFormat::WebP, "webp")] {
        let picture = encode(paint(40, 30), format);
        let stem = Stem::parse("Red fox");
        let kept = gallery.keep(&picture, stem.as_ref(), origin()).await.unwrap();

        assert_eq!(kept.path.as_ref().unwrap(), &folder.join(kept.id.as_str()));
        assert!(kept.id.as_str().ends_with(&format!("-red-fox.{extension}")), "{}", kept.id);
        assert_eq!(fs::read(kept.path.as_ref().unwrap()).unwrap(), picture.bytes().as_ref());
        assert_eq!((kept.bytes, kept.dimensions), (picture.bytes().len() as u64, picture.dimensions()));
        assert_eq!(gallery.fetch(&kept.id).await.unwrap(), (kept.clone(), picture));
        assert_eq!(gallery.list(None, 1).await.unwrap().artifacts, [kept]);
    }
    assert_eq!(visible(&folder).len(), 3);
}

#[tokio::test]
async fn a_record_can_be_read_by_people() {
    let dir = TempDir::new().unwrap();
    let kept = keep(&gallery(dir.path())).await;
    insta::assert_snapshot!(fs::read_to_string(record_of(&kept)).unwrap());
}

#[tokio::test]
async fn pages_run_from_the_newest_to_the_oldest_without_gaps() {
    let dir = TempDir::new().unwrap();
    let gallery = gallery(dir.path());
    let mut kept = Vec::new();
    for _ in 0..25 {
        kept.insert(0, keep(&gallery).await);
    }
    let (mut start, mut sizes, mut listed) = (None, Vec::new(), Vec::new());
    loop {
        let page = gallery.list(start.as_ref(), 10).await.unwrap();
        sizes.push(page.artifacts.len());
        listed.extend(page.artifacts);
        start = page.next;
        if start.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [10, 10, 5]);
    assert_eq!(listed, kept);
}

#[tokio::test]
async fn a_folder_that_does_not_exist_yet_is_empty() {
    let dir = TempDir::new().unwrap();
    let gallery = gallery(&dir.path().join("later"));
    let page = gallery.list(None, 10).await.unwrap();
    assert!(page.artifacts.is_empty() && page.next.is_none());
    let id = ArtifactId::parse("20261122-105106-k3x9q2.png").unwrap();
    assert!(matches!(gallery.fetch(&id).await, Err(Error::NotFound(missing)) if missing == id));
}

#[tokio::test]
async fn foreign_files_are_passed_over() {
    let dir = TempDir::new().unwrap();
    let gallery = gallery(dir.path());
    let kept = keep(&gallery).await;
    for name in ["holiday.png", "odd\u{1}name#7.png", ".DS_Store", "20261122-105106-k3x9q2.txt"] {
        fs::write(dir.path().join(name), b"foreign").unwrap();
    }
    // Named like ours, but no picture.
    fs::write(dir.path().join("20991122-105106-k3x9q2.png"), b"foreign").unwrap();
    fs::create_dir(dir.path().join("20991122-105106-k3x9q2-folder.png")).unwrap();
    #[cfg(target_os = "linux")]
    fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"\xff\xfe.png")), b"foreign").unwrap();
    #[cfg(unix)]
    symlink(dir.path(), dir.path().join("round")).unwrap();
    let page = gallery.list(None, 10).await.unwrap();
    assert_eq!(page.artifacts, [kept]);
    assert_eq!(page.next, None);
}

/// What another process sees at any moment is what a killed writer leaves behind at that moment.
#[tokio::test]
async fn p01_at_any_moment_a_picture_is_whole_or_absent() {
    let dir = TempDir::new().unwrap();
    let gallery = gallery(dir.path());
    let picture = png(256, 256);
    let writer = {
        let (gallery, picture) = (gallery.clone(), picture.clone());
        async move {
            for _ in 0..40 {
                gallery.keep(&picture, None, origin()).await.unwrap();
            }
        }
    };
    let folder = dir.path().to_owned();
    let (done, watching) = channel::<()>();
    let watcher = thread::spawn(move || {
        let mut seen = HashSet::new();
        loop {
            let last_look = watching.try_recv() == Err(TryRecvError::Disconnected);
            for name in visible(&folder).into_iter().filter(|name| ArtifactId::parse(name).is_some()) {
                assert_eq!(fs::read(folder.join(&name)).unwrap(), picture.bytes().as_ref(), "{name}");
                seen.insert(name);
            }
            if last_look {
                return seen.len();
            }
        }
    });
    writer.await;
    drop(done);
    assert_eq!(watcher.join().unwrap(), 40);
    assert_eq!(visible(dir.path()).len(), 40, "no temporary file is left");
}

#[tokio::test]
async fn p01_the_leavings_of_a_killed_writer_are_no_pictures() {
    let dir = TempDir::new().unwrap();
    let gallery = gallery(dir.path());
    let kept = keep(&gallery).await;
    let half = fs::read(kept.path.as_ref().unwrap()).unwrap();
    fs::write(dir.path().join("20991122-105106-k3x9q2.png#1"), &half[..half.len() / 2]).unwrap();
    assert_eq!(gallery.list(None, 10).await.unwrap().artifacts, [kept]);
}

#[tokio::test]
async fn p02_a_folder_that_cannot_be_used_is_named_with_the_remedy() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("taken");
    fs::write(&file, b"not a folder").unwrap();
    let gallery = gallery(&file.join("pictures"));

    let error = gallery.keep(&png(8, 8), None, origin()).await.unwrap_err().to_string();
    let message = error.replace(dir.path().to_str().unwrap(), "DIR");
    insta::assert_snapshot!(message, @"the image folder DIR/taken/pictures cannot be used: a part of its path is not a folder; set images.dir to another folder");
    assert_eq!(gallery.check().await.unwrap_err().to_string(), error);
    assert_eq!(visible(dir.path()), ["taken"]);
}

#[tokio::test]
async fn p02_a_folder_removed_while_running_is_made_again() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("pictures");
    let gallery = gallery(&folder);
    let first = keep(&gallery).await;
    fs::remove_dir_all(&folder).unwrap();

    assert!(matches!(gallery.fetch(&first.id).await, Err(Error::NotFound(_))));
    assert!(gallery.list(None, 10).await.unwrap().artifacts.is_empty());
    let second = keep(&gallery).await;
    assert_eq!(gallery.list(None, 10).await.unwrap().artifacts, [second]);
}

#[tokio::test]
async fn p02_a_record_that_cannot_be_written_loses_no_picture() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(".records"), b"in the way").unwrap();
    let gallery = gallery(dir.path());
    let kept = keep(&gallery).await;
    let listed = gallery.list(None, 10).await.unwrap().artifacts;
    assert_eq!(listed, [Artifact { origin: Origin::default(), ..kept }]);
}

#[tokio::test]
async fn the_check_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    gallery(dir.path()).check().await.unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn c13_p03_two_servers_on_one_folder_lose_and_overwrite_nothing() {
    let dir = TempDir::new().unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for server in 0..2 {
        let gallery = gallery(dir.path());
        for side in 1..=30 {
            let gallery = gallery.clone();
            writers.spawn(async move { gallery.keep(&png(server * 100 + side, 4), None, origin()).await.unwrap() });
        }
    }
    let kept = writers.join_all().await;
    assert_eq!(kept.iter().map(|artifact| &artifact.id).collect::<HashSet<_>>().len(), 60);

    let gallery = gallery(dir.path());
    let mut listed = gallery.list(None, 100).await.unwrap().artifacts;
    assert!(listed.is_sorted_by(|newer, older| newer.id > older.id));
    for artifact in kept {
        let (_, picture) = gallery.fetch(&artifact.id).await.unwrap();
        assert_eq!(picture.dimensions(), artifact.dimensions);
        listed.retain(|listed| listed != &artifact);
    }
    assert_eq!(listed, []);
}

#[tokio::test]
async fn p04_a_damaged_or_future_record_hides_no_picture() {
    let dir = TempDir::new().unwrap();
    let gallery = gallery(dir.path());
    let kept = keep(&gallery).await;
    let bare = Artifact { origin: Origin::default(), ..kept.clone() };
    let future = fs::read_to_string(record_of(&kept)).unwrap().replacen('{', "{\"seed\": [7],", 1);

    for (record, found) in [("{\"format\": \"pn", &bare), ("[]", &bare), ("", &bare), (future.as_str(), &kept)] {
        fs::write(record_of(&kept), record).unwrap();
        assert_eq!(&gallery.list(None, 10).await.unwrap().artifacts, std::slice::from_ref(found), "{record}");
        assert_eq!(&gallery.fetch(&kept.id).await.unwrap().0, found, "{record}");
    }
    fs::remove_file(record_of(&kept)).unwrap();
    assert_eq!(gallery.list(None, 10).await.unwrap().artifacts, [bare]);

    // A format that is only kept, and taken nowhere.
    let drawing = Encoded::paid(b"<svg width='7' height='5'/>".to_vec().into()).unwrap();
    let drawing = gallery.keep(&drawing, None, origin()).await.unwrap();
    fs::remove_file(record_of(&drawing)).unwrap();
    assert_eq!(gallery.list(None, 10).await.unwrap().artifacts[0].id, drawing.id);
}

#[tokio::test]
async fn p04_a_damaged_picture_is_named() {
    let dir = TempDir::new().unwrap();
    let gallery = gallery(dir.path());
    let kept = keep(&gallery).await;
    fs::write(kept.path.as_ref().unwrap(), b"<html>").unwrap();
    let message = gallery.fetch(&kept.id).await.unwrap_err().to_string();
    assert!(message.contains(kept.id.as_str()) && message.contains("is not a picture any more"), "{message}");
}

#[cfg(unix)]
#[tokio::test]
async fn i02_links_fifos_and_folders_in_a_pictures_place_are_not_opened() {
    let outside = TempDir::new().unwrap();
    let secret = outside.path().join("secret.png");
    fs::write(&secret, png(8, 8).bytes()).unwrap();

    let dir = TempDir::new().unwrap();
    let gallery = gallery(dir.path());
    let id = |stem: &str| ArtifactId::parse(&format!("20261122-105106-k3x9q2-{stem}.png")).unwrap();
    let place = |stem| dir.path().join(id(stem).as_str());
    symlink(&secret, place("link")).unwrap();
    symlink(place("round"), place("round")).unwrap();
    symlink(outside.path().join("nothing"), place("dangling")).unwrap();
    symlink("/dev/zero", place("device")).unwrap();
    fs::create_dir(place("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(place("fifo")).status().unwrap().success());

    for stem in ["link", "round", "dangling", "device", "folder", "fifo"] {
        let fetched = tokio::time::timeout(Duration::from_secs(10), gallery.fetch(&id(stem))).await.unwrap();
        assert!(matches!(fetched, Err(Error::NotFound(_))), "{stem}: {fetched:?}");
    }
    assert!(gallery.list(None, 10).await.unwrap().artifacts.is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn i02_a_link_swapped_in_is_never_followed() {
    let outside = TempDir::new().unwrap();
    let secret = outside.path().join("secret.png");
    fs::write(&secret, png(99, 9).bytes()).unwrap();
    let dir = TempDir::new().unwrap();
    let gallery = gallery(dir.path());
    let kept = keep(&gallery).await;

    let (place, honest, link) = (kept.path.clone().unwrap(), dir.path().join("honest"), dir.path().join("link"));
    let bytes = fs::read(&place).unwrap();
    let (done, swapping) = channel::<()>();
    let swapper = thread::spawn(move || {
        while swapping.try_recv() == Err(TryRecvError::Empty) {
            symlink(&secret, &link).unwrap();
            fs::rename(&link, &place).unwrap();
            fs::write(&honest, &bytes).unwrap();
            fs::rename(&honest, &place).unwrap();
        }
    });
    let (mut found, mut refused) = (0, 0);
    let long_enough = Instant::now() + Duration::from_mins(1);
    // On a busy machine one side may be at work for long before the other has its turn.
    while found + refused < 2000 || ((found == 0 || refused == 0) && Instant::now() < long_enough) {
        match gallery.fetch(&kept.id).await {
            Ok((artifact, picture)) => {
                assert_eq!((artifact.dimensions, picture.dimensions()), (kept.dimensions, kept.dimensions));
                found += 1;
            }
            Err(Error::NotFound(_) | Error::Storage { .. } | Error::Bucket(_)) => refused += 1,
        }
    }
    drop(done);
    swapper.join().unwrap();
    assert!(found > 0 && refused > 0, "{found} found, {refused} refused");
}

#[tokio::test]
async fn thousands_of_pictures_are_paged_without_opening_them_all() {
    let dir = TempDir::new().unwrap();
    let gallery = gallery(dir.path());
    let newest = keep(&gallery).await;
    // Unreadable as pictures: whoever opened them would pass them over.
    for n in 0..5000 {
        fs::write(dir.path().join(format!("20200101-{:02}{:02}00-k3x9q2-{n}.png", n / 60 % 24, n % 60)), b"").unwrap();
    }
    let page = gallery.list(None, 1).await.unwrap();
    assert_eq!(page.artifacts, [newest]);
    assert!(page.next.unwrap().as_str().starts_with("20200101-2359"));
}

#[test]
fn a_picture_shows_no_bytes_in_debug() {
    let picture: Encoded = png(8, 8);
    assert!(format!("{picture:?}").len() < 120);
}
