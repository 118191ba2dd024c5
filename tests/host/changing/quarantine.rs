//! Hollow databases that are set aside. What would break: one with rows is moved, one that the program does not make anew stays away, a
//! run that is killed on the way leaves half a set.

use crate::host::Host;
use crate::host::replacing::{Side, both_halves, calls, kill_at};
use crate::host::user::User;

const STACK: &str = "\
version: 1
stack: s
directories: { ~/data: {} }
containers:
  webui:
    image: \"localhost/webui:1\"
    USER
    ports: [\"127.0.0.1:PORT:8080\"]
    environment: { STAND_IN_SCHEMA_AFTER: WHEN }
    volumes: [\"~/data:/app/backend/data\"]
    healthcheck: { http: \"http://127.0.0.1:PORT/health\", interval: 200ms, retries: 3, start_period: 3s }
    data: [{ path: /app/backend/data/webui.db, engine: sqlite, min_tables: 28, when_hollow: quarantine }]
";
const APPLY: &[&str] = &["apply", "--yes"];
const HOLLOW: &str =
    "sqlite3 data/webui.db 'CREATE TABLE x (a); INSERT INTO x VALUES (zeroblob(260000)); DROP TABLE x'";

fn write(user: &User, after: &str, as_whom: &str) -> anyhow::Result<()> {
    user.import_image("localhost/webui:1", &["CMD [\"open-webui\"]"]);
    let stack = STACK.replace("PORT", &user.port(0).to_string()).replace("WHEN", after).replace("USER", as_whom);
    user.write("stack.yaml", stack)
}

fn tables(user: &User) -> String {
    let sql = "SELECT count(*) FROM sqlite_master WHERE type=\"table\"";
    user.run(&format!("podman unshare sqlite3 data/webui.db '{sql}'")).ok().line().to_owned()
}

#[test]
fn a_hollow_database_is_set_aside_only_where_the_program_makes_it_anew() -> anyhow::Result<()> {
    let user = Host::get()?.user("quarantine")?;
    user.run(&format!("mkdir -m 700 data && {HOLLOW}")).ok();
    let hollow = user.run("sha256sum <data/webui.db").ok().stdout;

    // It never makes its tables: everything is as it was.
    write(&user, "never", "")?;
    let told = user.stackctl(&["plan"]).ok().stdout;
    assert!(told.contains("DB_EMPTY (warning)"), "{told}");
    user.stackctl(&["apply", "-y"]).code(3);
    assert_eq!(user.run("ls -A data").ok().stdout.lines().next(), Some("webui.db"));
    assert_eq!(user.run("sha256sum <data/webui.db").ok().stdout, hollow, "it is back");
    assert!(user.ids().is_empty(), "what did not hold is not left");

    // It makes them: the set stays aside, and the contract holds over a restart.
    write(&user, "0s", "")?;
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(tables(&user), "28");
    let set = user.run("ls -d data/webui.db.quarantine/*").ok().stdout;
    let last = set.lines().last().unwrap_or_default().to_owned();
    assert_eq!(user.run(&format!("sha256sum <{last}/webui.db")).ok().stdout, hollow);
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");

    // Emptied while it runs, with no row lost: set aside by a restart.
    user.run("systemctl --user stop podman-s-webui && rm data/webui.db* -f; true").ok();
    user.run(HOLLOW).ok();
    user.run("systemctl --user start podman-s-webui; sleep 1; systemctl --user stop podman-s-webui").ok();
    assert_eq!(tables(&user), "28", "the program itself fills what is hollow");
    user.stackctl(&["apply", "-y"]).ok();

    // With rows at the last good reading it is a loss: nothing is made anew over it.
    let url = format!("http://127.0.0.1:{}/chat?text=one", user.port(0));
    user.run(&format!("curl -fsS --retry 20 --retry-connrefused -X POST '{url}'")).ok();
    user.stackctl(&["apply", "-y"]).ok();
    user.run("systemctl --user stop podman-s-webui && mv data/webui.db kept.db && : >data/webui.db").ok();
    user.stackctl(&["apply", "-y"]).code(4);
    assert_eq!(user.run("stat -c %s data/webui.db").ok().line(), "0");
    user.run("mv kept.db data/webui.db").ok();
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");
    Ok(())
}

#[test]
fn what_only_the_log_holds_is_populated_and_what_another_user_owns_is_moved_from_inside() -> anyhow::Result<()> {
    let user = Host::get()?.user("quarantine-log")?;
    user.run("mkdir -m 700 data").ok();
    // 40 rows in the log alone: the file beside it has no table.
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) SELECT i FROM n";
    let many: String = (0..28).map(|n| format!("CREATE TABLE t{n} (a); ")).collect();
    let sql = format!("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; {many} INSERT INTO t0 {rows};");
    user.run(&format!(
        "mkdir made && (echo '{sql}'; sleep 2) | sqlite3 made/webui.db & sleep 1; cp made/webui.db made/webui.db-wal data/; wait"
    ))
    .ok();
    assert_eq!(user.run("stat -c %s data/webui.db").ok().line(), "4096");
    let before = user.run("sha256sum data/webui.db data/webui.db-wal").ok().stdout;
    write(&user, "0s", "")?;
    let plan = user.stackctl(&["plan", "--format", "json"]).ok().json();
    assert!(!plan.to_string().contains("DB_EMPTY"), "{plan:#}");
    assert_eq!(user.run("sha256sum data/webui.db data/webui.db-wal").ok().stdout, before);

    // In a directory of another user of the container, read and moved from inside.
    user.run(&format!("rm -r data && mkdir -m 700 data && {HOLLOW}")).ok();
    write(&user, "0s", "user: \"1000:1000\"")?;
    user.run("podman unshare chown 1000:1000 data data/webui.db && podman unshare chmod 700 data").ok();
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(tables(&user), "28");
    user.run("podman unshare sh -c 'test -e data/webui.db.quarantine/*/webui.db'").ok();
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");
    Ok(())
}

const NATIVE: &str = "\
version: 1
stack: s
directories: { ~/data: {} }
services:
  writer:
    exec: [/bin/sh, -c, \"test -e data/webui.db || MAKE; exec sleep infinity\"]
    working_dir: \"~\"
    SOCKETS
databases:
  ~/data/webui.db: { engine: sqlite, min_tables: 28, when_hollow: quarantine, service: writer }
";

fn write_native(user: &User, make: &str, sockets: &str) -> anyhow::Result<()> {
    let many: String = (0..28).map(|n| format!("CREATE TABLE t{n} (a); ")).collect();
    let make = make.replace("TABLES", &format!("sqlite3 data/webui.db '{many}'"));
    user.write("stack.yaml", NATIVE.replace("MAKE", &make).replace("SOCKETS", sockets))
}

#[test]
fn one_of_a_native_service_is_made_anew_by_that() -> anyhow::Result<()> {
    let user = Host::get()?.user("quarantine-native")?;
    user.run(&format!("mkdir -m 700 data && {HOLLOW}")).ok();
    let hollow = user.run("sha256sum <data/webui.db").ok().stdout;
    let is_set_aside = |count: usize| {
        let sets = user.run("sha256sum data/webui.db.quarantine/*/webui.db").ok().stdout;
        let digest = hollow.split(' ').next().unwrap_or_default();
        assert_eq!(sets.lines().filter(|line| line.starts_with(digest)).count(), count, "{sets}");
    };

    // Nobody is named that would make it anew.
    write_native(&user, "TABLES", "")?;
    user.write("stack.yaml", user.read("stack.yaml")?.replace(", service: writer", ""))?;
    assert!(user.stackctl(&["plan"]).code(65).stderr.contains("service: NAME"));
    user.write("stack.yaml", user.read("stack.yaml")?.replace("quarantine }", "quarantine, service: writr }"))?;
    assert!(user.stackctl(&["plan"]).code(65).stderr.contains("writr"));

    // Its program never makes its tables: everything is as it was.
    let socket = format!("sockets: [\"127.0.0.1:{}\"]", user.port(0));
    let check = format!("healthcheck: {{ tcp: \"127.0.0.1:{}\", interval: 200ms, retries: 2 }}", user.port(0));
    write_native(&user, "true", &format!("{socket}\n    {check}"))?;
    user.stackctl(&["apply", "-y"]).code(3);
    assert_eq!(user.run("sha256sum <data/webui.db").ok().stdout, hollow, "it is back");
    assert_eq!(user.run("systemctl --user is-active writer.service").stdout, "inactive\n");

    // It makes them, at the first start.
    write_native(&user, "TABLES", "")?;
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(tables(&user), "28");
    is_set_aside(1);
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");

    // Hollow again under the running program, with no row lost: told, and a change of the service.
    user.run(&format!("rm data/webui.db && {HOLLOW}")).ok();
    let told = user.stackctl(&["drift"]).code(2).stdout;
    assert!(told.contains("DB_EMPTY (warning)") && told.contains("service.writer"), "{told}");
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(tables(&user), "28");
    is_set_aside(2);

    // Started by whoever connects: nobody starts it meanwhile.
    write_native(&user, "TABLES", &socket)?;
    user.stackctl(&["apply", "-y"]).ok();
    user.run(&format!("rm data/webui.db && {HOLLOW}")).ok();
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(tables(&user), "28");
    is_set_aside(3);
    assert_eq!(user.run("systemctl --user is-active writer.socket").stdout, "active\n");
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");

    // Its disk is not mounted: it does not begin anew on the empty place, and nothing stops it there.
    write_native(&user, "TABLES", "")?;
    user.stackctl(&["apply", "-y"]).ok();
    user.run("mv data kept && mkdir -m 700 data").ok();
    let told = user.stackctl(&["drift"]).code(2).stdout;
    assert!(told.contains("DATA_ROOT_IDENTITY_CHANGED"), "{told}");
    user.stackctl(&["restart", "-y", "service.writer"]).code(4);
    user.run("systemctl --user restart writer.service; systemctl --user stop writer.service").ok();
    assert_eq!(user.run("ls -A data").ok().stdout, "", "systemd itself does not start it there");
    user.run("rmdir data && mv kept data").ok();
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");

    // With rows at the last good reading it is a loss.
    user.run("sqlite3 data/webui.db 'INSERT INTO t0 VALUES (1)'").ok();
    user.stackctl(&["apply", "-y"]).ok();
    user.run(&format!("mv data/webui.db kept.db && {HOLLOW}")).ok();
    user.stackctl(&["apply", "-y"]).code(4);
    user.stackctl(&["restart", "-y", "service.writer"]).code(4);
    assert_eq!(tables(&user), "0");
    is_set_aside(3);
    Ok(())
}

#[test]
fn one_of_a_native_service_is_killed_at_every_call_of_systemd() -> anyhow::Result<()> {
    let user = Host::get()?.user("quarantine-killed")?;
    write_native(&user, "TABLES", "")?;
    killed_at_every_call(&user, Side::Bus)
}

/// At every call that the machine hears of, and before and after each: the hollow file is somewhere, whole, and the next run comes to its end.
fn killed_at_every_call(user: &User, side: Side) -> anyhow::Result<()> {
    let begin = || {
        user.stackctl(&["destroy", "-y", "--accept", "EPHEMERAL_DATA:container.webui"]).ok();
        user.run(&format!("rm -rf data/* && {HOLLOW}")).ok();
        user.run("rm -f .local/state/stackctl/s/ledger.db* .local/state/stackctl/s/*.json").ok();
    };
    user.run("mkdir -m 700 data").ok();
    begin();
    let hollow = user.run("sha256sum <data/webui.db").ok().stdout;
    let made = calls(user, side, APPLY, 0)?;
    assert!(made.len() >= 2, "{made:#?}");
    for hold in both_halves(&made) {
        begin();
        kill_at(user, side, hold, APPLY)?;
        let case = format!("{hold:?} of {made:?}");
        let places =
            user.run("sha256sum data/webui.db data/webui.db.quarantine/*/webui.db 2>/dev/null; true").ok().stdout;
        let digest = hollow.split(' ').next().unwrap_or_default();
        assert!(places.contains(digest), "{case}: the hollow one is nowhere: {places}");
        let output = user.stackctl(APPLY);
        assert_eq!(output.code, 0, "{case}:\n{}{}", output.stdout, output.stderr);
        assert_eq!(tables(user), "28", "{case}");
        let places = user.run("sha256sum data/webui.db.quarantine/*/webui.db 2>/dev/null; true").ok().stdout;
        assert!(places.contains(digest), "{case}: it is not set aside: {places}");
        assert_eq!(user.stackctl(&["drift"]).code(0).stdout, "", "{case}");
    }
    Ok(())
}

#[test]
fn killed_at_every_call_of_systemd() -> anyhow::Result<()> {
    let user = Host::get()?.user("quarantine-bus")?;
    write(&user, "0s", "")?;
    killed_at_every_call(&user, Side::Bus)
}

#[test]
fn killed_at_every_call_of_podman() -> anyhow::Result<()> {
    let user = Host::get()?.user("quarantine-podman")?;
    write(&user, "0s", "")?;
    killed_at_every_call(&user, Side::Podman)
}
