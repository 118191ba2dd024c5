//! What would break: a port that is called free though somebody holds it, or is laid at another's door.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;

use super::facts::{newuidmap, subuid_count, user_name};
use super::holder::{OfUnit, Process, command, only_candidate, uid, unit};
use super::sockets::{Socket, TABLES, parse};
use super::{diag, sockets};
use crate::observed::{Listener, NewuidMap};

#[test]
fn only_listening_sockets_are_read() {
    let tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        \x20  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0\n\
        \x20  1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0 100 0 0 10 0\n\
        \x20  2: short\n";
    let tcp6 = "header\n\
        0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 7 1 0\n\
        1: 0000000000000000FFFF00000100007F:0051 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 8 1 0\n\
        2: 00000000000000000000000001000000:0052 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 9 1 0\n";
    let udp = "header\n\
        0: 00000000:0035 00000000:0000 07 0:0 00:0 0 0 0 10 2 0 0\n\
        1: 0100007F:0036 0100007F:0035 01 0:0 00:0 0 0 0 11 2 0 0\n";
    let read = |table: usize, text: &str| -> Vec<_> {
        parse(TABLES[table], text)
            .into_iter()
            .map(|socket| (socket.listener.ip.to_string(), socket.listener.port, socket.listener.uid, socket.inode))
            .collect()
    };
    // As a little-endian machine prints them.
    if cfg!(target_endian = "little") {
        assert_eq!(read(0, tcp), [("127.0.0.1".to_owned(), 8080, 1000, 4711)]);
        assert_eq!(
            read(1, tcp6),
            [("::".to_owned(), 80, 0, 7), ("127.0.0.1".to_owned(), 81, 0, 8), ("::1".to_owned(), 82, 0, 9)]
        );
        assert_eq!(read(2, udp), [("0.0.0.0".to_owned(), 53, 0, 10)]);
    }
}

#[test]
fn a_control_group_names_its_unit_and_whose_it_is() {
    let found = |cgroup: &str| unit(cgroup).map(|unit| (unit.name, unit.scope));
    let of = |name: &str, scope| Some((name.to_owned(), scope));
    for (cgroup, expected) in [
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/app.service\n", of("app.service", "user")),
        (
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/p.service/libpod-payload-ab\n",
            of("p.service", "user"),
        ),
        (
            "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ab.scope/container\n",
            of("libpod-ab.scope", "user"),
        ),
        ("0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", of("init.scope", "user")),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", of("session-3.scope", "system")),
        ("0::/system.slice/docker-registry.service\n", of("docker-registry.service", "system")),
        ("0::/system.slice/system-getty.slice/getty@tty1.service\n", of("getty@tty1.service", "system")),
        ("0::/init.scope\n", of("init.scope", "system")),
        ("9:name=systemd:/system.slice/a.service\n4:memory:/x.service\n0::/\n", of("a.service", "system")),
        ("0::/\n", None),
        ("", None),
    ] {
        assert_eq!(found(cgroup), expected, "{cgroup}");
    }
}

#[test]
fn a_command_line_is_one_short_line() {
    assert_eq!(command(b"nginx:\0-g\0daemon off;\n\0"), "nginx: -g daemon off; ");
    assert_eq!(command(b""), "");
    assert_eq!(command(&[b'x'; 500]).chars().count(), 201);
    assert_eq!(uid("Name:\tx\nUid:\t1000\t1001\t1000\t1000\nGid:\t5\t5\t5\t5\n"), Some(1001));
}

fn process(pid: u32, uid: u32, command: &str, unit: Option<&str>) -> Process {
    let unit = unit.map(|name| OfUnit { name: name.to_owned(), scope: "system" });
    Process { pid, uid, command: command.to_owned(), unit }
}

#[test]
fn a_holder_that_cannot_be_seen_is_named_only_when_one_is_left() {
    let listener = |uid| Listener {
        protocol: "tcp".into(),
        ip: [0, 0, 0, 0].into(),
        port: 80,
        uid,
        pid: None,
        command: None,
        unit: None,
        scope: None,
    };
    let processes = [
        process(1, 0, "/sbin/init", Some("init.scope")),
        process(2, 0, "server --port=80", Some("a.service")),
        process(3, 0, "other --port=8080", Some("b.service")),
        process(4, 112, "redis-server", Some("redis.service")),
        process(5, 113, "one", Some("one.service")),
        process(6, 113, "two", Some("two.service")),
        process(7, 1001, "somebody", Some("session-1.scope")),
    ];
    let candidate = |uid| only_candidate(&processes, &listener(uid)).map(|process| process.pid);
    assert_eq!(candidate(0), Some(2), "the port among the arguments, as a whole number");
    assert_eq!(candidate(112), Some(4), "a system user with one unit");
    assert_eq!(candidate(113), None, "a system user with two");
    assert_eq!(candidate(1001), None, "a person runs many things");
    let two = [processes[1].clone(), process(9, 0, "client 127.0.0.1:80", None)];
    assert!(only_candidate(&two, &listener(0)).is_none(), "two name the port");
}

