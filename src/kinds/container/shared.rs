//! One writer for what must survive: another container that may write there, another program that does.

use std::path::{Path, PathBuf};

use super::{Container, data};
use crate::change::{Risk, Severity};
use crate::hand_over::{self, HandOver};
use crate::kinds::labels;
use crate::observed::data::Writer;
use crate::observed::{self, Observed, Query};

pub(super) fn query(container: &Container, observed: &Observed, query: &mut Query) {
    let files = data::files(container, observed);
    query.all_mounts |= !files.is_empty();
    query.writers.extend(files);
}

pub(super) fn risks(container: &Container, observed: &Observed) -> Vec<Risk> {
    let risk = |severity, path: &Path, whom: String| Risk {
        code: "DATA_PATH_SHARED_RW",
        severity,
        message: format!("{}: {} {whom}", container.address, path.display()),
        remedies: vec!["Let one alone write there: stop the other, or mount it `:ro` there.".to_owned()],
    };
    let mut risks = Vec::new();
    for path in data::files(container, observed) {
        for other in others(container, &path, observed) {
            let name = &other.name;
            if other.is_running() {
                risks.push(risk(Severity::Warning, &path, format!("may be written to by the container {name} too")));
            } else if !labels::belongs_to(&other.labels, &container.context.stack) {
                risks.push(predecessor(container, &path, other));
            }
        }
        for writer in
            observed.writers.get(&path).into_iter().flatten().filter(|writer| !is_own(writer, container, observed))
        {
            let Writer { pid, command, cgroup } = writer;
            let unit = cgroup.rsplit('/').find(|part| part.ends_with(".service") || part.ends_with(".scope"));
            let unit = unit.map(|unit| format!(", {unit}")).unwrap_or_default();
            let whom = format!("is held open for writing by `{command}` too (pid {pid}{unit})");
            risks.push(risk(Severity::Critical, &path, whom));
        }
    }
    risks
}

/// Those that were inspected, with a mount over the path that may be written to.
fn others<'o>(
    container: &Container,
    path: &Path,
    observed: &'o Observed,
) -> impl Iterator<Item = &'o observed::Container> {
    let may_write = move |found: &&observed::Container| {
        let mounts = found.inspect.as_ref().and_then(|inspect| inspect["Mounts"].as_array());
        mounts.into_iter().flatten().any(|mount| {
            let source = mount["Source"].as_str().map(PathBuf::from);
            mount["RW"].as_bool() == Some(true) && source.is_some_and(|source| path.starts_with(source))
        })
    };
    let is_own = |found: &&observed::Container| labels::address(&found.labels).as_ref() == Some(&container.address);
    observed.containers.values().filter(move |found| !is_own(found)).filter(may_write)
}

/// Somebody else's that is down: an earlier way to run the same, as often as not.
fn predecessor(container: &Container, path: &Path, other: &observed::Container) -> Risk {
    let name = &other.name;
    let owner = labels::owner("container", name, &other.labels, Some(HandOver::RemoveContainer(name.clone())));
    Risk {
        code: "STALE_PREDECESSOR",
        severity: Severity::Warning,
        message: format!(
            "{}: the container {name} has {} mounted too ({}); it is down, and started again it would write there beside this one",
            container.address,
            path.display(),
            owner.who
        ),
        remedies: hand_over::remedies(
            "Let it go, where nobody needs it any more; what it has mounted is kept:",
            &owner.hand_over,
        ),
    }
}

/// In the unit of this container, or in the control group that podman made for it where there is none.
fn is_own(writer: &Writer, container: &Container, observed: &Observed) -> bool {
    let names = container.all_names();
    let ids = names.into_iter().filter_map(|name| Some(observed.containers.get(name)?.id.as_str()));
    writer.cgroup.contains(&container.names.unit) || ids.into_iter().any(|id| writer.cgroup.contains(id))
}
