//! A doctor's report: for people, for programs, and as an exit code.

use std::fmt;

use serde::Serialize;

use crate::{cli::table::Width, config::Provenance};

#[derive(Debug, Serialize)]
pub(super) struct DoctorReport {
    /// True if nothing failed.
    ok: bool,
    version: &'static str,
    findings: Vec<Finding>,
    /// Settings that are set; everything else has its default.
    settings: Vec<ReportedSetting>,
}

#[derive(Debug, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    verdict: DoctorVerdict,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    /// The exit status when this is the gravest finding.
    #[serde(skip)]
    exit: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum DoctorVerdict {
    Ok,
    Warning,
    Failed,
}

#[derive(Debug, Serialize)]
pub(super) struct ReportedSetting {
    pub key: String,
    pub value: String,
    pub source: String,
}

impl DoctorReport {
    pub(super) fn new(settings: Vec<ReportedSetting>, findings: Vec<Finding>) -> Self {
        let ok = findings.iter().all(|finding| finding.verdict != DoctorVerdict::Failed);
        Self { ok, version: env!("CARGO_PKG_VERSION"), findings, settings }
    }

    /// The gravest: configuration before upstream before the rest, as their numbers have it.
    pub(super) fn exit_code(&self) -> u8 {
        self.findings.iter().map(|finding| finding.exit).max().unwrap_or_default()
    }
}

impl Finding {
    pub(super) fn fine(check: &'static str, message: String) -> Self {
        Self { check, verdict: DoctorVerdict::Ok, message, remedy: None, exit: 0 }
    }

    pub(super) fn doubtful(check: &'static str, message: String, remedy: &str) -> Self {
        Self { check, verdict: DoctorVerdict::Warning, message, remedy: Some(remedy.to_owned()), exit: 0 }
    }

    pub(super) fn failed(check: &'static str, message: String, remedy: &str, exit: u8) -> Self {
        Self { check, verdict: DoctorVerdict::Failed, message, remedy: Some(remedy.to_owned()), exit }
    }
}

impl ReportedSetting {
    pub(super) fn of(set: &Provenance) -> Self {
        Self { key: set.key.to_string(), value: set.value.clone(), source: set.source.to_string() }
    }
}

/// For a terminal; colours are stripped where there is none or `NO_COLOR` is set.
impl fmt::Display for DoctorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "mcp-openai {}\n", self.version)?;
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        if !self.settings.is_empty() {
            writeln!(f, "\nset:")?;
        }
        for ReportedSetting { key, value, source } in &self.settings {
            writeln!(f, "  {}", below(&format!("{key} = {value}  ({source})"), 4))?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In words and not by colour alone, which pipes and NO_COLOR take away.
        let mark = match self.verdict {
            DoctorVerdict::Ok => "\x1b[32m  ok \x1b[0m",
            DoctorVerdict::Warning => "\x1b[33mwarn \x1b[0m",
            DoctorVerdict::Failed => "\x1b[31mFAIL \x1b[0m",
        };
        write!(f, "{mark} {:<14} {}", self.check, below(&self.message, 21))?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n{:>20} -> {}", "", below(remedy, 24)),
            None => Ok(()),
        }
    }
}

/// The text, whose further lines begin at the same column as its first one.
fn below(text: &str, column: usize) -> String {
    Width::of_stdout().lines(text, column).join(&format!("\n{:column$}", ""))
}
