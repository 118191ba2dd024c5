//! The log of a proxy, and its decision to hold. It knows neither protocol.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

/// Which half of a call is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Reply,
}

/// The call to hold, counted among those that change something, from 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hold {
    pub(crate) mutation: u64,
    pub(crate) side: Side,
}

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
    hold: Option<Hold>,
}

impl fmt::Debug for Log {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Log").field("hold", &self.hold).finish_non_exhaustive()
    }
}

impl Log {
    /// `-` is stdout.
    pub(crate) fn create(path: &str, hold: Option<Hold>) -> anyhow::Result<Log> {
        let log: Box<dyn Write + Send> = match path {
            "-" => Box::new(std::io::stdout()),
            path => Box::new(File::create(path).with_context(|| format!("cannot write {path}"))?),
        };
        Ok(Log { written: Mutex::new(Written { log, requests: 0, mutations: 0 }), hold })
    }

    pub(crate) fn listening(&self) {
        write(&mut self.written(), "listening", None, &json!({}));
    }

    /// Numbers a request and logs it; does not return if it is the one to hold.
    pub(crate) fn request(&self, mutating: bool, facts: &Value) -> Call {
        let call = {
            let mut written = self.written();
            written.requests += 1;
            written.mutations += u64::from(mutating);
            let call = Call { ordinal: written.requests, mutation: mutating.then_some(written.mutations) };
            write(&mut written, "request", Some(call), facts);
            call
        };
        self.hold_if(Side::Request, call);
        call
    }

    /// Logs the reply to a request; does not return if it is the one to hold.
    pub(crate) fn reply(&self, call: Call, facts: &Value) {
        write(&mut self.written(), "reply", Some(call), facts);
        self.hold_if(Side::Reply, call);
    }

    fn hold_if(&self, side: Side, call: Call) {
        if !self.hold.is_some_and(|hold| hold.side == side && call.mutation == Some(hold.mutation)) {
            return;
        }
        write(&mut self.written(), "held", Some(call), &json!({}));
        loop {
            // May return on its own.
            thread::park();
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
