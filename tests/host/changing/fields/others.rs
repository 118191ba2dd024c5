//! The rows of services, volumes and directories.

use serde_json::{Value, json};
use stackctl::desired::Kind;
use stackctl::kinds::{config, directory, secret, service, timer, volume};

use super::{
    Case, Cases, Host, Shown, Turn, User, apply, case, every_row_has_a_case, expected, named, none, nothing_is_left,
    plan, rows, section, shown_rightly, taken_out_rightly, told_rightly,
};

const STACK: &str = "rows";

fn base(_name: &str) -> Value {
    json!({ "exec": ["/bin/sleep", "1000"] })
}

fn of_the_process(user: &User) -> Vec<Case> {
    let home = user.home();
    let file = |name: &str| json!({ "env_file": format!("~/{name}.env") });
    let socket = |name: &str| json!([format!("{}/{name}.sock", user.home())]);
    let files = |name: &str| json!([{ "path": format!("{home}/{name}.env"), "required": true }]);
    vec![
        case("exec", "restart", json!({ "exec": ["/bin/sleep", "1001"] }), json!({ "exec": "sleep 1002" }))
            .told(json!(["/bin/sleep", "1001"]), json!(["sleep", "1002"]))
            .shown(Shown::Shell(
                "ps -u $USER -o args= | grep -o '^[^ ]*sleep 100[12]'",
                ["/bin/sleep 1001", "sleep 1002"],
            )),
        case("type", "restart", json!({ "type": "exec" }), json!({ "type": "simple" }))
            .property("Type", "exec", "simple"),
        case("environment", "restart", json!({ "environment": { "A": "1" } }), json!({ "environment": { "A": "2" } }))
            .path("A")
            .told("1", "2")
            .property("Environment", "A=1", "A=2"),
        case("env_file", "restart", file("one"), file("two")).told(files("one"), files("two")).shown(Shown::Shell(
            "tr '\\0' '\\n' </proc/$(systemctl --user show -P MainPID env-file)/environ | grep ^KEY",
            ["KEY=one", "KEY=two"],
        )),
        case("working_dir", "restart", json!({ "working_dir": "/usr" }), json!({ "working_dir": "~" }))
            .told("/usr", home.clone())
            .shown(Shown::Shell(
                "readlink /proc/$(systemctl --user show -P MainPID working-dir)/cwd",
                ["/usr", "/home/fields-others"],
            )),
        case("nice", "restart", json!({ "nice": 5 }), json!({ "nice": 6 })).property("Nice", "5", "6"),
        case("sockets", "restart", json!({ "sockets": "~/one.sock" }), json!({ "sockets": ["~/two.sock"] }))
            .told(socket("one"), socket("two"))
            .shown(Shown::Shell(
                "systemctl --user show -P Listen sockets.socket | grep -o '[a-z]*[.]sock'",
                ["one.sock", "two.sock"],
            )),
        case(
            "overrides",
            "restart",
            json!({ "overrides": { "Service": { "UMask": "0027" } } }),
            json!({ "overrides": { "Service": { "UMask": "0077" } } }),
        )
        .path("Service")
        .told(json!(["UMask=0027"]), json!(["UMask=0077"]))
        .property("UMask", "0027", "0077"),
    ]
}

