//! The unit of a container. It starts and stops what exists already; it never creates, never pulls, never removes.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Condition, Container, NEXT, Needs, PARKED, Restart, snapshot};
use crate::attributes::Attributes;
use crate::effect::there;
use crate::kinds::directory;
use crate::kinds::unit::{BootWait, Parts, SEARCH_PATH, Unit, host_check, line_value};
use crate::probe::Probe;

/// Podman's and Compose's own default between SIGTERM and SIGKILL.
pub(super) const STOP_GRACE: Duration = Duration::from_secs(10);
/// What `podman start` and conmon may take on a slow disk, on top of what is waited for.
const START_MARGIN: Duration = Duration::from_secs(90);
/// From the kill that ends the grace period to podman's own clean-up.
const STOP_MARGIN: Duration = Duration::from_secs(20);

/// Made once, after everything is linked.
pub(super) fn unit(container: &Container) -> &Unit {
    container.once.unit.get_or_init(|| {
        let parts = Parts {
            name: container.names.unit.clone(),
            address: container.address.clone(),
            spec: spec(container),
            body: body(container),
            enabled: !container.one_shot,
            target: "default.target",
        };
        Unit::new(&container.context, parts)
    })
}

/// The longest that systemd gives a start.
pub(super) fn start_timeout(container: &Container) -> Duration {
    let waits: u64 = container.boot_waits.iter().map(|wait| wait.timeout_s).sum();
    let own = container.readiness().filter(|_| container.has_own_check());
    START_MARGIN + Duration::from_secs(waits) + own.map(|readiness| readiness.deadline()).unwrap_or_default()
}

pub(super) fn stop_timeout(container: &Container) -> Duration {
    container.stop_timeout() + STOP_MARGIN
}

fn spec(container: &Container) -> Attributes {
    let mut spec = Attributes::default();
    spec.set("restart", container.restart.text());
    let needs = |needs: &Needs| {
        let condition = match needs.condition {
            Condition::Healthy => "service_healthy",
            Condition::CompletedSuccessfully => "service_completed_successfully",
            Condition::Started | Condition::Exists => "service_started",
        };
        (needs.name.clone(), json!({ "condition": condition, "restart": needs.restart }))
    };
    spec.set_given("depends_on", container.depends_on.iter().map(needs).collect::<serde_json::Map<_, _>>());
    spec.set("stop_grace_period", container.stop_timeout().as_secs_f64());
    if !container.has_own_check() {
        spec.set_given("healthcheck.host", container.readiness().as_ref().map_or(Value::Null, host_check));
    }
    spec.set_given("boot_waits", container.boot_waits.iter().map(BootWait::value).collect::<Vec<_>>());
    spec.set_given("data_roots", json!(container.once.roots));
    spec.set("timeout_start", start_timeout(container).as_secs());
    spec.set("enabled", !container.one_shot);
    // The unit names the container in its calls.
    spec.set("name", container.name.clone());
    spec
}

fn body(container: &Container) -> String {
    let name = &container.name;
    let grace = container.stop_timeout().as_secs();
    let mut text = String::new();
    let mut line = |line: &str| writeln!(text, "{line}").expect("a string takes all");
    line("[Unit]");
    line(&format!("Description={}", line_value(&format!("{name} (container of stack {})", container.context.stack))));
    for after in &container.unit_dependencies.after {
        line(&format!("After={after}"));
    }
    for wants in &container.unit_dependencies.wants {
        line(&format!("Wants={wants}"));
    }
    // As long as data is on its way back to it, it does not start on half of it.
    if let Some(hold) = snapshot::hold(container) {
        line(&format!("ConditionPathExists=!{}", line_value(&hold.display().to_string())));
    }
    for root in &container.once.roots {
        line(&directory::assertion(root));
    }
    if let Restart::OnFailure(Some(tries)) = container.restart {
        line(&format!("StartLimitBurst={}", tries.saturating_add(1)));
        line("StartLimitIntervalSec=1h");
    }
    line("");
    line("[Service]");
    line("Type=notify");
    line("NotifyAccess=all");
    line(&format!("Environment=PATH={}", SEARCH_PATH.join(":")));
    // A power cut in a replace may have left only the parked one: it is put back. With neither, the start is skipped.
    // Asking podman takes as long as half a start, so that who starts it and has asked already leaves a word, for one time.
    line(&format!(
        "ExecCondition=/bin/sh -c \"rm %t/{} 2>/dev/null || podman container exists {name} || {}\"",
        there(name),
        put_back(name)
    ));
    for wait in &container.boot_waits {
        line(&wait.line());
    }
    line(&format!("ExecStart=/usr/bin/env podman start {name}"));
    line(&format!("ExecStop=/usr/bin/env podman stop -t {grace} {name}"));
    line(&format!("ExecStopPost=-/usr/bin/env podman stop -t {grace} {name}"));
    line("KillMode=mixed");
    line("Delegate=yes");
    // What podman makes of the SIGTERM that a stop sends to a program without a handler.
    line("SuccessExitStatus=143");
    line(&format!("TimeoutStartSec={}", start_timeout(container).as_secs()));
    line(&format!("TimeoutStopSec={}", stop_timeout(container).as_secs()));
    line(match container.restart {
        Restart::No => "Restart=no",
        Restart::OnFailure(_) => "Restart=on-failure",
        Restart::Always | Restart::UnlessStopped => "Restart=always",
    });
    if !container.one_shot {
        line("");
        line("[Install]");
        line("WantedBy=default.target");
    }
    text
}

/// Podman would start with a parked one whoever's namespaces it lives in: where that is parked as well, it is the next one's turn.
/// In shell; the unit doubles its dollars.
fn put_back(name: &str) -> String {
    let homes = "podman inspect -f '{{range .Dependencies}}{{.}} {{end}}'";
    format!(
        "{{ for home in $$({homes} {name}{PARKED}); do case $$(podman inspect -f '{{{{.Name}}}}' $$home) in \
         *{PARKED}) exec podman rename {name}{NEXT} {name};; esac; done; podman rename {name}{PARKED} {name}; }}"
    )
}

/// What a dependent's unit does to wait for a probe at boot; None where systemd itself waits (the container's own check,
/// through its notification) or nothing can.
pub(in crate::kinds) fn boot_wait(readiness: &crate::probe::Readiness) -> Option<BootWait> {
    let arguments = match &readiness.probe {
        Probe::Http { url, status, json } => {
            let mut arguments = vec!["--http".to_owned(), url.clone()];
            arguments.extend(status.iter().flat_map(|status| ["--status".to_owned(), status.to_string()]));
            arguments.extend(json.iter().flat_map(|json| ["--json".to_owned(), json.clone()]));
            arguments
        }
        Probe::Tcp { address } => vec!["--tcp".to_owned(), address.clone()],
        Probe::Container { name: _ } => return None,
    };
    Some(BootWait { arguments, timeout_s: readiness.deadline().as_secs().max(1) })
}
