//! The systemd user manager over its bus: what it shows of its units, and the calls that change them. It knows nothing
//! of containers; whose log explains a failure is known where podman is (`real`).
//!
//! Nothing here looks at the environment: the bus address is handed in.

#![expect(clippy::disallowed_types, reason = "the bus is spoken to here")]

mod error;
mod jobs;
mod proxies;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::sync::OnceCell;
use zbus::proxy::CacheProperties;

use crate::effect;
use crate::observed::systemd::UnitDetails;
use crate::observed::{Manager, Unit};
pub use error::{Error, Verdict};
use proxies::{ManagerProxy, ServiceProxy, UnitProxy};

/// A call that got no answer in this time is given up. Reloading is the slowest: 0.35 s with 500 units.
const CALL_TIMEOUT: Duration = Duration::from_secs(90);

/// Connecting and each look at the units; a frozen manager must not freeze a plan.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// Messages that may wait for a reader. A full queue would stop the whole connection, replies included, so it is far
/// over what the jobs of one run can signal.
const QUEUED_MAX: NonZeroUsize = NonZeroUsize::new(4096).expect("it is not zero");

/// Units whose properties are read at a time; the manager answers them one after the other anyway.
const DETAILS_AT_ONCE: usize = 16;

/// A connection to the user manager.
#[derive(Clone, Debug)]
pub struct Systemd {
    manager: ManagerProxy<'static>,
    subscribed: Arc<OnceCell<()>>,
}

impl Systemd {
    /// Connects to the bus at `address` (`unix:path=/run/user/1000/bus`) and finds the manager there.
    ///
    /// # Errors
    /// Nothing listens there, the bus refuses this user, or no manager is on it.
    pub async fn connect(address: &str) -> Result<Self, Error> {
        let connecting = async {
            let connection = zbus::connection::Builder::address(address)
                .max_queued(QUEUED_MAX)
                .method_timeout(CALL_TIMEOUT)
                .build()
                .await?;
            ManagerProxy::builder(&connection).cache_properties(CacheProperties::No).build().await
        };
        match tokio::time::timeout(LOOK_TIMEOUT, connecting).await {
            Ok(Ok(manager)) => Ok(Self { manager, subscribed: Arc::default() }),
            Ok(Err(source)) => Err(Error::Connect { address: address.to_owned(), source }),
            Err(_) => Err(Error::NoAnswer { what: format!("the bus at {address}"), after: LOOK_TIMEOUT }),
        }
    }

    /// Without it the manager sends no signals; who only looks needs none. A second subscription is refused, which does no
    /// harm.
    async fn subscribe(&self) -> zbus::Result<()> {
        let subscribe = async || match self.manager.subscribe().await {
            Err(source) if error::name(&source) == Some("org.freedesktop.systemd1.AlreadySubscribed") => Ok(()),
            subscribed => subscribed,
        };
        self.subscribed.get_or_try_init(subscribe).await.copied()
    }

    /// Is the connection still good? The bus ends it when it or the manager is restarted.
    pub fn is_connected(&self) -> bool {
        !self.manager.inner().connection().is_closed()
    }

    /// systemd 257 stamps `UnitsLoadTimestamp` when a reload begins to read; it is 0 until the first one, and what was
    /// read at the manager's own start is in `UnitsLoadStartTimestamp`, which no reload touches. Both are beginnings, so
    /// that a file written while units were being read counts as newer.
    ///
    /// # Errors
    /// The manager does not answer.
    pub async fn manager(&self) -> Result<Manager, Error> {
        let stamps =
            async { tokio::try_join!(self.manager.units_load_timestamp(), self.manager.units_load_start_timestamp()) };
        let (reloaded_us, started_us) = look("when units were loaded", stamps).await?;
        Ok(Manager { loaded_at_us: reloaded_us.max(started_us) })
    }

