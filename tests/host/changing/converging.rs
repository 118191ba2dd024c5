//! The first user's stack, whole: it converges in the order of its edges, and a second run has nothing to do.

use crate::host::Host;
use crate::host::ai_stack::{AiStack, CONTAINERS};
use crate::host::user::User;

/// Each server of the stack answers 503 for so long after its start.
const HEALTHY_AFTER_US: u64 = 3_000_000;

/// When systemd began to start a unit, in microseconds of the monotonic clock.
fn began(user: &User, unit: &str) -> anyhow::Result<u64> {
    Ok(user.unit(unit, "InactiveExitTimestampMonotonic").parse()?)
}

/// When it was up.
fn up(user: &User, unit: &str) -> anyhow::Result<u64> {
    Ok(user.unit(unit, "ActiveEnterTimestampMonotonic").parse()?)
}

/// What would break: a dependent that is started before its server answers, or changes that wait for each other in vain.
#[test]
fn the_ai_stack_starts_in_the_order_of_its_edges() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("converge-order")?;
    let stack = AiStack::new(&user, &["ENV STAND_IN_HEALTHY_AFTER=3s"])?;

    stack.run(&["apply", "-y"]).ok();
    let health = stack.http("GET", "aidb_port", "/health");
    assert_eq!(health["at_start"]["OLLAMA_API_BASE"], "answered", "{health}");
    assert_eq!(health["status"], "ok");

    let [mindsdb, ollama, webui, qdrant] = CONTAINERS.map(|name| format!("podman-{name}.service"));
    // A server is not healthy before it has been there for that long.
    let ollama_healthy = began(&user, &ollama)? + HEALTHY_AFTER_US;
    for dependent in ["aidb.service", &webui] {
        assert!(began(&user, dependent)? >= ollama_healthy, "{dependent} was started before Ollama was healthy");
    }
    assert!(began(&user, "aidb.service")? >= up(&user, &qdrant)?, "AIDB was started before Qdrant ran");

    // Each of the three takes at least those seconds from its start to its end: one after the other they would begin as
    // far apart.
    for (one, other) in [(&ollama, &qdrant), (&qdrant, &mindsdb), (&ollama, &mindsdb)] {
        let apart = began(&user, one)?.abs_diff(began(&user, other)?);
        assert!(apart < HEALTHY_AFTER_US, "{one} and {other} began {apart} µs apart");
    }
    Ok(())
}

/// What would break: a no-op that touches anything, be it a label, a unit or a start time.
#[test]
fn a_second_apply_makes_no_mutating_call() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("converge-again")?;
    let stack = AiStack::new(&user, &[])?;
    let first = stack.run(&["apply", "-y"]).ok();
    assert!(first.stdout.contains("to add, 0 to change, 0 to replace, 0 to destroy."), "{}", first.stdout);
    let times = || -> anyhow::Result<Vec<u64>> {
        let units = CONTAINERS.map(|name| format!("podman-{name}.service"));
        units.iter().map(String::as_str).chain(["aidb.service"]).map(|unit| up(&user, unit)).collect()
    };
    let (ids, started) = (user.ids(), times()?);
    assert_eq!(ids.keys().map(String::as_str).collect::<Vec<_>>(), CONTAINERS);

    let plan = stack.run(&["plan", "--detailed-exitcode"]).ok();
    assert_eq!(plan.stdout.lines().last(), Some("Plan: 0 to add, 0 to change, 0 to replace, 0 to destroy."));

    let (podman, bus) = (user.tap_podman(None)?, user.tap_bus(None)?);
    let environment = [
        format!("CONTAINER_HOST=unix://{}", podman.socket()),
        format!("DBUS_SESSION_BUS_ADDRESS=unix:path={}", bus.socket()),
    ];
    stack.run_with(&environment.each_ref().map(String::as_str), &["apply", "-y"]).ok();
    assert_eq!((podman.mutations()?, bus.mutations()?), (Vec::new(), Vec::new()));
    // Had it gone past the proxies, nothing would have been counted at all.
    assert!(podman.events()?.iter().any(|event| event["event"] == "request"));
    assert!(bus.events()?.iter().any(|event| event["event"] == "request"));

    assert_eq!((user.ids(), times()?), (ids, started));
    Ok(())
}
