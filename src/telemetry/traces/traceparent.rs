//! The headers `traceparent` and `tracestate`, by which a trace goes on in another program.
//! <https://www.w3.org/TR/trace-context/>

use std::{fmt, sync::Arc};

/// A span of any program with its trace's state, as the two headers carry them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    parent: TraceParent,
    pub(super) state: Option<Arc<str>>,
}

/// Characters of a state that are passed on, at least (section 3.3.1.5); it is cut behind an entry.
const STATE: usize = 512;

impl TraceContext {
    /// Reads both headers; `None` where the first is not valid, for the state says nothing without it.
    #[must_use]
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        Some(Self { parent: TraceParent::parse(traceparent)?, state: tracestate.and_then(bounded_state) })
    }

    /// Its span, without the state.
    #[must_use]
    pub fn parent(&self) -> TraceParent {
        self.parent
    }

    /// The first span of a trace that is kept.
    pub(super) fn root() -> Self {
        Self { parent: TraceParent::root(), state: None }
    }

    /// A span within this one. The state stays as it is: nothing of ours is in it.
    pub(super) fn child(&self) -> Self {
        Self { parent: self.parent.child(), state: self.state.clone() }
    }
}

/// The entries from the front that fit; `None` where there are none, or where one of them is no `key=value`.
fn bounded_state(text: &str) -> Option<Arc<str>> {
    let entries: Vec<_> =
        text.split(',').map(|entry| entry.trim_matches([' ', '\t'])).filter(|e| !e.is_empty()).collect();
    let is_entry = |entry: &&str| {
        let is_printable = entry.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        is_printable && entry.split_once('=').is_some_and(|(key, value)| !key.is_empty() && !value.is_empty())
    };
    if !entries.iter().all(is_entry) {
        return None;
    }
    let mut state = entries.join(",");
    while state.len() > STATE {
        state.truncate(state.rfind(',')?);
    }
    (!state.is_empty()).then(|| state.into())
}

/// A span of any program, as the header names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: u128,
    span: u64,
    /// The header's flags, without those that are not known: they are not passed on (section 3.2.2.5).
    flags: u8,
}

/// The flag of a trace that is kept.
const SAMPLED: u8 = 1;

impl TraceParent {
    /// Reads the header; `None` where it is not valid (section 3.2.2).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let mut hex = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            let is_hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if is_hex { u128::from_str_radix(part, 16).ok() } else { None }
        };
        let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        // A later version may say more behind what this one says.
        let is_version = version == 0 && parts.next().is_none() || (1..0xff).contains(&version);
        if !is_version || trace == 0 || span == 0 {
            return None;
        }
        Some(Self { trace, span: u64::try_from(span).ok()?, flags: u8::try_from(flags).ok()? & SAMPLED })
    }

    /// The first span of a trace that is kept.
    pub(super) fn root() -> Self {
        Self { trace: rand::random::<u128>().max(1), span: new_span(), flags: SAMPLED }
    }

    /// A span within this one, kept if this one is.
    pub(super) fn child(self) -> Self {
        Self { span: new_span(), ..self }
    }

    pub(super) fn is_sampled(self) -> bool {
        self.flags == SAMPLED
    }

    pub(super) fn span(self) -> u64 {
        self.span
    }

    pub(super) fn trace_id(self) -> String {
        format!("{:032x}", self.trace)
    }

    pub(super) fn span_id(self) -> String {
        format!("{:016x}", self.span)
    }
}

/// A new span's id, which may not be zero (section 3.2.2.4).
fn new_span() -> u64 {
    rand::random::<u64>().max(1)
}

/// As the header is written.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id(), self.span_id(), self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_the_w3c_writes_it_and_nothing_else_is() {
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let read = TraceParent::parse(header).unwrap();
        assert!(read.is_sampled());
        assert_eq!(read.to_string(), header);
        let child = read.child().to_string();
        assert!(child.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && !child.contains("00f067aa0ba902b7"));
        assert!(!TraceParent::parse(&header.replace("-01", "-02")).unwrap().is_sampled());
        assert!(TraceParent::parse(&format!("{}-more", header.replacen("00", "cc", 1))).is_some(), "a later version");

        let zero = |len: usize| "0".repeat(len);
        for wrong in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            &format!("00-{}-00f067aa0ba902b7-01", zero(32)),
            &format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", zero(16)),
        ] {
            assert_eq!(TraceParent::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_state_is_passed_on_as_it_came_in_whole_entries() {
        assert_eq!(
            bounded_state("congo=t61rcWkgMzE, rojo=00f067aa0ba902b7,,").as_deref(),
            Some("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")
        );
        let long = format!("a={},b={},c=1", "x".repeat(300), "y".repeat(300));
        assert_eq!(bounded_state(&long), Some(format!("a={}", "x".repeat(300)).into()));
        for wrong in ["", " , ", "congo", "=1", "congo=", "congo=t\u{e9}", &format!("a={}", "x".repeat(600))] {
            assert_eq!(bounded_state(wrong), None, "{wrong}");
        }
    }
}
