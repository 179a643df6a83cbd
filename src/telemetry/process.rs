//! This process as the system sees it, under the names that Prometheus' own libraries give.
//! <https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>

use std::fs;

use super::metrics::Gauge;

/// Linux counts processor time for programs in these (`USER_HZ`), whatever the kernel's own clock is.
/// <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
const TICKS_A_SECOND: f64 = 100.0;

/// Memory, processor time and open descriptors; nothing where the system does not tell.
#[must_use]
pub fn standing() -> Vec<Gauge> {
    let memory = fs::read_to_string("/proc/self/status").ok().and_then(|status| resident_bytes(&status));
    let time = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_seconds(&stat));
    #[expect(clippy::cast_precision_loss, reason = "there are never so many")]
    let open = fs::read_dir("/proc/self/fd").ok().map(|descriptors| descriptors.count() as f64);
    let gauges = [
        ("process_resident_memory_bytes", "Resident memory.", memory),
        ("process_cpu_seconds_total", "Processor time, of the system's part, too.", time),
        ("process_open_fds", "Open files and connections.", open),
    ];
    gauges.into_iter().filter_map(|(name, help, value)| Some(Gauge::plain(name, help, value?))).collect()
}

fn resident_bytes(status: &str) -> Option<f64> {
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(kilobytes.trim().trim_end_matches(" kB").parse::<f64>().ok()? * 1024.0)
}

/// Of proc(5)'s fields the 14th and 15th; the second, a name, may have blanks in it.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_A_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_read_as_linux_writes_it() {
        assert_eq!(resident_bytes("VmPeak:\t  9000 kB\nVmRSS:\t    1234 kB\n"), Some(1_263_616.0));
        let stat = "42 (a) name) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 1 2 3";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!((resident_bytes(""), cpu_seconds("42 (x")), (None, None));
    }
}
