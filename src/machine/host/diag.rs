//! The kernel's own list of sockets over netlink (sock_diag(7)): it is asked for those that listen alone, in a tenth of a
//! millisecond, where `/proc/net/tcp` walks through a table of all connections that there could be (10 ms on 16 GB).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};

use super::sockets::{Socket, Table};
use crate::observed::Listener;

/// `linux/netlink.h`, `linux/sock_diag.h`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST_DUMP: u16 = 0x301;
const DUMP_INTERRUPTED: u16 = 0x10;
const DONE: u16 = 3;
const HEADER: usize = 16;
/// `struct inet_diag_msg`.
const MESSAGE: usize = 72;
/// The kernel fills at most this with one answer.
const ANSWER_MAX: usize = 64 << 10;
/// No machine listens on more; a list that does not end is none.
const ANSWERS_MAX: usize = 1000;

/// # Errors
/// The kernel does not offer it (a module is missing), or the list changed while it was read.
pub(super) fn read(table: Table) -> io::Result<Vec<Socket>> {
    let kernel = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
    send(&kernel, &request(table), SendFlags::empty())?;
    let mut sockets = Vec::new();
    let mut buffer = vec![0; ANSWER_MAX];
    for _ in 0..ANSWERS_MAX {
        let (length, _) = recv(&kernel, &mut buffer, RecvFlags::empty())?;
        if messages(table, &buffer[..length], &mut sockets)? {
            return Ok(sockets);
        }
    }
    Err(broken())
}

fn broken() -> io::Error {
    io::Error::other("the kernel's list of sockets is not what it should be")
}

/// `struct nlmsghdr`, `struct inet_diag_req_v2`: of any address.
fn request(table: Table) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + 56);
    bytes.extend(72_u32.to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST_DUMP.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([table.family, table.protocol_number, 0, 0]);
    bytes.extend((1_u32 << table.state_number).to_ne_bytes());
    bytes.resize(72, 0);
    bytes
}

/// Whether the list has ended.
pub(super) fn messages(table: Table, mut bytes: &[u8], sockets: &mut Vec<Socket>) -> io::Result<bool> {
    while bytes.len() >= HEADER {
        let length = usize::try_from(number(bytes, 0)).unwrap_or(usize::MAX);
        let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
        let flags = u16::from_ne_bytes([bytes[6], bytes[7]]);
        if length < HEADER || length > bytes.len() || flags & DUMP_INTERRUPTED != 0 {
            return Err(broken());
        }
        match kind {
            DONE => return Ok(true),
            SOCK_DIAG_BY_FAMILY if length >= HEADER + MESSAGE => sockets.push(row(table, &bytes[HEADER..length])),
            _ => return Err(broken()),
        }
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    }
    Ok(false)
}

fn row(table: Table, message: &[u8]) -> Socket {
    let ip: [u8; 16] = message[8..24].try_into().expect("sixteen bytes");
    let ip = match table.family {
        super::sockets::INET => IpAddr::V4(Ipv4Addr::new(ip[0], ip[1], ip[2], ip[3])),
        _ => Ipv6Addr::from(ip).to_canonical(),
    };
    let listener = Listener {
        protocol: table.protocol.to_owned(),
        ip,
        port: u16::from_be_bytes([message[4], message[5]]),
        uid: number(message, 64),
        pid: None,
        command: None,
        unit: None,
        scope: None,
    };
    Socket { inode: u64::from(number(message, 68)), listener }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
