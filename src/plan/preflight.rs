//! What the machine lacks for any plan to be carried out: podman, the user manager, lingering, newuidmap. Pure.

use super::Inputs;
use crate::change::{Risk, Severity};
use crate::observed::{Engine, Host, NewuidMap, Seen};

/// Below it user units with `Type=notify` and the create keys that are used here are not what the design was tried on.
const PODMAN_MAJOR_MIN: u32 = 5;

fn critical(code: &'static str, message: String, remedies: &[&str]) -> Risk {
    let remedies = remedies.iter().map(|&text| text.to_owned()).collect();
    Risk { code, severity: Severity::Critical, message, remedies }
}

pub(super) fn machine(inputs: &Inputs<'_>) -> Vec<Risk> {
    let mut risks = Vec::new();
    let observed = inputs.observed;
    let kinds: Vec<&str> = inputs.desired.resources.keys().map(crate::address::Address::kind).collect();
    let containers = kinds.iter().any(|kind| ["container", "network", "volume", "image"].contains(kind));
    let units = kinds.iter().any(|kind| ["container", "service", "timer"].contains(kind));
    if containers {
        risks.extend(podman(&observed.podman));
    }
    if units {
        risks.extend(manager(inputs));
    }
    if let Some(host) = observed.host.as_ref().filter(|_| containers) {
        risks.extend(newuidmap(host));
        risks.extend(storage(host, observed.podman.present().is_some() && observed.containers.is_empty()));
    }
    risks
}

/// What is lacking to take a stack down: what it would only need to run well is no hindrance.
pub(super) fn to_destroy(inputs: &Inputs<'_>) -> Vec<Risk> {
    let needed = ["PODMAN_UNREACHABLE", "NO_USER_MANAGER"];
    let without_systemd = inputs.observed.manager.is_absent();
    let is_needed = |risk: &Risk| needed.contains(&risk.code) && !(without_systemd && risk.code == "NO_USER_MANAGER");
    machine(inputs).into_iter().filter(is_needed).collect()
}

fn podman(seen: &Seen<Engine>) -> Option<Risk> {
    match seen {
        Seen::Present(Engine { version }) => {
            let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
            (major < PODMAN_MAJOR_MIN).then(|| {
                critical(
                    "PODMAN_TOO_OLD",
                    format!("podman is {version}; stackctl needs {PODMAN_MAJOR_MIN}.0 or newer"),
                    &["Install podman 5 (Debian 13, Fedora 41, NixOS 24.11 and newer have it)."],
                )
            })
        }
        Seen::Absent => {
            Some(critical("PODMAN_UNREACHABLE", "podman is not installed".to_owned(), &["Install podman 5 or newer."]))
        }
        Seen::Unknown(why) => Some(critical(
            "PODMAN_UNREACHABLE",
            format!("podman's API does not answer: {why}"),
            &["Start its socket, then try again:", "  systemctl --user enable --now podman.socket"],
        )),
    }
}

fn manager(inputs: &Inputs<'_>) -> Vec<Risk> {
    let mut risks = Vec::new();
    let host = inputs.observed.host.as_ref();
    let user = host.map_or_else(|| "$USER".to_owned(), |host| host.user.clone());
    let linger = format!("  loginctl enable-linger {user}");
    match &inputs.observed.manager {
        Seen::Unknown(why) => risks.push(critical(
            "NO_USER_MANAGER",
            format!("systemd runs, but its user manager cannot be reached: {why}"),
            &["Log in as this user (not through sudo or su), or let the manager run without a login:", &linger],
        )),
        Seen::Present(_) if host.is_some_and(|host| !host.linger) => risks.push(critical(
            "LINGER_OFF",
            format!("lingering is off for {user}: everything would stop at logout and stay down after a boot"),
            &["Turn it on:", &linger],
        )),
        Seen::Present(_) => {}
        Seen::Absent => {
            let services = inputs.desired.resources.keys().filter(|address| address.kind() == "service");
            risks.extend(services.map(|address| {
                critical(
                    "NO_USER_MANAGER",
                    format!("{address} is a systemd service, and this machine runs no systemd"),
                    &["Take the service out of the file, or run it on a machine with systemd."],
                )
            }));
        }
    }
    risks
}

fn newuidmap(host: &Host) -> Option<Risk> {
    if host.uid == 0 {
        return None;
    }
    let remedy = "The units' PATH must find a newuidmap with the setuid bit or file capabilities first (NixOS: \
                  /run/wrappers/bin; Debian: package uidmap).";
    match &host.newuidmap {
        NewuidMap::Usable(_) => None,
        NewuidMap::Missing => {
            Some(critical("NEWUIDMAP_UNUSABLE", "newuidmap is not found on the units' PATH".to_owned(), &[remedy]))
        }
        NewuidMap::Powerless(path) => Some(critical(
            "NEWUIDMAP_UNUSABLE",
            format!("{} has neither the setuid bit nor file capabilities", path.display()),
            &[remedy],
        )),
    }
}

/// Podman goes on with the driver that its database knows, where it has one; without it, it would see nothing of what the other has.
fn storage(host: &Host, shows_none: bool) -> Option<Risk> {
    let (driver, file) = host.storage.driver.as_ref()?;
    let others: Vec<&str> =
        host.storage.with_containers.iter().filter(|other| *other != driver).map(String::as_str).collect();
    if others.is_empty() {
        return None;
    }
    let others = others.join(", ");
    let is_hidden = shows_none && !host.storage.with_containers.contains(driver);
    let told = if is_hidden { "and podman shows none of them" } else { "and podman shows those of one driver only" };
    Some(Risk {
        severity: if is_hidden { Severity::Critical } else { Severity::Warning },
        ..critical(
            "STORAGE_DRIVER_MISMATCH",
            format!("{} sets the storage driver {driver}; containers were made with {others}, {told}", file.display()),
            &[
                "Set the driver back to see them again. To change it, save images and copy out what containers keep first; volumes stay.",
                "Do not reset podman's storage: that removes the volumes too.",
            ],
        )
    })
}

pub(super) fn notes(inputs: &Inputs<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if inputs.observed.manager.is_absent() && inputs.observed.host.is_some() {
        notes.push(
            "no systemd user manager here: podman's own restart policy runs the containers; nothing comes back at boot \
             by itself, and start order holds only while stackctl applies"
                .to_owned(),
        );
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::storage;
    use crate::change::Severity;
    use crate::observed::{Host, Storage};

    #[test]
    fn another_storage_driver_weighs_as_much_as_it_hides() {
        let weight = |with_containers: &[&str], shows_none| {
            let driver = Some(("vfs".to_owned(), "/etc/containers/storage.conf".into()));
            let with_containers = with_containers.iter().map(|&driver| driver.to_owned()).collect();
            let host = Host { storage: Storage { driver, with_containers, ..Storage::default() }, ..Host::default() };
            storage(&host, shows_none).map(|risk| risk.severity)
        };
        assert_eq!(weight(&[], true), None);
        assert_eq!(weight(&["vfs"], false), None);
        assert_eq!(weight(&["overlay"], false), Some(Severity::Warning), "podman goes on with it");
        assert_eq!(weight(&["overlay", "vfs"], true), Some(Severity::Warning));
        assert_eq!(weight(&["overlay"], true), Some(Severity::Critical), "all seems to be gone");
        assert_eq!(storage(&Host::default(), true), None);
    }
}
