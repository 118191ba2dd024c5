//! What a container wrote outside its mounts (`ephemeral:`): whatever replaces or removes the container takes that with it. Asked of
//! those that are about to go, and of all where drift is looked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Container;
use crate::address::Address;
use crate::change::{Risk, Severity};
use crate::kinds::labels;
use crate::observed::layer::{Layer, Stamp, Wanted, Written};
use crate::observed::{Observed, Seen};
use crate::stack::forms::{self, Map};

/// The kind of fact that keeps what was copied out.
pub const RESCUED: &str = "rescued";

/// Written by podman, by package managers and by interpreters: it is made anew.
const IGNORED: &[&str] = &[
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/mtab",
    "/etc/passwd",
    "/etc/passwd-",
    "/etc/group",
    "/etc/group-",
    "/etc/ld.so.cache",
    "/dev/**",
    "/proc/**",
    "/sys/**",
    "/run/secrets/**",
    "/run/.containerenv",
    "/var/cache/**",
    "/var/lib/apt/**",
    "/var/lib/dpkg/**",
    "/var/log/**",
    "/lib/apk/**",
    "**/__pycache__/**",
    "**/.cache/**",
    "**/*.pyc",
];
/// Whatever lies there is meant to go, but for a database.
const SCRATCH: &[&str] = &[
    "/tmp/**",
    "/var/tmp/**",
    "/run/**",
    "/var/run/**",
    "**/log/**",
    "**/logs/**",
    "**/*.log",
    "**/*.pid",
    "**/*.sock",
];

/// Small files of these names are what people sign in with.
const KEYS: &[&str] = &["key", "secret", "token", "credential", "password", ".pem", "id_rsa", "id_ed25519"];
const KEY_BYTES_MAX: u64 = 64 << 10;

/// Beyond this, what nobody knows is told as more than a remark.
const LARGE_BYTES: u64 = 16 << 20;

/// Names in one message.
const NAMED_MAX: usize = 4;

/// What was copied out of a container, by its path there.
pub type Rescued = BTreeMap<String, RescuedFile>;

/// A file that was copied out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RescuedFile {
    /// Of which container: another one of that name has another file.
    pub container: String,
    pub stamp: Stamp,
    /// Where the copy is.
    pub to: String,
}

/// `ephemeral:`, paths in the container, with what lies below them.
pub(super) fn read(map: &mut Map<'_, '_>) -> Vec<String> {
    let what = "a list of paths in the container, such as `[/app/cache, /srv/*.tmp]`";
    map.read("ephemeral", |node, diagnostics| forms::list_of(node, what, diagnostics, forms::container_path))
        .unwrap_or_default()
}

/// What is wanted to be known of its layer, or of that of one that left the file.
pub fn wanted(ephemeral: &[String]) -> Wanted {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let mut ignored = texts(IGNORED);
    for path in ephemeral {
        let path = path.trim_end_matches('/');
        ignored.extend([path.to_owned(), format!("{path}/**")]);
    }
    Wanted { ignored, scratch: texts(SCRATCH) }
}

/// Of every container that stands for this address: the one in service and the halves of a replace.
pub(super) fn risks(container: &Container, observed: &Observed) -> Vec<Risk> {
    let names = container.all_names();
    let mut risks = of_names(&container.address, &names, observed);
    risks.extend(names.iter().filter_map(|name| undeclared(&container.address, name, observed)));
    risks
}

pub(super) fn of_names(address: &Address, names: &[&str], observed: &Observed) -> Vec<Risk> {
    names.iter().flat_map(|name| of_name(address, name, observed)).collect()
}

