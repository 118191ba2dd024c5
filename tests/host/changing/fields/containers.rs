//! The rows of a container.

use serde_json::{Value, json};
use stackctl::kinds::{container, network};

use super::{
    Case, Cases, Host, Shown, Turn, User, apply, case, every_row_has_a_case, expected, named, none, nothing_is_left,
    plan, rows, section, shown_rightly, taken_out_rightly, told_rightly,
};

const STACK: &str = "fields";
const IMAGE: &str = "localhost/stackctl/fields:1";
const OTHER_IMAGE: &str = "localhost/stackctl/fields:2";

/// Without a network of its own a container starts in half the time, and most rows have nothing to do with one.
fn base(_name: &str) -> Value {
    json!({ "image": IMAGE, "command": ["sleep"], "network_mode": "none" })
}

/// Joins the default network instead.
fn attached() -> Value {
    json!({ "network_mode": null })
}

const TAGS: &[&str] = &["CMD", "/stand-in", "healthcheck", "http://127.0.0.1:11434/api/tags"];
const VERSION: &[&str] = &["CMD", "/stand-in", "healthcheck", "http://127.0.0.1:11434/api/version"];

/// A check that passes; asked for in the container, where the stand-in plays Ollama.
fn check(test: &[&str], interval: &str, retries: u32) -> Value {
    let times =
        json!({ "test": test, "interval": interval, "timeout": "2s", "retries": retries, "start_period": "1s" });
    json!({ "healthcheck": times })
}

fn ollama() -> Value {
    json!({ "command": ["ollama"] })
}

/// What the process is made of.
fn of_the_process() -> Vec<Case> {
    let words = |words: &[&str]| json!(words);
    vec![
        case("image", "replace", json!({ "image": IMAGE }), json!({ "image": OTHER_IMAGE }))
            .on(json!({ "image": "localhost/stackctl/fields:3" }))
            .at("/ImageName", IMAGE, OTHER_IMAGE),
        case("command", "replace", json!({ "command": ["qdrant"] }), json!({ "command": ["ollama"] })).at(
            "/Config/Cmd",
            words(&["qdrant"]),
            words(&["ollama"]),
        ),
        case(
            "entrypoint",
            "replace",
            json!({ "entrypoint": ["/./stand-in"] }),
            json!({ "entrypoint": "/../stand-in" }),
        )
        .told(words(&["/./stand-in"]), words(&["/../stand-in"]))
        .at("/Config/Entrypoint", words(&["/./stand-in"]), words(&["/../stand-in"])),
        // An entrypoint of nothing takes the image's away.
        case(
            "entrypoint",
            "replace",
            json!({ "entrypoint": [], "command": ["/stand-in", "sleep"] }),
            json!({ "entrypoint": ["/stand-in"] }),
        )
        .on(json!({ "image": "localhost/stackctl/fields:4" }))
        .also(&["command"]),
        case(
            "environment",
            "replace",
            json!({ "environment": { "A": "1", "B": "x" } }),
            json!({ "environment": ["A=2", "B=x"] }),
        )
        .path("A")
        .told("1", "2")
        .shown(Shown::Holds("/Config/Env", ["\"A=1\"", "\"A=2\""])),
        case("working_dir", "replace", json!({ "working_dir": "/proc" }), json!({ "working_dir": "/dev/shm/" }))
            .told("/proc", "/dev/shm")
            .at("/Config/WorkingDir", "/proc", "/dev/shm"),
        case("user", "replace", json!({ "user": "1234" }), json!({ "user": "1234:99" })).at(
            "/Config/User",
            "1234",
            "1234:99",
        ),
        case("hostname", "replace", json!({ "hostname": "one" }), json!({ "hostname": "two" })).at(
            "/Config/Hostname",
            "one",
            "two",
        ),
        case("stop_signal", "replace", json!({ "stop_signal": "SIGINT" }), json!({ "stop_signal": "quit" }))
            .told("SIGINT", "SIGQUIT")
            .at("/Config/StopSignal", "SIGINT", "SIGQUIT"),
        case(
            "labels",
            "replace",
            json!({ "labels": { "tier": "one", "x": "" } }),
            json!({ "labels": ["tier=two", "x"] }),
        )
        .path("tier")
        .told("one", "two")
        .at("/Config/Labels/tier", "one", "two"),
        case("init", "replace", json!({ "init": true }), json!({ "init": false }))
            .shown(Shown::Shell("podman inspect -f '{{.Path}}' X | grep -c init", ["1", "0"])),
        case("shm_size", "replace", json!({ "shm_size": "16m" }), json!({ "shm_size": 8_388_608 }))
            .told(16_777_216, 8_388_608)
            .at("/HostConfig/ShmSize", 16_777_216, 8_388_608),
    ]
}

