//! `/proc/net/{tcp,tcp6,udp,udp6}`, where netlink does not answer: the kernel's tables of sockets (proc_net(5), `net/ipv4/tcp_ipv4.c`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::observed::Listener;

/// TCP_LISTEN and TCP_CLOSE of `include/net/tcp_states.h`; a UDP socket that is bound and not connected is in the latter.
const TCP_LISTEN: &str = "0A";
const UDP_BOUND: &str = "07";

/// AF_INET and AF_INET6, IPPROTO_TCP and IPPROTO_UDP.
pub(super) const INET: u8 = 2;
const INET6: u8 = 10;
const TCP: u8 = 6;
const UDP: u8 = 17;

#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    file: &'static str,
    pub(super) protocol: &'static str,
    state: &'static str,
    pub(super) family: u8,
    pub(super) protocol_number: u8,
    pub(super) state_number: u8,
}

const fn table(file: &'static str, family: u8, protocol_number: u8) -> Table {
    let (protocol, state, state_number) =
        if protocol_number == TCP { ("tcp", TCP_LISTEN, 10) } else { ("udp", UDP_BOUND, 7) };
    Table { file, protocol, state, family, protocol_number, state_number }
}

pub(super) const TABLES: [Table; 4] =
    [table("tcp", INET, TCP), table("tcp6", INET6, TCP), table("udp", INET, UDP), table("udp6", INET6, UDP)];

/// A listening socket; its holder is found by the inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) inode: u64,
    pub(super) listener: Listener,
}

pub(super) fn read(table: Table) -> io::Result<Vec<Socket>> {
    match std::fs::read_to_string(format!("/proc/net/{}", table.file)) {
        Ok(text) => Ok(parse(table, &text)),
        // A kernel without IPv6 has no table of it.
        Err(error) if error.kind() == io::ErrorKind::NotFound && table.file.ends_with('6') => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

pub(super) fn parse(table: Table, text: &str) -> Vec<Socket> {
    text.lines().skip(1).filter_map(|line| row(table, line)).collect()
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`
fn row(table: Table, line: &str) -> Option<Socket> {
    let columns: Vec<&str> = line.split_ascii_whitespace().collect();
    let (address, port) = columns.get(1)?.split_once(':')?;
    if *columns.get(3)? != table.state {
        return None;
    }
    let listener = Listener {
        protocol: table.protocol.to_owned(),
        ip: ip(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
        uid: columns.get(7)?.parse().ok()?,
        pid: None,
        command: None,
        unit: None,
        scope: None,
    };
    Some(Socket { inode: columns.get(9)?.parse().ok()?, listener })
}

/// The kernel prints each 32-bit word of the address as a number of this machine, while the bytes are in network order.
fn ip(hex: &str) -> Option<IpAddr> {
    let word = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::to_ne_bytes);
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(hex)?))),
        32 => {
            let mut bytes = [0; 16];
            for (at, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(hex.get(at * 8..at * 8 + 8)?)?);
            }
            // `::ffff:127.0.0.1` is 127.0.0.1 to whoever wants to bind it.
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}
