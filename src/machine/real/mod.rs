//! The real machine: podman, the user manager, files and host behind the two traits. What needs more than one of them is
//! put together here, such as a unit that does not come up and the log of the container it runs.
//!
//! Nothing is connected before it is needed, and a connection that broke is made anew at the next call.

#![expect(
    clippy::disallowed_methods,
    reason = "the journal is read by its program, and there is no event for what a probe will answer"
)]

mod explain;
mod look;
mod options;
mod start;
mod wait;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::effect::{self, Effect};
use crate::machine::data::aside::Aside;
use crate::machine::podman::{self, Podman};
use crate::machine::systemd::Systemd;
use crate::machine::{Failure, FailureKind, Observe, Perform, Progress, copy_out, files, host, inside, snapshot};
use crate::observed::{Observed, Query};
pub use options::RealOptions;

/// This machine, as this user.
#[derive(Debug)]
pub struct Real {
    options: RealOptions,
    podman: Mutex<Option<Connected>>,
    systemd: Mutex<Option<Systemd>>,
}

#[derive(Debug)]
struct Connected {
    podman: Arc<Podman>,
    /// A service that was started here because none listened; it ends by itself when it is idle.
    served: bool,
}

impl Real {
    pub fn open(options: RealOptions) -> Self {
        Self { options, podman: Mutex::new(None), systemd: Mutex::new(None) }
    }

    /// The named socket, or the user's own, or a service started on demand where nothing listens there.
    async fn podman(&self) -> Result<Arc<Podman>, Failure> {
        let mut connected = self.podman.lock().await;
        if let Some(Connected { podman, served }) = connected.as_ref()
            && (!served || podman.engine().await.is_ok())
        {
            return Ok(Arc::clone(podman));
        }
        let (podman, served) = match &self.options.podman {
            Some(url) => (Podman::new(url)?, false),
            None => match self.own_podman().await? {
                Some(podman) => (podman, false),
                None => {
                    let socket = self.options.runtime_dir.join("stackctl/podman.sock");
                    podman::serve(&socket).await?;
                    (Podman::new(&socket.display().to_string())?, true)
                }
            },
        };
        let podman = Arc::new(podman);
        *connected = Some(Connected { podman: Arc::clone(&podman), served });
        Ok(podman)
    }

    /// Where podman most likely is, before it was asked anything; None once it was.
    async fn likely_podman(&self) -> Option<Arc<Podman>> {
        if self.options.podman.is_some() || self.podman.lock().await.is_some() {
            return None;
        }
        let socket = self.options.runtime_dir.join("podman/podman.sock");
        let podman = socket.exists().then(|| Podman::new(&socket.display().to_string()).ok())?;
        podman.map(Arc::new)
    }

    /// It answered.
    async fn found(&self, podman: Arc<Podman>) {
        self.podman.lock().await.get_or_insert(Connected { podman, served: false });
    }

    /// None: there is no socket, or one that a service left behind when it ended.
    async fn own_podman(&self) -> Result<Option<Podman>, Failure> {
        let socket = self.options.runtime_dir.join("podman/podman.sock");
        if !socket.exists() {
            return Ok(None);
        }
        let podman = Podman::new(&socket.display().to_string())?;
        match podman.engine().await {
            Ok(_) => Ok(Some(podman)),
            Err(failure) if failure.kind == FailureKind::Unreachable => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn systemd(&self) -> Result<Systemd, Failure> {
        if !host::systemd_runs() {
            return Err(Failure::new(FailureKind::Unreachable, "this machine does not run systemd"));
        }
        let mut connected = self.systemd.lock().await;
        if let Some(systemd) = connected.as_ref().filter(|systemd| systemd.is_connected()) {
            return Ok(systemd.clone());
        }
        let systemd = Systemd::connect(&self.options.bus_address()).await?;
        *connected = Some(systemd.clone());
        Ok(systemd)
    }
}

impl Observe for Real {
    async fn observe(&self, query: &Query) -> Observed {
        self.look(query).await
    }
}

impl Perform for Real {
    async fn perform(&self, effect: &Effect, progress: &Progress<'_>) -> Result<(), Failure> {
        match effect {
            Effect::Podman(effect) => self.podman().await?.perform(effect, progress).await,
            Effect::Systemd(effect) => self.perform_systemd(effect, progress).await,
            Effect::Files(effect) => match files::perform(effect) {
                // What a container's own user has, this user may neither rename nor remove.
                Err(error) if error.is_denied() => match inside(effect).await {
                    Some(Ok(())) => Ok(()),
                    Some(Err(why)) => Err(Failure::new(FailureKind::Refused, format!("cannot {effect}: {why}"))),
                    None => Err(error.into()),
                },
                done => Ok(done?),
            },
            Effect::Snapshot(effect) => snapshot::perform(effect).await,
            Effect::CopyOut(wanted) => copy_out::perform(self.podman().await?.as_ref(), wanted, progress).await,
            Effect::Wait(effect) => self.wait(effect, progress).await,
        }
    }
}

/// The same from inside the user namespace, of what may be done there.
async fn inside(effect: &effect::Files) -> Option<Result<(), String>> {
    let aside = match effect {
        effect::Files::SetAside { path } => Aside::Set(path.clone()),
        effect::Files::PutBack { path } => Aside::Back(path.clone()),
        effect::Files::KeepAside { path } => Aside::Keep(path.clone()),
        effect::Files::RemoveTree { path } => {
            return Some(inside::ask("remove-tree", path, inside::AS_LONG_AS_IT_TAKES).await);
        }
        _ => return None,
    };
    Some(inside::ask("set-aside", &aside, inside::PATIENCE).await)
}

/// Where podman's client is, for the answer `there is none`.
fn podman_is_installed(search: &[PathBuf]) -> bool {
    search.iter().any(|directory| directory.join("podman").is_file())
}