/// One key of the create call each.
fn of_settings() -> Vec<Case> {
    let words = |words: &[&str]| json!(words);
    vec![
        case("dns", "replace", json!({ "dns": "10.9.8.7" }), json!({ "dns": ["10.9.8.7", "fd00::1"] }))
            .on(attached())
            .told(words(&["10.9.8.7"]), words(&["10.9.8.7", "fd00::1"]))
            .at("/HostConfig/Dns", words(&["10.9.8.7"]), words(&["10.9.8.7", "fd00::1"])),
        case("dns_search", "replace", json!({ "dns_search": "a.example" }), json!({ "dns_search": ["b.example"] }))
            .on(attached())
            .told(words(&["a.example"]), words(&["b.example"]))
            .at("/HostConfig/DnsSearch", words(&["a.example"]), words(&["b.example"])),
        case("dns_opt", "replace", json!({ "dns_opt": ["use-vc"] }), json!({ "dns_opt": ["use-vc", "ndots:2"] }))
            .on(attached())
            .at("/HostConfig/DnsOptions", words(&["use-vc"]), words(&["use-vc", "ndots:2"])),
        case(
            "ulimits",
            "replace",
            json!({ "ulimits": { "nofile": 100, "core": 0 } }),
            json!({ "ulimits": { "nofile": { "soft": 50, "hard": 90 }, "core": 0 } }),
        )
        .path("nofile")
        .told(json!({ "soft": 100, "hard": 100 }), json!({ "soft": 50, "hard": 90 }))
        .shown(Shown::Holds("/HostConfig/Ulimits", ["\"Soft\":100", "\"Soft\":50"])),
    ]
}

/// What the kernel gives the process, and where its output goes.
fn of_namespaces() -> Vec<Case> {
    let words = |words: &[&str]| json!(words);
    vec![
        // Inspect shows none; the process has them.
        case(
            "sysctls",
            "replace",
            json!({ "sysctls": { "net.ipv4.ip_unprivileged_port_start": 81 } }),
            json!({ "sysctls": ["net.ipv4.ip_unprivileged_port_start=82"] }),
        )
        .path("net.ipv4.ip_unprivileged_port_start")
        .told("81", "82")
        .shown(Shown::Shell(
            "podman unshare nsenter -n -t $(podman inspect -f '{{.State.Pid}}' X) cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
            ["81", "82"],
        )),
        case("group_add", "replace", json!({ "group_add": ["12"] }), json!({ "group_add": ["12", 34] }))
            .told(words(&["12"]), words(&["12", "34"]))
            .at("/HostConfig/GroupAdd", words(&["12"]), words(&["12", "34"])),
        case("tty", "replace", json!({ "tty": true }), json!({ "tty": false })).at("/Config/Tty", true, false),
        case("stdin_open", "replace", json!({ "stdin_open": true }), json!({ "stdin_open": false })).at(
            "/Config/OpenStdin",
            true,
            false,
        ),
        case("oom_score_adj", "replace", json!({ "oom_score_adj": 300 }), json!({ "oom_score_adj": 400 }))
            .at("/HostConfig/OomScoreAdj", 300, 400),
        case(
            "annotations",
            "replace",
            json!({ "annotations": { "com.example.a": "one" } }),
            json!({ "annotations": ["com.example.a=two"] }),
        )
        .path("com.example.a")
        .told("one", "two")
        .at("/Config/Annotations/com.example.a", "one", "two"),
        case("pid", "replace", json!({ "pid": "host" }), json!({ "pid": "private" })).at(
            "/HostConfig/PidMode",
            "host",
            "private",
        ),
        case("ipc", "replace", json!({ "ipc": "shareable" }), json!({ "ipc": "host" })).at(
            "/HostConfig/IpcMode",
            "shareable",
            "host",
        ),
        case("userns_mode", "replace", json!({ "userns_mode": "keep-id" }), json!({ "userns_mode": "host" })),
        case("log_driver", "replace", json!({ "logging": { "driver": "json-file" } }), {
            json!({ "logging": { "driver": "journald" } })
        })
        .told("k8s-file", "journald")
        .at("/HostConfig/LogConfig/Type", "k8s-file", "journald"),
        case(
            "log_options",
            "replace",
            json!({ "logging": { "driver": "k8s-file", "options": { "max-size": "1m" } } }),
            json!({ "logging": { "driver": "k8s-file", "options": { "max-size": "2m" } } }),
        )
        .on(json!({ "logging": { "driver": "k8s-file" } }))
        .path("max-size")
        .told("1m", "2m")
        .shown(Shown::Holds("/HostConfig/LogConfig/Size", ["1.0", "2.0"])),
        case("uts", "replace", json!({ "uts": "host" }), json!({ "uts": "private" })).at(
            "/HostConfig/UTSMode",
            "host",
            "private",
        ),
    ]
}

