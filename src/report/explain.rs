//! What each code means: one row a code, for people and for programs. A code that is given anywhere has a row; a test looks for them.

use schemars::JsonSchema;
use serde::Serialize;

use super::text::{escaped, wrapped};
use super::words::FORMAT_VERSION;
use crate::change::Risk;

/// One code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    pub code: &'static str,
    /// What is the matter, and why it matters.
    pub means: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

const fn row(code: &'static str, means: &'static str, remedy: &'static str) -> Meaning {
    Meaning { code, means, remedy }
}

/// In the order of the alphabet.
pub const MEANINGS: &[Meaning] = &[
    row(
        "DATA_FORMAT_INCOMPATIBLE",
        "The data was made by another version of its program than the image that the stack file names can go on with: another major one of PostgreSQL, an older one of Qdrant or one that leaves a minor version out. The program would refuse to start on it, or change it so that the old one cannot read it any more.",
        "Stay with the old version, or dump the data with it and load it into a new place with the new one. A Qdrant goes one minor version at a time.",
    ),
    row(
        "DATA_MODE",
        "What must survive has another mode than its contract says, so that its program may not be able to write to it, or others may read it.",
        "Set the mode that the contract says, or write the one that it has into the contract.",
    ),
    row(
        "DATA_NOT_REMOVABLE",
        "`destroy --data` names something that is not removed by its name: a file, a secret, the home directory.",
        "Remove it yourself, where it is to go.",
    ),
    row(
        "DATA_NOT_WRITABLE",
        "What must survive belongs to somebody else than the program of its container runs as, and its mode does not let that one write: most \
         programs then begin anew elsewhere, or stop.",
        "Give it to the one it runs as, from inside (`podman unshare chown`), or correct `user:` or `userns_mode:`.",
    ),
    row(
        "DATA_OWNER",
        "What must survive belongs to another user or group than its contract says. Users are counted as the user namespace of your containers has them: 0 is you.",
        "Give it back to whom it belongs, file by file, such as with `podman unshare chown`; or write who has it into the contract.",
    ),
    row(
        "DATA_PATH_SHARED_RW",
        "Two may write to something that must survive: another container has it on a mount, or another program has it open. A database that two programs write to in different containers, or that one replaces under the other, is damaged sooner or later.",
        "Let one alone write there: stop the other, or mount it read-only there.",
    ),
    row(
        "DATA_ROOT_IDENTITY_CHANGED",
        "Under the path of something that must survive lies another directory than at the last good reading. It was moved, restored, or \
         removed and made anew. What is in it may look whole and be new. A declared directory is known by its file `.stackctl-id`: without it, \
         its disk is perhaps not mounted, and units that have data below it do not start.",
        "Find the old directory: where it was moved to, or a copy. Put it back; or accept the new one once.",
    ),
    row(
        "DATA_ROOT_MOVED",
        "The stack file mounts another directory where a container has had one with something in it, be it that the line changed or that the stack file itself was moved and the path is a relative one. What is in the old directory stays there, and the container begins with what is in the new one.",
        "Copy it over while the container is stopped; or accept it, where the container is to begin anew.",
    ),
    row(
        "DB_DAMAGED",
        "SQLite, asked about a copy of a database, finds pages or indexes of it damaged. What can still be read of it may be all that there is.",
        "Leave it as it is, and copy it first. `sqlite3 COPY .recover` brings out what can be read; copies and backups may have the rest.",
    ),
    row(
        "DB_EMPTY",
        "A database that must survive is a file without a byte or without a table, however large, or its directory is empty. A program \
         that starts on it makes everything anew.",
        "Find where the data is: another path that the program writes to, a copy, a backup. Leave the file as it is until then.",
    ),
    row(
        "DB_MISSING",
        "A database that was there at the last good reading, or that the contract wants from the first, is not there.",
        "Find it and put it back before anything starts on an empty directory.",
    ),
    row(
        "DB_NOT_SQLITE",
        "Where a SQLite database is to be lies a file that is none: zeroes, garbage, or something else's.",
        "Put the database back from a copy. Leave the file as it is: it may be all that is left.",
    ),
    row(
        "DB_SHRUNK",
        "Tables that had rows at the last good reading have none, or hardly any of them are left, or fewer in another directory. Every \
         table may be there and every health check true all the same.",
        "See whether somebody deleted them on purpose. If not, find the database that has them.",
    ),
    row(
        "DB_TABLES_MISSING",
        "A database has fewer tables than the contract wants, or not those that it names or had.",
        "If a new version of the program renamed them, change the contract. Else find the database that has them.",
    ),
    row(
        "DB_UNDETERMINED",
        "A database could not be read: its owner holds it for itself or writes all the while, or it may not be read. Nothing is known, and \
         nothing is done to it.",
        "Try again when its owner is at rest.",
    ),
    row(
        "DISK_SHORT",
        "What is about to be written does not fit on the disk that it goes to. Images that are to be pulled take, on the disk of podman's storage, about twice what the registry says that it sends, with vfs each layer together with all below it. A copy of a container's data is made before its image or its mounts change, and one more has to fit beside the data itself, since what comes back never overwrites what is there.",
        "Make room, or move the data to a larger disk. Accepted, the change is tried all the same; where the disk is full on the way, the old container goes on with its data.",
    ),
    row(
        "EPHEMERAL_DATA",
        "A container keeps something outside its mounts: in its own layer, which goes with it whenever it is replaced or removed. A \
         database there, or a file that grows, stops the run; keys and files that are held open are warned of.",
        "Copy it out with `stackctl rescue`, then mount a directory or a volume over the place. What may go is listed in `ephemeral:`.",
    ),
    row(
        "GPU_MISSING",
        "A container is to have a GPU, and this machine shows none of that sort to rootless containers.",
        "Install its driver and the container toolkit, or say `gpu: none`.",
    ),
    row(
        "HAND_OVER",
        "Something else on this machine runs or holds what the stack file declares. The list brings together what would have to let go, \
         in its order.",
        "Do these steps where that is managed; the data is kept.",
    ),
    row(
        "IMAGE_MISSING",
        "An image is not here, and the stack file says that it is not to be pulled.",
        "Pull or build it by hand, or change `pull:`.",
    ),
    row(
        "LINGER_OFF",
        "Units of this user stop at logout and stay down after a boot.",
        "Turn lingering on with `loginctl enable-linger`.",
    ),
    row(
        "MOUNT_SOURCE_DELETED",
        "The directory that a running container has mounted was removed under it. It goes on with what it holds open; whatever stops it, \
         loses that. Its health check may stay true.",
        "Copy out what it still holds open before anything stops it, then put the directory back.",
    ),
    row(
        "MOUNT_SOURCE_REPLACED",
        "A running container has another directory mounted than the one that lies at its source by now: it was moved away, or a link took \
         its place. Started again, the container begins with what lies there.",
        "Move the directory back. The container goes on with it as if nothing had been.",
    ),
    row(
        "NAMESPACE_IN_USE",
        "A container that lives in the namespaces of one that is made anew is left out of the plan, or is not in the file: podman would \
         never let the old one go.",
        "Take it into the plan or into the file, or let it go.",
    ),
    row(
        "NAME_NOT_FOUND",
        "The file says `external: true` of something that is not there.",
        "Make it by hand, or let stackctl make it by taking `external` away.",
    ),
    row(
        "NAME_OWNED_BY_OTHER",
        "A name that the stack needs belongs to somebody else: another stack, Compose, Quadlet, home-manager, or a hand.",
        "Have its owner let go of it, choose another name, or take it over with `stackctl adopt`.",
    ),
    row(
        "NEWUIDMAP_UNUSABLE",
        "Rootless podman needs `newuidmap` with the rights to map user ids, and the units do not find one.",
        "Install it (Debian: package uidmap; NixOS: /run/wrappers/bin comes first).",
    ),
    row(
        "NO_USER_MANAGER",
        "systemd runs, and the user manager of this user cannot be reached, or a service is declared where there is no systemd.",
        "Log in as this user, or turn lingering on.",
    ),
    row(
        "ORPHAN",
        "Something carries this stack's label and is no longer in the file. Nothing is done about it unless you ask.",
        "Put it back into the file, or let it go with `stackctl apply --prune`. Data stays in either case.",
    ),
    row(
        "PATH_MISSING",
        "A path of this machine that the file names is not there, and nothing declares it.",
        "Make it, or declare it under `directories:` or `files:`.",
    ),
    row(
        "PATH_NOT_A_DIRECTORY",
        "Where a directory is to be lies something else.",
        "Move that away, or name another path.",
    ),
    row(
        "PATH_NOT_WRITABLE",
        "A directory that something must be written to may not be written by this user.",
        "Give it back to this user, or name another path.",
    ),
    row(
        "PATH_TOO_OPEN",
        "A file that holds secrets can be read by others.",
        "Take their rights away with `chmod 600`.",
    ),
    row(
        "PLAN_CYCLE",
        "Changes of this plan wait for each other, so that none of them could ever begin. The stack file is not at fault: a cycle in it is refused when it is read.",
        "Report it, with the plan as JSON. Until it is mended, `--target` and `--exclude` plan fewer things at once.",
    ),
    row("PODMAN_TOO_OLD", "This podman lacks what stackctl relies on.", "Install podman 5.0 or newer."),
    row(
        "PODMAN_UNREACHABLE",
        "Podman is not installed, or its API does not answer. What it has is unknown, and nothing is done about it.",
        "Start its socket with `systemctl --user enable --now podman.socket`.",
    ),
    row(
        "PORT_CONTESTED_AT_BOOT",
        "Another unit that starts at boot publishes a port of this stack. While it is down nobody notices; after a boot whoever is first has the port, and the other one fails again and again.",
        "Take the other unit away where it was made, or publish another port.",
    ),
    row(
        "PORT_TAKEN",
        "Somebody else listens on a port that the stack publishes.",
        "Stop that program where it is managed, or publish another port.",
    ),
    row(
        "PROTECTED",
        "Data that the stack file said `protect: true` of is to be removed by its name. It stays protected when that line is gone, until the file says `protect: false`.",
        "Leave it; or accept it for this run.",
    ),
    row(
        "SECRET_LOST",
        "A value that was generated once is not among podman's secrets any more. Another one would be another: what was encrypted, signed or registered with the old one would not know it.",
        "Copy it out of a container that still has it, or let another one be generated with `--accept`.",
    ),
    row(
        "STALE_PREDECESSOR",
        "A container of somebody else's that does not run has the same data mounted: what ran it before, as often as not. Started again, by hand or by a unit at boot, it would write to the same files.",
        "Remove that container, or its unit, where it was made. What it has mounted stays.",
    ),
    row(
        "STATEFUL_PATH_NOT_MOUNTED",
        "A program has a database open where nothing is mounted, or its image says that a path holds state and the stack file mounts \
         nothing there.",
        "Mount a directory or a volume there, or let the program write to one that is mounted. What may go is listed in `ephemeral:`.",
    ),
    row(
        "STORAGE_DRIVER_MISMATCH",
        "The storage driver that is set for podman is another than the one that containers of this user were made with. Podman shows only what was made with the driver that it runs with: with the other one, every container and image seems to be gone, and what containers keep in their own layers with them.",
        "Set the driver in storage.conf back. Volumes are shared by all drivers and stay.",
    ),
    row(
        "UNIT_DROP_IN",
        "A drop-in that stackctl did not write changes one of its units. It stays in force.",
        "If it is not meant, take it away and reload systemd.",
    ),
    row(
        "UNIT_OWNED_BY_OTHER",
        "A unit that the stack needs lies there already and is somebody else's.",
        "Take it away where it was made, or choose another name.",
    ),
    row(
        "VOLUME_NEVER_WRITTEN",
        "A container has run well for more than an hour, and nothing lies in a directory or volume that it has mounted for writing: its program keeps its data elsewhere, where it may go with the container, or it was taken away.",
        "Find out where it writes (`podman diff NAME`, its documentation) and mount that. A mount where nothing is to be kept is listed in `ephemeral:`, or mounted read-only.",
    ),
    row(
        "VOLUME_UNCHANGEABLE",
        "Podman cannot change a volume that is there, and a new one would not hold its data.",
        "Put the old values back into the file, or declare another volume and copy the data over.",
    ),
];

