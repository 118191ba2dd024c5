//! Who holds a socket. The kernel shows a process's descriptors to its own user alone, and of some (pasta, setuid
//! programs) not even to that one; command lines and control groups are shown to everybody. So what is not known by
//! descriptor is concluded where only one conclusion is left; such a holder has a command and no pid.

use std::collections::BTreeMap;
use std::fs;

use super::cgroups;
use super::sockets::Socket;
use crate::observed::Listener;

/// Users below are the system's (Debian policy 9.2.2, `SYS_UID_MAX` of login.defs).
const FIRST_PERSON: u32 = 1000;

/// Command lines are for reading; an interpreter's may hold a whole program.
const COMMAND_MAX: usize = 200;

pub(super) fn fill(sockets: &mut [&mut Socket]) {
    let processes = processes();
    let holders = holders(&processes, sockets);
    // Asked once, and only where a process cannot be looked into.
    let hidden = sockets.iter().any(|socket| !holders.contains_key(&socket.inode));
    let groups = if hidden { cgroups::of_sockets() } else { BTreeMap::new() };
    for socket in sockets {
        match holders.get(&socket.inode) {
            Some(pid) => {
                let process = processes.iter().find(|process| process.pid == *pid);
                socket.listener.pid = Some(*pid);
                describe(&mut socket.listener, process);
            }
            None => {
                match groups.get(&socket.inode) {
                    Some(group) => in_group(&mut socket.listener, group, &processes),
                    None => {
                        let process = only_candidate(&processes, &socket.listener);
                        describe(&mut socket.listener, process);
                    }
                }
                let of_system = socket.listener.uid < FIRST_PERSON;
                if socket.listener.scope.is_none() && of_system {
                    socket.listener.scope = Some("system".to_owned());
                }
            }
        }
    }
}

/// The unit is known; the process where it is the only one of the socket's user in there.
fn in_group(listener: &mut Listener, group: &cgroups::Group, processes: &[Process]) {
    if let Some(OfUnit { name, scope }) = unit(&format!("0::{}", group.path)) {
        listener.unit = Some(name);
        listener.scope = Some(scope.to_owned());
    }
    let inside = |process: &&Process| group.pids.contains(&process.pid) && process.uid == listener.uid;
    let mut inside = processes.iter().filter(inside);
    if let (Some(process), None) = (inside.next(), inside.next()) {
        listener.pid = Some(process.pid);
        listener.command = Some(process.command.clone());
    }
}

/// What everybody may see of a process.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) uid: u32,
    pub(super) command: String,
    pub(super) unit: Option<OfUnit>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OfUnit {
    pub(super) name: String,
    /// `user` or `system`.
    pub(super) scope: &'static str,
}

fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut processes: Vec<Process> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| {
            let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).ok();
            let text = |file: &str| read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            Some(Process {
                pid,
                // The owner of the directory is root where the process may not be looked into; this is not.
                uid: uid(&text("status")?)?,
                command: command(&read("cmdline")?),
                unit: text("cgroup").and_then(|cgroup| unit(&cgroup)),
            })
        })
        .collect();
    processes.sort_by_key(|process| process.pid);
    processes
}

/// `Uid:\treal\teffective\tsaved\tfile system`.
pub(super) fn uid(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The arguments with blanks between them, cut where they get long.
pub(super) fn command(cmdline: &[u8]) -> String {
    let line = String::from_utf8_lossy(cmdline);
    let line = line.trim_end_matches('\0').replace(|letter: char| letter.is_control(), " ");
    match line.char_indices().nth(COMMAND_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The unit that a control group belongs to: of the user's manager where the path leads through `user@UID.service`, of
/// the system's elsewhere. What a service makes below itself (`/payload`, `libpod-payload-…`) is no unit.
pub(super) fn unit(cgroup: &str) -> Option<OfUnit> {
    let path_of = |start: &str| cgroup.lines().find_map(|line| line.strip_prefix(start)).filter(|path| path.len() > 1);
    // The unified hierarchy; on a hybrid host it may be empty, and systemd keeps its own.
    let path = path_of("0::")
        .or_else(|| cgroup.lines().find_map(|line| line.split_once(":name=systemd:").map(|(_, path)| path)))?;
    let units = |path: &str| {
        path.split('/').find(|part| part.ends_with(".service") || part.ends_with(".scope")).map(str::to_owned)
    };
    let below_manager = path.split_once("/user@").and_then(|(_, rest)| rest.split_once(".service/"));
    match below_manager {
        Some((_, rest)) => units(rest).map(|name| OfUnit { name, scope: "user" }),
        None => units(path).map(|name| OfUnit { name, scope: "system" }),
    }
}

/// By inode. Where a socket was handed on (socket activation), the service that got it is named, not the manager.
fn holders(processes: &[Process], sockets: &[&mut Socket]) -> BTreeMap<u64, u32> {
    let mut holders = BTreeMap::new();
    let (managers, others): (Vec<_>, Vec<_>) =
        processes.iter().partition(|process| process.unit.as_ref().is_none_or(|unit| unit.name == "init.scope"));
    for process in others.into_iter().chain(managers) {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{}/fd", process.pid)) else { continue };
        for target in descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()) {
            let inode =
                target.to_str().and_then(|target| target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            if let Some(inode) = inode.filter(|inode| sockets.iter().any(|socket| socket.inode == *inode)) {
                holders.entry(inode).or_insert(process.pid);
            }
        }
    }
    holders
}

/// The one process of the socket's user that names the port among its arguments; else, of a system user, the one unit
/// that all its processes belong to.
pub(super) fn only_candidate<'a>(processes: &'a [Process], listener: &Listener) -> Option<&'a Process> {
    let of_user = || processes.iter().filter(|process| process.uid == listener.uid && !process.command.is_empty());
    let mut naming = of_user().filter(|process| names_port(&process.command, listener.port));
    if let (Some(process), None) = (naming.next(), naming.next()) {
        return Some(process);
    }
    let first = of_user().next().filter(|_| listener.uid != 0 && listener.uid < FIRST_PERSON)?;
    (first.unit.is_some() && of_user().all(|process| process.unit == first.unit)).then_some(first)
}

/// Is the number in the text, with no other digit beside it?
fn names_port(command: &str, port: u16) -> bool {
    let port = port.to_string();
    command.split(|letter: char| !letter.is_ascii_digit()).any(|number| number == port)
}

fn describe(listener: &mut Listener, process: Option<&Process>) {
    let Some(process) = process else { return };
    listener.command = Some(process.command.clone());
    if let Some(unit) = &process.unit {
        listener.unit = Some(unit.name.clone());
        listener.scope = Some(unit.scope.to_owned());
    }
}
