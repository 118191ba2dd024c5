//! What the systemd user manager shows of its units.

/// The user manager.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manager {
    /// Of the last load of unit files, in microseconds of the wall clock (`UnitsLoadTimestamp`).
    pub loaded_at_us: u64,
}

/// A loaded unit, a row of `ListUnitsByPatterns`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    pub name: String,
    /// `loaded`, `not-found`, `bad-setting`, `error`, `masked`.
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating`, `deactivating`, `reloading`.
    pub active: String,
    /// Such as `running`, `dead`, `auto-restart`, `exited`.
    pub sub: String,
    /// Filled where `Query::unit_details` asked for it.
    pub details: Option<UnitDetails>,
}

/// Read property by property for the units that need it: a `GetAll` costs over a millisecond a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitDetails {
    pub fragment_path: String,
    pub source_path: String,
    pub restarts: u32,
    pub main_pid: u32,
    pub exit_status: i32,
    /// In microseconds of the wall clock.
    pub active_since_us: u64,
}

impl Unit {
    pub fn is_active(&self) -> bool {
        self.active == "active" || self.active == "reloading"
    }

    pub fn is_failed(&self) -> bool {
        self.active == "failed"
    }
}
