//! What can come back from a call instead of its answer, and what the caller can make of it.
//!
//! Podman's status codes do not tell kinds of failure apart (a name in use is 500 for a container and 409 for a
//! network), so the words of `cause` and `message` do (podman 5.4, `libpod/define/errors.go`).

use std::time::Duration;

use containers_api::conn;

use crate::machine::{Failure, FailureKind};

#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// Nothing was sent.
    #[error("no connection")]
    Connect(#[source] conn::Error),
    /// Something was sent; what became of it is not known.
    #[error("the connection broke before the answer")]
    Broken(#[source] conn::Error),
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    #[error("{message}")]
    Said { status: u16, cause: String, message: String },
    #[error("the answer is not podman's")]
    Unreadable(#[source] serde_json::Error),
    /// The answer has more bytes than any answer of podman's.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error("no request can be made of that name")]
    BadRequest(#[source] conn::Error),
}

impl From<conn::Error> for CallError {
    fn from(error: conn::Error) -> Self {
        match error {
            conn::Error::Hyper(ref hyper) if hyper.is_connect() => CallError::Connect(error),
            conn::Error::SerdeJsonError(error) => CallError::Unreadable(error),
            conn::Error::InvalidUri(_) | conn::Error::Http(_) => CallError::BadRequest(error),
            conn::Error::Fault { code, message } => {
                CallError::Said { status: code.as_u16(), cause: message.clone(), message }
            }
            error => CallError::Broken(error),
        }
    }
}

impl From<serde_json::Error> for CallError {
    fn from(error: serde_json::Error) -> Self {
        CallError::Unreadable(error)
    }
}

impl From<podman_api::Error> for CallError {
    fn from(error: podman_api::Error) -> Self {
        use podman_api::Error;
        match error {
            // "message: cause", as podman-api joins them; message ends with the cause already.
            Error::Fault { code, message } => CallError::Said {
                status: code.as_u16(),
                cause: message.rsplit(": ").next().unwrap_or_default().to_owned(),
                message: without_repeated_cause(&message),
            },
            Error::Error(error) => error.into(),
            Error::SerdeJsonError(error) => CallError::Unreadable(error),
            Error::IO(error) => CallError::Broken(conn::Error::IO(error)),
            error => CallError::Broken(conn::Error::Any(Box::new(error))),
        }
    }
}

/// `network a is used: in use: in use` without the last part.
fn without_repeated_cause(joined: &str) -> String {
    match joined.rsplit_once(": ") {
        Some((message, cause)) if message.ends_with(cause) => message.to_owned(),
        _ => joined.to_owned(),
    }
}

impl CallError {
    /// Is it podman's own word that there is no such object?
    pub(super) fn is_not_found(&self) -> bool {
        match self {
            CallError::Said { status, cause, message } => kind_of(*status, cause, message) == FailureKind::NotFound,
            _ => false,
        }
    }

    pub(super) fn is_said(&self) -> bool {
        matches!(self, CallError::Said { .. })
    }

    /// `at` is the socket, for the failures that are not podman's own words.
    pub(super) fn into_failure(self, at: &str) -> Failure {
        match self {
            CallError::Connect(ref source) => {
                Failure::new(FailureKind::Unreachable, format!("no podman answers at {at}: {}", innermost(source)))
                    .hint("start its API service:\nsystemctl --user start podman.socket")
            }
            CallError::Broken(ref source) => Failure::new(
                FailureKind::LostReply,
                format!("the connection to podman at {at} broke before the answer: {}", innermost(source)),
            ),
            CallError::Timeout(_) => Failure::new(FailureKind::Timeout, format!("podman at {at}: {self}")),
            CallError::Said { status, cause, message } => {
                let kind = kind_of(status, &cause, &message);
                let words = if message.trim().is_empty() { cause } else { message };
                let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
                match words.trim_end_matches('.') {
                    "" => Failure::new(kind, format!("podman at {at} answered HTTP {status} without a word")),
                    words => Failure::new(kind, words),
                }
            }
            CallError::Unreadable(ref source) => {
                Failure::new(FailureKind::LostReply, format!("the answer of podman at {at} cannot be read: {source}"))
            }
            CallError::TooLarge(_) => Failure::new(FailureKind::LostReply, format!("podman at {at}: {self}")),
            CallError::BadRequest(ref source) => Failure::new(FailureKind::Refused, innermost(source)),
        }
    }
}

/// The last of the chain: `Connection refused (os error 111)` says more than `error trying to connect`.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// Parts of podman's words, and what they mean. The first that fits decides.
const WORDS: &[(&str, FailureKind)] = &[
    // Two ids that begin alike: of that very name there is none.
    ("more than one result", FailureKind::NotFound),
    ("already in use", FailureKind::Conflict),
    ("already exists", FailureKind::Conflict),
    ("already used", FailureKind::Conflict),
    ("already connected", FailureKind::Conflict),
    ("is in use", FailureKind::Conflict),
    ("being used", FailureKind::Conflict),
    ("no such container", FailureKind::NotFound),
    ("no such network", FailureKind::NotFound),
    ("network not found", FailureKind::NotFound),
    ("no such volume", FailureKind::NotFound),
    ("no such image", FailureKind::NotFound),
    ("image not known", FailureKind::NotFound),
];

pub(super) fn kind_of(status: u16, cause: &str, message: &str) -> FailureKind {
    let found = WORDS.iter().find(|(words, _)| cause.contains(words) || message.contains(words));
    match (found, status) {
        (Some((_, kind)), _) => *kind,
        (None, 404) => FailureKind::NotFound,
        (None, 409) => FailureKind::Conflict,
        (None, _) => FailureKind::Refused,
    }
}