/// What it may do.
fn of_secrets() -> Vec<Case> {
    vec![
        case(
            "secrets",
            "replace",
            json!({ "secrets": [{ "source": "one", "target": "it", "mode": "0400" }] }),
            json!({ "secrets": [{ "source": "one", "target": "it", "mode": "0440" }] }),
        )
        .path("/run/secrets/it")
        .told(
            json!({ "secret": "one", "type": "mount", "uid": 0, "gid": 0, "mode": "0400" }),
            json!({ "secret": "one", "type": "mount", "uid": 0, "gid": 0, "mode": "0440" }),
        )
        .at("/Config/Secrets/0/Mode", 0o400, 0o440),
        case(
            "secrets",
            "replace",
            json!({ "secrets": [{ "source": "one", "target": "A", "type": "env" }] }),
            json!({ "secrets": [{ "source": "two", "target": "A", "type": "env" }] }),
        )
        .path("A")
        .told(json!({ "secret": "one", "type": "env" }), json!({ "secret": "two", "type": "env" }))
        .shown(Shown::Shell(
            "tr '\\0' '\\n' </proc/$(podman inspect -f '{{.State.Pid}}' X)/environ | grep ^A= | wc -c",
            ["8", "12"],
        )),
    ]
}

/// What is compared through the label alone; the process has it.
fn of_things_unseen() -> Vec<Case> {
    let security = |option: &str| json!({ "security_opt": [option] });
    let on = |network: &str, options: Value| json!({ "networks": { network: options } });
    vec![
        case("gpu", "replace", json!({ "gpu": "none" }), json!({ "gpu": "nvidia" })).shown(Shown::Shell(
            "tr '\\0' '\\n' </proc/$(podman inspect -f '{{.State.Pid}}' X)/environ | grep -c ^FAKE_GPU=all || true",
            ["0", "1"],
        )),
        case("devices", "replace", json!({ "gpus": "all" }), json!({ "gpus": [{ "device_ids": ["0"] }] }))
            .told(json!(["nvidia.com/gpu=all"]), json!(["nvidia.com/gpu=0"]))
            .shown(Shown::Shell(
                "tr '\\0' '\\n' </proc/$(podman inspect -f '{{.State.Pid}}' X)/environ | grep ^FAKE_GPU",
                ["FAKE_GPU=all", "FAKE_GPU=0"],
            )),
        case("configs", "replace", json!({ "configs": ["here"] }), json!({ "configs": [{ "source": "here", "mode": "0400" }] }))
            .path("/here")
            .told(
                json!({ "config": "here", "type": "mount", "uid": 0, "gid": 0, "mode": "0444" }),
                json!({ "config": "here", "type": "mount", "uid": 0, "gid": 0, "mode": "0400" }),
            )
            .at("/Config/Secrets/0/Mode", 0o444, 0o400),
        case("security_opt", "replace", security("mask=/usr"), security("unmask:ALL"))
            .told(json!(["mask=/usr"]), json!(["unmask=ALL"])),
        case("security_opt", "replace", security("seccomp:unconfined"), security("label=disable"))
            .told(json!(["seccomp=unconfined"]), json!(["label=disable"])),
        case("network_options", "replace", on("back", json!({ "mac_address": "02:42:AC:11:00:02" })), on("back", json!({ "mac_address": "02:42:ac:11:00:03" })))
            .on(attached())
            .path("fields_back")
            .told(json!({ "mac_address": "02:42:ac:11:00:02" }), json!({ "mac_address": "02:42:ac:11:00:03" }))
            .at("/NetworkSettings/Networks/fields_back/MacAddress", "02:42:ac:11:00:02", "02:42:ac:11:00:03"),
        case("network_options", "replace", on("back", json!({ "interface_name": "one0" })), on("back", json!({ "interface_name": "two0" })))
            .on(attached())
            .path("fields_back")
            .told(json!({ "interface_name": "one0" }), json!({ "interface_name": "two0" })),
        case("network_mode", "replace", json!({ "network_mode": "pasta" }), json!({ "network_mode": "pasta:--mtu,1400" }))
            .on(attached())
            .told("pasta", "pasta:--mtu,1400")
            .shown(Shown::Shell(
                "podman unshare nsenter -n -t $(podman inspect -f '{{.State.Pid}}' X) ip -o link | grep -c 'mtu 1400' || true",
                ["0", "1"],
            )),
    ]
}