    /// The loaded units with these names; a name may be a pattern as in `systemctl list-units`.
    ///
    /// # Errors
    /// The manager does not answer.
    pub async fn units(&self, names: &BTreeSet<String>) -> Result<Vec<Unit>, Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let patterns: Vec<&str> = names.iter().map(String::as_str).collect();
        let rows = look("the list of units", self.manager.list_units_by_patterns(&[], &patterns)).await?;
        Ok(rows
            .into_iter()
            .map(|(name, _, load, active, sub, ..)| Unit { name, load, active, sub, details: None })
            .collect())
    }

    /// The units with these exact names, each with its details. A unit that is not loaded is loaded first, so that a
    /// file anywhere on the search path is found; what has no file and does not run is left out.
    ///
    /// # Errors
    /// The manager does not answer.
    pub async fn detailed(&self, names: &BTreeSet<String>) -> Result<Vec<Unit>, Error> {
        let units: Vec<_> =
            stream::iter(names).map(|name| self.detailed_one(name)).buffer_unordered(DETAILS_AT_ONCE).collect().await;
        units.into_iter().filter_map(Result::transpose).collect()
    }

    async fn detailed_one(&self, name: &str) -> Result<Option<Unit>, Error> {
        let read = async {
            let Handle { unit, service } = self.handle(name).await?;
            let (load, active, sub, fragment_path, source_path, active_since_us) = tokio::try_join!(
                unit.load_state(),
                unit.active_state(),
                unit.sub_state(),
                unit.fragment_path(),
                unit.source_path(),
                unit.active_enter_timestamp(),
            )?;
            let mut details = UnitDetails { fragment_path, source_path, active_since_us, ..UnitDetails::default() };
            if let Some(service) = service {
                (details.restarts, details.main_pid, details.exit_status) =
                    tokio::try_join!(service.restarts(), service.main_pid(), service.exec_main_status())?;
            }
            Ok(Unit { name: name.to_owned(), load, active, sub, details: Some(details) })
        };
        let unit = look(name, read).await?;
        Ok((unit.load != "not-found" || unit.active != "inactive").then_some(unit))
    }

    /// How often systemd has restarted `unit` by itself since it was last started; None where that is not known.
    pub async fn restarts(&self, unit: &str) -> Option<u32> {
        let read = async {
            match self.handle(unit).await?.service {
                Some(service) => service.restarts().await.map(Some),
                None => Ok(None),
            }
        };
        look(unit, read).await.ok().flatten()
    }

    /// Makes one call. `Start` and `Restart` return when the unit has stayed up for its `settle`, or with the verdict.
    /// Before a unit that has to settle counts as up, `alive` says whether what it runs is there.
    ///
    /// # Errors
    /// What the manager answered, or that the unit did not come up.
    pub async fn perform(&self, effect: &effect::Systemd, alive: impl AsyncFn() -> bool) -> Result<(), Error> {
        let what = || effect.to_string();
        match effect {
            effect::Systemd::Reload => call(what(), self.manager.reload()).await,
            effect::Systemd::Enable { unit } => {
                call(what(), self.manager.enable_unit_files(&[unit], false, false)).await.map(|_| ())
            }
            effect::Systemd::Disable { unit } => {
                match call(what(), self.manager.disable_unit_files(&[unit], false)).await {
                    // Without a file there is nothing that could be enabled.
                    Err(Error::Call { source, .. }) if error::is_missing(&source) => Ok(()),
                    other => other.map(|_| ()),
                }
            }
            effect::Systemd::Start { unit, container: _, settle, healthy_within: _, timeout } => {
                self.start(unit, jobs::Verb::Start, *settle, *timeout, alive).await
            }
            effect::Systemd::Restart { unit, container: _, settle, healthy_within: _, timeout } => {
                self.start(unit, jobs::Verb::Restart, *settle, *timeout, alive).await
            }
            effect::Systemd::Stop { unit, timeout } => self.stop(unit, *timeout).await,
        }
    }

    /// Loads the unit where needed; a name without any file gives a handle as well, with `LoadState` `not-found`.
    async fn handle(&self, name: &str) -> zbus::Result<Handle> {
        let path = self.manager.load_unit(name).await?;
        let connection = self.manager.inner().connection();
        let unit = UnitProxy::builder(connection).path(path.clone()).cache_properties(CacheProperties::No).build();
        let service = match name.ends_with(".service") {
            true => {
                Some(ServiceProxy::builder(connection).path(path).cache_properties(CacheProperties::No).build().await?)
            }
            false => None,
        };
        Ok(Handle { unit: unit.await?, service })
    }
}

/// Is the unit down, and not on its way to another start by systemd?
pub fn is_down(unit: &Unit) -> bool {
    jobs::phase(&unit.active, &unit.sub) == jobs::Phase::Down
}

/// One unit on the bus.
#[derive(Debug)]
struct Handle {
    unit: UnitProxy<'static>,
    /// None for timers, sockets and the like.
    service: Option<ServiceProxy<'static>>,
}

async fn call<T>(what: String, call: impl Future<Output = zbus::Result<T>>) -> Result<T, Error> {
    call.await.map_err(|source| Error::Call { what, source })
}

async fn look<T>(what: &str, call: impl Future<Output = zbus::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(LOOK_TIMEOUT, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(Error::Call { what: format!("look at {what}"), source }),
        Err(_) => Err(Error::NoAnswer { what: what.to_owned(), after: LOOK_TIMEOUT }),
    }
}
