//! What containers keep outside their mounts. What would break: an apply throws away the database that a program keeps where nothing is
//! mounted, a copy of it that is not the database, a look that takes the engine's own files for data.

use crate::host::Host;
use crate::host::user::User;

const STACK: &str = "\
version: 1
stack: s
directories: { ~/data: {} }
containers:
  webui:
    image: \"localhost/webui:TAG\"
    ports: [\"127.0.0.1:PORT:8080\"]
    environment: { STAND_IN_DATA: WHERE }
    volumes: [\"~/data:/app/backend/data\"]
    healthcheck: { http: \"http://127.0.0.1:PORT/health\", interval: 200ms, start_period: 20s }
    data: [{ path: /app/backend/data/webui.db, engine: sqlite, min_tables: 20, tables: [user, chat] MORE }]
";

fn import(user: &User) {
    for tag in ["1", "2"] {
        let changes = ["CMD [\"open-webui\"]", "ENV STAND_IN_SCHEMA_AFTER=0s", &format!("LABEL build={tag}")];
        user.import_image(&format!("localhost/webui:{tag}"), &changes);
    }
}

fn write(user: &User, tag: &str, place: &str, more: &str) -> anyhow::Result<()> {
    let port = user.port(0).to_string();
    let stack = STACK.replace("PORT", &port).replace("TAG", tag).replace("WHERE", place).replace("MORE", more);
    user.write("stack.yaml", stack)
}

fn chat(user: &User, text: &str) {
    let url = format!("http://127.0.0.1:{}/chat?text={text}", user.port(0));
    user.run(&format!("curl -fsS --retry 20 --retry-connrefused -X POST '{url}'")).ok();
}

/// The loss that this tool was made for: a program that keeps its database where nothing is mounted, beside a hollow one where it is
/// looked for.
#[test]
fn a_database_outside_the_mounts_stops_a_replace_and_comes_out_whole() -> anyhow::Result<()> {
    let user = Host::get()?.user("ephemeral")?;
    import(&user);
    user.run("mkdir -m 700 data && sqlite3 data/webui.db 'CREATE TABLE x (a); INSERT INTO x VALUES (zeroblob(260000)); DROP TABLE x'")
        .ok();
    write(&user, "1", "/tmp/app", "")?;
    user.stackctl(&["apply", "-y", "--accept", "DB_EMPTY:container.webui"]);
    ["one", "two", "three"].iter().for_each(|text| chat(&user, text));

    // Both are named, and nothing is stopped for it.
    let told = user.stackctl(&["drift", "--format", "json"]).code(2).stdout;
    for words in
        ["EPHEMERAL_DATA", "/tmp/app/webui.db", "SQLite database", "DB_EMPTY", "without any table", "stackctl rescue"]
    {
        assert!(told.contains(words), "{words} in {told}");
    }
    assert!(told.contains("STATEFUL_PATH_NOT_MOUNTED"), "its program has it open: {told}");
    let told = user.stackctl(&["explain", "EPHEMERAL_DATA"]).ok().stdout;
    assert!(told.contains("Seen now:") && told.contains("/tmp/app/webui.db"), "{told}");
    let before = user.ids();
    write(&user, "2", "/tmp/app", "")?;
    let refused = user.stackctl(&["apply", "-y", "--accept", "DB_EMPTY:container.webui"]).code(4);
    assert!(refused.stdout.contains("EPHEMERAL_DATA"), "{}", refused.stdout);
    user.stackctl(&["destroy", "-y"]).code(4);
    assert_eq!(user.ids(), before);
    assert_eq!(user.unit("podman-s-webui.service", "ActiveState"), "active");

    // Out it comes, byte for byte, and the copy counts for exactly what was copied.
    let inside = user.run("podman cp s-webui:/tmp/app/webui.db - | tar -xO | sha256sum").ok().stdout;
    let rescued = user.stackctl(&["rescue", "webui", "--format", "json"]).ok().json();
    let file = rescued["files"].as_array().into_iter().flatten().find(|file| file["path"] == "/tmp/app/webui.db");
    let copy = file.and_then(|file| file["copy"].as_str()).unwrap_or_else(|| panic!("{rescued:#}")).to_owned();
    assert!(copy.contains("/.local/share/stackctl/s/rescued/container.webui/"), "{copy}");
    assert_eq!(user.run(&format!("cat {copy} | sha256sum")).ok().stdout, inside);
    assert_eq!(user.run(&format!("sqlite3 {copy} 'SELECT count(*) FROM chat'")).ok().line(), "3");
    assert_eq!(rescued["volumes"], serde_json::json!(["~/app:/tmp/app"]), "{rescued:#}");
    let plan = user.stackctl(&["plan", "--format", "json"]).ok().json();
    let risks =
        plan["changes"].as_array().into_iter().flatten().filter_map(|change| change["risks"].as_array()).flatten();
    let outside: Vec<_> = risks.filter(|risk| risk["code"] == "EPHEMERAL_DATA").collect();
    assert!(outside.iter().all(|risk| risk["severity"] != "critical"), "{outside:#?}");
    chat(&user, "four");
    let refused = user.stackctl(&["apply", "-y", "--accept", "DB_EMPTY:container.webui"]).code(4);
    assert!(refused.stdout.contains("EPHEMERAL_DATA"), "what came after the copy is in no copy: {}", refused.stdout);

    // Stopped, it is asked of podman, and nothing comes after the copy.
    user.run("systemctl --user stop podman-s-webui.service").ok();
    user.stackctl(&["rescue", "container.webui", "--to", "out"]).ok();
    assert_eq!(user.run("sqlite3 out/tmp/app/webui.db 'SELECT count(*) FROM chat'").ok().line(), "4");
    user.stackctl(&["rescue", "container.webui", "--to", "out"]).code(1);

    // With its place corrected and the hollow one set aside, everything goes on; and the copy can be put there then.
    let hollow = user.run("sha256sum <data/webui.db").ok().stdout;
    write(&user, "2", "/app/backend/data", ", when_hollow: quarantine")?;
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(user.run("sha256sum <$(ls -d data/webui.db.quarantine/*)/webui.db").ok().stdout, hollow);
    for _ in 0..2 {
        assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");
        let tables = user.run("sqlite3 data/webui.db 'SELECT count(*) FROM sqlite_master WHERE type=\"table\"'").ok();
        assert_eq!(tables.line(), "28");
        user.stackctl(&["restart", "-y"]).ok();
    }
    let copy = "systemctl --user stop podman-s-webui && cp out/tmp/app/webui.db data/webui.db && systemctl --user start podman-s-webui";
    user.run(copy).ok();
    chat(&user, "five");
    assert_eq!(user.run("sqlite3 data/webui.db 'SELECT count(*) FROM chat'").ok().line(), "5");
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");
    Ok(())
}

#[test]
fn what_is_written_and_not_missed_is_no_drift() -> anyhow::Result<()> {
    let user = Host::get()?.user("ephemeral-noise")?;
    import(&user);
    let stack = "\
version: 1
stack: s
containers:
  web:
    image: \"localhost/webui:1\"
    command: [sleep]
    ephemeral: [/srv/cache, \"/opt/*.db\"]
";
    user.write("stack.yaml", stack)?;
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");
    let database = |path: &str| {
        user.run("sqlite3 x.db 'CREATE TABLE IF NOT EXISTS t (a)'").ok();
        let parent = path.rsplit_once('/').map_or("/", |(parent, _)| parent);
        user.run(&format!(
            "mkdir -p tree{parent} && cp x.db tree{path} && tar -C tree -c . | podman cp - s-web:/ && rm -r tree"
        ))
        .ok();
    };
    database("/srv/cache/deep/x.db");
    database("/opt/x.db");
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "", "both are ephemeral");

    // A key warns, a database stops; what is private to another user of the container is read all the same.
    user.run("mkdir -p tree/app && echo k > tree/app/.webui_secret_key && tar -C tree -c . | podman cp - s-web:/ && rm -r tree").ok();
    let told = user.stackctl(&["drift"]).code(2).stdout;
    assert!(told.contains("/app/.webui_secret_key"), "{told}");
    user.stackctl(&["apply", "-y", "--replace", "container.web"]).ok();
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "", "the new one has none");
    for is_running in [true, false] {
        user.run("sqlite3 x.db 'INSERT INTO t VALUES (1)' && mkdir -p tree/srv && cp x.db tree/srv/private.db").ok();
        user.run("tar -C tree -c . | podman cp - s-web:/ && podman unshare sh -c 'cd $(podman mount s-web)/srv && chown 1000:1000 private.db && chmod 600 private.db && podman unmount s-web'").ok();
        let told = user.stackctl(&["drift", "--format", "json"]).code(2).json();
        let told = told.to_string();
        assert!(told.contains("/srv/private.db (SQLite database"), "{is_running}: {told}");
        user.stackctl(&["apply", "-y", "--replace", "container.web"]).code(4);
        let to = format!("out-{is_running}");
        let rescued = user.stackctl(&["rescue", "web", "/srv", "--to", &to, "--format", "json"]).ok().json();
        assert_eq!(rescued["files"][0]["mode"], "0600", "{rescued:#}");
        assert_eq!((&rescued["files"][0]["uid"], &rescued["owners_lost"]), (&1000.into(), &"".into()), "{rescued:#}");
        let owner = user.run(&format!("podman unshare stat -c '%u:%g %a' {to}/srv/private.db")).ok();
        assert_eq!(owner.line(), "1000:1000 600");
        user.run("systemctl --user stop podman-s-web.service").ok();
    }
    user.stackctl(&["apply", "-y", "--replace", "container.web"]).ok();
    user.stackctl(&["rescue", "web"]).ok();
    user.stackctl(&["rescue", "web", "/nowhere/x"]).code(1);
    user.stackctl(&["rescue", "web", "srv"]).code(64);
    user.stackctl(&["rescue", "wib"]).code(64);
    Ok(())
}

const UNWRITTEN: &str = "\
version: 1
stack: s
directories: { ~/empty: {}, ~/read: {}, ~/cache: {} }
volumes: { v: {} }
containers:
  idle:
    image: \"localhost/idle:1\"
    volumes: [\"~/empty:/empty\", \"v:/v\", \"~/read:/read:ro\", \"~/cache:/cache\"]
    ephemeral: [/cache]
";

/// A program that keeps its data elsewhere leaves its mounts empty: told once it has had the time to write.
#[test]
fn a_mount_in_which_nothing_lies_for_long_is_told() -> anyhow::Result<()> {
    let user = Host::get()?.user("ephemeral-unwritten")?;
    user.import_image("localhost/idle:1", &["CMD [\"sleep\"]"]);
    user.write("stack.yaml", UNWRITTEN)?;
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");
    // Files and timers have the real time.
    let later = "NO_FAKE_STAT=1 FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f";
    let drift = |after: &str| user.run(&format!("{later} {after} stackctl drift --format json"));
    assert_eq!(drift("+50m").code, 0, "it may still come");
    let told = drift("+70m").code(2).json();
    let risks: Vec<&serde_json::Value> = told["changes"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|change| change["risks"].as_array().into_iter().flatten())
        .chain(told["risks"].as_array().into_iter().flatten())
        .filter(|risk| risk["code"] == "VOLUME_NEVER_WRITTEN")
        .collect();
    assert_eq!(risks.len(), 2, "{told:#}");
    for place in ["/empty", "/v"] {
        assert!(risks.iter().any(|risk| risk.to_string().contains(&format!("at {place} "))), "{told:#}");
    }
    // What is written to is left at that, and so is a container that is no longer up.
    user.run("touch empty/x && podman unshare touch $(podman volume inspect -f '{{.Mountpoint}}' s_v)/x").ok();
    assert_eq!(drift("+70m").code, 0);
    Ok(())
}

/// An image says where it keeps its state, and the stack file mounts nothing there.
#[test]
fn a_volume_that_nobody_declared_has_a_name_and_outlives_every_replace() -> anyhow::Result<()> {
    let user = Host::get()?.user("ephemeral-volume")?;
    for tag in ["1", "2"] {
        let label = format!("LABEL build={tag}");
        let changes = [
            "CMD [\"open-webui\"]",
            "ENV STAND_IN_SCHEMA_AFTER=0s",
            "ENV STAND_IN_DATA=/var/lib/app",
            "VOLUME /var/lib/app",
            &label,
        ];
        user.import_image(&format!("localhost/webui:{tag}"), &changes);
    }
    let write = |tag: &str, more: &str| {
        let port = user.port(0).to_string();
        let stack = STACK.replace("PORT", &port).replace("TAG", tag);
        let stack = stack.lines().filter(|line| !line.contains("WHERE") && !line.contains("data"));
        user.write("stack.yaml", format!("{}\n{more}", stack.collect::<Vec<_>>().join("\n")))
    };
    write("1", "")?;
    let told = user.stackctl(&["plan"]).ok().stdout;
    assert!(told.contains("STATEFUL_PATH_NOT_MOUNTED (warning)") && told.contains("s_webui.var.lib.app"), "{told}");
    user.stackctl(&["apply", "-y"]).ok();
    let labels =
        user.run("podman volume inspect -f '{{index .Labels \"io.stackctl.stack\"}}' s_webui.var.lib.app").ok();
    assert_eq!(labels.line(), "s");
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "", "once it is there, it is no drift");
    chat(&user, "one");
    write("2", "")?;
    user.stackctl(&["apply", "-y"]).ok();
    chat(&user, "two");
    let told = user.stackctl(&["destroy", "-y"]).ok().stdout;
    assert!(told.contains("s_webui.var.lib.app"), "it stays, and is named: {told}");
    user.stackctl(&["apply", "-y"]).ok();
    let chats = user.run(&format!("curl -fsS http://127.0.0.1:{}/chats", user.port(0))).ok().stdout;
    assert!(chats.contains("one") && chats.contains("two"), "{chats}");
    assert_eq!(user.run("podman volume ls -q").ok().stdout, "s_webui.var.lib.app\n", "none without a name");

    // Renamed, it goes on with what it had, also once the line that says so is gone.
    write("2", "    renamed_from: webui\n")?;
    let renamed = user.read("stack.yaml")?.replace("  webui:", "  ui:");
    user.write("stack.yaml", &renamed)?;
    user.stackctl(&["apply", "-y"]).ok();
    user.write("stack.yaml", renamed.replace("    renamed_from: webui\n", "    environment: { A: b }\n"))?;
    user.stackctl(&["apply", "-y"]).ok();
    let chats = user.run(&format!("curl -fsS http://127.0.0.1:{}/chats", user.port(0))).ok().stdout;
    assert!(chats.contains("one") && chats.contains("two"), "{chats}");

    // Its container leaves the file: then nobody has it any more, and that is told.
    write("2", "")?;
    let stack = user.read("stack.yaml")?;
    user.write("stack.yaml", stack.replace("  webui:", "  other:"))?;
    user.stackctl(&["apply", "-y", "--prune"]);
    let told = user.stackctl(&["plan"]).ok().stdout;
    assert!(told.contains("ORPHAN") && told.contains("volume.webui:/var/lib/app"), "{told}");
    user.run("podman volume exists s_webui.var.lib.app").ok();

    write("2", "    ephemeral: [/var/lib/app]\n")?;
    user.stackctl(&["apply", "-y", "--prune"]).ok();
    let mounted = user.run("podman inspect -f '{{range .Mounts}}{{.Name}}{{end}}' s-webui").ok();
    assert_ne!(mounted.line(), "s_webui.var.lib.app", "it may go");
    Ok(())
}

/// A copy is whole or not there, and what is copied from goes on.
#[test]
fn a_full_disk_ends_a_rescue_with_nothing_half_written() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("ephemeral-full")?;
    import(&user);
    write(&user, "1", "/tmp/app", "")?;
    user.stackctl(&["apply", "-y"]).ok();
    chat(&user, "one");
    let place = "/mnt/ephemeral-full";
    host.root(&format!("umount -l {place} 2>/dev/null; mkdir -p {place}")).ok();
    host.root(&format!("mount -t tmpfs -o size=64k,uid={} tmpfs {place}", user.uid())).ok();
    let told = user.stackctl(&["rescue", "webui", "--to", &format!("{place}/out")]);
    let left = user.run(&format!("ls -A {place}")).ok().stdout;
    host.root(&format!("umount -l {place}")).ok();
    let told = told.code(1).stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("more room with --to"), "{told}");
    assert!(told.contains("no space left") && told.contains("nothing of it was kept"), "{told}");
    assert_eq!(left, "", "nothing is half written");
    let before = user.run("podman cp s-webui:/tmp/app/webui.db - | tar -xO | sha256sum").ok().stdout;
    user.stackctl(&["rescue", "webui", "--to", "out"]).ok();
    assert_eq!(user.run("sha256sum <out/tmp/app/webui.db").ok().stdout, before);
    chat(&user, "two");
    Ok(())
}