fn of_rights() -> Vec<Case> {
    vec![
        case(
            "cap_add",
            "replace",
            json!({ "cap_add": ["NET_ADMIN"] }),
            json!({ "cap_add": ["cap_sys_time", "NET_ADMIN"] }),
        )
        .told(json!(["CAP_NET_ADMIN"]), json!(["CAP_SYS_TIME", "CAP_NET_ADMIN"]))
        .shown(Shown::Holds("/EffectiveCaps", ["CAP_NET_ADMIN", "CAP_SYS_TIME"])),
        // CHOWN is one that podman gives by itself: adding it adds nothing.
        case("cap_add", "replace", json!({ "cap_add": ["CHOWN"] }), json!({ "cap_add": ["ALL"] }))
            .told(json!(["CAP_CHOWN"]), json!(["ALL"]))
            .shown(Shown::Holds("/EffectiveCaps", ["CAP_CHOWN", "CAP_SYS_PTRACE"])),
        case("cap_drop", "replace", json!({ "cap_drop": ["CHOWN"] }), json!({ "cap_drop": ["CHOWN", "KILL"] }))
            .told(json!(["CAP_CHOWN"]), json!(["CAP_CHOWN", "CAP_KILL"]))
            .shown(Shown::Shell(
                "podman inspect -f '{{range .EffectiveCaps}}{{.}} {{end}}' X | grep -cw -e CAP_KILL",
                ["1", "0"],
            )),
        // MKNOD is one that podman does not give: dropping it drops nothing.
        case("cap_drop", "replace", json!({ "cap_drop": ["MKNOD"] }), json!({ "cap_drop": ["ALL"] }))
            .told(json!(["CAP_MKNOD"]), json!(["ALL"]))
            .shown(Shown::Shell(
                "podman inspect -f '{{len .EffectiveCaps}}' X | sed 's/[1-9][0-9]*/some/'",
                ["some", "0"],
            )),
        case("privileged", "replace", json!({ "privileged": true }), json!({ "privileged": false })).at(
            "/HostConfig/Privileged",
            true,
            false,
        ),
        case("read_only", "replace", json!({ "read_only": true }), json!({ "read_only": false })).at(
            "/HostConfig/ReadonlyRootfs",
            true,
            false,
        ),
        case(
            "no_new_privileges",
            "replace",
            json!({ "security_opt": ["no-new-privileges"] }),
            json!({ "security_opt": ["no-new-privileges:false"] }),
        )
        .told(true, false)
        .shown(Shown::Shell(
            "grep -h NoNewPrivs /proc/$(podman inspect -f '{{.State.Pid}}' X)/status | tr -dc 01",
            ["1", "0"],
        )),
        case(
            "devices",
            "replace",
            json!({ "devices": ["/dev/fuse"] }),
            json!({ "devices": ["/dev/net/tun:/dev/other"] }),
        )
        .told(json!(["/dev/fuse"]), json!(["/dev/net/tun:/dev/other"]))
        .shown(Shown::Shell(
            "podman unshare ls /proc/$(podman inspect -f '{{.State.Pid}}' X)/root/dev | grep -e fuse -e other",
            ["fuse", "other"],
        )),
    ]
}

