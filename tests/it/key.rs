//! `mcp-openai key`: a key that is kept counts where no other is given, lies where only its user can read it, goes to the
//! upstream that it was given for, and is never shown. No keyring is touched: the keys lie in files, in homes of the tests.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use crate::cli::{mcp_openai, told};

const SECRET: &str = "sk-canary-0123456789abcdef";

fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = mcp_openai(arguments);
    // No program that could ask a keyring is there.
    command.env("HOME", home).env("XDG_CONFIG_HOME", home.join("config")).env("PATH", home);
    command
}

/// Exit code, stdout and stderr; the home folder as `~`, and the key nowhere.
fn run(home: &Path, arguments: &[&str], environment: &[(&str, &str)], piped: &str) -> (i32, String, String) {
    let mut command = command(home, arguments);
    command.envs(environment.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may have ended without reading.
    let _ = child.stdin.take().unwrap().write_all(piped.as_bytes());
    let (code, out, err) = told(&child.wait_with_output().unwrap());
    assert!(!format!("{out}{err}").contains("canary"), "{out}{err}");
    let plain = |text: String| text.replace(&*home.to_string_lossy(), "~").replace('\\', "/");
    (code, plain(out), plain(err))
}

const SET: [&str; 3] = ["key", "set", "--file"];

#[test]
fn i07_a_kept_key_counts_last_and_is_never_shown() {
    let home = tempfile::tempdir().unwrap();
    let source = |environment: &[(&str, &str)]| run(home.path(), &["key", "show-source"], environment, "");
    let nowhere = "nowhere (none is configured)\n";
    assert_eq!(source(&[]).0, 78);
    let (code, out, err) = run(home.path(), &SET, &[], &format!("  {SECRET}\n"));
    assert_eq!((code, err.as_str()), (0, "`mcp-openai doctor` tries it.\n"));
    assert!(
        out.starts_with("The key is kept in ~/") && out.ends_with("openai.key, which only you can read.\n"),
        "{out}"
    );
    let (code, out, _) = source(&[]);
    assert_eq!(code, 0);
    assert!(out.starts_with("the file ~/") && out.ends_with("openai.key (mcp-openai key set)\n"), "{out}");

    let stronger = [("OPENAI_API_KEY", "sk-canary-of-the-environment")];
    assert_eq!(source(&stronger).1, "environment variable OPENAI_API_KEY\n");
    let (code, _, err) = run(home.path(), &SET, &stronger, SECRET);
    let note =
        "note: it is not the key that api.openai.com gets now; that comes from environment variable OPENAI_API_KEY\n";
    assert_eq!((code, err.as_str()), (0, note));

    // Another upstream gets the key that was given for it, and no other.
    let elsewhere = [("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")];
    assert_eq!(source(&elsewhere).1, nowhere);
    let theirs = [&SET[..], &["--base-url", "http://127.0.0.1:9"]].concat();
    let (code, _, err) = run(home.path(), &theirs, &elsewhere, SECRET);
    assert_eq!((code, err.as_str()), (0, "`mcp-openai doctor` tries it.\n"));
    assert!(source(&elsewhere).1.ends_with("127.0.0.1,9.key (mcp-openai key set)\n"));
    assert_eq!(run(home.path(), &["key", "show-source", "--sandbox"], &[], "").1, nowhere);

    assert_eq!(run(home.path(), &["key", "rm"], &[], "").1, "The key is removed.\n");
    assert_eq!(run(home.path(), &["key", "rm"], &[], "").1, "No key was kept.\n");
    assert_eq!((source(&[]).0, source(&elsewhere).0), (78, 0));
}

#[test]
fn i08_what_can_be_no_key_is_refused_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    for (given, why) in [
        ("", "holds no key"),
        ("sk-canary two words", "one word"),
        ("sk-canary-\u{e9}", "one word"),
        ("${OPENAI_API_KEY}", "placeholder"),
    ] {
        let (code, out, err) = run(home.path(), &SET, &[], given);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.contains(why) && err.contains("nothing is changed"), "{err}");
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn i07_a_kept_key_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    assert_eq!(run(home.path(), &SET, &[], SECRET).0, 0);
    let (_, source, _) = run(home.path(), &["key", "show-source"], &[], "");
    let file = source.strip_prefix("the file ~/").unwrap().split(" (").next().unwrap();
    let file = home.path().join(file);
    let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(), fs::read_to_string(&file).unwrap()), (0o600, format!("{SECRET}\n")));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(run(home.path(), &SET, &[], "sk-canary-the-second").0, 0);
    assert_eq!((mode(), fs::read_to_string(&file).unwrap().trim()), (0o600, "sk-canary-the-second"));
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_keyring_the_key_goes_into_a_file_and_a_lost_keyring_is_no_missing_key() {
    let home = tempfile::tempdir().unwrap();
    let (code, out, err) = run(home.path(), &["key", "set"], &[], SECRET);
    assert!(
        code == 0 && out.contains("openai.key") && err.contains("note: the keyring cannot be used: "),
        "{out}{err}"
    );
    // As it would be, had there been one at that time.
    let keys = home.path().join("config/mcp-openai/keys");
    fs::rename(keys.join("openai.key"), keys.join("openai.keyring")).unwrap();
    assert_eq!(run(home.path(), &["key", "show-source"], &[], "").1, "the keyring (mcp-openai key set)\n");
    let (code, _, err) = run(home.path(), &["ask", "hello"], &[], "");
    assert!(code == 78 && err.contains("the keyring (mcp-openai key set) cannot be used: "), "{code}: {err}");
    let (code, _, err) = run(home.path(), &["key", "rm"], &[], "");
    assert!(code == 1 && err.contains("the keyring cannot be used") && keys.join("openai.keyring").exists(), "{err}");
    // Given anew, it counts.
    assert_eq!(run(home.path(), &["key", "set"], &[], SECRET).0, 0);
    assert!(!keys.join("openai.keyring").exists());
    assert!(run(home.path(), &["key", "show-source"], &[], "").1.starts_with("the file "));
}

