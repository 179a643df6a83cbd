//! Files of text that a setting or a flag names: whatever is in their place, reading ends.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

/// Bytes of the longest file that is read: a device never ends.
const LONGEST: u64 = 16 << 20;
/// A pipe that nobody writes to is not waited for longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads a file of UTF-8, of at most 16 MiB; of a pipe or a device, what comes within 5 s to its end.
///
/// # Errors
/// As [`fs::read_to_string`], and for a file that is longer or does not end.
pub fn read_file(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.is_file() {
        return read(path);
    }
    // Opening a pipe waits for its writer, and only another thread need not wait with it.
    let (tell, told) = mpsc::channel();
    let path = path.to_owned();
    // A thread whose pipe never gets a writer is left behind, and ends with the process.
    thread::Builder::new().spawn(move || tell.send(read(&path)))?;
    let silent = |_| Err(io::Error::other("it is not a regular file, and did not end within 5 s"));
    told.recv_timeout(PATIENCE).unwrap_or_else(silent)
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One byte more than may be there tells a file that is longer from one that just fits.
    File::open(path)?.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST { Err(io::Error::other("it is longer than 16 MiB")) } else { Ok(text) }
}
