//! The control group of a listening socket, which the kernel tells everybody (sock_diag(7), `INET_DIAG_CGROUP_ID`, Linux 5.9
//! and later): so the unit behind a port is known even where its process belongs to somebody else.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};

/// `SOCK_DIAG_BY_FAMILY` (`linux/sock_diag.h`).
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP`, and the message that ends a dump (`linux/netlink.h`).
const DUMP: u16 = 0x301;
const DONE: u16 = 3;
/// `INET_DIAG_CGROUP_ID` (`linux/inet_diag.h`).
const CGROUP_ID: u16 = 21;
/// Lengths of `nlmsghdr`, `inet_diag_req_v2` and `inet_diag_msg`, and where the last keeps the inode.
const HEADER: usize = 16;
const REQUEST: usize = 56;
const MESSAGE: usize = 72;
const INODE: usize = 68;
/// `TCP_LISTEN` and `TCP_CLOSE`, which is what a bound UDP socket is in, as bits.
const LISTENING: u32 = 1 << 10 | 1 << 7;
/// (address family, protocol): IPv4 and IPv6, TCP and UDP.
const TABLES: [(u8, u8); 4] = [(2, 6), (10, 6), (2, 17), (10, 17)];

/// A control group and the processes in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    /// As `/proc/PID/cgroup` has it, of the unified hierarchy.
    pub(super) path: String,
    pub(super) pids: Vec<u32>,
}

/// The groups of all listening sockets, by the sockets' inodes; what the kernel does not tell is left out.
pub(super) fn of_sockets() -> BTreeMap<u64, Group> {
    let groups = groups();
    let mut found = BTreeMap::new();
    for (family, protocol) in TABLES {
        let ids = dump(family, protocol).unwrap_or_default();
        found.extend(ids.into_iter().filter_map(|(inode, id)| Some((inode, groups.get(&id)?.clone()))));
    }
    found
}

/// By id, which is the inode of the group's directory.
fn groups() -> BTreeMap<u64, Group> {
    let mut paths: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let Ok(entries) = fs::read_dir("/proc") else { return BTreeMap::new() };
    for pid in entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        if let Some(path) = text.lines().find_map(|line| line.strip_prefix("0::")) {
            paths.entry(path.to_owned()).or_default().push(pid);
        }
    }
    let id = |path: &str| {
        let below = path.trim_start_matches('/');
        // On a hybrid host the unified hierarchy lies one level down.
        let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
        roots.iter().find_map(|root| fs::metadata(Path::new(root).join(below)).ok()).map(|found| found.ino())
    };
    paths.into_iter().filter_map(|(path, pids)| Some((id(&path)?, Group { path, pids }))).collect()
}

/// One table: inode of the socket to id of its group.
fn dump(family: u8, protocol: u8) -> io::Result<Vec<(u64, u64)>> {
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
    send(&socket, &request(family, protocol), SendFlags::empty())?;
    let mut found = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let (length, _) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        if !read(&buffer[..length], &mut found) {
            return Ok(found);
        }
    }
}

fn request(family: u8, protocol: u8) -> Vec<u8> {
    let length = u32::try_from(HEADER + REQUEST).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER + REQUEST);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(DUMP.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, protocol, 0, 0]);
    bytes.extend(LISTENING.to_ne_bytes());
    // No address and no port: all of them.
    bytes.resize(HEADER + REQUEST, 0);
    bytes
}

/// Reads the messages of one answer; false where it was the last.
fn read(mut bytes: &[u8], found: &mut Vec<(u64, u64)>) -> bool {
    while bytes.len() >= HEADER {
        let length = number(bytes, 0, 4).and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        let kind = number(bytes, 4, 2).unwrap_or(0);
        if kind != u64::from(BY_FAMILY) || length < HEADER || length > bytes.len() {
            return false;
        }
        let message = &bytes[HEADER..length];
        if let (Some(inode), Some(id)) = (number(message, INODE, 4), attribute(message.get(MESSAGE..).unwrap_or(&[]))) {
            found.push((inode, id));
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    number(bytes, 4, 2) != Some(u64::from(DONE))
}

/// The group's id among the attributes that follow a message.
fn attribute(mut bytes: &[u8]) -> Option<u64> {
    loop {
        let length = usize::try_from(number(bytes, 0, 2)?).ok().filter(|length| *length >= 4)?;
        if number(bytes, 2, 2)? == u64::from(CGROUP_ID) {
            return number(bytes, 4, 8);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

/// An unsigned number of this machine's byte order.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let part = bytes.get(at..at + length)?;
    match length {
        2 => Some(u16::from_ne_bytes(part.try_into().ok()?).into()),
        4 => Some(u32::from_ne_bytes(part.try_into().ok()?).into()),
        8 => Some(u64::from_ne_bytes(part.try_into().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::{BY_FAMILY, CGROUP_ID, HEADER, MESSAGE, dump, read};

    #[test]
    fn an_answer_is_read_and_a_broken_one_ends_it() {
        let length = HEADER + MESSAGE + 8 + 12;
        let mut bytes = vec![0; length];
        bytes[..4].copy_from_slice(&u32::try_from(length).expect("small").to_ne_bytes());
        bytes[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        bytes[HEADER + 68..HEADER + 72].copy_from_slice(&77_u32.to_ne_bytes());
        let at = HEADER + MESSAGE;
        bytes[at..at + 4].copy_from_slice(&[5_u16.to_ne_bytes(), 8_u16.to_ne_bytes()].concat());
        bytes[at + 8..at + 12].copy_from_slice(&[12_u16.to_ne_bytes(), CGROUP_ID.to_ne_bytes()].concat());
        bytes[at + 12..].copy_from_slice(&9_u64.to_ne_bytes());
        let mut found = Vec::new();
        assert!(read(&bytes, &mut found));
        assert_eq!(found, [(77, 9)]);
        assert!(!read(&bytes[..40], &mut found));
        assert!(!read(&[&bytes[..4], &3_u16.to_ne_bytes(), &bytes[6..]].concat(), &mut found), "the last one");
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn the_kernel_is_asked_in_its_own_words() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        use std::os::fd::AsRawFd as _;
        let link = std::fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).expect("its link");
        let inode = link.to_str().and_then(|link| link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
        let inode: u64 = inode.expect("an inode");
        // A kernel without control groups for sockets leaves the table empty.
        let found = dump(2, 6).expect("an answer");
        assert!(found.is_empty() || found.iter().any(|(socket, _)| *socket == inode), "{found:?}");
    }
}