fn of_life(user: &User) -> Vec<Case> {
    let port = user.port(0);
    let check = |interval: &str| json!({ "healthcheck": { "tcp": format!("127.0.0.1:{port}"), "interval": interval } });
    let needs =
        |restart: bool| json!({ "depends_on": { "restart": { "condition": "service_started", "restart": restart } } });
    let condition = |restart: bool| json!({ "condition": "service_started", "restart": restart });
    let listens = json!({
        "exec": ["/usr/local/bin/stand-in", "ollama"],
        "environment": { "STAND_IN_PORT": port, "STAND_IN_DATA": "/tmp" },
    });
    // It changes with the check of the one that is waited for.
    let waits = json!({ "depends_on": { "healthcheck": { "condition": "service_healthy" } } });
    vec![
        case("depends_on", "reload", needs(false), needs(true)).path("restart").told(condition(false), condition(true)),
        case("restart", "reload", json!({ "restart": "on-failure" }), json!({ "restart": "no" })).property(
            "Restart",
            "on-failure",
            "no",
        ),
        case("restart_sec", "reload", json!({ "restart_sec": "2s" }), json!({ "restart_sec": "1m" }))
            .told(2.0, 60.0)
            .property("RestartUSec", "2s", "1min"),
        case(
            "start_limit",
            "reload",
            json!({ "start_limit": { "burst": 3, "interval": "1m" } }),
            json!({ "start_limit": { "burst": 7, "interval": "1m" } }),
        )
        .told(json!({ "burst": 3, "interval": 60.0 }), json!({ "burst": 7, "interval": 60.0 }))
        .property("StartLimitBurst", "3", "7"),
        case("timeout_start", "reload", json!({ "timeout_start": "30s" }), json!({ "timeout_start": "31s" }))
            .told(30.0, 31.0)
            .property("TimeoutStartUSec", "30s", "31s"),
        case("timeout_stop", "reload", json!({ "timeout_stop": "30s" }), json!({ "timeout_stop": "31s" }))
            .told(30.0, 31.0)
            .property("TimeoutStopUSec", "30s", "31s"),
        case("kill_signal", "reload", json!({ "kill_signal": "int" }), json!({ "kill_signal": "SIGQUIT" }))
            .told("SIGINT", "SIGQUIT")
            .property("KillSignal", "2", "3"),
        case("memory_max", "reload", json!({ "memory_max": "1g" }), json!({ "memory_max": "2g" }))
            .told(1_073_741_824, 2_147_483_648_u64)
            .property("MemoryMax", "1073741824", "2147483648"),
        case("cpu_quota", "reload", json!({ "cpu_quota": "150%" }), json!({ "cpu_quota": 2 })).told(1.5, 2.0).property(
            "CPUQuotaPerSecUSec",
            "1.500000s",
            "2s",
        ),
        case("tasks_max", "reload", json!({ "tasks_max": 50 }), json!({ "tasks_max": 60 }))
            .property("TasksMax", "50", "60"),
        case("sandbox", "restart", json!({ "sandbox": false }), json!({ "sandbox": true })).told(false, true).property(
            "NoNewPrivileges",
            "no",
            "yes",
        ),
        case("wanted_by", "reload", json!({ "wanted_by": "default.target" }), json!({ "wanted_by": [] }))
            .on(json!({}))
            .told(Value::Null, Value::Null)
            .also(&["enabled"])
            .property("UnitFileState", "enabled", "static"),
        case("enabled", "update", json!({ "enabled": true }), json!({ "enabled": false })).told(true, false).property(
            "UnitFileState",
            "enabled",
            "disabled",
        ),
        case("healthcheck", "reload", check("2s"), check("3s")).on(listens).path("interval").told(2.0, 3.0),
        case("boot_waits", "reload", waits.clone(), waits).told(Value::Null, Value::Null),
        // By `databases:`, see `write`.
        case("data_roots", "reload", json!({}), json!({})).told(Value::Null, Value::Null).shown(Shown::Shell(
            "grep -o 'root-./[.]stackctl-id' .config/systemd/user/data-roots.service",
            ["root-1/.stackctl-id", "root-2/.stackctl-id"],
        )),
    ]
}

fn write(user: &User, services: &Cases, directories: &Cases, turn: Turn) -> anyhow::Result<()> {
    let mut folders = serde_json::Map::new();
    for (name, folder) in section(directories, &|_| json!({}), turn).as_object().into_iter().flatten() {
        folders.insert(format!("~/{name}"), folder.clone());
    }
    folders.extend(["~/root-1", "~/root-2"].map(|name| (name.to_owned(), json!({}))));
    let database = json!({ "engine": "sqlite", "service": "data-roots" });
    let databases = match turn {
        Turn::First => json!({ "~/root-1/a.db": database }),
        Turn::Then => json!({ "~/root-2/a.db": database }),
        Turn::Bare => json!({}),
    };
    let services = section(services, &base, turn);
    let stack = json!({
        "version": 1,
        "stack": STACK,
        "directories": folders,
        "databases": databases,
        "services": services,
    });
    user.write("stack.yaml", serde_json::to_string_pretty(&stack)?)
}

/// A setting that lands in the wrong directive, or in none, would show as done.
#[test]
fn each_field_of_a_service_and_a_directory_comes_back() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("fields-others")?;
    let services = named([of_the_process(&user), of_life(&user)].into_iter().flatten().collect());
    let modes = |name: &'static str, a: &str, b: &str| {
        let folder = case("mode", "update", json!({ "mode": a }), json!({ "mode": b }));
        (name.to_owned(), folder)
    };
    let directories = Cases::from([modes("plain", "0750", "0701"), modes("set-gid", "2770", "0770")]);
    every_row_has_a_case(&service::KIND, &[&services]);
    every_row_has_a_case(&directory::KIND, &[&directories]);
    for name in ["one", "two"] {
        user.write(&format!("{name}.env"), format!("KEY={name}\n"))?;
        user.set_mode(&format!("{name}.env"), 0o600)?;
    }
    let unit = |name: &str| format!("{name}.service");
    let mode = |name: &str| user.run(&format!("stat -c %a {name}")).ok().line().to_owned();

    write(&user, &services, &directories, Turn::First)?;
    apply(&user, "of the first values");
    nothing_is_left(&user, "of the first values");
    none(&shown_rightly(&user, STACK, &services, &unit, 0));
    assert_eq!((mode("plain"), mode("set-gid")), ("750".to_owned(), "2770".to_owned()));

    write(&user, &services, &directories, Turn::Then)?;
    let changed = plan(&user);
    let mut wanted = expected("service", &services);
    wanted.extend(
        expected("directory", &directories).into_iter().map(|(address, row)| (address.replace('.', ".~/"), row)),
    );
    let found = rows(&changed);
    for (address, row) in &wanted {
        assert_eq!(found.get(address), Some(row), "{address}");
    }
    assert_eq!(found.len(), wanted.len(), "{:?}", found.keys());
    none(&told_rightly(&changed, "service", &services));
    apply(&user, "of the second values");
    nothing_is_left(&user, "of the second values");
    none(&shown_rightly(&user, STACK, &services, &unit, 1));
    assert_eq!((mode("plain"), mode("set-gid")), ("701".to_owned(), "770".to_owned()));

    write(&user, &services, &directories, Turn::Bare)?;
    let bare = plan(&user);
    none(&taken_out_rightly(&bare, "service", &services));
    apply(&user, "without any of them");
    nothing_is_left(&user, "without any of them");
    Ok(())
}