fn of_name(address: &Address, name: &str, observed: &Observed) -> Vec<Risk> {
    let layer = match observed.layers.get(name) {
        None | Some(Seen::Absent) => return Vec::new(),
        Some(Seen::Present(layer)) => layer,
        Some(Seen::Unknown(why)) => {
            let message = format!("{address}: what {name} wrote outside its mounts cannot be told: {why}");
            let remedies = vec!["Try again; what is not known to be empty is not thrown away.".to_owned()];
            return vec![risk(Severity::Critical, message, remedies)];
        }
    };
    let rescued: Rescued = observed
        .facts
        .get(RESCUED, address)
        .and_then(|fact| serde_json::from_value(fact.clone()).ok())
        .unwrap_or_default();
    let sorted = Sorted::of(layer, &rescued);
    let rescue = || {
        vec![
            "Copy it out, before anything is done to the container:".to_owned(),
            format!("  stackctl rescue {address}"),
        ]
    };
    let mut risks = Vec::new();
    if !sorted.data.is_empty() {
        let message =
            format!("{address}: outside its mounts {name} keeps {}; it goes with the container", told(&sorted.data));
        let mut remedies = rescue();
        if sorted.data.iter().any(|(_, written)| written.is_open) {
            remedies.push("What is written to all the while is best copied once the container is stopped.".to_owned());
        }
        risks.push(risk(Severity::Critical, message, remedies));
    }
    if !sorted.kept.is_empty() {
        let message = format!("{address}: outside its mounts {name} keeps {}", told(&sorted.kept));
        risks.push(risk(Severity::Warning, message, mount_it(address)));
    }
    if !sorted.saved.is_empty() {
        let message = format!("{address}: {} of {name}, outside its mounts, is copied out", told(&sorted.saved));
        risks.push(risk(Severity::Info, message, Vec::new()));
    }
    if !sorted.rest.is_empty() || layer.more > 0 {
        let bytes: u64 = sorted.rest.iter().map(|(_, written)| written.size).sum();
        let count = sorted.rest.len() + layer.more;
        let message = format!(
            "{address}: {name} wrote {count} file{} ({}) outside its mounts, such as {}",
            if count == 1 { "" } else { "s" },
            crate::change::in_bytes(bytes),
            sorted.rest.first().map_or("more than are looked at", |(path, _)| path),
        );
        let severity = if bytes > LARGE_BYTES || layer.more > 0 { Severity::Warning } else { Severity::Info };
        risks.push(risk(severity, message, Vec::new()));
    }
    risks
}

fn risk(severity: Severity, message: String, remedies: Vec<String>) -> Risk {
    Risk { code: "EPHEMERAL_DATA", severity, message, remedies }
}

fn mount_it(address: &Address) -> Vec<String> {
    vec![format!(
        "Mount a directory or a volume there in `volumes:` of {address}, or list the path in its `ephemeral:` where it may go."
    )]
}

/// A database that is held open outside of every mount: the program keeps its data where nothing is mounted.
fn undeclared(address: &Address, name: &str, observed: &Observed) -> Option<Risk> {
    let layer = observed.layers.get(name)?.present()?;
    let open: Vec<&str> = layer
        .files
        .iter()
        .filter(|(_, written)| written.is_open && written.database.is_some())
        .map(|(path, _)| path.as_str())
        .collect();
    let first = open.first()?;
    Some(Risk {
        code: "STATEFUL_PATH_NOT_MOUNTED",
        severity: Severity::Warning,
        message: format!("{address}: its program has {} open, where nothing is mounted", open.join(", ")),
        remedies: vec![format!(
            "Mount a directory or a volume at {} in `volumes:`, or let the program write to one that is mounted.",
            parent(first)
        )],
    })
}

/// The directory of a path in a container.
pub(super) fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

/// The files of a layer by what they are.
#[derive(Default)]
struct Sorted<'l> {
    /// Databases, and what grows.
    data: Vec<(&'l str, &'l Written)>,
    /// The same, where a copy of exactly that is kept.
    saved: Vec<(&'l str, &'l Written)>,
    /// What people sign in with, and what is held open for writing.
    kept: Vec<(&'l str, &'l Written)>,
    rest: Vec<(&'l str, &'l Written)>,
}

impl<'l> Sorted<'l> {
    fn of(layer: &'l Layer, rescued: &Rescued) -> Self {
        let mut sorted = Self::default();
        for (path, written) in &layer.files {
            let is_saved =
                rescued.get(path).is_some_and(|copy| copy.container == layer.id && copy.stamp == written.stamp());
            let list = if is_data(written) {
                if is_saved { &mut sorted.saved } else { &mut sorted.data }
            } else if !is_saved && is_kept(path, written) {
                &mut sorted.kept
            } else if written.is_scratch {
                continue;
            } else {
                &mut sorted.rest
            };
            list.push((path, written));
        }
        sorted
    }
}

/// Is it what must not be lost? A file without a byte is nothing yet.
pub(super) fn is_data(written: &Written) -> bool {
    written.size > 0 && (written.database.is_some() || (written.grew && !written.is_scratch))
}

/// Would it be missed, as far as can be told? What people sign in with, and what a program has open to write to.
pub(super) fn is_kept(path: &str, written: &Written) -> bool {
    !written.is_scratch && (written.is_open || is_key(path, written))
}

fn is_key(path: &str, written: &Written) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    !written.is_scratch
        && (1..=KEY_BYTES_MAX).contains(&written.size)
        && KEYS.iter().any(|word| name.contains(word))
        && !path.starts_with("/usr/")
}

