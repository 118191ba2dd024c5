//! What can go wrong with the user manager, and what a caller can make of it. Knows the names of systemd's D-Bus errors
//! (`org.freedesktop.systemd1.*`, systemd's bus-common-errors.h) and of the results of its jobs.

use std::fmt;
use std::time::Duration;

use crate::machine::{Failure, FailureKind};

/// One variant for each thing that fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot reach the systemd user manager at {address}")]
    Connect {
        address: String,
        #[source]
        source: zbus::Error,
    },
    #[error("{what}: no answer within {} s", after.as_secs())]
    NoAnswer { what: String, after: Duration },
    #[error("cannot {what}")]
    Call {
        /// `start x.service`.
        what: String,
        #[source]
        source: zbus::Error,
    },
    /// The connection ended while a job ran.
    #[error("{what}: the connection to the user manager broke")]
    Broken { what: String },
    #[error("{unit}: systemd knows no such unit")]
    NoSuchUnit { unit: String },
    /// `load` is systemd's word: `masked`, `bad-setting`, `error`.
    #[error("{unit} cannot be used: {load}")]
    Unusable { unit: String, load: String },
    /// The job goes on.
    #[error("{what}: not done within {} s", after.as_secs())]
    Slow { what: String, after: Duration },
    #[error("{unit} could not be stopped: its job ended as `{result}`")]
    NotStopped { unit: String, result: String },
    #[error("{unit} did not come up: {verdict}")]
    NotUp { unit: String, verdict: Box<Verdict> },
}

/// How a unit was found when it had not come up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Result of the start job: `done`, `failed`, `timeout`, `dependency`, `assert`, `canceled`, …
    pub job: String,
    /// `ActiveState` and `SubState`.
    pub active: String,
    pub sub: String,
    /// `Result` of a service: `success`, `exit-code`, `signal`, `timeout`, `start-limit-hit`, `exec-condition`, …
    pub result: String,
    /// Of the main process: its exit code, or the signal that killed it where `result` says so.
    pub exit_status: i32,
    /// By systemd itself, since the start.
    pub restarts: u32,
    /// Did its `Condition…=` lines hold?
    pub condition: bool,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.job.as_str(), self.result.as_str()) {
            ("dependency", _) => f.write_str("a unit that it requires failed")?,
            ("assert", _) => f.write_str("one of its Assert…= lines does not hold")?,
            ("canceled", _) => f.write_str("its start was cancelled by somebody else")?,
            (_, "exec-condition") => f.write_str("its ExecCondition= says that there is nothing to start")?,
            _ if !self.condition => f.write_str("one of its Condition…= lines does not hold")?,
            ("timeout", _) | (_, "timeout") => {
                f.write_str("it did not report that it is ready in its start timeout")?
            }
            (_, "success" | "") => write!(f, "it ended with exit code {}", self.exit_status)?,
            (_, "exit-code") => write!(f, "exit code {}", self.exit_status)?,
            (_, "signal" | "core-dump") => write!(f, "killed by signal {}", self.exit_status)?,
            (_, "start-limit-hit") => write!(f, "it failed too often, last with exit code {}", self.exit_status)?,
            (_, other) => write!(f, "{other}, exit code {}", self.exit_status)?,
        }
        match self.restarts {
            0 => {}
            1 => f.write_str(", 1 restart")?,
            restarts => write!(f, ", {restarts} restarts")?,
        }
        match self.active.as_str() {
            "failed" | "inactive" => Ok(()),
            active => write!(f, "; it is {active} ({})", self.sub),
        }
    }
}

/// The name of the D-Bus error that was answered.
pub(super) fn name(error: &zbus::Error) -> Option<&str> {
    match error {
        zbus::Error::MethodError(name, _, _) => Some(name.as_str()),
        zbus::Error::FDO(error) => Some(match **error {
            zbus::fdo::Error::FileNotFound(_) => "org.freedesktop.DBus.Error.FileNotFound",
            zbus::fdo::Error::FileExists(_) => "org.freedesktop.DBus.Error.FileExists",
            _ => return None,
        }),
        _ => None,
    }
}