/// In place of libsecret's program: a keyring of one file, with the exit codes and words of the real one.
#[cfg(target_os = "linux")]
const SECRET_TOOL: &str = r#"#!/bin/sh
keyring=$HOME/keyring; echo "$@" >>"$HOME/asked"
case $1 in
store) [ -e "$HOME/locked" ] && { echo "secret-tool: Cannot create an item in a locked collection" >&2; exit 1; }; cat >"$keyring" ;;
search) [ -e "$keyring" ] && echo "[/1]"; exit 0 ;;
lookup) [ -e "$HOME/locked" ] || [ ! -e "$keyring" ] && exit 1; cat "$keyring" ;;
clear) [ -e "$HOME/locked" ] || [ ! -e "$keyring" ] && exit 1; rm "$keyring" ;;
esac
"#;

#[cfg(target_os = "linux")]
#[test]
fn i07_a_keyring_keeps_the_key_and_one_that_is_locked_is_no_missing_key() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let tool = home.path().join("bin/secret-tool");
    fs::create_dir(tool.parent().unwrap()).unwrap();
    fs::write(&tool, SECRET_TOOL).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", tool.parent().unwrap().display());
    let run = |arguments: &[&str], piped: &str| run(home.path(), arguments, &[("PATH", &path)], piped);
    let lock = home.path().join("locked");

    assert_eq!(
        run(&["key", "set"], SECRET).1,
        "The key is kept in the keyring.
"
    );
    assert_eq!(fs::read_to_string(home.path().join("keyring")).unwrap(), SECRET);
    assert_eq!(
        run(&["key", "show-source"], "").1,
        "the keyring (mcp-openai key set)
"
    );
    let asked = || fs::read_to_string(home.path().join("asked")).unwrap();
    assert_eq!(
        asked(),
        "store --label=mcp-openai: the API key for openai service mcp-openai upstream openai
"
    );

    fs::write(&lock, "").unwrap();
    let locked = "the keyring is locked, or did not let mcp-openai in: unlock it and try again";
    for (arguments, piped, code) in
        [(&["key", "set"][..], SECRET, 1), (&["key", "rm"], "", 1), (&["ask", "hello"], "", 78)]
    {
        let (found, _, err) = run(arguments, piped);
        assert!(found == code && err.replace(" (mcp-openai key set)", "").contains(locked), "{found}: {err}");
    }
    fs::remove_file(&lock).unwrap();
    fs::remove_file(home.path().join("keyring")).unwrap();
    let (code, _, err) = run(&["ask", "hello"], "");
    assert!(code == 78 && err.contains("does not hold the key any more: run `mcp-openai key set`"), "{code}: {err}");
    assert_eq!(
        run(&["key", "rm"], "").1,
        "The key is removed.
"
    );
}

/// A server that runs while the key is kept takes it at its next call.
#[tokio::test]
async fn a_key_that_is_kept_while_the_server_runs_counts_at_the_next_call() {
    use mcp_openai::openai::{ApiKeySource, KeptKey};
    let home = tempfile::tempdir().unwrap();
    let kept = KeptKey::new(home.path().to_owned(), &"https://api.openai.com/v1".parse().unwrap());
    let source = ApiKeySource::Kept(kept.clone());
    assert!(source.is_missing());
    assert_eq!(source.reveal().await.unwrap_err().to_string(), "no OpenAI API key is set");
    fs::write(kept.file(), SECRET).unwrap();
    assert!(!source.is_missing() && source.reveal().await.unwrap().is_some());
}
