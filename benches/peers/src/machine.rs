//! The machine that was measured on, and when.

use std::{fmt, process::Command};

use serde_json::{Value, json};

pub struct Machine {
    processor: String,
    kernel: String,
    date: String,
}

impl Machine {
    pub fn look() -> Self {
        let system = rustix::system::uname();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        Self {
            processor: format!("{cores} x {}", cpu_model().unwrap_or_else(|| "unknown processor".to_owned())),
            kernel: format!("{} {}", system.sysname().to_string_lossy(), system.release().to_string_lossy()),
            date: today(),
        }
    }

    pub fn raw(&self) -> Value {
        json!({ "processor": self.processor, "kernel": self.kernel, "date": self.date })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, kernel, date } = self;
        write!(f, "machine  {processor}\nkernel   {kernel}\ndate     {date}")
    }
}

fn cpu_model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn today() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