/// What a rescue does to files: the copies, their names, their way to the disk, and the ledger's. A signal that strace sends is there
/// before the call has its effect; each thread has its own count.
const OF_A_RESCUE: [&str; 5] = [
    "?rename,renameat,renameat2",
    "?unlink,unlinkat,?rmdir",
    "?mkdir,mkdirat",
    "fsync,fdatasync",
    "fchmod,?chmod,fchmodat,fchown,?chown,fchownat",
];

/// Killed at one such call after the other, until one comes to its end: what lies under its name is whole, and the next one is made.
#[test]
fn a_rescue_that_is_killed_leaves_nothing_half_written_under_its_name() -> anyhow::Result<()> {
    let user = Host::get()?.user("ephemeral-killed")?;
    import(&user);
    write(&user, "1", "/tmp/app", "")?;
    user.stackctl(&["apply", "-y"]).ok();
    chat(&user, "one");
    let before = user.run("podman cp s-webui:/tmp/app/webui.db - | tar -xO | sha256sum").ok().stdout;
    let ids = user.ids();
    let mut left = 0;
    for kind in OF_A_RESCUE {
        for call in 1.. {
            let inject = format!("inject={kind}:signal=KILL:when={call}");
            let strace = format!("strace -f -qq -o /dev/null -e trace={kind} -e {inject} $(command -v stackctl)");
            let run = user.run(&format!("{strace} rescue webui --to out"));
            let case = format!("call {call} of {kind}: {}{}", run.stdout, run.stderr);
            left += u32::from(user.exists("out.partial")?);
            if run.code != 0 {
                assert_eq!(run.code, 137, "{case}");
                let is_whole = user.run(&format!(
                    "! test -e out || test \"$(sha256sum <out/tmp/app/webui.db)\" = \"{}\"",
                    before.trim()
                ));
                assert_eq!(is_whole.code, 0, "{case}");
                user.run("rm -rf out").ok();
                user.stackctl(&["rescue", "webui", "--to", "out"]).ok();
            }
            assert_eq!(user.run("sha256sum <out/tmp/app/webui.db && rm -r out").ok().stdout, before, "{case}");
            assert!(!user.exists("out.partial")?, "{case}: what was left half-way is gone");
            if run.code == 0 {
                assert!(call > 1, "it makes no {kind}");
                break;
            }
        }
    }
    // Its directory is made, a file is written to the disk, the whole gets its name.
    assert!(left >= 3, "{left} were killed in the middle of it");
    assert_eq!(user.ids(), ids, "nothing of the container was touched");
    Ok(())
}

/// A copy that takes long is left at a signal, and nothing of it stays; what was there stays.
#[test]
fn a_rescue_that_is_interrupted_leaves_nothing() -> anyhow::Result<()> {
    let user = Host::get()?.user("ephemeral-signal")?;
    import(&user);
    write(&user, "1", "/tmp/app", "")?;
    user.stackctl(&["apply", "-y"]).ok();
    user.run("truncate -s 500M big && podman cp big s-webui:/tmp/big && rm big").ok();
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM, rustix::process::Signal::HUP] {
        let running = user.spawn(&["stackctl", "rescue", "webui", "/tmp/big", "--to", "out"])?;
        user.run("timeout 60 sh -c 'until test -e out.partial/tmp/big; do sleep 0.02; done'").ok();
        running.signal(signal)?;
        let ended = running.wait();
        assert_eq!(ended.code, 130, "{}{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains("interrupted"), "{}", ended.stderr);
        assert!(!user.exists("out")? && !user.exists("out.partial")?, "{signal:?}");
    }
    let told = user.stackctl(&["history"]).ok().stdout;
    assert!(told.contains("rescue"), "{told}");
    Ok(())
}
