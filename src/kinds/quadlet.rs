//! Quadlet files: units are generated from them whose containers are started with `--replace`, which would remove ours of the
//! same name. They are only ever read.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::change::{Risk, Severity};
use crate::desired::{Context, HostPort};
use crate::hand_over::{self, HandOver};
use crate::observed::{Observed, Query};

/// Where the user's generator looks (podman-systemd.unit(5)); of `/etc` the folders for all users and for this one.
fn folders(context: &Context) -> Vec<PathBuf> {
    let run = &context.runtime_directory;
    let everybody = PathBuf::from("/etc/containers/systemd/users");
    let mine = run.file_name().map(|uid| everybody.join(uid));
    let config = context.unit_directory.ancestors().nth(2).unwrap_or(&context.home);
    let own = [run.join("containers/systemd"), config.join("containers/systemd")];
    own.into_iter().chain(mine).chain([everybody, PathBuf::from("/usr/share/containers/systemd/users")]).collect()
}

/// Where the generator of the system's manager looks: its containers are root's, and take ports of the same machine.
const OF_THE_SYSTEM: [&str; 3] =
    ["/etc/containers/systemd", "/run/containers/systemd", "/usr/share/containers/systemd"];

pub(super) fn query(context: &Context, query: &mut Query) {
    query.folders.extend(folders(context));
    query.folders.extend(OF_THE_SYSTEM.map(PathBuf::from));
}

/// A file whose unit starts at boot and publishes one of these ports: whoever is first has it, this one or ours.
pub(super) fn contested(ports: &[HostPort], our_unit: &str, observed: &Observed) -> Vec<Risk> {
    let mut files: Vec<(&PathBuf, &String)> = observed.folders.values().flatten().collect();
    files.sort();
    files.dedup_by_key(|(path, _)| *path);
    let is_unit = |path: &Path| {
        path.extension().is_some_and(|found| ["container", "pod", "kube"].iter().any(|one| found == *one))
    };
    let starts = |text: &str| value(text, "WantedBy").or(value(text, "RequiredBy")).is_some();
    let rivals = files.into_iter().filter(|(path, text)| is_unit(path) && starts(text));
    let contest = |(path, text): (&PathBuf, &String)| {
        let unit = format!("{}.service", path.file_stem()?.to_str()?);
        let port = published(text)
            .find_map(|(ip, number, protocol)| ports.iter().find(|port| port.overlaps(ip, number, &protocol)))?;
        let address = std::net::SocketAddr::new(port.ip, port.port);
        (unit != our_unit).then(|| Risk {
            code: "PORT_CONTESTED_AT_BOOT",
            severity: Severity::Warning,
            message: format!("{address}/{} is published by {unit} too, which starts at boot ({})", port.protocol, path.display()),
            remedies: vec!["Take that file away where it was made, or publish another port: after a boot only one of the two runs.".to_owned()],
        })
    };
    rivals.filter_map(contest).collect()
}

/// `PublishPort=` in all its forms (podman-systemd.unit(5)); a port that podman chooses is none.
fn published(text: &str) -> impl Iterator<Item = (IpAddr, u16, String)> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("PublishPort")?.trim_start().strip_prefix('='));
    let one = |line: &str| {
        let (ports, protocol) = line.trim().rsplit_once('/').unwrap_or((line.trim(), "tcp"));
        let (host, _) = ports.rsplit_once(':')?;
        let (ip, host) = match host.rsplit_once(':') {
            Some((ip, host)) => (ip.trim_matches(['[', ']']).parse().ok()?, host),
            None => (IpAddr::from(std::net::Ipv4Addr::UNSPECIFIED), host),
        };
        let (first, last) = host.split_once('-').unwrap_or((host, host));
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        Some((first..=last).map(move |port| (ip, port, protocol.to_owned())).collect::<Vec<_>>())
    };
    lines.filter_map(one).flatten()
}

/// A file that would put another container under this name. Where its unit has the name of ours too, the unit is what
/// conflicts, and is told as that.
pub(super) fn conflict(
    container: &str,
    our_unit: &str,
    observed: &Observed,
    context: &Context,
) -> Option<(Risk, hand_over::Steps)> {
    let (file, unit) = named(container, observed, context)?;
    let mut steps = hand_over::Steps::from([
        HandOver::StopUnit(unit.clone()),
        HandOver::RemoveContainer(container.to_owned()),
        HandOver::RemoveFile(file.clone()),
        HandOver::ReloadUnits,
    ]);
    if from_the_store(&file, observed) {
        steps.insert(HandOver::HomeManager);
    }
    let known = super::unit::elsewhere(our_unit, observed, context).is_some();
    if unit == our_unit && known {
        return None;
    }
    let sentence = "Stop what it runs, and take the file away where it was made; the data is kept:";
    let risk = Risk {
        code: "NAME_OWNED_BY_OTHER",
        severity: Severity::Critical,
        message: format!(
            "the Quadlet file {} makes a container `{container}` too ({unit}), and would put it in place of this one",
            file.display()
        ),
        remedies: hand_over::remedies(sentence, &steps),
    };
    Some((risk, steps))
}

