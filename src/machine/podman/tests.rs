//! Podman's answers, as podman 5.4.2 and a Debian registry gave them, and what is made of them.

use serde_json::json;

use super::client::{part, query};
use super::failure::kind_of;
use super::lines::next_line;
use super::look::{HealthLog, health_of, last_lines};
use super::pull::{Item, Layers};
use super::registry::{Cause, cause, failure};
use super::shapes::{ImageRow, Row, canonical, inspected, registry};
use super::socket::Socket;
use crate::machine::FailureKind;
use crate::observed::podman::PublishedPort;
use crate::observed::{Container, ContainerState, Health};

#[test]
fn sockets_are_paths_and_urls() {
    for (text, expected) in [
        ("unix:///run/user/1000/podman/podman.sock", "/run/user/1000/podman/podman.sock"),
        ("/run/podman.sock", "/run/podman.sock"),
        ("tcp://127.0.0.1:8080", "tcp://127.0.0.1:8080"),
        ("http://127.0.0.1:8080/", "tcp://127.0.0.1:8080"),
    ] {
        assert_eq!(Socket::parse(text).map(|socket| socket.to_string()).as_deref(), Ok(expected), "{text}");
    }
    for text in ["", "unix://", "fd://", "https://host", "ssh://me@host/run/podman.sock"] {
        let refused = Socket::parse(text).expect_err(text);
        assert_eq!(refused.kind, FailureKind::Refused, "{text}");
        assert!(refused.hint.is_some(), "{text}");
    }
}

#[test]
fn names_cannot_leave_their_part_of_a_path() {
    assert_eq!(part("docker.io/library/a:1@sha256:0f"), "docker.io/library/a:1@sha256:0f");
    assert_eq!(part("a?force=true#x y%é"), "a%3Fforce%3Dtrue%23x%20y%25%C3%A9");
    assert_eq!(query(&[("a", "b&c=d")]), "?a=b%26c%3Dd");
}

#[test]
fn kinds_of_failure_come_from_the_words() {
    for (status, words, expected) in [
        (500, "the container name \"x\" is already in use by 3e7e: that name is already in use", FailureKind::Conflict),
        (409, "network name x already used: network already exists", FailureKind::Conflict),
        (500, "volume with name x already exists: volume already exists", FailureKind::Conflict),
        (404, "no container with name or ID \"x\" found: no such container", FailureKind::NotFound),
        (500, "no such image: a:1: image not known", FailureKind::NotFound),
        (500, "unable to find network with name or ID x: network not found", FailureKind::NotFound),
        (500, "more than one result for container \"a\": container already exists", FailureKind::NotFound),
        (500, "statfs /nonexistent: no such file or directory", FailureKind::Refused),
        (500, "cannot remove container x as it is running: container state improper", FailureKind::Refused),
    ] {
        assert_eq!(kind_of(status, "", words), expected, "{words}");
    }
}

fn row(answer: serde_json::Value) -> Container {
    serde_json::from_value::<Row>(answer).expect("the row of a list").into()
}

#[test]
fn a_row_of_the_list_becomes_a_container() {
    let container = row(json!({
        "Id": "08b1e0", "Names": ["web"], "Labels": {"io.stackctl.stack": "t"}, "Image": "localhost/probe:1",
        "ImageID": "ebdda7", "State": "running", "Status": "unhealthy", "ExitCode": 0, "StartedAt": 1_795_573_056,
        "Pid": 42, "Networks": ["b", "a"], "Mounts": [], "Pod": "",
        "Ports": [{"host_ip": "127.0.0.1", "container_port": 80, "host_port": 8080, "range": 2, "protocol": "tcp"}],
    }));
    let port = |host_port, container_port| PublishedPort {
        host_ip: "127.0.0.1".to_owned(),
        host_port,
        container_port,
        protocol: "tcp".to_owned(),
    };
    assert_eq!(container.name, "web");
    assert_eq!((container.state, container.health), (ContainerState::Running, Some(Health::Unhealthy)));
    assert_eq!(container.started_at, "2026-11-25T02:17:36Z");
    assert_eq!(container.networks, ["a", "b"]);
    assert_eq!(container.ports, [port(8080, 80), port(8081, 81)], "neighbouring ports come as a range");
}

#[test]
fn a_container_that_was_never_started_has_no_start_and_null_lists() {
    let container = row(json!({
        "Id": "08b1e0", "Names": ["web"], "Labels": null, "Image": "i", "ImageID": "sha256:eb", "State": "created",
        "Status": "", "ExitCode": 0, "StartedAt": -62_135_596_800_i64, "Pid": 0, "Networks": null, "Ports": null,
    }));
    assert_eq!((container.started_at.as_str(), container.image_id.as_str()), ("", "eb"));
    assert_eq!((container.state, container.health), (ContainerState::Created, None));
    assert!(container.labels.is_empty() && container.ports.is_empty() && container.networks.is_empty());
}