/// Ports, networks, names.
fn of_networks(user: &User) -> Vec<Case> {
    let port = |n: u16| user.port(n);
    let published = |n: u16| json!({ "ports": [format!("{}:1111", port(n))] });
    let told = |n: u16| json!([format!("127.0.0.1:{}:1111/tcp", port(n))]);
    let bindings = |n: u16| json!([{ "HostIp": "127.0.0.1", "HostPort": port(n).to_string() }]);
    let several = |ip: &str| {
        json!({ "ports": [
        { "target": 53, "published": port(2), "protocol": "udp", "host_ip": ip },
        format!("0.0.0.0:{}-{}:70-71", port(3), port(4)),
    ] })
    };
    let several_told = |ip: &str| {
        json!([
            format!("{ip}:{}:53/udp", port(2)),
            format!("0.0.0.0:{}:70/tcp", port(3)),
            format!("0.0.0.0:{}:71/tcp", port(4)),
        ])
    };
    let back = |alias: &str| json!({ "networks": { "back": { "aliases": [alias] } } });
    let aliases = |alias: &str| json!({ "aliases": ["networks", alias], "static_ips": [] });
    vec![
        case("ports", "replace", published(0), published(1)).on(attached()).told(told(0), told(1)).at(
            "/HostConfig/PortBindings/1111~1tcp",
            bindings(0),
            bindings(1),
        ),
        case("ports", "replace", several("127.0.0.1"), several("::1"))
            .on(attached())
            .told(several_told("127.0.0.1"), several_told("[::1]")),
        case("expose", "replace", json!({ "expose": ["1234"] }), json!({ "expose": ["1234", "53/udp", "53"] }))
            .told(json!(["1234/tcp"]), json!(["1234/tcp", "53/tcp", "53/udp"]))
            .shown(Shown::Holds("/Config/ExposedPorts", ["\"1234/tcp\"", "\"53/udp\""])),
        case("network_mode", "replace", json!({ "network_mode": "none" }), json!({ "network_mode": "host" }))
            .on(attached())
            .at("/HostConfig/NetworkMode", "none", "host"),
        case("networks", "update", back("one"), back("two"))
            .on(attached())
            .path("fields_back")
            .told(aliases("one"), aliases("two"))
            .shown(Shown::Holds("/NetworkSettings/Networks/fields_back/Aliases", ["\"one\"", "\"two\""])),
        case(
            "networks",
            "update",
            json!({ "networks": { "fixed": { "ipv4_address": "10.77.9.5", "aliases": ["it"] } } }),
            json!({ "networks": { "fixed": { "ipv4_address": "10.77.9.6", "aliases": ["it"] } } }),
        )
        .on(attached())
        .path("fields_fixed")
        .at("/NetworkSettings/Networks/fields_fixed/IPAddress", "10.77.9.5", "10.77.9.6"),
        case("networks", "update", json!({ "networks": ["back"] }), json!({ "networks": ["back", "fixed"] }))
            .on(attached())
            .path("fields_fixed"),
        case(
            "extra_hosts",
            "replace",
            json!({ "extra_hosts": ["db:10.0.0.1"] }),
            json!({ "extra_hosts": { "db": "10.0.0.2", "gate": "host-gateway" } }),
        )
        .on(attached())
        .told(json!(["db:10.0.0.1"]), json!(["db:10.0.0.2", "gate:host-gateway"]))
        .shown(Shown::Holds("/HostConfig/ExtraHosts", ["db:10.0.0.1", "db:10.0.0.2"])),
        case(
            "name",
            "update",
            json!({ "container_name": "fields-of-one" }),
            json!({ "container_name": "fields-of-two" }),
        )
        .told("fields-of-one", "fields-of-two")
        .shown(Shown::Shell("podman ps --format '{{.Names}}' | grep fields-of", ["fields-of-one", "fields-of-two"])),
    ]
}