/// Does the answer say that there is no such unit or unit file?
pub(super) fn is_missing(error: &zbus::Error) -> bool {
    matches!(name(error), Some("org.freedesktop.systemd1.NoSuchUnit" | "org.freedesktop.DBus.Error.FileNotFound"))
}

fn kind_of_call(source: &zbus::Error) -> FailureKind {
    match source {
        zbus::Error::InputOutput(error) if error.kind() == std::io::ErrorKind::TimedOut => FailureKind::Timeout,
        zbus::Error::FDO(error)
            if matches!(**error, zbus::fdo::Error::NoReply(_) | zbus::fdo::Error::Disconnected(_)) =>
        {
            FailureKind::LostReply
        }
        source if is_missing(source) => FailureKind::NotFound,
        source if name(source).is_some_and(|name| name.ends_with("Exists")) => FailureKind::Conflict,
        zbus::Error::MethodError(..) | zbus::Error::FDO(_) => FailureKind::Refused,
        // Nobody said no: the connection broke, or what came makes no sense, and the call may have been made.
        _ => FailureKind::LostReply,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Connect { .. } => FailureKind::Unreachable,
            Error::NoAnswer { .. } | Error::Slow { .. } => FailureKind::Timeout,
            Error::Call { source, .. } => kind_of_call(source),
            Error::Broken { .. } => FailureKind::LostReply,
            Error::NoSuchUnit { .. } => FailureKind::NotFound,
            Error::Unusable { .. } | Error::NotStopped { .. } => FailureKind::Refused,
            Error::NotUp { .. } => FailureKind::NotUp,
        };
        let hint = match &error {
            Error::NotUp { unit, .. } | Error::NotStopped { unit, .. } => {
                Some(format!("journalctl --user -u {unit} -e"))
            }
            Error::Unusable { unit, load } if load == "masked" => Some(format!("systemctl --user unmask {unit}")),
            Error::Unusable { unit, .. } => Some(format!("systemctl --user status {unit}")),
            _ => None,
        };
        Failure { hint, ..Failure::new(kind, chain(&error)) }
    }
}

/// The error and what it came from, on one line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    if let Error::Connect { source, .. } | Error::Call { source, .. } = error {
        text.push_str(": ");
        match source {
            // Its Display puts systemd's name of the error before the words, which say the same.
            zbus::Error::MethodError(_, Some(words), _) => text.push_str(words.trim_end_matches('.')),
            source => text.push_str(source.to_string().trim_end_matches('.')),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Verdict, kind_of_call};
    use crate::machine::FailureKind;

    #[test]
    fn only_an_answer_of_the_manager_says_that_nothing_was_done() {
        assert_eq!(kind_of_call(&zbus::Error::IncorrectEndian), FailureKind::LostReply);
        assert_eq!(kind_of_call(&zbus::Error::InvalidReply), FailureKind::LostReply);
        let said = |error| kind_of_call(&zbus::Error::FDO(Box::new(error)));
        assert_eq!(said(zbus::fdo::Error::AccessDenied(String::new())), FailureKind::Refused);
        assert_eq!(said(zbus::fdo::Error::FileNotFound(String::new())), FailureKind::NotFound);
        assert_eq!(said(zbus::fdo::Error::NoReply(String::new())), FailureKind::LostReply);
    }

    #[test]
    fn a_verdict_says_what_happened_in_words() {
        let up = Verdict { condition: true, job: "done".into(), active: "failed".into(), ..Verdict::default() };
        let say = |verdict: Verdict| verdict.to_string();
        assert_eq!(
            say(Verdict { result: "exit-code".into(), exit_status: 3, restarts: 4, ..up.clone() }),
            "exit code 3, 4 restarts"
        );
        assert_eq!(
            say(Verdict {
                result: "exit-code".into(),
                exit_status: 3,
                restarts: 1,
                active: "activating".into(),
                sub: "auto-restart".into(),
                ..up.clone()
            }),
            "exit code 3, 1 restart; it is activating (auto-restart)"
        );
        assert_eq!(
            say(Verdict { job: "dependency".into(), active: "inactive".into(), ..up.clone() }),
            "a unit that it requires failed"
        );
        assert_eq!(
            say(Verdict { active: "inactive".into(), result: "success".into(), ..up }),
            "it ended with exit code 0"
        );
    }
}
