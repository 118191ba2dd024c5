//! What the user may set of a timer: when, and what is run. The next run is by what the units say then, so nothing is restarted.

use crate::attributes::{Attribute, attribute};
use crate::change::Action;

pub(super) const ATTRIBUTES: &[Attribute] = &[
    attribute("on_calendar", Action::Reload).set(),
    attribute("on_boot", Action::Reload),
    attribute("on_unit_active", Action::Reload),
    attribute("persistent", Action::Reload),
    attribute("accuracy", Action::Reload),
    attribute("randomized_delay", Action::Reload),
    attribute("exec", Action::Reload),
    attribute("environment", Action::Reload).keys(),
    attribute("env_file", Action::Reload),
    attribute("working_dir", Action::Reload),
    attribute("depends_on", Action::Reload).keys(),
    attribute("timeout_start", Action::Reload),
    attribute("timeout_stop", Action::Reload),
    attribute("kill_signal", Action::Reload),
    attribute("nice", Action::Reload),
    attribute("memory_max", Action::Reload),
    attribute("cpu_quota", Action::Reload),
    attribute("tasks_max", Action::Reload),
    attribute("overrides", Action::Reload).keys(),
    attribute("boot_waits", Action::Reload),
    attribute("unit", Action::Reload).state(),
    attribute("job_unit", Action::Reload).state(),
    attribute("enabled", Action::Update),
    attribute("loaded", Action::Reload).state(),
    attribute("running", Action::Start).state(),
];

/// Rows of the timer's own file; the others are the job's.
pub(super) const OF_THE_TIMER: &[&str] =
    &["on_calendar", "on_boot", "on_unit_active", "persistent", "accuracy", "randomized_delay", "enabled"];

/// Rows of the job's file that the user sets.
pub(super) fn of_the_job() -> impl Iterator<Item = &'static str> {
    let rows = ATTRIBUTES.iter().filter(|row| !row.state && !OF_THE_TIMER.contains(&row.path));
    rows.map(|row| row.path)
}
