//! Podman's API service: observation, and the calls of [`crate::effect::Podman`]. What a call means is decided by kinds
//! and plan; here it is made, and its answer told. Nothing here forces, prunes, resets or kills.
//!
//! Objects are addressed by name, and podman takes the start of an id for a name as well: asked for a container `db`
//! that is gone, it answers with another one whose id begins with `db`. So each call first looks whether an object has
//! exactly that name, and containers are then addressed by their full id. Networks are the exception: removed by id,
//! podman 5.4 does not ask whether a container uses it (it compares names), so they are removed by name.
//!
//! ## Why two clients
//! `podman-api` makes the calls that it makes right: networks and volumes are created with it, logs read. The others go
//! through the HTTP layer below it (`containers-api`), since podman-api knows no 304, misses or misspells keys of
//! create, drops the progress of a pull, and cannot read what podman 5 shows of a container.

mod act;
mod archive;
mod build;
mod client;
mod failure;
mod lines;
mod look;
mod pull;
mod registry;
mod remote;
mod secrets;
mod serve;
mod shapes;
mod socket;
#[cfg(test)]
mod tests;

use crate::machine::{Failure, Progress};

use client::Client;
pub use look::{HealthLog, Tail};
pub use serve::serve;
pub use socket::Socket;

/// A podman, reached by its socket. Nothing is connected until the first call.
#[derive(Debug)]
pub struct Podman {
    client: Client,
}

impl Podman {
    /// `socket` is a path or a URL: `unix:///run/user/1000/podman/podman.sock`, `tcp://host:port`, `http://host:port`.
    ///
    /// # Errors
    /// The URL is none of these, such as `ssh://`; what to do instead is in the hint.
    pub fn new(socket: &str) -> Result<Self, Failure> {
        Ok(Self { client: Client::new(&Socket::parse(socket)?)? })
    }

    /// Makes one call; done already counts as done.
    ///
    /// # Errors
    /// What podman answered, in its own words.
    pub async fn perform(&self, effect: &crate::effect::Podman, progress: &Progress<'_>) -> Result<(), Failure> {
        act::perform(&self.client, effect, progress).await
    }
}
