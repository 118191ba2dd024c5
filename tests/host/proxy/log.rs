//! The log of a proxy, and its decision what becomes of a call. It knows neither protocol.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

/// Which half of a call is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Reply,
}

/// What is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Hold,
    Close,
    Garble,
    Refuse,
    Delay,
}

/// The call that it is done to, counted among those that change something, from 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) mutation: u64,
    pub(crate) side: Side,
    pub(crate) kind: Kind,
}

/// What a protocol has to do with a half of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Pass,
    Close,
    Garble,
    Refuse,
}

/// Longer than anything answers by itself, and shorter than anybody gives up.
const DELAY: Duration = Duration::from_secs(2);

/// One request, as numbered by the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) ordinal: u64,
    pub(crate) mutation: Option<u64>,
}

struct Written {
    log: Box<dyn Write + Send>,
    requests: u64,
    mutations: u64,
}

pub(crate) struct Log {
    written: Mutex<Written>,
    fault: Option<Fault>,
}

impl fmt::Debug for Log {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Log").field("fault", &self.fault).finish_non_exhaustive()
    }
}

impl Log {
    /// `-` is stdout.
    pub(crate) fn create(path: &str, fault: Option<Fault>) -> anyhow::Result<Log> {
        let log: Box<dyn Write + Send> = match path {
            "-" => Box::new(std::io::stdout()),
            path => Box::new(File::create(path).with_context(|| format!("cannot write {path}"))?),
        };
        Ok(Log { written: Mutex::new(Written { log, requests: 0, mutations: 0 }), fault })
    }

    pub(crate) fn listening(&self) {
        write(&mut self.written(), "listening", None, &json!({}));
    }

    /// Numbers a request and logs it; does not return if it is the one to hold.
    pub(crate) fn request(&self, mutating: bool, facts: &Value) -> (Call, Act) {
        let call = {
            let mut written = self.written();
            written.requests += 1;
            written.mutations += u64::from(mutating);
            let call = Call { ordinal: written.requests, mutation: mutating.then_some(written.mutations) };
            write(&mut written, "request", Some(call), facts);
            call
        };
        (call, self.act(Side::Request, call))
    }

    /// Logs the reply to a request; does not return if it is the one to hold.
    pub(crate) fn reply(&self, call: Call, facts: &Value) -> Act {
        write(&mut self.written(), "reply", Some(call), facts);
        self.act(Side::Reply, call)
    }

    fn act(&self, side: Side, call: Call) -> Act {
        let is_this = |fault: &Fault| fault.side == side && call.mutation == Some(fault.mutation);
        let Some(fault) = self.fault.filter(is_this) else { return Act::Pass };
        write(&mut self.written(), if fault.kind == Kind::Hold { "held" } else { "fault" }, Some(call), &json!({}));
        match fault.kind {
            Kind::Close => Act::Close,
            Kind::Garble => Act::Garble,
            Kind::Refuse => Act::Refuse,
            Kind::Delay => {
                thread::sleep(DELAY);
                Act::Pass
            }
            Kind::Hold => loop {
                // May return on its own.
                thread::park();
            },
        }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line in one write, so that a reader never sees half of it as a line.
fn write(written: &mut Written, event: &str, call: Option<Call>, facts: &Value) {
    let mut line = Map::new();
    line.insert("event".to_owned(), json!(event));
    if let Some(call) = call {
        line.insert("ordinal".to_owned(), json!(call.ordinal));
        line.insert("mutation".to_owned(), json!(call.mutation));
    }
    line.extend(facts.as_object().cloned().unwrap_or_default());
    let line = format!("{}\n", Value::Object(line));
    // A test that misses lines must not pass: without its log the proxy is worth nothing.
    written.log.write_all(line.as_bytes()).and_then(|()| written.log.flush()).expect("the log can be written");
}