#[test]
fn the_list_and_inspect_show_the_same_container() {
    let listed = row(json!({
        "Id": "08b1e0", "Names": ["web"], "Labels": {"a": "b"}, "Image": "localhost/probe:1", "ImageID": "eb",
        "State": "exited", "Status": "", "ExitCode": 7, "StartedAt": 1_795_573_056, "Pid": 0, "Networks": ["n"],
        "Ports": [{"host_ip": "", "container_port": 53, "host_port": 18053, "range": 1, "protocol": "udp"}],
    }));
    let seen = inspected(json!({
        "Id": "08b1e0", "Name": "web", "Image": "eb", "ImageName": "localhost/probe:1",
        "State": {"Status": "exited", "ExitCode": 7, "Pid": 0, "StartedAt": "2026-11-25T02:17:36Z"},
        "Config": {"Labels": {"a": "b"}},
        "HostConfig": {"PortBindings": {"53/udp": [{"HostIp": "0.0.0.0", "HostPort": "18053"}], "80/tcp": null}},
        "NetworkSettings": {"Networks": {"n": {}}},
    }));
    assert_eq!(Container { inspect: None, ..seen }, listed);
}

#[test]
fn inspect_is_kept_without_what_changes_by_itself() {
    let kept = canonical(json!({
        "Id": "1", "GraphDriver": {"Data": {"MergedDir": "/x"}}, "ResolvConfPath": "/y", "lockNumber": 3,
        "Config": {"Env": ["B=2", "A=1"], "Cmd": ["z", "a"]},
        "HostConfig": {"CapAdd": ["CAP_B", "CAP_A"]},
        "NetworkSettings": {"SandboxKey": "/run/netns/z", "Networks": {"n": {}}},
    }));
    let expected = json!({
        "Id": "1", "Config": {"Env": ["A=1", "B=2"], "Cmd": ["z", "a"]}, "HostConfig": {"CapAdd": ["CAP_A", "CAP_B"]},
        "NetworkSettings": {"Networks": {"n": {}}},
    });
    assert_eq!(kept, expected);
}

#[test]
fn an_image_answers_to_its_names_and_not_to_the_start_of_its_id() {
    let id = "ebdda79f79f3e208b3d40c9a40c5a0be958b594c6b8985fc1ed6540a126f351e";
    let image: ImageRow = serde_json::from_value(json!({
        "Id": id, "RepoTags": ["docker.io/library/probe:1", "ghcr.io/a/b:latest"],
        "RepoDigests": ["docker.io/library/probe@sha256:a3"], "Size": 7,
        "Config": {"Volumes": {"/data": {}}}, "Healthcheck": {"Test": ["NONE"]},
    }))
    .expect("an inspected image");
    for (reference, expected) in [
        ("docker.io/library/probe:1", true),
        ("probe:1", true),
        ("library/probe:1", true),
        ("ghcr.io/a/b", true),
        ("docker.io/library/probe@sha256:a3", true),
        ("docker.io/library/probe:9@sha256:a3", true),
        (id, true),
        ("sha256:ebdda79f79f3e208b3d40c9a40c5a0be958b594c6b8985fc1ed6540a126f351e", true),
        ("ebdda", false),
        ("robe:1", false),
        ("probe:2", false),
        ("quay.io/library/probe:1", false),
        ("docker.io/library/probe@sha256:a4", false),
    ] {
        assert_eq!(image.is_named(reference), expected, "{reference}");
    }
    let image = image.image();
    assert_eq!(
        (image.volumes, image.healthcheck, image.size_bytes),
        (vec!["/data".to_owned()], Vec::<String>::new(), 7)
    );
}

#[test]
fn registries_are_told_from_folders() {
    for (reference, expected) in [
        ("ghcr.io/a/b:1", "ghcr.io"),
        ("localhost/a", "localhost"),
        ("127.0.0.1:5000/a", "127.0.0.1:5000"),
        ("library/a", "docker.io"),
        ("a:1", "docker.io"),
    ] {
        assert_eq!(registry(reference), expected, "{reference}");
    }
}

