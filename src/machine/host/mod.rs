//! What the host itself shows: listening sockets with their holders, and the settings that rootless podman and lingering
//! user units rest on. Reads netlink, `/proc` and `/etc` alone; asks nobody for privileges and changes nothing.

#![expect(clippy::disallowed_methods, reason = "the host is looked at here")]

mod cgroups;
mod diag;
mod facts;
mod holder;
pub mod ids;
mod mounts;
mod sockets;
mod storage;
mod writable;
mod writers;

use std::collections::BTreeSet;
use std::io;

use crate::observed::Listener;
pub use facts::{facts, systemd_runs};
pub use mounts::live as live_mounts;
pub use writers::writers;

/// Listening sockets in this network namespace, whoever holds them. Those on `owners_of_ports` are followed to their
/// process as far as this user may look.
///
/// A socket at `::` takes IPv4 as well, unless its program asked for IPv6 alone, which `/proc` does not tell.
///
/// # Errors
/// Neither netlink nor `/proc/net` answers.
pub fn listeners(owners_of_ports: &BTreeSet<u16>) -> io::Result<Vec<Listener>> {
    let mut sockets = Vec::new();
    for table in sockets::TABLES {
        sockets.extend(diag::read(table).or_else(|_| sockets::read(table))?);
    }
    let mut wanted: Vec<&mut sockets::Socket> =
        sockets.iter_mut().filter(|socket| owners_of_ports.contains(&socket.listener.port)).collect();
    if !wanted.is_empty() {
        holder::fill(&mut wanted);
    }
    let mut listeners: Vec<Listener> = sockets.into_iter().map(|socket| socket.listener).collect();
    // With SO_REUSEPORT one program may hold several on the same port.
    listeners.dedup();
    Ok(listeners)
}

#[cfg(test)]
mod tests;