/// Podman changes nothing of a volume, and a new one would be empty: the change is named and refused, whatever it is.
#[test]
fn each_field_of_a_volume_is_named_and_never_changed() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("fields-volumes")?;
    let tmpfs =
        |size: &str| json!({ "driver_opts": { "type": "tmpfs", "device": "tmpfs", "o": format!("size={size}") } });
    let cases = named(vec![
        case("driver", "replace", json!({ "driver": "local" }), json!({ "driver": "image" })),
        case("options", "replace", tmpfs("1m"), tmpfs("2m")).path("o").told("size=1m", "size=2m"),
        case("labels", "replace", json!({ "labels": { "tier": "one" } }), json!({ "labels": { "tier": "two" } }))
            .path("tier")
            .told("one", "two"),
    ]);
    every_row_has_a_case(&volume::KIND, &[&cases]);
    let write = |turn| {
        let stack = json!({ "version": 1, "stack": STACK, "volumes": section(&cases, &|_| json!({}), turn) });
        user.write("stack.yaml", stack.to_string())
    };
    write(Turn::First)?;
    apply(&user, "of the first values");
    nothing_is_left(&user, "of the first values");
    let before = user.run("podman volume inspect --all").ok().stdout;

    write(Turn::Then)?;
    let changed = plan(&user);
    let found = rows(&changed);
    assert_eq!(found, expected("volume", &cases));
    none(&told_rightly(&changed, "volume", &cases));
    let refused = user.stackctl(&["apply", "-y"]).code(4);
    assert!(refused.stdout.contains("VOLUME_UNCHANGEABLE"), "{}", refused.stdout);
    assert_eq!(user.run("podman volume inspect --all").ok().stdout, before);

    write(Turn::First)?;
    nothing_is_left(&user, "was refused and the file put back");
    Ok(())
}

/// Every row of a timer ends in one of its two units.
#[test]
fn each_field_of_a_timer_comes_back() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("fields-timers")?;
    for name in ["one", "two"] {
        user.write(&format!("{name}.env"), format!("KEY={name}\n"))?;
        user.set_mode(&format!("{name}.env"), 0o600)?;
    }
    let ground = json!({ "on_calendar": "yearly" });
    let timer = |row: &'static str, a: Value, b: Value| {
        case(row, "reload", json!({ row: a }), json!({ row: b })).on(ground.clone())
    };
    // The job is a service: what its rows come to in the unit is tried there.
    let of_service = of_the_process(&user).into_iter().chain(of_life(&user)).filter(|case| {
        timer::KIND
            .attributes
            .iter()
            .any(|row| row.path == case.row && !["enabled", "depends_on", "boot_waits"].contains(&row.path))
    });
    let mut all: Vec<Case> = of_service.map(|case| Case { action: "reload", ..case.on(ground.clone()) }).collect();
    let needs = |restart: bool| json!({ "svc": { "condition": "service_healthy", "restart": restart } });
    all.extend([
        timer("on_calendar", json!("daily"), json!(["weekly", "monthly"]))
            .told(json!(["daily"]), json!(["weekly", "monthly"])),
        timer("on_boot", json!("2d"), json!("3d")).told(172_800.0, 259_200.0),
        timer("on_unit_active", json!("2d"), json!("3d")).told(172_800.0, 259_200.0),
        timer("persistent", json!(true), json!(false)),
        timer("accuracy", json!("2m"), json!("3m")).told(120.0, 180.0),
        timer("randomized_delay", json!("2m"), json!("3m")).told(120.0, 180.0),
        timer("depends_on", needs(false), needs(true))
            .path("svc")
            .told(needs(false)["svc"].clone(), needs(true)["svc"].clone())
            .also(&["boot_waits"]),
        timer("boot_waits", json!(null), json!(null))
            .on(json!({ "on_calendar": "yearly", "depends_on": needs(false) }))
            .told(Value::Null, Value::Null),
        case("enabled", "update", json!({ "enabled": true }), json!({ "enabled": false })).on(ground.clone()),
    ]);
    let cases = named(all);
    every_row_has_a_case(&timer::KIND, &[&cases]);
    let port = user.port(0);
    let write = |turn: Turn, interval: &str| {
        let check = json!({ "tcp": format!("127.0.0.1:{port}"), "interval": interval });
        let listens = json!({
            "exec": ["/usr/local/bin/stand-in", "ollama"],
            "environment": { "STAND_IN_PORT": port, "STAND_IN_DATA": "/tmp" },
            "healthcheck": check,
        });
        let stack = json!({ "version": 1, "stack": STACK, "services": { "svc": listens }, "timers": section(&cases, &base, turn) });
        user.write("stack.yaml", stack.to_string())
    };
    write(Turn::First, "2s")?;
    apply(&user, "of the first values");
    nothing_is_left(&user, "of the first values");
    write(Turn::Then, "3s")?;
    let changed = plan(&user);
    let found = rows(&changed);
    for (address, row) in &expected("timer", &cases) {
        assert_eq!(found.get(address), Some(row), "{address}");
    }
    none(&told_rightly(&changed, "timer", &cases));
    apply(&user, "of the second values");
    nothing_is_left(&user, "of the second values");
    write(Turn::Bare, "3s")?;
    apply(&user, "without any of them");
    nothing_is_left(&user, "without any of them");
    Ok(())
}