#[test]
fn a_registrys_failures_are_told_apart() {
    let cut = "writing blob: storing blob to file \"/var/tmp/x/2\": happened during read: unexpected EOF";
    for (words, expected) in [
        ("manifest unknown: manifest unknown", Cause::NoSuchImage),
        ("unauthorized", Cause::LoginNeeded),
        ("unauthorized: authentication required", Cause::LoginNeeded),
        ("denied", Cause::LoginNeeded),
        ("requested access to the resource is denied", Cause::LoginNeeded),
        ("connection refused", Cause::Unreachable),
        ("lookup nosuch.invalid on 10.0.0.1:53: no such host", Cause::Unreachable),
        ("dial udp 10.255.255.53:53: connect: network is unreachable", Cause::Unreachable),
        ("http: server gave HTTP response to HTTPS client", Cause::PlainHttp),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", Cause::BadCertificate),
        ("Manifest does not match provided manifest digest sha256:56cc", Cause::WrongDigest),
        ("Download config.json digest sha256:c9 does not match expected sha256:84", Cause::WrongDigest),
        ("unpacking failed (error: exit status 1; output: write /a: no space left on device)", Cause::NoSpace),
        ("open /home/x/.local/share/containers/storage.lock: permission denied", Cause::StorageDenied),
        ("received unexpected HTTP status: 503 Service Unavailable", Cause::Passing),
        ("toomanyrequests: You have reached your pull rate limit.", Cause::TooMany),
        (
            "short-name \"quux:1\" did not resolve to an alias and no unqualified-search registries are",
            Cause::ShortName,
        ),
        ("no image found in image index for architecture \"riscv64\", OS \"linux\"", Cause::NoSuchPlatform),
        (cut, Cause::Passing),
    ] {
        assert_eq!(cause(words), Some(expected), "{words}");
        let failure = failure("ghcr.io/a/b:1", words);
        assert!(failure.message.contains(words) && failure.hint.is_some(), "{failure:?}");
    }
    assert_eq!(cause("invalid reference format"), None);
    assert!(failure("ghcr.io/a@sha256:0", "manifest unknown").message.contains("digest"));
}

fn item(line: &str) -> Item {
    serde_json::from_str(line).expect("a line of podman's")
}

#[test]
fn progress_counts_layers_and_bytes() {
    let mut layers = Layers::default();
    let lines: Vec<String> = [
        r#"{"status":"Already exists","progressDetail":{},"id":"3dba65a688fd"}"#,
        r#"{"status":"Pulling fs layer","progressDetail":{},"id":"c3ed3b777c23"}"#,
        r#"{"status":"Downloading","progressDetail":{"current":2033104,"total":8001346},"id":"c3ed3b777c23"}"#,
        r#"{"status":"Downloading","progressDetail":{"current":900,"total":-1},"id":"ac4d8788544d"}"#,
        r#"{"status":"Download complete","progressDetail":{},"id":"c3ed3b777c23"}"#,
        r#"{"stream":"Copying blob sha256:c3ed\n"}"#,
    ]
    .into_iter()
    .filter_map(|line| layers.take(&item(line)))
    .collect();
    assert_eq!(
        lines,
        [
            "layer 1 of 1",
            "layer 1 of 2",
            "layer 1 of 2, 2.0 MB of 8.0 MB",
            "layer 1 of 3, 2.0 MB of 8.0 MB",
            "layer 2 of 3, 900 B",
            "Copying blob sha256:c3ed",
        ]
    );
}

#[test]
fn an_error_is_found_in_each_form_of_the_stream() {
    for (line, succeeded, expected) in [
        (r#"{"progressDetail":{},"errorDetail":{"message":"m"},"error":"broken"}"#, true, Some("broken")),
        (r#"{"message":"unauthorized"}"#, false, Some("unauthorized")),
        (r#"{"cause":"c","message":"m: c","response":500}"#, false, Some("m: c")),
        (r"{}", false, Some("podman gave no reason")),
        (r#"{"status":"Download complete","progressDetail":{},"id":"84"}"#, true, None),
    ] {
        assert_eq!(item(line).failure(succeeded).as_deref(), expected, "{line}");
    }
}

#[test]
fn lines_are_taken_whole() {
    let mut buffer = b"one\n\n t".to_vec();
    assert_eq!(next_line(&mut buffer, false).as_deref(), Some(&b"one\n"[..]));
    assert_eq!(next_line(&mut buffer, false), None, "the second has not come whole");
    buffer.extend_from_slice(b"wo");
    assert_eq!(next_line(&mut buffer, true).as_deref(), Some(&b" two"[..]));
    assert_eq!(next_line(&mut buffer, true), None);
}

#[test]
fn logs_are_the_last_lines_without_what_moves_the_cursor() {
    assert_eq!(last_lines("a\nb\r\n\u{1b}[2Jc\td\n", 2), ["b", "[2Jc\td"]);
    let long = last_lines(&"é".repeat(3000), 1);
    assert!(long[0].len() <= 2003 && long[0].ends_with('…'), "{}", long[0].len());
}

#[test]
fn the_last_check_explains_the_health() {
    let inspect = json!({"State": {"Health": {"Status": "unhealthy", "FailingStreak": 2, "Log": [
        {"ExitCode": 0, "Output": "fine"}, {"ExitCode": 1, "Output": "HTTP 503\nnot yet\n"},
    ]}}});
    let expected = HealthLog {
        health: Some(Health::Unhealthy),
        failing_streak: 2,
        exit_code: Some(1),
        output: "HTTP 503 not yet".to_owned(),
    };
    assert_eq!(health_of(&inspect), expected);
    assert_eq!(health_of(&json!({"State": {"Health": {"Status": "", "Log": null}}})), HealthLog::default());
}
