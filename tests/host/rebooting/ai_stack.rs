//! The first user's stack comes up by itself after a boot, in the order of its edges.

use std::time::{Duration, Instant};

use crate::host::Host;
use crate::host::ai_stack::{AiStack, CONTAINERS};
use crate::host::process::Output;

/// Starting the whole stack takes seconds; a machine with other things to do takes longer.
const UP_WITHIN: Duration = Duration::from_secs(60);

/// What would break: a boot that needs stackctl, a registry or a login; or one that starts AIDB into refused connections.
#[test]
fn after_a_reboot_everything_is_up_and_plan_is_empty() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("rebooting-stack")?;
    let stack = AiStack::new(&user, &["ENV STAND_IN_HEALTHY_AFTER=2s"])?;
    stack.run(&["apply", "-y"]).ok();
    stack.http("POST", "webui_port", "/chat?text=before");
    let before = user.ids();
    let runs = "sqlite3 -readonly .local/state/stackctl/local-ai/ledger.db 'select count(*) from runs'";
    let runs_before = user.run(runs).ok().stdout;

    host.reboot()?;
    // There is no event for what a server will answer, and stackctl must not be the one that asks.
    let deadline = Instant::now() + UP_WITHIN;
    let answers = |n: u16, path: &str| {
        let url = format!("http://127.0.0.1:{}{path}", user.port(n));
        user.run(&format!("curl -fsS -m 5 -o /dev/null {url} || {{ sleep 0.2; false; }}"))
    };
    for (n, path) in [(0, "/api/tags"), (1, "/readyz"), (3, "/health"), (4, "/api/status"), (6, "/health")] {
        while let Output { code: 1.., stderr, .. } = answers(n, path) {
            assert!(Instant::now() < deadline, "port {n}: {stderr}");
        }
    }
    user.run("systemctl --user is-system-running --wait").ok();

    let health = stack.http("GET", "aidb_port", "/health");
    assert_eq!(health["at_start"]["OLLAMA_API_BASE"], "answered", "{health}");
    assert_eq!(stack.http("GET", "webui_port", "/chats")[0]["text"], "before");
    let after = user.ids();
    for name in CONTAINERS {
        let (before, after) = (&before[name], &after[name]);
        assert_eq!(before.0, after.0, "{name} is another container");
        assert!(after.1 > before.1, "{name} was not started by the boot");
    }
    // Nobody has run it; were it needed for a start, its ledger would say so.
    assert_eq!(user.run(runs).ok().stdout, runs_before);
    stack.run(&["plan", "--detailed-exitcode"]).ok();
    stack.run(&["status"]).ok();
    Ok(())
}
