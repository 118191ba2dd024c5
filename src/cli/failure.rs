//! How a run of the program ends: the table of exit codes (design §4), and the failure that is told before one of them.

use std::error::Error;
use std::fmt;

use crate::change::{Risk, Severity};
use crate::diagnostic::{self, Diagnostic, Diagnostics, Excerpts};
use crate::plan::Plan;
use crate::report::failure::{DiagnosticJson, ErrorJson};

/// The design's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// Failed, or could not tell.
    Failed,
    /// Changes, where the exit code is asked to tell.
    Changes,
    /// Applied, but not converged or unhealthy.
    NotConverged,
    /// Refused to protect data.
    Guarded,
    /// Another run holds the stack.
    Locked,
    /// A port, a disk, a name, the machine itself stands in the way.
    Preflight,
    /// The saved plan is not what would be planned now.
    Stale,
    /// The command line.
    Usage,
    /// The stack file.
    InvalidFile,
    /// By a signal.
    Interrupted,
}

impl Exit {
    pub const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Changes => 2,
            Exit::NotConverged => 3,
            Exit::Guarded => 4,
            Exit::Locked => 5,
            Exit::Preflight => 6,
            Exit::Stale => 7,
            Exit::Usage => 64,
            Exit::InvalidFile => 65,
            Exit::Interrupted => 130,
        }
    }

    /// The word of the code in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Failed => "failed",
            Exit::Changes => "changes",
            Exit::NotConverged => "not_converged",
            Exit::Guarded => "guarded",
            Exit::Locked => "locked",
            Exit::Preflight => "preflight",
            Exit::Stale => "stale_plan",
            Exit::Usage => "usage",
            Exit::InvalidFile => "invalid_stack_file",
            Exit::Interrupted => "interrupted",
        }
    }

    /// Where two apply: 130, 65, 5, 7, 6, 4, 1, 3, 2 in that order (design §4). A wrong command line is found before any other can apply.
    const fn rank(self) -> u8 {
        match self {
            Exit::Interrupted => 0,
            Exit::Usage => 1,
            Exit::InvalidFile => 2,
            Exit::Locked => 3,
            Exit::Stale => 4,
            Exit::Preflight => 5,
            Exit::Guarded => 6,
            Exit::Failed => 7,
            Exit::NotConverged => 8,
            Exit::Changes => 9,
            Exit::Done => 10,
        }
    }

    /// The one that holds where several apply.
    pub fn first(exits: impl IntoIterator<Item = Exit>) -> Exit {
        exits.into_iter().min_by_key(|exit| exit.rank()).unwrap_or(Exit::Done)
    }
}

/// Codes of the machine itself, which stop a run as a port does.
const MACHINE: &[&str] = &[
    "LINGER_OFF",
    "NO_USER_MANAGER",
    "NEWUIDMAP_UNUSABLE",
    "PODMAN_TOO_OLD",
    "PODMAN_UNREACHABLE",
    "STORAGE_DRIVER_MISMATCH",
];

/// Beginnings of the codes for what another owns, what there is too little of, and what is not there or not as it has to be.
const CONFLICTS: &[&str] =
    &["PORT_", "NAME_", "STALE_", "DISK_", "UNIT_", "PATH_", "IMAGE_", "GPU_", "NAMESPACE_", "PLAN_"];

/// What a risk that keeps `apply` from starting makes of its exit code: conflicts and the machine are 6, guards of data 4.
pub fn exit_of(risk: &Risk) -> Exit {
    let conflict = MACHINE.contains(&risk.code) || CONFLICTS.iter().any(|prefix| risk.code.starts_with(prefix));
    if conflict { Exit::Preflight } else { Exit::Guarded }
}

/// What stops `apply` from starting; none where nothing does.
pub fn blocked(plan: &Plan) -> Option<Exit> {
    let exits: Vec<Exit> = plan.blocking().map(|(_, risk)| exit_of(risk)).collect();
    (!exits.is_empty()).then(|| Exit::first(exits))
}

/// Is there a risk that the exit code of `--detailed-exitcode` tells? Info never is.
pub fn has_risks(plan: &Plan) -> bool {
    plan.all_risks().any(|(_, risk)| risk.severity >= Severity::Warning)
}

/// Why the program ends without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub kind: Exit,
    /// What and where, a lower-case fragment.
    pub error: String,
    /// From the outermost to the root.
    pub causes: Vec<String>,
    /// Whole sentences; a command to copy is an entry of its own, indented by two.
    pub hints: Vec<String>,
    /// Of a stack file that cannot be used.
    pub findings: Option<Box<Findings>>,
}

/// What is wrong with a stack file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// For programs.
    pub diagnostics: Vec<DiagnosticJson>,
    /// The same as lines for people.
    pub rendered: String,
}

impl Failure {
    pub fn new(kind: Exit, error: impl fmt::Display) -> Self {
        Self { kind, error: error.to_string(), causes: Vec::new(), hints: Vec::new(), findings: None }
    }

    /// With the whole chain of the error's sources.
    pub fn from_error(kind: Exit, error: &dyn Error) -> Self {
        let mut failure = Self::new(kind, error);
        let mut cause = error.source();
        while let Some(error) = cause {
            failure.causes.push(error.to_string());
            cause = error.source();
        }
        failure
    }

