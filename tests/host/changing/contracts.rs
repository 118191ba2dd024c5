//! Contracts of data. What would break: an apply that goes on over an empty database, a loss that nobody hears of although every table
//! is there, a look that makes the very file it looks for, data of another user that cannot be looked at.

use crate::host::Host;
use crate::host::user::User;

const STACK: &str = "\
version: 1
stack: s
directories: { ~/data: {} }
volumes: { kept: {} }
containers:
  webui:
    image: \"localhost/webui:1\"
    USER
    ports: [\"127.0.0.1:PORT:8080\"]
    volumes: [\"MOUNT:/app/backend/data\"]
    healthcheck: { http: \"http://127.0.0.1:PORT/health\", interval: 200ms, start_period: 20s }
    data:
      - { path: PATH, engine: sqlite, min_tables: 28, tables: [user, chat] }
";

struct Bench<'u> {
    user: &'u User,
    port: String,
    /// Of the database, on the host.
    file: String,
}

impl<'u> Bench<'u> {
    fn new(user: &'u User, mount: &str, file: &str, as_whom: &str) -> anyhow::Result<Self> {
        user.import_image("localhost/webui:1", &["CMD [\"open-webui\"]", "ENV STAND_IN_SCHEMA_AFTER=0s"]);
        let bench = Self { user, port: user.port(0).to_string(), file: file.to_owned() };
        bench.write(mount, "/app/backend/data/webui.db", as_whom)?;
        Ok(bench)
    }

    fn write(&self, mount: &str, path: &str, as_whom: &str) -> anyhow::Result<()> {
        let stack = STACK.replace("PORT", &self.port).replace("MOUNT", mount).replace("PATH", path);
        self.user.write("stack.yaml", stack.replace("USER", as_whom))
    }

    fn chat(&self, text: &str) {
        let line = format!(
            "curl -fsS --retry 20 --retry-connrefused -X POST 'http://127.0.0.1:{}/chat?text={text}'",
            self.port
        );
        self.user.run(&line).ok();
    }

    fn sql(&self, sql: &str) {
        self.user.run(&format!("sqlite3 {} '{sql}'", self.file)).ok();
    }

    /// Drift says 2, apply says 4 and does nothing, and both name this.
    #[track_caller]
    fn is_guarded(&self, code: &str, words: &[&str]) {
        let before = self.user.ids();
        let plan = self.user.stackctl(&["drift", "--format", "json"]).code(2).json();
        let risks = plan["risks"].as_array().cloned().unwrap_or_default();
        let changes = plan["changes"].as_array().cloned().unwrap_or_default();
        let all =
            risks.iter().chain(changes.iter().flat_map(|change| change["risks"].as_array().into_iter().flatten()));
        let risk = all.into_iter().find(|risk| risk["code"] == code).unwrap_or_else(|| panic!("no {code}: {plan:#}"));
        assert_eq!(risk["severity"], "critical", "{risk:#}");
        let message = risk["message"].as_str().unwrap_or_default();
        assert!(words.iter().all(|word| message.contains(word)), "{words:?} in {message}");
        self.user.stackctl(&["apply", "-y"]).code(4);
        assert_eq!(self.user.ids(), before);
    }

    #[track_caller]
    fn is_in_sync(&self) {
        let quiet = self.user.stackctl(&["drift"]).ok();
        assert_eq!(quiet.stdout, "");
    }
}

#[test]
fn a_database_that_lost_something_stops_every_run_until_somebody_says_so() -> anyhow::Result<()> {
    let user = Host::get()?.user("contracts")?;
    let bench = Bench::new(&user, "~/data", "data/webui.db", "")?;
    user.stackctl(&["apply", "-y"]).ok();
    bench.is_in_sync();
    ["one", "two", "three"].iter().for_each(|text| bench.chat(text));
    user.stackctl(&["apply", "-y"]).ok();

    // A table of 28 is gone.
    bench.sql("ALTER TABLE tag RENAME TO was_tag; DROP TABLE was_tag");
    bench.is_guarded("DB_TABLES_MISSING", &["container.webui", "27 tables of 28", "`tag` is gone", "data/webui.db"]);
    bench.sql("CREATE TABLE tag (id INTEGER PRIMARY KEY, text TEXT)");
    bench.is_in_sync();

    // Every table is there, and the container healthy; the chats are not.
    bench.sql("CREATE TABLE aside AS SELECT * FROM chat; DELETE FROM chat; ALTER TABLE aside RENAME TO aside2");
    bench.is_guarded("DB_SHRUNK", &["`chat` has no row, had 3"]);
    bench.sql("INSERT INTO chat SELECT * FROM aside2; DROP TABLE aside2");
    bench.is_in_sync();
    // What a user deletes by and by is no drift.
    bench.sql("DELETE FROM chat WHERE id = 1");
    bench.is_in_sync();

    // Whether it runs or not: 270 KB, no table, nothing said by its size.
    user.run("systemctl --user stop podman-s-webui.service && mv data/webui.db data/away.db").ok();
    bench.is_guarded("DB_MISSING", &["had 28 tables with 3 rows"]);
    for verb in ["plan", "drift", "status", "graph", "validate"] {
        user.stackctl(&[verb]);
    }
    user.run("test ! -e data/webui.db").ok();
    bench.sql("CREATE TABLE x (a); INSERT INTO x VALUES (zeroblob(260000)); DROP TABLE x");
    bench.is_guarded("DB_EMPTY", &["without any table", "had 28 tables with 3 rows"]);
    for (make, code) in [
        ("head -c 270336 /dev/zero > data/webui.db", "DB_NOT_SQLITE"),
        ("yes garbage | head -c 5000 > data/webui.db", "DB_NOT_SQLITE"),
        (": > data/webui.db", "DB_EMPTY"),
    ] {
        user.run(make).ok();
        let before = user.run("sha256sum data/webui.db").ok().stdout;
        bench.is_guarded(code, &[]);
        assert_eq!(user.run("sha256sum data/webui.db").ok().stdout, before);
    }
    assert_eq!(user.unit("podman-s-webui.service", "ActiveState"), "inactive", "nothing was started on it");

    // Another guard, or another address, lets nothing pass; this one does, for this run.
    user.stackctl(&["apply", "-y", "--accept", "DB_SHRUNK:container.webui"]).code(4);
    user.stackctl(&["apply", "-y", "--accept", "DB_EMPTY:container.other"]).code(64);
    user.run("mv data/away.db data/webui.db").ok();
    user.stackctl(&["apply", "-y"]).ok();
    bench.is_in_sync();
    bench.sql("DELETE FROM chat");
    user.stackctl(&["apply", "-y"]).code(4);
    user.stackctl(&["apply", "-y", "--accept", "DB_SHRUNK:container.webui"]).ok();
    bench.is_in_sync();
    Ok(())
}

#[test]
fn what_another_user_of_the_container_owns_is_read_from_inside() -> anyhow::Result<()> {
    let user = Host::get()?.user("contracts-inside")?;
    let bench = Bench::new(&user, "kept", "", "user: \"1000:1000\"")?;
    user.stackctl(&["apply", "-y"]).ok();
    let place = user.run("podman volume inspect -f '{{.Mountpoint}}' s_kept").ok().line().to_owned();
    bench.chat("hello");
    user.run(&format!("podman unshare sh -c 'chmod 700 {place} && chmod 600 {place}/webui.db'")).ok();
    user.run(&format!("cat {place}/webui.db")).code(1);
    user.stackctl(&["apply", "-y"]).ok();
    bench.is_in_sync();
    user.run(&format!("podman unshare sqlite3 {place}/webui.db 'DELETE FROM chat'")).ok();
    let told = user.stackctl(&["drift"]).code(2).stdout;
    assert!(told.contains("DB_SHRUNK") && told.contains("had 1"), "{told}");

    // What nothing keeps, no contract holds.
    bench.write("kept", "/var/lib/app.db", "")?;
    let told = user.stackctl(&["plan"]).code(65).stderr;
    assert!(told.contains("/var/lib/app.db lies on no bind mount and no volume"), "{told}");
    Ok(())
}

/// The cause of the loss that this tool was made for: health stays true in each of these.
#[test]
fn a_directory_that_went_from_under_a_running_container_is_told_and_nothing_stops_it() -> anyhow::Result<()> {
    let user = Host::get()?.user("contracts-cause")?;
    let bench = Bench::new(&user, "~/data", "data/webui.db", "")?;
    user.stackctl(&["apply", "-y"]).ok();
    ["one", "two"].iter().for_each(|text| bench.chat(text));
    user.stackctl(&["apply", "-y"]).ok();
    bench.is_in_sync();
    let is_refused = |code: &str, words: &[&str]| {
        bench.is_guarded(code, words);
        user.stackctl(&["restart", "-y"]).code(4);
        assert_eq!(user.unit("podman-s-webui.service", "ActiveState"), "active");
    };

    // Moved away, and an empty one in its place; in its place a link; and gone, with nothing in its place.
    user.run("mv data moved && mkdir -m 700 data").ok();
    is_refused("MOUNT_SOURCE_REPLACED", &["container.webui", "/app/backend/data", "/home/contracts-cause/moved"]);
    is_refused("DATA_ROOT_IDENTITY_CHANGED", &["webui.db"]);
    is_refused("DB_MISSING", &["had 28 tables with 2 rows"]);
    let told = user.stackctl(&["drift", "--format", "json"]).code(2).stdout;
    assert!(told.contains("It may be /home/contracts-cause/moved/webui.db: 28 tables with 2 rows"), "{told}");
    user.stackctl(&["rescue", "webui", "--to", "swapped"]).ok();
    let count = "sqlite3 swapped/app/backend/data/webui.db 'SELECT count(*) FROM chat'";
    assert_eq!(user.run(count).ok().line(), "2", "what the container has, and not what lies at the source");
    user.run("rmdir data && mkdir elsewhere && ln -s elsewhere data").ok();
    is_refused("MOUNT_SOURCE_REPLACED", &[]);
    user.run("rm data").ok();
    let told = user.stackctl(&["drift"]).code(2).stdout;
    assert!(told.contains("MOUNT_SOURCE_REPLACED"), "{told}");
    user.run("mv moved data").ok();
    bench.is_in_sync();
    // Another source in the file is no loss but a change.
    let file = user.run("cat stack.yaml").ok().stdout;
    let without = file.split("    data:\n").next().unwrap_or_default();
    user.write("stack.yaml", without.replace("~/data", "~/other"))?;
    let plan = user.stackctl(&["plan", "--format", "json"]).ok().json();
    assert_eq!(plan["summary"]["replace"], 1, "{plan:#}");
    assert!(!plan.to_string().contains("MOUNT_SOURCE"), "{plan:#}");
    let refused = user.stackctl(&["apply", "-y"]).code(4).stdout;
    assert!(refused.contains("DATA_ROOT_MOVED") && refused.contains("nothing in it"), "{refused}");
    user.run("mkdir -m 700 other && cp -a data/. other/").ok();
    let plan = user.stackctl(&["plan"]).ok().stdout;
    assert!(plan.contains("DATA_ROOT_MOVED (info)"), "it is copied: {plan}");
    user.run("rm -r other").ok();
    user.write("stack.yaml", &file)?;
    bench.is_in_sync();

    // Removed with the database open: what is still held can be copied out as the plan says, and is whole.
    user.run("cp -a data copy && rm -r data && mkdir -m 700 data").ok();
    is_refused("MOUNT_SOURCE_DELETED", &["/home/contracts-cause/data was removed"]);
    let plan = user.stackctl(&["plan", "--format", "json"]).ok().json();
    let command = plan["risks"][0]["remedies"][2].as_str().unwrap_or_default().trim().to_owned();
    assert_eq!(command, "stackctl rescue container.webui", "{plan:#}");
    user.stackctl(&["rescue", "container.webui", "--to", "deleted"]).ok();
    let count = "sqlite3 deleted/app/backend/data/webui.db 'SELECT count(*) FROM chat'";
    assert_eq!(user.run(count).ok().line(), "2");

    // Started again on the empty one, every table is there, and all is healthy: only the last reading and the directory tell.
    user.run("systemctl --user restart podman-s-webui.service").ok();
    bench.chat("new");
    is_refused("DB_SHRUNK", &["had 2"]);
    Ok(())
}

#[test]
fn another_program_that_writes_there_is_told_by_its_name() -> anyhow::Result<()> {
    let user = Host::get()?.user("contracts-shared")?;
    let bench = Bench::new(&user, "~/data", "data/webui.db", "")?;
    user.stackctl(&["apply", "-y"]).ok();
    bench.is_in_sync();
    let line = "sleep 60 >>data/webui.db 2>/dev/null </dev/null & echo $! >pid";
    user.run(line).ok();
    let told = user.stackctl(&["drift"]).code(2).stdout;
    assert!(told.contains("DATA_PATH_SHARED_RW") && told.contains("`sleep`"), "{told}");
    user.stackctl(&["restart", "-y"]).code(4);
    user.run("kill $(cat pid)").ok();
    bench.is_in_sync();

    // Another container of the stack with the same directory.
    let stack = user.read("stack.yaml")?;
    let other = "  other: { image: \"localhost/webui:1\", command: [sleep], volumes: [\"~/data:/srv\"] }\n";
    user.write("stack.yaml", format!("{stack}{other}"))?;
    user.stackctl(&["apply", "-y"]).ok();
    let told = user.stackctl(&["drift"]).code(2).stdout;
    assert!(told.contains("DATA_PATH_SHARED_RW (warning)") && told.contains("s-other"), "{told}");
    user.write("stack.yaml", format!("{stack}{}", other.replace(":/srv", ":/srv:ro")))?;
    user.stackctl(&["apply", "-y"]).ok();
    bench.is_in_sync();

    // What ran it before, and was never taken away.
    user.run("podman create --name before --label com.docker.compose.project=old -v ~/data:/data localhost/webui:1")
        .ok();
    let told = user.stackctl(&["drift"]).code(2).stdout;
    for words in ["STALE_PREDECESSOR (warning)", "the container before", "compose project old"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    user.run("podman rm before; podman create --name reads -v ~/data:/data:ro localhost/webui:1").ok();
    bench.is_in_sync();
    Ok(())
}

#[test]
fn data_of_another_major_version_is_told_before_anything_is_pulled() -> anyhow::Result<()> {
    let user = Host::get()?.user("contracts-format")?;
    user.import_image("localhost/postgres:16", &["CMD [\"sleep\"]"]);
    let stack = |tag: &str| {
        format!(
            "version: 1\nstack: s\nvolumes: {{ kept: {{}} }}\ncontainers:\n  db: {{ image: \"localhost/postgres:{tag}\", volumes: \
             [\"kept:/var/lib/postgresql/data\"] }}\n"
        )
    };
    user.write("stack.yaml", stack("16"))?;
    user.stackctl(&["apply", "-y"]).ok();
    let place = user.run("podman volume inspect -f '{{.Mountpoint}}' s_kept").ok().line().to_owned();
    user.run(&format!(
        "echo 16 >{place}/PG_VERSION && podman unshare sh -c 'chown 999:999 {place} && chmod 700 {place}'"
    ))
    .ok();
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");
    let before = user.ids();
    user.write("stack.yaml", stack("17-alpine"))?;
    let refused = user.stackctl(&["apply", "-y"]).code(4).stdout;
    assert!(refused.contains("DATA_FORMAT_INCOMPATIBLE") && refused.contains("PostgreSQL 16"), "{refused}");
    assert_eq!(user.ids(), before);
    Ok(())
}

/// Its files do not say it: what ran on them does.
#[test]
fn a_qdrant_goes_one_minor_version_at_a_time() -> anyhow::Result<()> {
    let user = Host::get()?.user("contracts-qdrant")?;
    let stack = |tag: &str| {
        let web = format!("{{ image: \"localhost/qdrant:{tag}\", volumes: [\"kept:/qdrant/storage\"] }}");
        user.write(
            "stack.yaml",
            format!("version: 1\nstack: s\nvolumes: {{ kept: {{}} }}\ncontainers: {{ q: {web} }}\n"),
        )
    };
    for tag in ["v1.14.0", "v1.15.3"] {
        user.import_image(&format!("localhost/qdrant:{tag}"), &["CMD [\"sleep\"]", &format!("ENV TAG={tag}")]);
    }
    stack("v1.14.0")?;
    user.stackctl(&["apply", "-y"]).ok();
    let before = user.ids();
    // It is not on this machine either: nobody asks for it.
    stack("v1.16.2")?;
    let refused = user.stackctl(&["apply", "-y"]).code(4).stdout;
    assert!(refused.contains("DATA_FORMAT_INCOMPATIBLE") && refused.contains("v1.15"), "{refused}");
    assert_eq!(user.ids(), before);
    stack("v1.15.3")?;
    user.stackctl(&["apply", "-y"]).ok();
    let before = user.ids();
    stack("v1.14.0")?;
    let refused = user.stackctl(&["apply", "-y"]).code(4).stdout;
    assert!(refused.contains("DATA_FORMAT_INCOMPATIBLE"), "{refused}");
    assert_eq!(user.ids(), before);
    user.stackctl(&["apply", "-y", "--accept", "DATA_FORMAT_INCOMPATIBLE:container.q"]).ok();
    Ok(())
}

const OF_PATHS: &str = "\
version: 1
stack: s
directories: { ~/data: {}, ~/two: { mode: \"0711\" } }
volumes: { kept: {} }
containers:
  one:
    image: localhost/webui:1
    volumes: [\"~/data/app.db:/data/app.db\"]
    data: [{ path: /data/app.db, engine: sqlite, tables: [t] }]
  two:
    image: localhost/webui:1
    user: \"1000:1000\"
    volumes: [\"~/two:/data\"]
    data: [{ path: /data/sub/app.db, engine: sqlite, tables: [t] }]
  three:
    image: localhost/webui:1
    volumes: [\"kept:/data\"]
    data: [{ path: /data, engine: dir }]
";

#[test]
fn what_a_running_container_has_at_the_very_path_is_looked_at() -> anyhow::Result<()> {
    let user = Host::get()?.user("contracts-path")?;
    user.import_image("localhost/webui:1", &["CMD [\"sleep\"]"]);
    user.write("stack.yaml", OF_PATHS)?;
    let make = |path: &str| user.run(&format!("sqlite3 {path} 'CREATE TABLE t (a); INSERT INTO t VALUES (1)'")).ok();
    user.run("mkdir -m 700 data two && mkdir two/sub").ok();
    make("data/app.db");
    make("two/sub/app.db");
    // Into what is closed to this user, nobody looks for it.
    user.run("podman unshare sh -c 'chown -R 1000:1000 two && chmod 711 two'").ok();
    user.stackctl(&["apply", "-y"]).ok();
    let is_in_sync = || assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");
    is_in_sync();
    let is_told = |code: &str, severity: &str, words: &[&str]| {
        let plan = user.stackctl(&["drift", "--format", "json"]).code(2).json();
        let risk = plan["risks"].as_array().into_iter().flatten().find(|risk| risk["code"] == code);
        let risk = risk.unwrap_or_else(|| panic!("no {code}: {plan:#}"));
        assert_eq!(risk["severity"], severity, "{risk:#}");
        assert!(words.iter().all(|word| risk.to_string().contains(word)), "{words:?} in {risk:#}");
    };

    // A volume's directory, moved away.
    let place = user.run("podman volume inspect -f '{{.Mountpoint}}' s_kept").ok().line().to_owned();
    user.run(&format!("mv {place} {place}.away && mkdir {place}")).ok();
    is_told("MOUNT_SOURCE_REPLACED", "critical", &["container.three", "_data.away"]);
    user.stackctl(&["restart", "-y"]).code(4);
    user.run(&format!("rmdir {place} && mv {place}.away {place}")).ok();
    is_in_sync();

    // A file that is mounted by itself, and replaced as every program does that writes safely: the container has the old one.
    user.run(
        "cp data/app.db data/new.db && sqlite3 data/new.db 'INSERT INTO t VALUES (2)' && mv data/new.db data/app.db",
    )
    .ok();
    is_told(
        "MOUNT_SOURCE_REPLACED",
        "critical",
        &["container.one", "data/app.db was removed, or another put in its place"],
    );
    user.stackctl(&["apply", "-y"]).code(4);
    user.stackctl(&["rescue", "one", "/data/app.db", "--to", "out"]).ok();
    assert_eq!(user.run("sqlite3 out/data/app.db 'SELECT count(*) FROM t'").ok().line(), "1", "what the container has");
    user.stackctl(&["restart", "one", "-y", "--accept", "MOUNT_SOURCE_REPLACED:container.one"]).ok();
    is_in_sync();

    // Whoever it runs as may not write there.
    user.run("podman unshare chown 0:0 two/sub").ok();
    is_told(
        "DATA_NOT_WRITABLE",
        "warning",
        &["container.two", "runs as 1000", "directory `sub` belongs to 0:0", "chown"],
    );
    user.run("podman unshare chmod 777 two/sub").ok();
    is_in_sync();
    user.run("podman unshare sh -c 'chown 1000:1000 two/sub && chmod 755 two/sub && chmod 444 two/sub/app.db'").ok();
    is_told("DATA_NOT_WRITABLE", "warning", &["the file `app.db`", "0444"]);
    user.run("podman unshare chmod 644 two/sub/app.db").ok();
    is_in_sync();

    // Something is mounted over it, in the container alone: setns and mount, by their numbers on x86_64.
    let pid = user.run("podman inspect -f '{{.State.Pid}}' s-two").ok().line().to_owned();
    let cover = "my ($none, $at, $kind) = (\"none\", \"/data/sub\", \"tmpfs\"); open(F, \"<\", \"/proc/PID/ns/mnt\") && !syscall(308, \
                 fileno(F), 0x20000) && !syscall(165, $none, $at, $kind, 0, 0) or die \"$!\"";
    user.run(&format!("podman unshare perl -e '{}'", cover.replace("PID", &pid))).ok();
    is_told(
        "MOUNT_SOURCE_REPLACED",
        "critical",
        &["/data/sub is mounted over /data/sub/app.db in the running container"],
    );
    Ok(())
}

const OF_DIRECTORIES: &str = "\
version: 1
stack: s
directories: { ~/qdrant: {} }
volumes: { kept: {} }
containers:
  vectors:
    image: localhost/webui:1
    volumes: [\"~/qdrant:/qdrant/storage\"]
    data: [{ path: /qdrant/storage, engine: qdrant, tables: [notes] }]
  db:
    image: localhost/webui:1
    volumes: [\"kept:/var/lib/postgresql/data\"]
    data: [{ path: /var/lib/postgresql/data, engine: postgres, must_exist: true }]
";

#[test]
fn what_a_qdrant_and_a_postgres_keep_is_known_by_its_collections_and_databases() -> anyhow::Result<()> {
    let user = Host::get()?.user("contracts-dirs")?;
    user.import_image("localhost/webui:1", &["CMD [\"sleep\"]"]);
    user.write("stack.yaml", "version: 1\nstack: s\nvolumes: { kept: {} }\n")?;
    user.stackctl(&["apply", "-y"]).ok();
    let place = user.run("podman volume inspect -f '{{.Mountpoint}}' s_kept").ok().line().to_owned();
    // As another user of the container lays it out, where this one may not look.
    let lay_out = format!(
        "mkdir -p {place}/global {place}/base/1 {place}/base/5 && echo 17 >{place}/PG_VERSION && touch {place}/global/pg_control \
         {place}/base/1/1259 {place}/base/5/16384 {place}/base/5/16389 && mkdir -p ~/qdrant/collections/notes \
         ~/qdrant/collections/mail && touch ~/qdrant/collections/notes/config.json ~/qdrant/collections/mail/config.json && podman \
         unshare sh -c 'chown -R 999:999 {place} && chmod 700 {place}'"
    );
    user.run(&lay_out).ok();
    user.write("stack.yaml", OF_DIRECTORIES)?;
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");

    let loses = |command: &str, back: &str, code: &str, words: &str| {
        user.run(command).ok();
        let before = user.ids();
        let told = user.stackctl(&["apply", "-y"]).code(4).stdout;
        assert!(told.contains(code) && told.contains(words), "{told}");
        assert_eq!(user.ids(), before);
        user.run(back).ok();
        assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");
    };
    let moved = |one: &str, other: &str| format!("podman unshare mv {one} {other}");
    let both = |one: &str, other: &str| (moved(one, other), moved(other, one));
    let (away, back) = both("~/qdrant/collections/mail", "~/mail");
    loses(&away, &back, "DB_TABLES_MISSING", "1 collections; `mail` is gone");
    let (away, back) = both("~/qdrant/collections/notes", "~/notes");
    loses(&away, &back, "DB_TABLES_MISSING", "and not `notes`");
    let (away, back) = both(&format!("{place}/base/5"), "~/five");
    loses(&away, &back, "DB_TABLES_MISSING", "`base/5` is gone");
    let relations = |from: &str, to: &str| format!("podman unshare sh -c 'mv {from}/16384 {from}/16389 {to}'");
    let (inside, outside) = (format!("{place}/base/5"), "/tmp/contracts-dirs");
    user.run(&format!("mkdir -p {outside}")).ok();
    loses(&relations(&inside, outside), &relations(outside, &inside), "DB_SHRUNK", "`base/5` has no relation, had 2");
    let (away, back) = both(&format!("{place}/PG_VERSION"), "~/version");
    loses(&away, &back, "DB_MISSING", "`PG_VERSION` of a PostgreSQL is not among them");
    Ok(())
}

const OF_A_NATIVE_PROGRAM: &str = "\
version: 1
stack: s
directories: { ~/aidb: {} }
files: { ~/note: { content: TEXT } }
databases:
  ~/aidb/aidb.db: { engine: sqlite, min_tables: 2, tables: [t], integrity: full, owner: \"0:0\", mode: \"0600\", protect: true }
";

#[test]
fn a_database_of_a_native_program_is_held_to_the_same() -> anyhow::Result<()> {
    let user = Host::get()?.user("contracts-native")?;
    let want = |text: &str| user.write("stack.yaml", OF_A_NATIVE_PROGRAM.replace("TEXT", text));
    let sql = |sql: &str| user.run(&format!("sqlite3 aidb/aidb.db '{sql}'")).ok();
    want("one")?;
    user.run("mkdir -m 700 aidb && umask 077 && : >aidb/aidb.db").ok();
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) SELECT i, hex(randomblob(20)) FROM n";
    sql(&format!("CREATE TABLE t (a, b); CREATE TABLE u (a); CREATE INDEX of_b ON t (b); INSERT INTO t {rows}"));
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");

    // Its rows are gone: nothing else of the stack is changed either.
    sql("CREATE TABLE kept AS SELECT * FROM t; DELETE FROM t");
    want("two")?;
    let told = user.stackctl(&["apply", "-y"]).code(4).stdout;
    assert!(told.contains("DB_SHRUNK") && told.contains("database.~/aidb/aidb.db"), "{told}");
    assert_eq!(user.read("note")?, "one");
    sql("INSERT INTO t SELECT * FROM kept; DROP TABLE kept");
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(user.read("note")?, "two");

    user.set_mode("aidb/aidb.db", 0o644)?;
    let told = user.stackctl(&["drift"]).code(2).stdout;
    assert!(told.contains("DATA_MODE (warning)") && told.contains("0644"), "{told}");
    user.run("podman unshare chown 5:7 aidb/aidb.db").ok();
    let told = user.stackctl(&["drift"]).code(2).stdout;
    assert!(told.contains("DATA_OWNER (warning)") && told.contains("5:7"), "{told}");
    user.run("podman unshare chown 0:0 aidb/aidb.db && chmod 600 aidb/aidb.db").ok();
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");

    // A page of its index is overwritten: no table and no row tells of that.
    let page = user
        .run("sqlite3 aidb/aidb.db \"SELECT rootpage FROM sqlite_schema WHERE name = 'of_b'\"")
        .ok()
        .line()
        .to_owned();
    user.run("cp -p aidb/aidb.db whole.db").ok();
    user.run(&format!("dd if=/dev/zero of=aidb/aidb.db bs=4096 count=1 seek=$(({page} - 1)) conv=notrunc")).ok();
    let before = user.run("sha256sum aidb/* && ls -A aidb .local/share/stackctl").ok().stdout;
    let told = user.stackctl(&["drift"]).code(2).stdout;
    assert!(told.contains("DB_DAMAGED"), "{told}");
    assert_eq!(user.run("sha256sum aidb/* && ls -A aidb .local/share/stackctl").ok().stdout, before);
    user.run("cp -p whole.db aidb/aidb.db").ok();
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");

    // Protected, also with what it lies in, and after its lines are gone.
    user.write("stack.yaml", "version: 1\nstack: s\ndirectories: { ~/aidb: {} }\n")?;
    let told = user.stackctl(&["destroy", "-y", "--data", "directory.~/aidb"]).code(4).stdout;
    assert!(told.contains("PROTECTED") && told.contains("database.~/aidb/aidb.db"), "{told}");
    assert!(user.exists("aidb/aidb.db")?);
    Ok(())
}