/// The file that names its container so, and the unit that is generated from it.
fn named(name: &str, observed: &Observed, context: &Context) -> Option<(PathBuf, String)> {
    if observed.folders.is_empty() {
        return None;
    }
    let files = folders(context).into_iter().filter_map(|folder| observed.folders.get(&folder)).flatten();
    let mut files = files.filter(|(path, _)| path.extension().is_some_and(|found| found == "container"));
    files.find_map(|(path, text)| {
        let stem = path.file_stem()?.to_str()?;
        let given = value(text, "ContainerName");
        let made = given.map_or_else(|| format!("systemd-{stem}"), str::to_owned);
        (made == name).then(|| (path.clone(), format!("{stem}.service")))
    })
}

/// The last assignment counts, as in every unit file.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let assigned = |line: &'t str| line.trim().strip_prefix(key)?.trim_start().strip_prefix('=').map(str::trim);
    text.lines().rev().find_map(assigned).filter(|value| !value.is_empty())
}

/// The label with which home-manager marks what it makes.
fn from_the_store(file: &Path, observed: &Observed) -> bool {
    let text = observed.folders.values().find_map(|files| files.get(file));
    text.is_some_and(|text| text.contains("nix.home-manager.managed"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::{conflict, contested};
    use crate::attributes::Secrets;
    use crate::desired::{Context, HostPort};
    use crate::observed::Observed;

    fn said(text: &str) -> Vec<String> {
        let context = Context {
            stack: "s".to_owned(),
            home: "/home/u".into(),
            unit_directory: "/home/u/.config/systemd/user".into(),
            runtime_directory: "/run/user/1000".into(),
            data: "/home/u/.local/share".into(),
            secrets: Secrets::new([0; 32]),
        };
        let folder = PathBuf::from("/home/u/.config/containers/systemd");
        let files = BTreeMap::from([(folder.join("web.container"), text.to_owned())]);
        let observed = Observed { folders: BTreeMap::from([(folder, files)]), ..Observed::default() };
        let found = conflict("s-web", "podman-s-web.service", &observed, &context);
        found.map(|(risk, _)| risk.remedies).unwrap_or_default()
    }

    #[test]
    fn a_unit_that_takes_a_port_at_boot_is_found_in_every_form_it_is_written() {
        let port = |ip: &str, port: u16| HostPort {
            ip: ip.parse().expect("an address"),
            port,
            protocol: "tcp".to_owned(),
            span: None,
        };
        let rivals = |lines: &str, wanted: HostPort| {
            let files = BTreeMap::from([(PathBuf::from("/etc/containers/systemd/web.container"), lines.to_owned())]);
            let observed = Observed {
                folders: BTreeMap::from([("/etc/containers/systemd".into(), files)]),
                ..Observed::default()
            };
            contested(&[wanted], "podman-s-web.service", &observed).len()
        };
        let at_boot = |line: &str| format!("[Container]\n{line}\n[Install]\nWantedBy=default.target\n");
        for (line, ip, number, count) in [
            ("PublishPort=8081:8080", "127.0.0.1", 8081, 1),
            ("PublishPort = 127.0.0.1:8081:8080/tcp", "127.0.0.1", 8081, 1),
            ("PublishPort=127.0.0.2:8081:8080", "127.0.0.1", 8081, 0),
            ("PublishPort=[::]:8081:8080", "::1", 8081, 1),
            ("PublishPort=8080-8090:80-90", "127.0.0.1", 8085, 1),
            ("PublishPort=8081:8080/udp", "127.0.0.1", 8081, 0),
            ("PublishPort=8080", "127.0.0.1", 8080, 0),
        ] {
            assert_eq!(rivals(&at_boot(line), port(ip, number)), count, "{line}");
        }
        assert_eq!(rivals("[Container]\nPublishPort=8081:8080\n", port("127.0.0.1", 8081)), 0, "it starts by hand");
    }

    #[test]
    fn a_file_that_takes_the_name_is_found_by_what_it_says() {
        let expected = [
            "Stop what it runs, and take the file away where it was made; the data is kept:",
            "  systemctl --user stop web.service",
            "  podman rm --ignore s-web",
            "  rm -f /home/u/.config/containers/systemd/web.container",
            "  systemctl --user daemon-reload",
        ];
        assert_eq!(said("[Container]\nImage=x\nContainerName = s-web\n"), expected);
        assert!(said("[Container]\nContainerName=s-web\nContainerName=other\n").is_empty());
        assert!(said("[Container]\nImage=x\n").is_empty(), "its container is systemd-web");
    }
}