fn told(files: &[(&str, &Written)]) -> String {
    let one = |(path, written): &(&str, &Written)| {
        let what = match (&written.database, written.grew) {
            (Some(database), _) => format!("{database}, "),
            (None, true) => "it grows, ".to_owned(),
            (None, false) => String::new(),
        };
        let deleted = if written.held_at.is_some() { ", removed and still open" } else { "" };
        format!("{path} ({what}{}{deleted})", crate::change::in_bytes(written.size))
    };
    let mut words: Vec<String> = files.iter().take(NAMED_MAX).map(one).collect();
    if files.len() > NAMED_MAX {
        words.push(format!("{} more", files.len() - NAMED_MAX));
    }
    words.join(", ")
}

/// What left the file: who it was is on its label.
pub(super) fn of_owned(owned: &crate::desired::Owned, observed: &Observed) -> Vec<Risk> {
    let ours = |name: &&String| {
        observed
            .containers
            .get(*name)
            .is_some_and(|found| labels::address(&found.labels).as_ref() == Some(&owned.address))
    };
    let names: Vec<&str> = owned.names.iter().filter(ours).map(String::as_str).collect();
    crate::kinds::contract::weighed(&owned.address, of_names(&owned.address, &names, observed), observed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Rescued, RescuedFile, Sorted, of_name, parent};
    use crate::address::Address;
    use crate::change::Severity;
    use crate::observed::layer::{Layer, Written};
    use crate::observed::{Observed, Seen};

    fn database() -> Written {
        Written { size: 9, modified_s: 5, database: Some("SQLite database".to_owned()), ..Written::default() }
    }

    fn layer(files: &[(&str, Written)]) -> Layer {
        let files = files.iter().map(|(path, written)| ((*path).to_owned(), written.clone())).collect();
        Layer { id: "i".to_owned(), files, more: 0 }
    }

    #[test]
    fn a_copy_counts_for_the_very_file_that_was_copied_and_no_other() {
        let copied = |container: &str, written: &Written| -> Rescued {
            let copy = RescuedFile { container: container.to_owned(), stamp: written.stamp(), to: String::new() };
            BTreeMap::from([("/a.db".to_owned(), copy)])
        };
        let layer = layer(&[("/a.db", database())]);
        assert_eq!(Sorted::of(&layer, &copied("i", &database())).saved.len(), 1);
        let later = Written { modified_s: 6, ..database() };
        let changed = Written { head: "x".to_owned(), ..database() };
        for rescued in [copied("other", &database()), copied("i", &later), copied("i", &changed), Rescued::new()] {
            assert_eq!(Sorted::of(&layer, &rescued).data.len(), 1);
        }
    }

    #[test]
    fn what_it_is_decides_how_much_it_weighs() {
        let plain = Written { size: 9, ..Written::default() };
        let open = Written { is_open: true, ..plain.clone() };
        let grows = Written { grew: true, ..open.clone() };
        let scratch = |written: &Written| Written { is_scratch: true, ..written.clone() };
        for (path, written, severity) in [
            ("/tmp/app/webui.db", scratch(&database()), Some(Severity::Critical)),
            ("/srv/data.bin", grows.clone(), Some(Severity::Critical)),
            ("/tmp/data.bin", scratch(&grows), None),
            ("/srv/data.bin", open.clone(), Some(Severity::Warning)),
            ("/app/.webui_secret_key", plain.clone(), Some(Severity::Warning)),
            ("/srv/notes.txt", plain.clone(), Some(Severity::Info)),
            ("/tmp/x", scratch(&plain), None),
            ("/srv/empty.db", Written { size: 0, ..database() }, Some(Severity::Info)),
        ] {
            let mut observed = Observed::default();
            observed.layers.insert("s-x".to_owned(), Seen::Present(layer(&[(path, written)])));
            let found = of_name(&Address::new("container", "x"), "s-x", &observed);
            assert_eq!(found.first().map(|risk| risk.severity), severity, "{path}: {found:?}");
        }
        let mut observed = Observed::default();
        observed.layers.insert("s-x".to_owned(), Seen::Unknown("no answer".to_owned()));
        let found = of_name(&Address::new("container", "x"), "s-x", &observed);
        assert_eq!(found[0].severity, Severity::Critical, "what is not known is not thrown away");
    }

    #[test]
    fn the_parent_of_what_lies_at_the_root_is_the_root() {
        assert_eq!((parent("/a"), parent("/a/b"), parent("a")), ("/", "/a", "/"));
    }
}
