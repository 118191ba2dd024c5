//! What a registry's failure is, and what to do about it. Pure.

use super::shapes::registry;
use crate::machine::{Failure, FailureKind};

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    NoSpace,
    /// By the file system of this machine, not by the registry.
    StorageDenied,
    WrongDigest,
    PlainHttp,
    BadCertificate,
    LoginNeeded,
    TooMany,
    NoSuchImage,
    NoSuchPlatform,
    ShortName,
    /// Nothing was reached.
    Unreachable,
    /// It was reached, and broke off or could not answer just then.
    Passing,
}

/// Parts of the words that podman's image library has for it, in small letters. The first that fits decides.
const CAUSES: &[(&str, Cause)] = &[
    ("no space left on device", Cause::NoSpace),
    ("disk quota exceeded", Cause::NoSpace),
    ("permission denied", Cause::StorageDenied),
    ("server gave http response to https client", Cause::PlainHttp),
    ("x509:", Cause::BadCertificate),
    ("certificate", Cause::BadCertificate),
    ("does not match provided manifest digest", Cause::WrongDigest),
    ("digest did not match", Cause::WrongDigest),
    ("digest mismatch", Cause::WrongDigest),
    ("does not match expected", Cause::WrongDigest),
    ("toomanyrequests", Cause::TooMany),
    ("too many requests", Cause::TooMany),
    ("unauthorized", Cause::LoginNeeded),
    ("authentication required", Cause::LoginNeeded),
    ("invalid username/password", Cause::LoginNeeded),
    ("access to the resource is denied", Cause::LoginNeeded),
    ("denied", Cause::LoginNeeded),
    ("no image found in", Cause::NoSuchPlatform),
    ("short-name", Cause::ShortName),
    ("did not resolve to an alias", Cause::ShortName),
    ("manifest unknown", Cause::NoSuchImage),
    ("name unknown", Cause::NoSuchImage),
    ("repository name not known", Cause::NoSuchImage),
    ("no such host", Cause::Unreachable),
    ("connection refused", Cause::Unreachable),
    ("network is unreachable", Cause::Unreachable),
    ("no route to host", Cause::Unreachable),
    ("name resolution", Cause::Unreachable),
    ("server misbehaving", Cause::Unreachable),
    ("i/o timeout", Cause::Passing),
    ("deadline exceeded", Cause::Passing),
    ("tls handshake timeout", Cause::Passing),
    ("unexpected eof", Cause::Passing),
    (": eof", Cause::Passing),
    ("connection reset", Cause::Passing),
    ("broken pipe", Cause::Passing),
    ("use of closed network connection", Cause::Passing),
    ("500 internal", Cause::Passing),
    ("502 bad gateway", Cause::Passing),
    ("503 service", Cause::Passing),
    ("504 gateway", Cause::Passing),
    ("not found", Cause::NoSuchImage),
    ("status: 404", Cause::NoSuchImage),
    ("http 404", Cause::NoSuchImage),
];

pub(super) fn cause(words: &str) -> Option<Cause> {
    let words = words.to_lowercase();
    CAUSES.iter().find(|(part, _)| words.contains(part)).map(|(_, cause)| *cause)
}

/// Is it worth another try at once?
pub(super) fn is_passing(words: &str) -> bool {
    cause(words) == Some(Cause::Passing)
}

/// The failure of a pull, from podman's words.
pub(super) fn failure(reference: &str, words: &str) -> Failure {
    let Some(cause) = cause(words) else {
        return Failure::new(FailureKind::Refused, format!("{reference} was not pulled: {}", words.trim()));
    };
    let (kind, why, hint) = explained(cause, registry(reference), reference);
    Failure::new(kind, format!("{why}: {}", words.trim())).hint(hint)
}

/// The kind, what happened, and what to do.
fn explained(cause: Cause, registry: &str, reference: &str) -> (FailureKind, String, String) {
    use FailureKind::{NotFound, Refused, Unreachable};
    match cause {
        Cause::NoSpace => (
            Refused,
            format!("no space to store {reference}"),
            "make room where podman keeps its images, and try again:\npodman system df".to_owned(),
        ),
        Cause::StorageDenied => (
            Refused,
            format!("podman may not store {reference}"),
            "see whose podman's storage is:\nls -ld \"$(podman info -f '{{.Store.GraphRoot}}')\"".to_owned(),
        ),
        Cause::WrongDigest => (
            Refused,
            format!("what {registry} sends for {reference} has another digest"),
            "do not use it before you know why; if the image was made anew, pin its new digest".to_owned(),
        ),
        Cause::PlainHttp => (
            Refused,
            format!("{registry} does not speak TLS"),
            format!(
                "if that is meant to be, say so in ~/.config/containers/registries.conf.d/{}.conf:\n\
                 [[registry]]\nlocation = \"{registry}\"\ninsecure = true",
                registry.replace(':', "-"),
            ),
        ),
        Cause::BadCertificate => (
            Refused,
            format!("the certificate of {registry} is not trusted"),
            format!("put the certificate of its CA into ~/.config/containers/certs.d/{registry}/ca.crt"),
        ),
        Cause::LoginNeeded => (
            Refused,
            format!("{registry} does not give out {reference}"),
            format!(
                "log in and try again, or check the name: many registries say the same of one that does not exist:\n\
                 podman login {registry}"
            ),
        ),
        Cause::TooMany => (
            Refused,
            format!("{registry} limits how often it is asked"),
            format!("wait, or log in for a higher limit:\npodman login {registry}"),
        ),
        Cause::NoSuchImage => not_there(registry, reference),
        Cause::NoSuchPlatform => (
            NotFound,
            format!("{reference} is not made for this machine"),
            "choose an image or a tag that is made for this machine's architecture".to_owned(),
        ),
        Cause::ShortName => (
            Refused,
            format!("{reference} does not say from which registry"),
            format!("write the registry into the stack file, such as docker.io/library/{reference}"),
        ),
        Cause::Unreachable => (
            Unreachable,
            format!("{registry} cannot be reached"),
            "check this machine's network and the registry's name".to_owned(),
        ),
        Cause::Passing => {
            (Unreachable, format!("{registry} broke off each time"), "try again when the registry answers".to_owned())
        }
    }
}

fn not_there(registry: &str, reference: &str) -> (FailureKind, String, String) {
    let (why, hint) = if reference.contains('@') {
        (
            format!("{registry} has nothing with the digest of {reference}"),
            "the registry may have replaced it; pin the digest that it has now",
        )
    } else {
        (format!("{registry} has no {reference}"), "check the name and the tag in the stack file")
    };
    (FailureKind::NotFound, why, hint.to_owned())
}
