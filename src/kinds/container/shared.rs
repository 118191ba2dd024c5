//! One writer for what must survive: another container that may write there, another program that does.

use std::path::{Path, PathBuf};

use super::{Container, data};
use crate::change::{Risk, Severity};
use crate::kinds::labels;
use crate::observed::data::Writer;
use crate::observed::{self, Observed, Query};

pub(super) fn query(container: &Container, observed: &Observed, query: &mut Query) {
    query.writers.extend(data::files(container, observed));
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
            risks.push(risk(Severity::Warning, &path, format!("may be written to by the container {other} too")));
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

/// Running ones that were inspected, with a mount over the path that may be written to.
fn others(container: &Container, path: &Path, observed: &Observed) -> Vec<String> {
    let may_write = |found: &&observed::Container| {
        let mounts = found.inspect.as_ref().and_then(|inspect| inspect["Mounts"].as_array());
        mounts.into_iter().flatten().any(|mount| {
            let source = mount["Source"].as_str().map(PathBuf::from);
            mount["RW"].as_bool() == Some(true) && source.is_some_and(|source| path.starts_with(source))
        })
    };
    let is_own = |found: &&observed::Container| labels::address(&found.labels).as_ref() == Some(&container.address);
    let running = observed.containers.values().filter(|found| found.is_running() && !is_own(found));
    running.filter(may_write).map(|found| found.name.clone()).collect()
}

/// In the unit of this container, or in the control group that podman made for it where there is none.
fn is_own(writer: &Writer, container: &Container, observed: &Observed) -> bool {
    let names = container.all_names();
    let ids = names.into_iter().filter_map(|name| Some(observed.containers.get(name)?.id.as_str()));
    writer.cgroup.contains(&container.names.unit) || ids.into_iter().any(|id| writer.cgroup.contains(id))
}
