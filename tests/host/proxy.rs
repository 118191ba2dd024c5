//! Stands between a program under test and podman's socket or the user's bus, on the test host: it logs every call and
//! does what it is told to the N-th one that changes something: holds it, so that a kill falls exactly before or after its effect,
//! closes the connection instead of passing it, passes garbage in its place, refuses it, or delays it.
//!
//! It may not change what else passes, but for the passing of file descriptors on the bus, which is refused because bytes alone
//! would lose them.
//!
//! ```text
//! proxy podman|bus LISTEN UPSTREAM LOG [--hold|--close|--garble|--refuse|--delay N] [--side request|reply]
//! ```
//!
//! LISTEN and UPSTREAM are paths of sockets. LOG, a path or `-` for stdout, gets one JSON object per line: `event` is `listening`, `request`,
//! `reply`, `held` or `fault`; `ordinal` counts requests from 1; `mutation` counts those that change something from 1 and is
//! null for the others. A held request never reaches UPSTREAM; of a held reply nothing reaches the program, and its
//! effect is done. Whatever comes after N passes, on other connections.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a program of its own, made of sockets")]

#[path = "proxy/bus.rs"]
mod bus;
#[path = "proxy/http.rs"]
mod http;
#[path = "proxy/log.rs"]
mod log;
#[path = "proxy/wire.rs"]
mod wire;

use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, bail};
use log::{Fault, Kind, Log, Side};

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [protocol, listen, upstream, log, options @ ..] = words.as_slice() else {
        bail!(
            "usage: proxy podman|bus LISTEN UPSTREAM LOG [--hold|--close|--garble|--refuse|--delay N] [--side request|reply]"
        );
    };
    let forward = match protocol.as_str() {
        "podman" => http::forward,
        "bus" => bus::forward,
        other => bail!("no such protocol: {other}"),
    };
    let log = Arc::new(Log::create(log, fault(options)?)?);
    // What a killed proxy left there would refuse the bind.
    if let Err(error) = std::fs::remove_file(listen)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error).context(format!("cannot remove {listen}"));
    }
    let listener = UnixListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    log.listening();
    for client in listener.incoming() {
        let client = client?;
        // Podman's socket is there before its service is: connecting starts it.
        let upstream = UnixStream::connect(upstream).with_context(|| format!("cannot connect to {upstream}"))?;
        let log = Arc::clone(&log);
        // A connection that ends in the middle is the program's death or podman's: both sides are closed by then.
        thread::spawn(move || forward(client, upstream, &log).ok());
    }
    Ok(())
}

fn fault(options: &[String]) -> anyhow::Result<Option<Fault>> {
    const KINDS: [(&str, Kind); 5] = [
        ("--hold", Kind::Hold),
        ("--close", Kind::Close),
        ("--garble", Kind::Garble),
        ("--refuse", Kind::Refuse),
        ("--delay", Kind::Delay),
    ];
    let mut asked = None;
    let mut side = Side::Request;
    for pair in options.chunks(2) {
        let [name, value] = pair else { bail!("not understood: {}", pair.join(" ")) };
        match (KINDS.iter().find(|(known, _)| known == name), name.as_str(), value.as_str()) {
            (Some((_, kind)), _, number) => asked = Some((*kind, number.parse().context("it takes a number")?)),
            (None, "--side", "request") => side = Side::Request,
            (None, "--side", "reply") => side = Side::Reply,
            (None, _, _) => bail!("not understood: {}", pair.join(" ")),
        }
    }
    Ok(asked.map(|(kind, mutation)| Fault { mutation, side, kind }))
}
