//! Containers that live in one another's namespaces. Podman ties them by id: what would break is a sharer left behind in the network
//! of a container that is gone, an old one that is started again with its sharer, and an old one that never goes.

use serde_json::Value;

use crate::host::Host;
use crate::host::planned::{change, planned};
use crate::host::replacing::{Side, both_halves, calls, kill_at};
use crate::host::user::User;

const STACK: &str = "\
version: 1
stack: s
containers:
  vpn:
    image: \"localhost/vpn:TAG\"
    ports: [\"127.0.0.1:PORT:6333\"]
    environment: { WORD: \"HOME\" }
    healthcheck: { http: \"http://127.0.0.1:PORT/readyz\", interval: 200ms, start_period: 1s, timeout: 1s, retries: 2 }
  client: { image: \"localhost/sleep:1\", network_mode: \"service:vpn\", environment: { WORD: \"TENANT\" } }
  debug: { image: \"localhost/sleep:1\", pid: \"container:s-client\", ipc: \"service:vpn\", network_mode: none }
  apart: { image: \"localhost/sleep:1\", network_mode: none }
";

struct Bench<'u> {
    user: &'u User,
}

impl<'u> Bench<'u> {
    fn new(user: &'u User) -> anyhow::Result<Self> {
        user.import_image("localhost/vpn:1", &["CMD [\"qdrant\"]"]);
        user.import_image("localhost/vpn:never", &["CMD [\"qdrant\"]", "ENV STAND_IN_HEALTHY_AFTER=never"]);
        user.import_image("localhost/sleep:1", &["CMD [\"sleep\"]"]);
        let bench = Self { user };
        bench.want("1", "1", "1")?;
        user.stackctl(&["apply", "-y"]).ok();
        bench.live_together("at first");
        Ok(bench)
    }

    fn want(&self, tag: &str, home: &str, tenant: &str) -> anyhow::Result<()> {
        let stack = STACK.replace("TAG", tag).replace("HOME", home).replace("TENANT", tenant);
        self.user.write("stack.yaml", stack.replace("PORT", &self.user.port(0).to_string()))
    }

    fn plan(&self) -> Value {
        self.user.stackctl(&["plan", "--format", "json"]).ok().json()
    }

    fn id(&self, name: &str) -> String {
        self.user.ids()[name].0.clone()
    }

    /// Everything runs, nothing lies beside it, and the kernel says that they are in one namespace.
    #[track_caller]
    fn live_together(&self, case: &str) {
        self.user.stackctl(&["plan", "--detailed-exitcode"]).ok();
        let names: Vec<String> = self.user.ids().into_keys().collect();
        assert_eq!(names, ["s-apart", "s-client", "s-debug", "s-vpn"], "{case}");
        let namespace = |name: &str, kind: &str| {
            let words = format!("readlink /proc/$(podman inspect -f '{{{{.State.Pid}}}}' {name})/ns/{kind}");
            self.user.run(&words).ok().line().to_owned()
        };
        assert_eq!(namespace("s-client", "net"), namespace("s-vpn", "net"), "{case}");
        assert_eq!(namespace("s-debug", "pid"), namespace("s-client", "pid"), "{case}");
        assert_eq!(namespace("s-debug", "ipc"), namespace("s-vpn", "ipc"), "{case}");
        assert_ne!(namespace("s-apart", "net"), namespace("s-vpn", "net"), "{case}");
        for name in ["apart", "client", "debug", "vpn"] {
            assert_eq!(self.user.unit(&format!("podman-s-{name}.service"), "ActiveState"), "active", "{case}");
        }
    }
}

#[test]
fn they_change_together_and_only_where_they_must() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("sharing")?;
    let bench = Bench::new(&user)?;
    let before = user.ids();

    // Who lives with others can be made anew alone; who lives with that one goes along.
    bench.want("1", "1", "2")?;
    let plan = bench.plan();
    let along = |address: &str| change(address, "replace", &["namespaces file"]);
    let word = |address: &str| change(address, "replace", &["environment.WORD file"]);
    assert_eq!(planned(&plan), [word("container.client"), along("container.debug")]);
    user.stackctl(&["apply", "-y"]).ok();
    bench.live_together("client made anew");
    let after = user.ids();
    for name in ["s-vpn", "s-apart"] {
        assert_eq!(after[name], before[name], "{name} was not touched");
    }

    bench.want("1", "2", "2")?;
    let plan = bench.plan();
    assert_eq!(planned(&plan), [word("container.vpn"), along("container.client"), along("container.debug")]);
    let text = user.stackctl(&["plan"]).ok().stdout;
    assert!(text.contains("container.vpn"), "{text}");
    user.stackctl(&["apply", "-y"]).ok();
    bench.live_together("vpn made anew");
    assert_eq!(user.ids()["s-apart"], before["s-apart"]);

    // A start of its own leaves the tenant with the network of before.
    user.run("sleep 1.1; systemctl --user restart podman-s-vpn").ok();
    let rows = planned(&bench.plan());
    let client = rows.iter().find(|row| row.0 == "container.client");
    assert_eq!(client, Some(&change("container.client", "restart", &["network_mode machine"])), "{rows:?}");
    user.stackctl(&["apply", "-y"]).ok();
    bench.live_together("vpn restarted by hand");
    Ok(())
}

#[test]
fn a_sick_newcomer_gives_way_with_all_who_live_with_it() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("sharing-sick")?;
    let bench = Bench::new(&user)?;
    let before: Vec<String> = ["s-vpn", "s-client", "s-debug"].map(|name| bench.id(name)).to_vec();
    bench.want("never", "1", "1")?;
    let told = user.stackctl(&["apply", "-y"]).code(3).stdout;
    assert!(told.contains("container.client"), "{told}");
    bench.want("1", "1", "1")?;
    bench.live_together("the old ones are back");
    assert_eq!(["s-vpn", "s-client", "s-debug"].map(|name| bench.id(name)).to_vec(), before);
    Ok(())
}

#[test]
fn they_go_tenants_first_and_strangers_are_told() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("sharing-goes")?;
    let bench = Bench::new(&user)?;
    // Somebody else lives there: what is made anew could never go.
    user.run("podman run -d --name other --network container:s-vpn --label io.stackctl.stack=s localhost/sleep:1").ok();
    bench.want("1", "2", "1")?;
    let plan = user.stackctl(&["plan", "--format", "json"]).code(6).json();
    let risks: Vec<&Value> = plan["changes"][0]["risks"].as_array().into_iter().flatten().collect();
    assert!(risks.iter().any(|risk| risk["code"] == "NAMESPACE_IN_USE" && risk["severity"] == "critical"), "{plan:#}");
    user.stackctl(&["apply", "-y"]).code(6);
    user.run("podman rm -f -t 0 other").ok();
    user.stackctl(&["apply", "-y"]).ok();
    bench.live_together("the stranger is gone");

    // Tenant and home leave the file at once.
    let alone = "version: 1\nstack: s\ncontainers:\n  apart: { image: \"localhost/sleep:1\", network_mode: none }\n";
    user.write("stack.yaml", alone)?;
    user.stackctl(&["apply", "--prune", "-y"]).ok();
    assert_eq!(user.ids().into_keys().collect::<Vec<_>>(), ["s-apart"]);
    bench.want("1", "2", "1")?;
    user.stackctl(&["apply", "-y"]).ok();
    bench.live_together("they are back");

    // The tenant moves out while its home leaves.
    let out = "version: 1\nstack: s\ncontainers:\n  \
         apart: { image: \"localhost/sleep:1\", network_mode: none }\n  \
         client: { image: \"localhost/sleep:1\", network_mode: none }\n";
    user.write("stack.yaml", out)?;
    user.stackctl(&["apply", "--prune", "-y"]).ok();
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    assert_eq!(user.ids().into_keys().collect::<Vec<_>>(), ["s-apart", "s-client"]);
    bench.want("1", "2", "1")?;
    user.stackctl(&["apply", "-y"]).ok();
    user.stackctl(&["destroy", "-y"]).ok();
    assert_eq!(user.ids().len(), 0);
    Ok(())
}

/// Killed at every call of podman, then booted, as far as the units are concerned: none that lies parked runs, ever.
#[test]
fn killed_at_any_call_and_booted() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("sharing-killed")?;
    let bench = Bench::new(&user)?;
    bench.want("1", "2", "1")?;
    let apply: &[&str] = &["apply", "--yes"];
    let made = calls(&user, Side::Podman, apply, 0)?;
    assert!(made.len() >= 12, "three are made, parked, named and removed: {made:#?}");
    let mut word = 2;
    for hold in both_halves(&made) {
        word += 1;
        bench.want("1", &word.to_string(), "1")?;
        kill_at(&user, Side::Podman, hold, apply)?;
        let case = format!("{hold:?} of {made:?}");
        user.run("systemctl --user stop 'podman-s-*'; systemctl --user reset-failed; systemctl --user start --all 'default.target'")
            .ok();
        user.run("systemctl --user start podman-s-vpn podman-s-client podman-s-debug podman-s-apart");
        let shown = user.run("podman ps --format json").ok().json();
        let running: Vec<&str> =
            shown.as_array().into_iter().flatten().filter_map(|found| found["Names"][0].as_str()).collect();
        assert!(running.iter().all(|name| !name.contains(".parked")), "{case}: {running:?}");
        assert!(running.contains(&"s-vpn"), "{case}: {running:?}");
        let output = user.stackctl(apply);
        assert_eq!(output.code, 0, "{case}:\n{}{}", output.stdout, output.stderr);
        bench.live_together(&case);
    }
    Ok(())
}