/// What is mounted.
fn of_mounts() -> Vec<Case> {
    const IMAGE: &str = "localhost/stackctl/fields:dirs";
    let of_image = |more: Value| {
        let mut mount = json!({ "type": "image", "source": IMAGE, "target": "/of" });
        more.as_object().into_iter().flatten().for_each(|(key, value)| mount[key] = value.clone());
        json!({ "volumes": [mount] })
    };
    let mount = |text: &str| json!({ "volumes": [text] });
    vec![
        case("volumes", "replace", mount("~/data/one:/data"), mount("~/data/one:/data:ro"))
            .path("/data")
            .at("/Mounts/0/RW", true, false),
        case("volumes", "replace", mount("first:/data"), json!({ "volumes": [{ "type": "volume", "source": "second", "target": "/data" }] }))
            .path("/data")
            .told(json!({ "volume": "fields_first", "read_only": false }), json!({ "volume": "fields_second", "read_only": false }))
            .at("/Mounts/0/Name", "fields_first", "fields_second"),
        // Another mount, and with it another directory that the unit asks for.
        case("data_roots", "replace", mount("~/root-1/x:/data"), mount("~/root-2/x:/data"))
            .told(Value::Null, Value::Null)
            .also(&["volumes./data"])
            .shown(Shown::Shell("grep -o 'root-./[.]stackctl-id' .config/systemd/user/podman-X.service", [
                "root-1/.stackctl-id",
                "root-2/.stackctl-id",
            ])),
        case("volumes", "replace", of_image(json!({})), of_image(json!({ "read_only": false })))
            .path("/of")
            .told(json!({ "image": IMAGE, "read_only": true }), json!({ "image": IMAGE, "read_only": false }))
            .at("/Mounts/0/RW", false, true),
        case("volume_options", "replace", of_image(json!({ "image": { "subpath": "bin" } })), of_image(json!({ "image": { "subpath": "etc" } })))
            .path("/of"),
        case("volumes", "replace", json!({ "tmpfs": ["/data"] }), mount("second:/data:ro"))
            .path("/data")
            .also(&["volume_options./data"]),
        case(
            "volume_options", "replace",
            json!({ "volumes": [{ "type": "tmpfs", "target": "/scratch", "tmpfs": { "size": "1m", "mode": "0700" } }] }),
            json!({ "volumes": [{ "type": "tmpfs", "target": "/scratch", "tmpfs": { "size": "2m", "mode": "0700" } }] }),
        )
            .path("/scratch")
            .shown(Shown::Holds("/HostConfig/Tmpfs/~1scratch", ["size=1048576", "size=2097152"])),
        case("volume_options", "replace", mount("~/data/two:/data:noexec"), mount("~/data/two:/data:nosuid"))
            .path("/data")
            .shown(Shown::Holds("/Mounts/0/Options", ["noexec", "nosuid"])),
    ]
}

