//! The header `traceparent`, by which a trace goes on in another program. <https://www.w3.org/TR/trace-context/>

use std::fmt;

/// A span of any program, as the header names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: u128,
    span: u64,
    /// The header's flags, without those that are not known.
    flags: u8,
}

/// The flag of a trace that is kept.
const SAMPLED: u8 = 1;

impl TraceParent {
    /// Reads the header; `None` where it is none that counts.
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

/// Zero is no id.
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
}