/// What `explain --format json` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "Explanation")]
pub struct ExplainJson<'a> {
    /// Version of this format.
    pub format_version: &'static str,
    /// As it was asked for.
    pub code: &'static str,
    /// What is the matter, and why it matters.
    pub means: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// With which code `apply` ends where a critical one is seen.
    pub exit_code: u8,
    /// Can it be accepted for a run, with `--accept CODE:ADDRESS`?
    pub acceptable: bool,
    /// What is seen of it now; null where there is no stack to look at.
    pub seen: Option<&'a [Risk]>,
}

impl<'a> ExplainJson<'a> {
    pub fn new(meaning: &Meaning, exit_code: u8, seen: Option<&'a [Risk]>) -> Self {
        let Meaning { code, means, remedy } = *meaning;
        let acceptable = is_acceptable(code);
        Self { format_version: FORMAT_VERSION, code, means, remedy, exit_code, acceptable, seen }
    }
}

/// Guards of data; what stands in the way does not go by being accepted.
fn is_acceptable(code: &str) -> bool {
    ["DB_", "MOUNT_", "DATA_ROOT", "DATA_PATH", "DATA_FORMAT", "EPHEMERAL_", "PROTECTED"]
        .iter()
        .any(|prefix| code.starts_with(prefix))
}

fn paragraph(text: &str) -> String {
    wrapped(text, 0, 0).trim_end().to_owned()
}

pub fn human(explained: &ExplainJson<'_>) -> String {
    let ExplainJson { format_version: _, code, means, remedy, exit_code, acceptable, seen } = explained;
    let mut lines = vec![(*code).to_owned(), String::new()];
    lines.push(paragraph(means));
    lines.push(String::new());
    lines.push(paragraph(&format!("What to do: {remedy}")));
    if *acceptable {
        lines.push(String::new());
        lines.push(paragraph(&format!(
            "Where it is critical, `apply` ends with {exit_code} before anything is done. If it is meant:"
        )));
        lines.push(format!("  stackctl apply --accept {code}:ADDRESS"));
    }
    if let Some(seen) = seen {
        lines.push(String::new());
        if seen.is_empty() {
            lines.push("It is not seen now.".to_owned());
        } else {
            lines.push("Seen now:".to_owned());
            lines.extend(seen.iter().map(|risk| format!("  {}", escaped(&risk.message))));
        }
    }
    lines.join("\n") + "\n"
}
