//! A real pseudo-terminal: what the program writes to it, and what a person types.

use std::{
    io::{Read, Write},
    process::Command,
    sync::{Arc, Condvar, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

pub const ROWS: u16 = 200;

pub struct Pty {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: Arc<(Mutex<Vec<u8>>, Condvar)>,
    reading: JoinHandle<()>,
}

impl Pty {
    /// Starts the command with its own variables, in its own folder.
    pub fn start(plain: &Command, columns: u16) -> Self {
        let pty = native_pty_system();
        let pair = pty.openpty(PtySize { rows: ROWS, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(plain.get_program());
        command.args(plain.get_args());
        command.env_clear();
        command.env("TERM", "xterm-256color");
        for (name, value) in plain.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command.cwd(plain.get_current_dir().unwrap());
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let output = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let (mut reader, keys) = (pair.master.try_clone_reader().unwrap(), pair.master.take_writer().unwrap());
        let shared = output.clone();
        let reading = std::thread::spawn(move || {
            // Held as long as it is read.
            let _master = pair.master;
            let mut piece = [0; 4096];
            // The end of a pseudo-terminal is an error on Linux.
            while let Ok(read @ 1..) = reader.read(&mut piece) {
                shared.0.lock().unwrap().extend_from_slice(&piece[..read]);
                shared.1.notify_all();
            }
        });
        Self { child, keys, output, reading }
    }

    pub fn type_in(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until this text was written, and forgets all up to its end.
    pub fn wait_for(&self, text: &str) -> String {
        let (bytes, written) = &*self.output;
        let at = |bytes: &[u8]| bytes.windows(text.len()).position(|window| window == text.as_bytes());
        let most = Duration::from_secs(30);
        let (mut bytes, waited) =
            written.wait_timeout_while(bytes.lock().unwrap(), most, |bytes| at(bytes).is_none()).unwrap();
        assert!(!waited.timed_out(), "no {text:?} in {:?}", String::from_utf8_lossy(&bytes));
        let end = at(&bytes).unwrap() + text.len();
        String::from_utf8_lossy(&bytes.drain(..end).collect::<Vec<_>>()).into_owned()
    }

    /// The exit code, and what was written and not waited for.
    pub fn end(mut self) -> (u32, Vec<u8>) {
        let status = self.child.wait().unwrap();
        self.reading.join().unwrap();
        let bytes = std::mem::take(&mut *self.output.0.lock().unwrap());
        (status.exit_code(), bytes)
    }
}
