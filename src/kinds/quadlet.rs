//! Quadlet files: units are generated from them whose containers are started with `--replace`, which would remove ours of the
//! same name. They are only ever read.

use std::path::{Path, PathBuf};

use crate::change::{Risk, Severity};
use crate::desired::Context;
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

pub(super) fn query(context: &Context, query: &mut Query) {
    query.folders.extend(folders(context));
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

    use super::conflict;
    use crate::attributes::Secrets;
    use crate::desired::Context;
    use crate::observed::Observed;

    fn said(text: &str) -> Vec<String> {
        let context = Context {
            stack: "s".to_owned(),
            home: "/home/u".into(),
            unit_directory: "/home/u/.config/systemd/user".into(),
            runtime_directory: "/run/user/1000".into(),
            secrets: Secrets::new([0; 32]),
        };
        let folder = PathBuf::from("/home/u/.config/containers/systemd");
        let files = BTreeMap::from([(folder.join("web.container"), text.to_owned())]);
        let observed = Observed { folders: BTreeMap::from([(folder, files)]), ..Observed::default() };
        let found = conflict("s-web", "podman-s-web.service", &observed, &context);
        found.map(|(risk, _)| risk.remedies).unwrap_or_default()
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
