//! Where podman's API is reached. Pure.

use std::path::PathBuf;

use crate::machine::{Failure, FailureKind};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Socket {
    Unix(PathBuf),
    /// `host:port`, in clear text.
    Tcp(String),
}

impl Socket {
    /// Takes a path too, as `podman system connection` does.
    ///
    /// # Errors
    /// The scheme is not one that is spoken here.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("unix", text));
        let rest_is_empty = rest.trim_matches('/').is_empty();
        match scheme {
            "unix" if !rest_is_empty => Ok(Socket::Unix(PathBuf::from(rest))),
            "tcp" | "http" if !rest_is_empty => Ok(Socket::Tcp(rest.trim_end_matches('/').to_owned())),
            "ssh" => Err(refused(text, "ssh is not spoken here").hint(
                "run stackctl on that machine, or forward its socket and use the near end:\n\
                 ssh -N -L /tmp/podman.sock:/run/user/1000/podman/podman.sock USER@HOST\n\
                 stackctl --podman unix:///tmp/podman.sock …",
            )),
            _ => Err(refused(text, "no address of a podman socket")
                .hint("use unix:///run/user/UID/podman/podman.sock or tcp://HOST:PORT")),
        }
    }
}

fn refused(text: &str, why: &str) -> Failure {
    Failure::new(FailureKind::Refused, format!("`{text}`: {why}"))
}

impl std::fmt::Display for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Socket::Unix(path) => path.display().fmt(f),
            Socket::Tcp(host) => write!(f, "tcp://{host}"),
        }
    }
}
