//! The forms that are mappings or lists of mappings.

use super::*;

#[test]
fn mounts_have_every_form_of_compose() {
    let (sources, environment) = (sources(), environment());
    let places = Places { sources: &sources, environment: &environment };
    let flat = |mounts: Vec<Mount>| {
        let mount = mounts.into_iter().next().unwrap();
        let source = match &mount.source {
            MountSource::Bind { path, create } => format!("bind {} {create}", path.display()),
            MountSource::Volume { name, subpath } => format!("volume {name:?} {subpath:?}"),
            MountSource::Tmpfs { size_bytes, mode } => format!("tmpfs {size_bytes:?} {mode:?}"),
            MountSource::Image { reference, subpath } => format!("image {reference} {subpath:?}"),
        };
        let flags = (mount.selinux, mount.chown, mount.propagation, mount.nocopy, &mount.idmap, &mount.flags);
        format!("{source} {} {} {flags:?}", mount.target, mount.read_only)
    };
    let plain = "(None, false, None, false, None, [])";
    let cases = [
        ("./data:/var/lib", format!("bind /srv/stack/data true /var/lib false {plain}")),
        ("~/d:/x:ro", format!("bind /home/user/d true /x true {plain}")),
        (
            "/a:/b:rw,z,U,rslave,noexec",
            "bind /a true /b false (Some(Shared), true, Some(\"rslave\"), false, None, [\"noexec\"])".into(),
        ),
        ("name:/x:nocopy,Z", "volume Some(\"name\") None /x false (Some(Private), false, None, true, None, [])".into()),
        ("/x", format!("volume None None /x false {plain}")),
        (
            "/a:/b:idmap=uids=0-1-1",
            "bind /a true /b false (None, false, None, false, Some(\"idmap=uids=0-1-1\"), [])".into(),
        ),
        ("/a:/b:cached", format!("bind /a true /b false {plain}")),
        (
            "{type: bind, source: ./a, target: /b, read_only: true, bind: {propagation: rshared, create_host_path: false, selinux: z}}",
            "bind /srv/stack/a false /b true (Some(Shared), false, Some(\"rshared\"), false, None, [])".into(),
        ),
        ("{type: bind, source: ~, target: /b}", format!("bind /home/user true /b false {plain}")),
        ("{type: bind, source: , target: /b}", "error Missing key".into()),
        (
            "{type: image, source: \"i:1\", target: /b, image: {subpath: etc}}",
            format!("image i:1 Some(\"etc\") /b true {plain}"),
        ),
        ("{type: image, source: i, target: /b, read_only: false}", format!("image i None /b false {plain}")),
        ("{type: image, target: /b}", "error Missing key".into()),
        (
            "{type: volume, source: v, target: /b, volume: {nocopy: true, subpath: x/y}}",
            "volume Some(\"v\") Some(\"x/y\") /b false (None, false, None, true, None, [])".into(),
        ),
        ("{type: volume, target: /b}", format!("volume None None /b false {plain}")),
        (
            "{type: tmpfs, target: /b, tmpfs: {size: 64m, mode: \"01777\"}}",
            format!("tmpfs Some(67108864) Some(1023) /b false {plain}"),
        ),
        ("data/x:/y", "error Not a volume".into()),
        ("a:b", "error Not a path".into()),
        ("a:/b:bogus", "error Unknown mount option".into()),
        ("name:/b:rslave", "error Unknown mount option".into()),
        ("5", "error Wrong type".into()),
        ("{type: npipe, target: /b}", "error Unknown value".into()),
        ("{source: a, target: /b}", "error Missing key".into()),
        ("{type: tmpfs, source: a, target: /b}", "error Settings of another type".into()),
        ("{type: tmpfs, target: /b, bind: {selinux: z}}", "error Settings of another type".into()),
        ("{type: bind, source: /a, target: b}", "error Not a path".into()),
        ("{type: bind, source: /a, target: /b, readonly: true}", "error Unknown key".into()),
        ("{type: volume, source: ./x, target: /b}", "error Not a volume".into()),
    ];
    for (text, expected) in cases {
        let found = read(&format!("- {text}\n"), |n, d| mounts(n, places, d)).map(flat);
        assert_eq!(found.unwrap_or_else(|summary| format!("error {summary}")), expected, "{text}");
    }
    assert_eq!(read("[a:/x, b:/x/]", |n, d| mounts(n, places, d)), Err("Duplicate mount"));
}

#[test]
fn dependencies_are_lists_or_conditions() {
    let flat = |edges: Vec<Dependency>| {
        edges.iter().map(|e| format!("{} {:?} {} {}", e.name, e.condition, e.restart, e.required)).collect::<Vec<_>>()
    };
    assert_eq!(read("[a, b]", depends_on).map(flat).unwrap(), ["a Started false true", "b Started false true"]);
    let map = "{a: {condition: service_healthy, restart: true}, b: {condition: service_completed_successfully, required: false}, c: }";
    assert_eq!(
        read(map, depends_on).map(flat).unwrap(),
        ["a Healthy true true", "b Completed false false", "c Started false true"]
    );
    assert_eq!(read("[a, a]", depends_on), Err("Named twice"));
    assert_eq!(read("{a: {condition: healthy}}", depends_on), Err("Unknown value"));
    assert_eq!(read("{a: {conditon: service_healthy}}", depends_on), Err("Unknown key"));
    assert_eq!(read("a", depends_on), Err("Wrong type"));
}

