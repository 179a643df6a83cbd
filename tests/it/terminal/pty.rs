//! A real pseudo-terminal: what the program writes to it.

use std::{
    io::Read,
    process::Command,
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

pub const ROWS: u16 = 200;

pub struct Pty {
    child: Box<dyn Child + Send + Sync>,
    output: Arc<Mutex<Vec<u8>>>,
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
        let output = Arc::new(Mutex::new(Vec::new()));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let shared = output.clone();
        let reading = std::thread::spawn(move || {
            // Held as long as it is read.
            let _master = pair.master;
            let mut piece = [0; 4096];
            // The end of a pseudo-terminal is an error on Linux.
            while let Ok(read @ 1..) = reader.read(&mut piece) {
                shared.lock().unwrap().extend_from_slice(&piece[..read]);
            }
        });
        Self { child, output, reading }
    }

    /// The exit code, and what was written.
    pub fn end(mut self) -> (u32, Vec<u8>) {
        let status = self.child.wait().unwrap();
        self.reading.join().unwrap();
        let bytes = std::mem::take(&mut *self.output.lock().unwrap());
        (status.exit_code(), bytes)
    }
}