    /// Says what was being done; what had been said so far becomes its first cause.
    pub fn context(mut self, error: impl fmt::Display) -> Self {
        let inner = std::mem::replace(&mut self.error, error.to_string());
        self.causes.insert(0, inner);
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The findings of a stack file that cannot be used.
    pub fn invalid(diagnostics: &Diagnostics, excerpts: &impl Excerpts) -> Self {
        let count = diagnostics.errors();
        let error = match count {
            1 => "the stack file is invalid: 1 error".to_owned(),
            _ => format!("the stack file is invalid: {count} errors"),
        };
        let rendered = diagnostic::render(diagnostics, excerpts);
        let findings = Findings { diagnostics: rows(diagnostics, excerpts), rendered };
        Self { findings: Some(Box::new(findings)), ..Self::new(Exit::InvalidFile, error) }
    }

    pub fn face(&self) -> ErrorJson<'_> {
        ErrorJson {
            code: self.kind.word(),
            exit_code: self.kind.code(),
            message: &self.error,
            causes: &self.causes,
            hints: &self.hints,
        }
    }
}

/// Findings for programs.
pub fn rows(diagnostics: &Diagnostics, excerpts: &impl Excerpts) -> Vec<DiagnosticJson> {
    let row = |diagnostic: &Diagnostic| {
        let Diagnostic { severity, summary, detail, span, help, related: _ } = diagnostic;
        DiagnosticJson {
            severity: match severity {
                diagnostic::Severity::Error => "error",
                diagnostic::Severity::Warning => "warning",
            },
            summary: (*summary).to_owned(),
            detail: detail.clone(),
            file: span.map(|span| excerpts.name(span.file)),
            line: span.map(|span| span.line),
            column: span.map(|span| span.column),
            help: help.clone(),
        }
    };
    diagnostics.0.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::{Exit, Failure, blocked, exit_of};
    use crate::change::{Risk, Severity};
    use crate::plan::Plan;

    fn risk(code: &'static str, severity: Severity) -> Risk {
        Risk { code, severity, message: String::new(), remedies: Vec::new() }
    }

    #[test]
    fn where_two_apply_the_designs_order_holds() {
        let order = [
            (Exit::Interrupted, 130),
            (Exit::InvalidFile, 65),
            (Exit::Locked, 5),
            (Exit::Stale, 7),
            (Exit::Preflight, 6),
            (Exit::Guarded, 4),
            (Exit::Failed, 1),
            (Exit::NotConverged, 3),
            (Exit::Changes, 2),
            (Exit::Done, 0),
        ];
        for (place, (exit, code)) in order.into_iter().enumerate() {
            assert_eq!(exit.code(), code);
            for (other, _) in &order[place..] {
                assert_eq!(Exit::first([*other, exit]), exit);
                assert_eq!(Exit::first([exit, *other]), exit);
            }
        }
        assert_eq!(Exit::first([]), Exit::Done);
        assert_eq!(Exit::Usage.code(), 64);
    }

    #[test]
    fn conflicts_and_the_machine_are_six_and_guards_four() {
        for (code, exit) in [
            ("PORT_TAKEN", Exit::Preflight),
            ("NAMESPACE_IN_USE", Exit::Preflight),
            ("PLAN_CYCLE", Exit::Preflight),
            ("NAME_OWNED_BY_OTHER", Exit::Preflight),
            ("STALE_PREDECESSOR", Exit::Preflight),
            ("DISK_SHORT", Exit::Preflight),
            ("STORAGE_DRIVER_MISMATCH", Exit::Preflight),
            ("UNIT_OWNED_BY_OTHER", Exit::Preflight),
            ("LINGER_OFF", Exit::Preflight),
            ("PODMAN_UNREACHABLE", Exit::Preflight),
            ("IMAGE_MISSING", Exit::Preflight),
            ("PATH_NOT_WRITABLE", Exit::Preflight),
            ("VOLUME_UNCHANGEABLE", Exit::Guarded),
            ("DB_EMPTY", Exit::Guarded),
            ("SECRET_LOST", Exit::Guarded),
            ("EPHEMERAL_DATA", Exit::Guarded),
            ("DATA_ROOT_MOVED", Exit::Guarded),
        ] {
            assert_eq!(exit_of(&risk(code, Severity::Critical)), exit, "{code}");
        }
    }

    #[test]
    fn only_critical_risks_stop_a_run() {
        let plan = |risks: Vec<Risk>| Plan { risks, ..Plan::default() };
        assert_eq!(blocked(&plan(vec![risk("PORT_TAKEN", Severity::Warning)])), None);
        let both = plan(vec![risk("DB_EMPTY", Severity::Critical), risk("PORT_TAKEN", Severity::Critical)]);
        assert_eq!(blocked(&both), Some(Exit::Preflight));
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the ledger cannot be opened")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn every_source_is_told_once() {
        let failure = Failure::from_error(Exit::Failed, &Outer(std::io::Error::other("no space left")));
        assert_eq!(failure.error, "the ledger cannot be opened");
        assert_eq!(failure.causes, ["no space left"]);
    }
}