#[test]
fn healthchecks_are_composes_and_ours() {
    let probe = |text: &str| read(text, healthcheck).map(|check| check.probe);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(probe("{test: [CMD, curl, -f, x]}"), Ok(Probe::Command(words(&["curl", "-f", "x"]))));
    assert_eq!(probe("{test: [CMD-SHELL, \"a || b\"]}"), Ok(Probe::Shell("a || b".into())));
    assert_eq!(probe("{test: \"a || b\"}"), Ok(Probe::Shell("a || b".into())));
    for text in ["{test: NONE}", "{test: [NONE]}", "{disable: true}", "{disable: true, test: x}"] {
        assert_eq!(probe(text), Ok(Probe::Disabled), "{text}");
    }
    assert_eq!(probe("{interval: 5s}"), Ok(Probe::Image));
    assert_eq!(probe("{tcp: \"127.0.0.1:6333\"}"), Ok(Probe::Tcp { host: "127.0.0.1".into(), port: 6333 }));
    assert_eq!(probe("{tcp: 6333}"), Ok(Probe::Tcp { host: "127.0.0.1".into(), port: 6333 }));
    let http = read("{http: \"http://[::1]:11434/api/tags?x=1\", expect: {status: 200, json: \"models[*].name\"}, start_period: 2m, retries: 5}", healthcheck).unwrap();
    let Probe::Http { url, expect } = http.probe else { panic!("{http:?}") };
    assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("::1", 11434, "/api/tags?x=1"));
    assert_eq!((expect.status, expect.json.as_deref()), (Some(200), Some("models[*].name")));
    assert_eq!((http.start_period, http.retries, http.interval), (Some(Duration::from_secs(120)), Some(5), None));
    let wrong = [
        ("{test: [curl, x]}", "Not a test"),
        ("{test: [CMD]}", "Not a test"),
        ("{test: []}", "Not a test"),
        ("{test: [CMD-SHELL, a, b]}", "Not a test"),
        ("{test: \"\"}", "Wrong type"),
        ("{test: x, http: \"http://127.0.0.1\"}", "Several probes"),
        ("{expect: 200}", "Nothing to expect"),
        ("{http: \"https://127.0.0.1\"}", "Not an address"),
        ("{http: \"http://u@h/\"}", "Not an address"),
        ("{http: \"http://h:0/\"}", "Not an address"),
        ("{http: \"http://h/a b\"}", "Not an address"),
        ("{http: \"http:///x\"}", "Not an address"),
        ("{interval: 30}", "Wrong type"),
        ("{retries: 0}", "Out of range"),
        ("{tcp: \"h:99999\"}", "Wrong type"),
        ("{intervall: 5s}", "Unknown key"),
        ("{http: \"http://h\", expect: {status: 99}}", "Out of range"),
    ];
    for (text, summary) in wrong {
        assert_eq!(probe(text), Err(summary), "{text}");
    }
    assert_eq!(parse_url("http://h").unwrap().path, "/");
    assert_eq!(parse_url("http://h?x").unwrap().path, "/?x");
}

#[test]
fn the_remaining_forms() {
    let (sources, environment) = (sources(), environment());
    let places = Places { sources: &sources, environment: &environment };
    let files = read("[a.env, {path: ~/b.env, required: false, format: raw}]", |n, d| env_files(n, places, d)).unwrap();
    assert_eq!(files[0].path, Path::new("/srv/stack/a.env"));
    assert_eq!(
        (files[1].path.as_path(), files[1].required, files[1].raw),
        (Path::new("/home/user/b.env"), false, true)
    );
    assert_eq!(read("x.env", |n, d| env_files(n, places, d)).unwrap().len(), 1);
    assert_eq!(read("{path: a, format: json}", |n, d| env_files(n, places, d)), Err("Unknown value"));

    let net = read("{a: {aliases: [x], ipv4_address: 10.1.2.3, mac_address: \"02:42:AC:11:00:02\"}, b: }", attachments)
        .unwrap();
    assert_eq!((net[0].aliases[0].as_str(), net[0].ipv4_address), ("x", Some("10.1.2.3".parse().unwrap())));
    assert_eq!((net[0].mac_address.as_deref(), net[1].name.as_str()), (Some("02:42:ac:11:00:02"), "b"));
    assert_eq!(read("[a, b]", attachments).unwrap().len(), 2);
    assert_eq!(read("{a: {ipv4_address: \"10.1.2.300\"}}", attachments), Err("Wrong type"));
    assert_eq!(read("{a: {link_local_ips: [x]}}", attachments), Err("Unsupported key"));
    assert_eq!(read("{a: {priority: 7}}", attachments), Err("Unsupported key"));

    let limits = read("{nofile: {soft: 1024, hard: -1}, nproc: 64}", ulimits).unwrap();
    assert_eq!((limits[0].soft, limits[0].hard, limits[1].hard), (1024, -1, 64));
    assert_eq!(read("{nofile: {soft: 2, hard: 1}}", ulimits), Err("Out of range"));
    assert_eq!(read("{nofiles: 5}", ulimits), Err("Unknown key"));

    for (text, policy) in [
        ("no", RestartPolicy::No),
        ("\"no\"", RestartPolicy::No),
        ("always", RestartPolicy::Always),
        ("on-failure", RestartPolicy::OnFailure(None)),
        ("on-failure:3", RestartPolicy::OnFailure(Some(3))),
        ("unless-stopped", RestartPolicy::UnlessStopped),
    ] {
        assert_eq!(read(text, restart_policy), Ok(policy), "{text}");
    }
    for text in ["false", "never", "on-failure:0", "on-failure:x", "on-failure:"] {
        assert_eq!(read(text, restart_policy), Err("Wrong type"), "{text}");
    }
    assert_eq!(read("dns", word_or_list), Ok(vec!["dns".to_owned()]));
    assert_eq!(read("[a, b]", word_or_list), Ok(vec!["a".to_owned(), "b".into()]));
    assert_eq!(read("{a: b}", word_or_list), Err("Wrong type"));
}
