//! Limits that the test host's kernel cannot give: what is asked is made and read back all the same, and the start fails.

use serde_json::json;

use super::{Cases, Host, case, named, rows};

/// Two values of each are of no use where none starts.
pub(super) fn cases() -> Cases {
    named(vec![
        case("memory", "replace", json!({ "mem_limit": "64m" }), json!({ "mem_limit": 67_108_865 })),
        case(
            "cpus",
            "replace",
            json!({ "cpus": 0.5 }),
            json!({ "deploy": { "resources": { "limits": { "cpus": "1.25" } } } }),
        ),
        case(
            "mem_reservation",
            "replace",
            json!({ "mem_reservation": "32m" }),
            json!({ "deploy": { "resources": { "reservations": { "memory": "33m" } } } }),
        ),
        case("memswap_limit", "replace", json!({ "memswap_limit": "96m" }), json!({ "memswap_limit": "97m" }))
            .on(json!({ "mem_limit": "64m" })),
        case("cpu_shares", "replace", json!({ "cpu_shares": 512 }), json!({ "cpu_shares": 513 })),
        case("cpuset", "replace", json!({ "cpuset": "0" }), json!({ "cpuset": "0-1" })),
        case(
            "pids_limit",
            "replace",
            json!({ "pids_limit": 100 }),
            json!({ "deploy": { "resources": { "limits": { "pids": 99 } } } }),
        ),
    ])
}

/// A limit that podman shows in other words than it was given would be replaced for ever, and here nobody would see why:
/// so what is left to do after the failed start is to start it, and nothing else.
#[test]
fn a_limit_is_read_back_even_where_nothing_starts() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("fields-limits")?;
    user.import_image("localhost/stackctl/limits:1", &["CMD [\"sleep\"]"]);
    let base = |_: &str| json!({ "image": "localhost/stackctl/limits:1", "network_mode": "none" });
    let cases = cases();
    for (turn, memory, cpus, pids) in [
        (super::Turn::First, "67108864", "50000 100000", "100"),
        (super::Turn::Then, "67108865", "125000 100000", "99"),
    ] {
        let stack = json!({ "version": 1, "stack": "limits", "containers": super::section(&cases, &base, turn) });
        user.write("stack.yaml", stack.to_string())?;
        let before = rows(&super::plan(&user));
        let applied = user.stackctl(&["apply", "-y"]).code(3);
        assert!(applied.stdout.contains("container.cpus"), "{}", applied.stdout);
        if turn == super::Turn::Then {
            for (name, case) in &cases {
                let row = &before[&format!("container.{name}")];
                let paths: Vec<&str> = row.attributes.iter().map(|(path, _)| path.as_str()).collect();
                assert_eq!((row.action.as_str(), paths), ("replace", vec![case.row, "running"]), "{name}");
            }
            // A replace that does not come up puts the old one back, which does not come up either.
            break;
        }
        let shown = |name: &str, format: &str| {
            user.run(&format!("podman inspect -f '{format}' limits-{name}")).ok().line().to_owned()
        };
        assert_eq!(shown("memory", "{{.HostConfig.Memory}}"), memory);
        assert_eq!(shown("cpus", "{{.HostConfig.CpuQuota}} {{.HostConfig.CpuPeriod}}"), cpus);
        assert_eq!(shown("pids-limit", "{{.HostConfig.PidsLimit}}"), pids);
        for (address, row) in rows(&super::plan(&user)) {
            let paths: Vec<&str> = row.attributes.iter().map(|(path, _)| path.as_str()).collect();
            assert_eq!(paths, ["running"], "{address}");
        }
    }
    Ok(())
}