#[test]
fn the_holder_of_a_port_of_ours_is_this_process() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (protocol, port) in [("tcp", tcp.local_addr().unwrap().port()), ("udp", udp.local_addr().unwrap().port())] {
        let listeners = super::listeners(&BTreeSet::from([port])).unwrap();
        let found: Vec<_> = listeners.iter().filter(|found| found.port == port && found.protocol == protocol).collect();
        assert_eq!(found.len(), 1, "{listeners:?}");
        assert_eq!(found[0].pid, Some(std::process::id()));
        assert!(found[0].command.as_deref().is_some_and(|command| command.contains("stackctl")));
    }
}

#[test]
fn the_user_and_its_ranges_are_read() {
    let passwd = "root:x:0:0:root:/root:/bin/bash\nstack:x:1000:1000::/home/stack:/bin/bash\n";
    assert_eq!(user_name(passwd, 1000).as_deref(), Some("stack"));
    assert_eq!(user_name(passwd, 100), None);
    let subuid = "stack:100000:65536\n1000:300000:1000\nother:1:1\nbroken\n";
    assert_eq!(subuid_count(subuid, "stack", 1000), Some(66536));
    assert_eq!(subuid_count(subuid, "nobody", 65534), None);
}

#[test]
fn newuidmap_is_what_the_path_finds_first() {
    let base = std::env::temp_dir().join(format!("stackctl-newuidmap-{}", std::process::id()));
    let place = |name: &str, mode: u32| {
        let directory = base.join(name);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("newuidmap"), "").unwrap();
        fs::set_permissions(directory.join("newuidmap"), fs::Permissions::from_mode(mode)).unwrap();
        directory
    };
    let (plain, data, absent) = (place("plain", 0o755), place("data", 0o644), base.join("absent"));
    assert_eq!(newuidmap(std::slice::from_ref(&absent)), NewuidMap::Missing);
    assert_eq!(newuidmap(&[absent, data.clone()]), NewuidMap::Missing, "it cannot be executed");
    assert_eq!(newuidmap(&[data, plain.clone()]), NewuidMap::Powerless(plain.join("newuidmap")));
    fs::remove_dir_all(&base).unwrap();
}

/// Whichever of the two answers, the same sockets must be told.
#[test]
fn netlink_tells_what_proc_tells() {
    let tcp = [TcpListener::bind("127.0.0.1:0"), TcpListener::bind("[::1]:0"), TcpListener::bind("[::]:0")];
    let udp = [UdpSocket::bind("0.0.0.0:0"), UdpSocket::bind("[::1]:0")];
    let ports: BTreeSet<u16> = tcp
        .iter()
        .flatten()
        .filter_map(|socket| socket.local_addr().ok())
        .chain(udp.iter().flatten().filter_map(|socket| socket.local_addr().ok()))
        .map(|address| address.port())
        .collect();
    let mut found = 0;
    for table in TABLES {
        let Ok(told) = diag::read(table) else { continue };
        let ours = |all: Vec<Socket>| -> Vec<Socket> {
            let mut ours: Vec<_> = all.into_iter().filter(|socket| ports.contains(&socket.listener.port)).collect();
            ours.sort_by_key(|socket| socket.inode);
            // While others open and close theirs, /proc shows one twice.
            ours.dedup();
            ours
        };
        let (told, read) = (ours(told), ours(sockets::read(table).expect("/proc/net is there")));
        assert_eq!(told, read, "{table:?}");
        found += told.len();
    }
    assert!(found > 0 || diag::read(TABLES[0]).is_err(), "none of {ports:?} was told");
}

#[test]
fn a_list_that_is_cut_or_was_interrupted_is_none() {
    let mut message = vec![0_u8; 88];
    message[0] = 88;
    message[4] = 20;
    let read = |bytes: &[u8]| diag::messages(TABLES[0], bytes, &mut Vec::new());
    assert!(!read(&message).expect("it is whole"));
    assert!(read(&message[..80]).is_err());
    message[6] = 0x10;
    assert!(read(&message).is_err());
    message[6] = 2;
    message[4] = 2;
    assert!(read(&message).is_err(), "the kernel says no");
    message[4] = 3;
    assert!(read(&message).expect("it is the end"));
}
