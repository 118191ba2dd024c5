//! Proxies in front of a user's podman socket and bus: what a program under test called, and how to hold one call so
//! that a kill falls exactly before or after its effect. The program that does it is `proxy.rs`.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::process::Running;
use super::user::User;

/// Which half of the N-th call that changes something is held, N from 1.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hold {
    /// It never reaches podman or the bus: its effect does not happen.
    Request(u64),
    /// Its effect has happened, and the program is not told.
    Reply(u64),
}

/// What is done to the N-th call that changes something, and to which half of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// `close`, `garble`, `refuse`, `delay`.
    pub(crate) kind: &'static str,
    /// `request` or `reply`.
    pub(crate) side: &'static str,
    pub(crate) mutation: u64,
}

impl From<Hold> for Fault {
    fn from(hold: Hold) -> Self {
        match hold {
            Hold::Request(mutation) => Fault { kind: "hold", side: "request", mutation },
            Hold::Reply(mutation) => Fault { kind: "hold", side: "reply", mutation },
        }
    }
}

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Tap {
    process: Running,
    socket: String,
}

impl User {
    /// A proxy before the user's podman socket, which is started on the first call.
    pub(crate) fn tap_podman(&self, fault: Option<Fault>) -> anyhow::Result<Tap> {
        self.run("systemctl --user start podman.socket").ok();
        Tap::start(self, "podman", &format!("/run/user/{}/podman/podman.sock", self.uid()), fault)
    }

    /// A proxy before the user's bus. `systemctl --user` does not use the bus; `busctl --user` does.
    pub(crate) fn tap_bus(&self, fault: Option<Fault>) -> anyhow::Result<Tap> {
        Tap::start(self, "bus", &format!("/run/user/{}/bus", self.uid()), fault)
    }
}

impl Tap {
    fn start(user: &User, protocol: &str, upstream: &str, fault: Option<Fault>) -> anyhow::Result<Tap> {
        let socket = format!("/run/user/{}/tap-{protocol}.sock", user.uid());
        let mut words =
            vec!["proxy".to_owned(), protocol.to_owned(), socket.clone(), upstream.to_owned(), "-".to_owned()];
        if let Some(Fault { kind, side, mutation }) = fault {
            words.extend([format!("--{kind}"), mutation.to_string(), "--side".to_owned(), side.to_owned()]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let process = user.spawn(&words)?;
        let tap = Tap { process, socket };
        tap.until("listening", Duration::from_secs(10))?;
        Ok(tap)
    }

    /// The path of its socket on the host.
    pub(crate) fn socket(&self) -> &str {
        &self.socket
    }

    /// Every line of its log so far; the members are explained in `proxy.rs`.
    pub(crate) fn events(&self) -> anyhow::Result<Vec<Value>> {
        self.process.stdout().lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
    }

    /// The calls so far that change something, in order: `METHOD /path` without its query, or `Member argument`.
    pub(crate) fn mutations(&self) -> anyhow::Result<Vec<String>> {
        let events = self.events()?;
        let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let called = |event: &Value| match event["method"].as_str() {
            Some(method) => format!("{method} {}", text(event, "path").split('?').next().unwrap_or_default()),
            None => format!("{} {}", text(event, "member"), text(event, "argument")).trim_end().to_owned(),
        };
        let mutating = |event: &&Value| event["event"] == "request" && !event["mutation"].is_null();
        Ok(events.iter().filter(mutating).map(called).collect())
    }

    /// Waits until the call to be held is held.
    pub(crate) fn held(&self, timeout: Duration) -> anyhow::Result<()> {
        self.until("held", timeout)
    }

    fn until(&self, event: &str, timeout: Duration) -> anyhow::Result<()> {
        self.process.says(&format!("\"event\":\"{event}\""), timeout)
    }
}
