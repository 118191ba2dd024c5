//! What the whole suite asked podman and systemd for, as these wrote it down themselves: podman's services log each request, a monitor
//! on each user's bus each call of the manager (`tests/host/host`), and what podman knows of its containers is
//! read after each call of the program (`mounted.rs`). It runs after all others, and looks at every user that there was.
//!
//! What would break: something of the user's goes by force, or with all that is like it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde_json::Value;

use super::Host;
use super::mounted::{Mounted, Volume};
use super::user::User;

/// Of a request, whoever it is about. `v` takes volumes along.
const NEVER_OF_PODMAN: [&str; 6] = ["/prune", "/reset", "/kill", "force=true", "volumes=true", "v=true"];
/// Of the manager, by its members: `ResetFailed` is that of all units.
const NEVER_OF_SYSTEMD: [&str; 8] =
    ["KillUnit", "QueueSignalUnit", "Kill", "CleanUnit", "Clean", "ResetFailed", "MaskUnitFiles", "RevertUnitFiles"];

const STACK: &str = "\
version: 1
stack: s
containers: { web: { image: \"localhost/web:1\", user: \"1000\", volumes: [\"v:/v:U\"] } }
volumes: { v: {} }
";

#[test]
fn nothing_was_ever_asked_for_by_force() -> anyhow::Result<()> {
    let host = Host::get()?;
    // That it is written down is seen of this one.
    let user = host.user("recorded")?;
    user.import_image("localhost/web:1", &["CMD [\"sleep\"]"]);
    user.write("stack.yaml", STACK)?;
    user.stackctl(&["apply", "-y"]).ok();
    user.stackctl(&["destroy", "-y", "--data", "volume.v"]).ok();
    host.root("journalctl --sync").ok();

    // `... "DELETE /v5.0.0/libpod/containers/x HTTP/1.1" 200 3 "" "AGENT"`; others name themselves, as curl does.
    let log = host.root("{ cat /var/log/podman/*; journalctl -q -o cat; } | grep ' HTTP/1.1\" '").ok().stdout;
    let is_ours = |line: &&str| line.ends_with("\"\"") || line.contains("\"stackctl/");
    let asked: Vec<&str> = log.lines().filter(is_ours).filter_map(|line| line.split('"').nth(1)).collect();
    let never: Vec<&&str> =
        asked.iter().filter(|request| NEVER_OF_PODMAN.iter().any(|word| request.contains(word))).collect();
    assert!(never.is_empty(), "{never:#?}");
    for own in ["POST /v5.0.0/libpod/containers/create", "DELETE /v5.0.0/libpod/containers/", "/volumes/s_v"] {
        assert!(asked.iter().any(|request| request.contains(own)), "{own} of {} requests", asked.len());
    }

    let log = host.root("journalctl -q -o cat --no-pager SYSLOG_IDENTIFIER=bus-record | grep '^{'").ok().stdout;
    let members = log.lines().map(|line| {
        let call: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        Ok(call["member"].as_str().unwrap_or_default().to_owned())
    });
    let members: Vec<String> = members.collect::<anyhow::Result<_>>()?;
    let never: Vec<&String> = members.iter().filter(|member| NEVER_OF_SYSTEMD.contains(&member.as_str())).collect();
    assert!(never.is_empty(), "{never:?}");
    for own in ["StartUnit", "StopUnit", "EnableUnitFiles", "DisableUnitFiles"] {
        assert!(members.iter().any(|member| member == own), "{own} of {} calls", members.len());
    }
    only_new_volumes_are_given(&user)
}

/// `U`, podman's recursive chown: nowhere but on the first container that a volume ever had.
fn only_new_volumes_are_given(user: &User) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(user.mounts()?)?;
    let seen: BTreeSet<Mounted> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let first: BTreeMap<&Volume, &str> =
        seen.iter().rev().map(|mounted| (&mounted.volume, mounted.created.as_str())).collect();
    let later: Vec<&Mounted> =
        seen.iter().filter(|mounted| mounted.is_given && first[&mounted.volume] != mounted.created).collect();
    assert!(later.is_empty(), "{later:#?}");
    assert!(seen.iter().any(|mounted| mounted.is_given && mounted.volume.user == user.name()), "{} mounts", seen.len());
    Ok(())
}
