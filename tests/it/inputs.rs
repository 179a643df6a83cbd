//! Files that the user points at: below the allowed folders, and nowhere else.
#![cfg(unix)]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use mcp_openai::{
    inputs::{Config, Error, Inputs},
    media::Content,
};

/// A folder that may be read, beside others that may not.
struct Place {
    root: tempfile::TempDir,
    inputs: Inputs,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["out/deep", "out-evil", "home"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for (file, text) in
            [("out/a", "a"), ("out/deep/b", "b"), ("out-evil/secret", "secret"), ("home/secret", "secret")]
        {
            fs::write(root.path().join(file), text).unwrap();
        }
        let home = root.path().join("home");
        let inputs = Inputs::build(Config { folders: vec![root.path().join("out")], home: Some(home), project: None });
        Self { root, inputs }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    async fn open(&self, path: &str) -> Result<String, Error> {
        read(self.inputs.open(&self.path(path)).await)
    }
}

fn read(opened: Result<Content, Error>) -> Result<String, Error> {
    let content = opened?;
    let bytes = content.read(0, usize::MAX).unwrap();
    assert_eq!(bytes.len() as u64, content.length());
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

fn not_allowed(opened: &Result<String, Error>) -> bool {
    matches!(opened, Err(Error::NotAllowed(_) | Error::Excluded(_)))
}

fn not_found(opened: &Result<String, Error>) -> bool {
    matches!(opened, Err(Error::NotFound(_)))
}

#[tokio::test]
async fn a_file_below_the_folder_is_opened() {
    let place = Place::new();
    assert_eq!(place.open("out/a").await.unwrap(), "a");
    assert_eq!(place.open("out/deep/b").await.unwrap(), "b");
    assert_eq!(place.open("out/deep/../a").await.unwrap(), "a");
    assert!(not_found(&place.open("out/none").await));
    assert!(not_found(&place.open("out/a/none").await));
}

#[tokio::test]
async fn the_folder_itself_may_be_a_link_and_is_known_by_both_names() {
    let place = Place::new();
    symlink(place.path("out"), place.path("link")).unwrap();
    let inputs = Inputs::build(Config { folders: vec![place.path("link")], home: None, project: None });
    for name in ["link/deep/b", "out/deep/b"] {
        assert_eq!(read(inputs.open(&place.path(name)).await).unwrap(), "b", "{name}");
    }
    for (pattern, found) in [("link/**/b", "link/deep/b"), ("out/deep/*", "out/deep/b")] {
        let files = inputs.glob(place.path(pattern).to_str().unwrap()).await.unwrap();
        assert_eq!(files[0].0, place.path(found), "{pattern}");
        assert_eq!(read(inputs.open(&files[0].0).await).unwrap(), "b", "{pattern}");
    }
    let outside = inputs.glob(place.path("out-evil/*").to_str().unwrap()).await;
    assert!(matches!(outside, Err(Error::NotAllowed(_))));
}

#[tokio::test]
async fn a_folder_that_is_not_there_yet_is_no_error_of_its_own() {
    let place = Place::new();
    let inputs = Inputs::build(Config { folders: vec![place.path("later")], home: None, project: None });
    assert!(not_found(&read(inputs.open(&place.path("later/a")).await)));
    assert!(not_allowed(&read(inputs.open(&place.path("out/a")).await)));
}

#[tokio::test]
async fn i02_links_below_the_folder_are_not_followed() {
    let place = Place::new();
    symlink(place.path("out-evil/secret"), place.path("out/file")).unwrap();
    symlink(place.path("out-evil"), place.path("out/folder")).unwrap();
    symlink("a", place.path("out/harmless")).unwrap();
    symlink("nowhere", place.path("out/dangling")).unwrap();
    for name in ["out/file", "out/folder/secret", "out/harmless", "out/dangling"] {
        assert!(not_allowed(&place.open(name).await), "{name}");
    }
}

#[tokio::test]
async fn i02_a_link_put_in_while_it_is_opened_is_not_followed() {
    let place = Place::new();
    symlink(place.path("out-evil"), place.path("out/bad")).unwrap();
    fs::create_dir(place.path("out/good")).unwrap();
    fs::write(place.path("out/good/secret"), "harmless").unwrap();
    fs::rename(place.path("out/good"), place.path("out/shown")).unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let swapping = {
        let (stop, [good, bad, shown]) =
            (stop.clone(), ["out/good", "out/bad", "out/shown"].map(|name| place.path(name)));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for (old, new) in [(&good, &bad), (&bad, &good)] {
                    fs::rename(&shown, old).unwrap();
                    fs::rename(new, &shown).unwrap();
                }
            }
        })
    };
    let mut opened = 0;
    for _ in 0..3_000 {
        match place.open("out/shown/secret").await {
            Ok(text) => {
                assert_eq!(text, "harmless");
                opened += 1;
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    assert!(opened > 0, "the harmless one was never seen");
}

#[tokio::test]
async fn i02_a_folder_whose_name_only_begins_alike_is_another() {
    let place = Place::new();
    assert!(not_allowed(&place.open("out-evil/secret").await));
}

#[tokio::test]
async fn i02_only_regular_files_are_opened_and_nothing_blocks() {
    let place = Place::new();
    let made = Command::new("mkfifo").arg(place.path("out/fifo")).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(place.path("out/socket")).unwrap();
    for name in ["out/fifo", "out/socket", "out/deep", "out/deep/", "out"] {
        assert!(not_found(&place.open(name).await), "{name}");
    }
    let devices = Inputs::build(Config { folders: vec!["/dev".into()], home: None, project: None });
    assert!(not_found(&read(devices.open(Path::new("/dev/zero")).await)));
}

/// What is not there is refused as what is: nobody looked.
#[tokio::test]
async fn i03_what_lies_elsewhere_is_refused_before_anybody_looks() {
    let place = Place::new();
    let folder = place.path("out").display().to_string();
    for path in ["/etc/passwd", "~/secret", "~/none", "/proc/self/environ", "/dev/zero", "/no/such/file", "a", ""] {
        let refused = place.inputs.open(Path::new(path)).await.unwrap_err();
        assert!(matches!(&refused, Error::NotAllowed(text) if text.contains(&folder)), "{path}: {refused}");
    }
    for path in ["out/../home/secret", "out/../home/none", "out/../../../../../../etc/passwd"] {
        assert!(not_allowed(&place.open(path).await), "{path}");
    }
}

#[tokio::test]
async fn i01_odd_names_are_names() {
    let place = Place::new();
    for name in ["out/C:\\x", "out/CON", "out/a.png:b", "out/\u{202e}gnp.a"] {
        fs::write(place.path(name), "odd").unwrap();
        assert_eq!(place.open(name).await.unwrap(), "odd");
    }
    let refused = place.open("out/a\0b").await.unwrap_err().to_string();
    assert!(!refused.contains('\0'), "{refused}");
    assert!(not_found(&place.open(&format!("out/{}", "x".repeat(300))).await));
    let told = place.open("out/\u{202e}gnp.none").await.unwrap_err().to_string();
    assert!(!told.contains('\u{202e}'), "{told}");
}