/// A row that is not compared would leave the users of a secret, or of a config, with the old value.
fn each_makes_the_next_version(kind: &Kind, user: &User, cases: &Cases) -> anyhow::Result<()> {
    every_row_has_a_case(kind, &[cases]);
    for name in ["one", "two"] {
        user.write(name, name)?;
    }
    let stackctl = |words: &[&str]| user.stackctl_with(&["ONE=1", "TWO=2"], words);
    let key = kind.section.expect("its entries stand in a section");
    let write = |turn| {
        let stack = json!({ "version": 1, "stack": STACK, key: section(cases, &|_| json!({}), turn) });
        user.write("stack.yaml", stack.to_string())
    };
    write(Turn::First)?;
    stackctl(&["apply", "-y"]).ok();
    stackctl(&["plan", "--detailed-exitcode"]).ok();
    write(Turn::Then)?;
    let changed = stackctl(&["plan", "--format", "json"]).ok().json();
    assert_eq!(rows(&changed), expected(kind.name, cases));
    stackctl(&["apply", "-y"]).ok();
    stackctl(&["plan", "--detailed-exitcode"]).ok();
    let versions = user.run("podman secret ls --format '{{.Name}}'").ok().stdout;
    assert_eq!(versions.lines().count(), cases.len(), "{versions}");
    assert!(versions.lines().all(|name| name.ends_with(".2")), "{versions}");
    Ok(())
}

/// Those of a source that is another now.
fn sources() -> Vec<Case> {
    vec![
        case("file", "replace", json!({ "file": "one" }), json!({ "file": "two" })).told(Value::Null, Value::Null),
        case("environment", "replace", json!({ "environment": "ONE" }), json!({ "environment": "TWO" }))
            .told(Value::Null, Value::Null),
    ]
}

#[test]
fn each_field_of_a_config_makes_the_next_version() -> anyhow::Result<()> {
    let user = Host::get()?.user("fields-configs")?;
    let labels = |tier: &str| json!({ "content": "x", "labels": { "tier": tier } });
    let content = case("content", "replace", json!({ "content": "one" }), json!({ "content": "two" }));
    let mut cases = sources();
    cases.push(content.told(Value::Null, Value::Null));
    cases.push(case("labels", "replace", labels("one"), labels("two")).path("tier").told("one", "two"));
    each_makes_the_next_version(&config::KIND, &user, &named(cases))
}

#[test]
fn each_field_of_a_secret_makes_the_next_version() -> anyhow::Result<()> {
    let user = Host::get()?.user("fields-secrets")?;
    let generate = |length: u32| json!({ "generate": { "length": length } });
    let labels = |tier: &str| json!({ "generate": {}, "labels": { "tier": tier } });
    let generated = case("generate", "replace", generate(8), generate(9));
    let mut cases = sources();
    cases.push(generated.told(json!({ "length": 8 }), json!({ "length": 9 })));
    cases.push(case("labels", "replace", labels("one"), labels("two")).path("tier").told("one", "two"));
    each_makes_the_next_version(&secret::KIND, &user, &named(cases))
}
