//! What the user may set of a service, and what a change costs: a line of the unit, and mostly a restart of its process.

use serde_json::{Map, Value, json};

use super::{Needs, Service, condition_word, sockets};
use crate::attributes::{Attribute, Attributes, attribute};
use crate::change::Action;
use crate::kinds::unit::{BootWait, host_check};

pub(super) const ATTRIBUTES: &[Attribute] = &[
    attribute("exec", Action::Restart),
    attribute("type", Action::Restart),
    attribute("environment", Action::Restart).keys(),
    attribute("env_file", Action::Restart),
    attribute("working_dir", Action::Restart),
    attribute("depends_on", Action::Reload).keys(),
    attribute("restart", Action::Reload),
    attribute("restart_sec", Action::Reload),
    attribute("start_limit", Action::Reload),
    attribute("timeout_start", Action::Reload),
    attribute("timeout_stop", Action::Reload),
    attribute("kill_signal", Action::Reload),
    attribute("nice", Action::Restart),
    attribute("memory_max", Action::Reload),
    attribute("cpu_quota", Action::Reload),
    attribute("tasks_max", Action::Reload),
    attribute("sandbox", Action::Restart),
    attribute("wanted_by", Action::Reload).set(),
    attribute("overrides", Action::Restart).keys(),
    attribute("sockets", Action::Restart).set(),
    attribute("healthcheck", Action::Reload).keys(),
    attribute("boot_waits", Action::Reload),
    attribute("data_roots", Action::Reload),
    attribute("unit", Action::Restart).state(), // an edited unit may run an edited program
    attribute("enabled", Action::Update),
    attribute("loaded", Action::Reload).state(),
    attribute("socket_unit", Action::Restart).state(),
    attribute("listening", Action::Start).state(),
    attribute("running", Action::Start).state(),
    attribute("current", Action::Restart).state(),
    attribute("hollow", Action::Restart).state(),
];

/// All that the user sets is a line of the unit.
pub(super) fn unit_rows() -> Vec<&'static str> {
    ATTRIBUTES.iter().filter(|row| !row.state).map(|row| row.path).collect()
}

pub(super) fn spec(service: &Service) -> Attributes {
    let mut spec = Attributes::default();
    spec.set("exec", json!(service.exec));
    spec.set("type", service.kind);
    spec.set_given("environment", json!(service.environment));
    let files = service.env_files.iter().map(|(path, required)| json!({ "path": path, "required": required }));
    spec.set_given("env_file", files.collect::<Vec<_>>());
    spec.set_given("working_dir", json!(service.working_dir));
    let needs = |needs: &Needs| {
        (needs.name.clone(), json!({ "condition": condition_word(needs.condition), "restart": needs.restart }))
    };
    spec.set_given("depends_on", service.depends_on.iter().map(needs).collect::<Map<_, _>>());
    spec.set("restart", service.restart.text());
    spec.set_given("restart_sec", json!(service.restart_sec.map(|time| time.as_secs_f64())));
    let limit =
        service.start_limit.map(|(burst, interval)| json!({ "burst": burst, "interval": interval.as_secs_f64() }));
    spec.set_given("start_limit", json!(limit));
    spec.set_given("timeout_start", json!(service.timeout_start.map(|time| time.as_secs_f64())));
    spec.set_given("timeout_stop", json!(service.timeout_stop.map(|time| time.as_secs_f64())));
    spec.set_given("kill_signal", json!(service.kill_signal));
    spec.set_given("nice", json!(service.nice));
    spec.set_given("memory_max", json!(service.memory_max));
    spec.set_given("cpu_quota", json!(service.cpu_quota));
    spec.set_given("tasks_max", json!(service.tasks_max));
    spec.set_given("sandbox", json!(service.sandbox));
    spec.set_given("wanted_by", json!(service.wanted_by));
    spec.set_given("sockets", sockets::attribute(&service.sockets));
    let lines = |lines: &Vec<(String, String)>| lines.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let overrides = service.overrides.iter().map(|(section, given)| (section.clone(), lines(given)));
    spec.set_given("overrides", overrides.collect::<Map<_, _>>());
    spec.set_given("healthcheck", service.readiness.as_ref().map_or(Value::Null, host_check));
    spec.set_given("boot_waits", service.boot_waits.iter().map(BootWait::value).collect::<Vec<_>>());
    spec.set_given("data_roots", json!(service.roots));
    spec.set("enabled", service.is_enabled());
    spec
}
