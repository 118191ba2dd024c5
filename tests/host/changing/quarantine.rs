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

/// At every call that the machine hears of, and before and after each: the hollow file is somewhere, whole, and the next run comes to its end.
fn killed_at_every_call(name: &str, side: Side) -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user(name)?;
    write(&user, "0s", "")?;
    let begin = || {
        user.stackctl(&["destroy", "-y", "--accept", "EPHEMERAL_DATA:container.webui"]).ok();
        user.run(&format!("rm -rf data/* && {HOLLOW}")).ok();
        user.run("rm -f .local/state/stackctl/s/ledger.db* .local/state/stackctl/s/*.json").ok();
    };
    user.run("mkdir -m 700 data").ok();
    begin();
    let hollow = user.run("sha256sum <data/webui.db").ok().stdout;
    let made = calls(&user, side, APPLY, 0)?;
    assert!(made.len() >= 2, "{made:#?}");
    for hold in both_halves(&made) {
        begin();
        kill_at(&user, side, hold, APPLY)?;
        let case = format!("{hold:?} of {made:?}");
        let places =
            user.run("sha256sum data/webui.db data/webui.db.quarantine/*/webui.db 2>/dev/null; true").ok().stdout;
        let digest = hollow.split(' ').next().unwrap_or_default();
        assert!(places.contains(digest), "{case}: the hollow one is nowhere: {places}");
        let output = user.stackctl(APPLY);
        assert_eq!(output.code, 0, "{case}:\n{}{}", output.stdout, output.stderr);
        assert_eq!(tables(&user), "28", "{case}");
        let places = user.run("sha256sum data/webui.db.quarantine/*/webui.db 2>/dev/null; true").ok().stdout;
        assert!(places.contains(digest), "{case}: it is not set aside: {places}");
        assert_eq!(user.stackctl(&["drift"]).code(0).stdout, "", "{case}");
    }
    Ok(())
}

#[test]
fn killed_at_every_call_of_systemd() -> anyhow::Result<()> {
    killed_at_every_call("quarantine-bus", Side::Bus)
}

#[test]
fn killed_at_every_call_of_podman() -> anyhow::Result<()> {
    killed_at_every_call("quarantine-podman", Side::Podman)
}