/// How it is checked, started and stopped.
fn of_life(user: &User) -> Vec<Case> {
    let port = user.port(10);
    let host_check =
        |interval: &str| json!({ "healthcheck": { "tcp": format!("127.0.0.1:{port}"), "interval": interval } });
    let needs = |name: &str| json!({ "depends_on": { name: { "condition": "service_started" } } });
    let start = json!({ "condition": "service_started", "restart": false });
    let probed = json!({ "network_mode": "host", "command": ["ollama"], "environment": { "STAND_IN_PORT": port } });
    // It changes with the check of the one that is waited for.
    let waits = json!({ "depends_on": { "healthcheck-host": { "condition": "service_healthy" } } });
    vec![
        case("healthcheck", "replace", check(TAGS, "1s", 3), check(VERSION, "1s", 3))
            .on(ollama())
            .path("test")
            .told(json!(TAGS), json!(VERSION))
            .at("/Config/Healthcheck/Test", json!(TAGS), json!(VERSION)),
        case("healthcheck", "replace", check(TAGS, "1s", 3), check(TAGS, "2s", 3))
            .on(ollama())
            .path("interval")
            .told(1_000_000_000, 2_000_000_000)
            .also(&["timeout_start"])
            .at("/Config/Healthcheck/Interval", 1_000_000_000, 2_000_000_000),
        // The last word on how long systemd waits for the start: 90 s, and (interval + timeout) for each try.
        case("timeout_start", "replace", check(TAGS, "1s", 3), check(TAGS, "1s", 4))
            .on(ollama())
            .told(100, 103)
            .also(&["healthcheck.retries"])
            .property("TimeoutStartUSec", "1min 40s", "1min 43s"),
        case("healthcheck.host", "reload", host_check("2s"), host_check("3s"))
            .on(probed)
            .path("interval")
            .told(2.0, 3.0),
        case("boot_waits", "reload", waits.clone(), waits).told(Value::Null, Value::Null).also(&["timeout_start"]),
        case("restart", "reload", json!({ "restart": "on-failure" }), json!({ "restart": "no" })).property(
            "Restart",
            "on-failure",
            "no",
        ),
        case("restart", "reload", json!({ "restart": "always" }), json!({ "restart": "on-failure:3" })).property(
            "StartLimitBurst",
            "5",
            "4",
        ),
        case(
            "depends_on",
            "reload",
            needs("restart"),
            json!({ "depends_on": { "restart": { "condition": "service_started", "restart": true } } }),
        )
        .path("restart")
        .told(start, json!({ "condition": "service_started", "restart": true })),
        case(
            "stop_grace_period",
            "reload",
            json!({ "stop_grace_period": "5s" }),
            json!({ "stop_grace_period": "1m30s" }),
        )
        .told(5.0, 90.0)
        .property("TimeoutStopUSec", "25s", "1min 50s"),
        case("enabled", "update", json!({ "one_shot": false }), json!({ "one_shot": true }))
            .on(json!({ "restart": "no" }))
            .told(true, false)
            .property("UnitFileState", "enabled", "static"),
    ]
}

fn cases(user: &User) -> Cases {
    named(
        [
            of_the_process(),
            of_settings(),
            of_namespaces(),
            of_secrets(),
            of_things_unseen(),
            of_rights(),
            of_networks(user),
            of_mounts(),
            of_life(user),
        ]
        .into_iter()
        .flatten()
        .collect(),
    )
}

/// Of networks, which are remade with what is on them.
fn network_cases() -> Cases {
    let pool =
        |subnet: &str, gateway: &str| json!({ "ipam": { "config": [{ "subnet": subnet, "gateway": gateway }] } });
    named(vec![
        case("driver", "replace", json!({ "driver": "bridge" }), json!({ "driver": "macvlan" }))
            .shown(Shown::Shell("podman network inspect -f '{{.Driver}}' fields_driver", ["bridge", "macvlan"])),
        case(
            "options",
            "replace",
            json!({ "driver_opts": { "mtu": "1400" } }),
            json!({ "driver_opts": { "mtu": "1300" } }),
        )
        .path("mtu")
        .told("1400", "1300")
        .shown(Shown::Shell("podman network inspect -f '{{.Options.mtu}}' fields_options", ["1400", "1300"])),
        case("internal", "replace", json!({ "internal": true }), json!({ "internal": false }))
            .shown(Shown::Shell("podman network inspect -f '{{.Internal}}' fields_internal", ["true", "false"])),
        case("ipv6", "replace", json!({ "enable_ipv6": true }), json!({ "enable_ipv6": false }))
            .told(true, false)
            .shown(Shown::Shell("podman network inspect -f '{{.IPv6Enabled}}' fields_ipv6", ["true", "false"])),
        case(
            "subnets",
            "replace",
            json!({ "ipam": { "config": [{ "subnet": "10.77.1.0/24" }, { "subnet": "10.77.2.0/24" }] } }),
            json!({ "ipam": { "config": [{ "subnet": "10.77.1.0/24" }, { "subnet": "10.77.3.0/24" }] } }),
        )
        .told(json!(["10.77.1.0/24", "10.77.2.0/24"]), json!(["10.77.1.0/24", "10.77.3.0/24"])),
        case("gateways", "replace", pool("10.77.4.0/24", "10.77.4.9"), pool("10.77.4.0/24", "10.77.4.10"))
            .path("10.77.4.0/24")
            .told("10.77.4.9", "10.77.4.10")
            .on(json!({ "ipam": { "config": [{ "subnet": "10.77.4.0/24" }] } }))
            .shown(Shown::Shell(
                "podman network inspect -f '{{range .Subnets}}{{.Gateway}}{{end}}' fields_gateways",
                ["10.77.4.9", "10.77.4.10"],
            )),
        case("labels", "replace", json!({ "labels": { "tier": "one" } }), json!({ "labels": { "tier": "two" } }))
            .path("tier")
            .told("one", "two"),
    ])
}

