//! What happens to kept pictures: opened, removed, found by their job, expired.

#[cfg(unix)]
use std::os::unix::fs::symlink;
use std::{fs, path::Path, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use mcp_openai::{
    artifact::{Artifact, ArtifactCap, ArtifactId, Artifacts, Config, Error, Origin},
    media::{Content, Encoded},
};
use serde_json::json;
use tempfile::TempDir;

use crate::painting::png;

fn gallery(dir: &Path) -> Artifacts {
    expiring(dir, None, None)
}

fn expiring(dir: &Path, keep_for: Option<Duration>, keep_at_most: Option<ArtifactCap>) -> Artifacts {
    Artifacts::build(Config { dir: dir.to_owned(), keep_for, keep_at_most, ..Config::default() })
}

async fn keep(gallery: &Artifacts) -> Artifact {
    gallery.keep(&png(8, 8), None, Origin::default()).await.unwrap()
}

/// The id that a picture of `age` would have.
fn id_aged(age: Duration, stem: &str) -> ArtifactId {
    let made_at = Utc::now() - TimeDelta::from_std(age).unwrap();
    ArtifactId::parse(&format!("{}-00k3x9-{stem}.png", made_at.format("%Y%m%d-%H%M%S"))).unwrap()
}

/// A picture of some bytes that nobody wrote down.
fn foreign(dir: &Path, age: Duration, stem: &str, bytes: usize) -> ArtifactId {
    let id = id_aged(age, stem);
    fs::write(dir.join(id.as_str()), vec![0; bytes]).unwrap();
    id
}

/// The same, kept by an earlier run.
fn ours(dir: &Path, age: Duration, stem: &str, bytes: usize) -> ArtifactId {
    let id = foreign(dir, age, stem, bytes);
    let record =
        json!({"format": "png", "width": 8, "height": 8, "prompt": stem, "model": "m", "size": "", "quality": ""});
    fs::create_dir_all(dir.join(".records")).unwrap();
    fs::write(record_of(dir, &id), record.to_string()).unwrap();
    id
}

fn record_of(dir: &Path, id: &ArtifactId) -> std::path::PathBuf {
    dir.join(format!(".records/{id}.json"))
}

fn left(dir: &Path, ids: &[&ArtifactId]) -> Vec<bool> {
    ids.iter().map(|id| dir.join(id.as_str()).exists()).collect()
}

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn an_opened_picture_is_the_file_that_was_looked_at() {
    let dir = TempDir::new().unwrap();
    let gallery = gallery(dir.path());
    let kept = keep(&gallery).await;
    let (artifact, content) = gallery.open(&kept.id).await.unwrap();
    assert_eq!(artifact, kept);
    // Whatever takes its name afterwards is not what was opened.
    fs::remove_file(kept.path.as_ref().unwrap()).unwrap();
    fs::write(kept.path.as_ref().unwrap(), b"another").unwrap();
    let Content::File { mut file, length } = content else { panic!("{content:?}") };
    let mut bytes = Vec::new();
    std::io::Seek::rewind(&mut file).unwrap();
    std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
    assert_eq!((bytes.len() as u64, length), (kept.bytes, kept.bytes));
    assert_eq!(Encoded::sniff(Bytes::from(bytes)).unwrap(), png(8, 8));
}

#[cfg(unix)]
#[tokio::test]
async fn i02_what_is_no_regular_file_is_neither_opened_nor_removed() {
    let outside = TempDir::new().unwrap();
    let secret = outside.path().join("secret.png");
    fs::write(&secret, png(8, 8).bytes()).unwrap();
    let dir = TempDir::new().unwrap();
    let gallery = gallery(dir.path());
    let [link, folder, none] = ["link", "folder", "none"].map(|stem| id_aged(HOUR, stem));
    symlink(&secret, dir.path().join(link.as_str())).unwrap();
    fs::create_dir(dir.path().join(folder.as_str())).unwrap();
    for id in [&link, &folder, &none] {
        assert!(matches!(gallery.open(id).await, Err(Error::NotFound(_))), "{id}");
        assert!(matches!(gallery.remove(id).await, Err(Error::NotFound(_))), "{id}");
    }
    assert!(secret.exists() && dir.path().join(folder.as_str()).exists());
    assert!(dir.path().join(link.as_str()).is_symlink());
}

#[tokio::test]
async fn u18_what_is_no_picture_is_not_opened_as_one() {
    let dir = TempDir::new().unwrap();
    let gallery = gallery(dir.path());
    let id = ours(dir.path(), HOUR, "text", 100);
    let message = gallery.open(&id).await.unwrap_err().to_string();
    assert!(message.contains("is not a picture any more"), "{message}");
}

#[tokio::test]
async fn a_removed_picture_goes_with_its_record_and_the_others_stay() {
    let dir = TempDir::new().unwrap();
    let gallery = gallery(dir.path());
    let (gone, stays) = (keep(&gallery).await, keep(&gallery).await);
    gallery.remove(&gone.id).await.unwrap();
    assert_eq!(left(dir.path(), &[&gone.id, &stays.id]), [false, true]);
    assert!(!record_of(dir.path(), &gone.id).exists() && record_of(dir.path(), &stays.id).exists());
    assert!(matches!(gallery.remove(&gone.id).await, Err(Error::NotFound(_))));
    assert_eq!(gallery.list(None, 10).await.unwrap().artifacts, [stays]);
}

#[tokio::test]
async fn a_picture_without_a_record_can_be_removed_too() {
    let dir = TempDir::new().unwrap();
    let id = foreign(dir.path(), HOUR, "bare", 10);
    gallery(dir.path()).remove(&id).await.unwrap();
    assert_eq!(left(dir.path(), &[&id]), [false]);
}

#[tokio::test]
async fn a_jobs_pictures_are_found_oldest_first_and_nobody_elses() {
    let dir = TempDir::new().unwrap();
    let gallery = gallery(dir.path());
    let started = Utc::now();
    let mut made = Vec::new();
    for job in [Some("job_a"), None, Some("job_b"), Some("job_a")] {
        let origin = Origin { job: job.map(str::to_owned), ..Origin::default() };
        made.push(gallery.keep(&png(8, 8), None, origin).await.unwrap());
    }
    let [first, _, _, last] = made.try_into().unwrap();
    assert_eq!(gallery.of_job("job_a", started).await.unwrap(), [first, last]);
    assert_eq!(gallery.of_job("job_a", started + TimeDelta::hours(1)).await.unwrap(), []);
    assert_eq!(gallery.of_job("job_c", DateTime::<Utc>::MIN_UTC).await.unwrap(), []);
}

#[tokio::test]
async fn changes_tell_of_what_is_kept_and_what_goes() {
    let dir = TempDir::new().unwrap();
    let gallery = expiring(dir.path(), None, Some(ArtifactCap::Pictures(1)));
    let mut changes = gallery.changes();
    assert!(!changes.has_changed().unwrap());
    let first = keep(&gallery).await;
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    let before = *changes.borrow();
    let second = gallery.clone().keep(&png(8, 8), None, Origin::default()).await.unwrap();
    assert_eq!(*changes.borrow(), before + 2, "one kept, one expired");
    assert_eq!(left(dir.path(), &[&first.id, &second.id]), [false, true]);
    changes.mark_unchanged();
    assert!(gallery.remove(&first.id).await.is_err());
    assert!(!changes.has_changed().unwrap());
    gallery.remove(&second.id).await.unwrap();
    assert!(changes.has_changed().unwrap());
}

#[tokio::test]
async fn without_a_rule_nothing_expires() {
    let dir = TempDir::new().unwrap();
    let old = ours(dir.path(), DAY * 3000, "old", 10);
    keep(&gallery(dir.path())).await;
    assert_eq!(left(dir.path(), &[&old]), [true]);
}

#[tokio::test]
async fn what_is_too_old_expires_and_takes_its_record_along() {
    let dir = TempDir::new().unwrap();
    let gallery = expiring(dir.path(), Some(DAY), None);
    let [old, older] = ["old", "older"].map(|stem| ours(dir.path(), DAY * 2, stem, 10));
    let young = ours(dir.path(), HOUR * 23, "young", 10);
    let kept = keep(&gallery).await;
    assert_eq!(left(dir.path(), &[&old, &older, &young, &kept.id]), [false, false, true, true]);
    let records = fs::read_dir(dir.path().join(".records")).unwrap().count();
    assert_eq!(records, 2);
}

#[tokio::test]
async fn beyond_a_number_the_oldest_expire() {
    let dir = TempDir::new().unwrap();
    let gallery = expiring(dir.path(), None, Some(ArtifactCap::Pictures(3)));
    let [a, b, c, d] = [4, 3, 2, 1].map(|age| ours(dir.path(), HOUR * age, "x", 10));
    let kept = keep(&gallery).await;
    assert_eq!(left(dir.path(), &[&a, &b, &c, &d, &kept.id]), [false, false, true, true, true]);
}

#[tokio::test]
async fn beyond_a_size_the_oldest_expire_but_never_what_was_just_kept() {
    let dir = TempDir::new().unwrap();
    let kept = keep(&gallery(dir.path())).await;
    let gallery = expiring(dir.path(), None, Some(ArtifactCap::Bytes(kept.bytes * 2 + 1500)));
    let [a, b, c] = [(3, 100), (2, 1000), (1, 600)].map(|(age, bytes)| ours(dir.path(), HOUR * age, "x", bytes));
    let newest = keep(&gallery).await;
    // The oldest would fit once more, but nothing older stays than what went.
    assert_eq!(left(dir.path(), &[&a, &b, &c, &kept.id, &newest.id]), [false, false, true, true, true]);

    let tiny = expiring(dir.path(), None, Some(ArtifactCap::Bytes(1)));
    let last = keep(&tiny).await;
    assert_eq!(left(dir.path(), &[&c, &kept.id, &newest.id, &last.id]), [false, false, false, true]);
}

#[tokio::test]
async fn p04_only_what_was_written_here_expires() {
    let dir = TempDir::new().unwrap();
    let gallery = expiring(dir.path(), Some(DAY), Some(ArtifactCap::Pictures(1)));
    let bare = foreign(dir.path(), DAY * 9, "bare", 10);
    let damaged = ours(dir.path(), DAY * 9, "damaged", 10);
    fs::write(record_of(dir.path(), &damaged), "{\"format\": \"pn").unwrap();
    fs::write(dir.path().join("holiday.png"), b"foreign").unwrap();
    let nested = dir.path().join("album");
    fs::create_dir(&nested).unwrap();
    let nested = ours(&nested, DAY * 9, "nested", 10);
    let future = ours(dir.path(), DAY * 9, "future", 10);
    let record = fs::read_to_string(record_of(dir.path(), &future)).unwrap().replacen('{', "{\"seed\": [7],", 1);
    fs::write(record_of(dir.path(), &future), record).unwrap();

    keep(&gallery).await;
    assert_eq!(left(dir.path(), &[&bare, &damaged, &future]), [true, true, false]);
    assert!(dir.path().join("holiday.png").exists());
    assert!(dir.path().join("album").join(nested.as_str()).exists());
}

#[tokio::test]
async fn c13_several_servers_may_expire_at_once() {
    let dir = TempDir::new().unwrap();
    for n in 0..40 {
        ours(dir.path(), DAY * 2 + HOUR * n, "x", 10);
    }
    let mut keeping = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let server = expiring(dir.path(), Some(DAY), Some(ArtifactCap::Pictures(100)));
        keeping.spawn(async move { keep(&server).await.id });
    }
    let kept = keeping.join_all().await;
    let listed = gallery(dir.path()).list(None, 100).await.unwrap().artifacts;
    assert_eq!(listed.len(), kept.len());
    assert_eq!(fs::read_dir(dir.path().join(".records")).unwrap().count(), kept.len());
}

#[tokio::test]
async fn p02_a_failed_expiry_fails_no_keep() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(".records"), b"in the way").unwrap();
    let kept = keep(&expiring(dir.path(), Some(DAY), None)).await;
    assert_eq!(left(dir.path(), &[&kept.id]), [true]);
}

/// As the first release wrote them.
#[tokio::test]
async fn p04_a_record_of_an_older_release_still_tells_what_it_knew() {
    let dir = TempDir::new().unwrap();
    let gallery = gallery(dir.path());
    let kept = keep(&gallery).await;
    let old = json!({
        "format": "png", "width": 8, "height": 8, "prompt": "a fox", "model": "painter-1", "size": "8x8",
        "quality": "high", "cost_usd": 0.25, "request_id": "req_1",
    });
    fs::write(record_of(dir.path(), &kept.id), old.to_string()).unwrap();
    let origin = Origin {
        prompt: "a fox".into(),
        model: "painter-1".into(),
        size: "8x8".into(),
        quality: "high".into(),
        cost_usd: mcp_openai::money::Usd::from_dollars(0.25),
        request_id: Some("req_1".into()),
        ..Origin::default()
    };
    assert_eq!(gallery.fetch(&kept.id).await.unwrap().0, Artifact { origin, ..kept });
}