fn write(user: &User, cases: &Cases, networks: &Cases, turn: Turn) -> anyhow::Result<()> {
    let mut declared = section(networks, &|_| json!({}), turn);
    declared["back"] = json!({});
    declared["fixed"] = json!({ "ipam": { "config": [{ "subnet": "10.77.9.0/24" }] } });
    let stack = json!({
        "version": 1,
        "configs": { "here": { "content": "text" } },
        "secrets": { "one": { "generate": { "length": 5 } }, "two": { "generate": { "length": 9 } } },
        "stack": STACK,
        "directories": {
            "~/data": { "children": ["one", "two"] },
            "~/root-1": {},
            "~/root-2": {},
        },
        "volumes": { "first": {}, "second": {} },
        "networks": declared,
        "containers": section(cases, &base, turn),
    });
    user.write("stack.yaml", serde_json::to_string_pretty(&stack)?)
}

/// A field that podman does not show as it was given would be replaced at every apply, for ever.
#[test]
fn each_field_of_a_container_and_a_network_comes_back() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("fields-containers")?;
    let (cases, networks) = (cases(&user), network_cases());
    every_row_has_a_case(&container::KIND, &[&cases, &super::limits::cases()]);
    every_row_has_a_case(&network::KIND, &[&networks]);
    for (name, changes) in [("1", &["CMD [\"sleep\"]"][..]), ("2", &["LABEL other=yes"]), ("3", &["LABEL base=yes"])] {
        user.import_image(&format!("localhost/stackctl/fields:{name}"), changes);
    }
    let dirs =
        "mkdir -p dirs/bin dirs/etc; tar -C dirs -cf - . | podman import --quiet - localhost/stackctl/fields:dirs";
    user.run(dirs).ok();
    user.import_image("localhost/stackctl/fields:4", &["CMD [\"sleep\"]", "ENV STAND_IN=sleep"]);
    let unit = |name: &str| format!("podman-{STACK}-{name}.service");

    // Made when somebody mounts it, it would be a change of its own.
    user.run("mkdir -m 700 root-1 root-2 && mkdir root-1/x root-2/x").ok();
    write(&user, &cases, &networks, Turn::First)?;
    apply(&user, "of the first values");
    nothing_is_left(&user, "of the first values");
    none(&[shown_rightly(&user, STACK, &cases, &unit, 0), shown_rightly(&user, STACK, &networks, &unit, 0)].concat());

    write(&user, &cases, &networks, Turn::Then)?;
    let changed = plan(&user);
    let mut wanted = expected("container", &cases);
    wanted.extend(expected("network", &networks));
    let found = rows(&changed);
    for (address, row) in &wanted {
        assert_eq!(found.get(address), Some(row), "{address}");
    }
    assert_eq!(found.len(), wanted.len(), "{:?}", found.keys());
    none(&[told_rightly(&changed, "container", &cases), told_rightly(&changed, "network", &networks)].concat());
    apply(&user, "of the second values");
    nothing_is_left(&user, "of the second values");
    none(&[shown_rightly(&user, STACK, &cases, &unit, 1), shown_rightly(&user, STACK, &networks, &unit, 1)].concat());

    write(&user, &cases, &networks, Turn::Bare)?;
    let bare = plan(&user);
    none(&[taken_out_rightly(&bare, "container", &cases), taken_out_rightly(&bare, "network", &networks)].concat());
    apply(&user, "without any of them");
    nothing_is_left(&user, "without any of them");
    Ok(())
}
