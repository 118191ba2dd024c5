//! Copies of data before its container is replaced, and their way back; by themselves, or by `rollback`. What would break: an old container on what a newcomer made of its
//! data, something of either that is overwritten, a kill or a full disk on the way that leaves half of it.

use crate::host::Host;
use crate::host::replacing::{SOON, Side, both_halves, calls, kill_at};
use crate::host::user::User;

const STACK: &str = "\
version: 1
stack: s
directories: { ~/data: {} }
containers:
  webui:
    image: \"localhost/webui:TAG\"
    USER
    ports: [\"127.0.0.1:PORT:8080\"]
    environment: { STAND_IN_SCHEMA_AFTER: 0s MORE }
    volumes: [\"~/data:/app/backend/data\"]
    healthcheck: { http: \"http://127.0.0.1:PORT/health\", interval: 200ms, retries: 2, start_period: 2s }
    data: [{ path: /app/backend/data/webui.db, engine: sqlite, min_tables: 28, tables: [chat] }]
";
const APPLY: &[&str] = &["apply", "--yes"];
const SHELF: &str = ".local/share/stackctl/s/snapshots/container.webui";

struct Bench<'u> {
    user: &'u User,
    as_whom: &'static str,
}

impl<'u> Bench<'u> {
    /// 1 is what serves; 2 migrates its database and is good; `never` migrates it and is never healthy; `spoils` is healthy, and a
    /// table is gone.
    fn new(user: &'u User, as_whom: &'static str) -> anyhow::Result<Self> {
        let migration = "ENV STAND_IN_MIGRATION=\"DROP TABLE IF EXISTS tag; \
             CREATE TABLE IF NOT EXISTS tag (id INTEGER PRIMARY KEY, text TEXT, more TEXT)\"";
        let spoils = "ENV STAND_IN_MIGRATION=\"DROP TABLE IF EXISTS tag\"";
        let images: [(&str, &[&str]); 4] = [
            ("1", &[]),
            ("2", &[migration]),
            ("never", &[migration, "ENV STAND_IN_HEALTHY_AFTER=never"]),
            ("spoils", &[spoils]),
        ];
        for (tag, more) in images {
            user.import_image(&format!("localhost/webui:{tag}"), &[&["CMD [\"open-webui\"]"], more].concat());
        }
        user.run("mkdir -p -m 700 data").ok();
        let bench = Self { user, as_whom };
        if !as_whom.is_empty() {
            user.run("podman unshare chown 1000:1000 data && podman unshare chmod 700 data").ok();
        }
        bench.want("1", "")?;
        user.stackctl(APPLY).ok();
        bench.chat("one");
        bench.chat("two");
        Ok(bench)
    }

    fn want(&self, tag: &str, more: &str) -> anyhow::Result<()> {
        let stack = STACK.replace("PORT", &self.user.port(0).to_string()).replace("TAG", tag);
        self.user.write("stack.yaml", stack.replace("MORE", more).replace("USER", self.as_whom))
    }

    fn chat(&self, text: &str) {
        let port = self.user.port(0);
        let url = format!("http://127.0.0.1:{port}/chat?text={text}");
        self.user.run(&format!("curl -fsS --retry 20 --retry-connrefused -X POST '{url}'")).ok();
    }

    /// As whoever may read it.
    fn inside(&self, line: &str) -> String {
        self.user.run(&format!("podman unshare sh -c \"{line}\"")).ok().stdout
    }

    fn digest(&self) -> String {
        self.inside("sha256sum <data/webui.db")
    }

    fn is_migrated(&self, file: &str) -> bool {
        let sql = "SELECT count(*) FROM pragma_table_info('tag') WHERE name = 'more'";
        self.inside(&format!("sqlite3 {file} \\\"{sql}\\\"")).trim() == "1"
    }

    fn chats(&self, file: &str) -> String {
        self.inside(&format!("sqlite3 {file} 'SELECT group_concat(text) FROM chat'")).trim().to_owned()
    }

    /// The copies that are there, and what else lies with them.
    fn copies(&self) -> Vec<String> {
        let listed = self.user.run(&format!("ls -A {SHELF} 2>/dev/null; true")).ok().stdout;
        listed.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn is_in_sync(&self) {
        assert_eq!(self.user.stackctl(&["drift"]).ok().stdout, "");
    }
}

#[test]
fn a_newcomer_that_fails_leaves_the_data_as_it_was_and_what_it_wrote_is_kept() -> anyhow::Result<()> {
    for (name, as_whom) in [("snapshots", ""), ("snapshots-owner", "user: \"1000:1000\"")] {
        let user = Host::get()?.user(name)?;
        let bench = Bench::new(&user, as_whom)?;
        let ids = user.ids();
        user.run("systemctl --user stop podman-s-webui && systemctl --user start podman-s-webui").ok();
        let before = bench.digest();
        let owner = bench.inside("stat -c %u:%g:%a data data/webui.db");

        // It migrates, and never gets healthy.
        bench.want("never", "")?;
        user.stackctl(APPLY).code(3);
        assert_eq!(user.ids().keys().collect::<Vec<_>>(), ids.keys().collect::<Vec<_>>());
        assert_eq!(user.ids()["s-webui"].0, ids["s-webui"].0, "the old one serves");
        assert_eq!(bench.digest(), before);
        assert_eq!(bench.inside("stat -c %u:%g:%a data data/webui.db"), owner);
        let aside = bench.inside("ls -d data/webui.db.replaced/*").trim().to_owned();
        assert!(bench.is_migrated(&format!("{aside}/webui.db")), "what it wrote is kept");
        assert_eq!(bench.copies().len(), 1, "the copy tells where: {:?}", bench.copies());
        bench.want("1", "")?;
        bench.is_in_sync();
        bench.chat("three");

        // It is healthy, and does not hold what the contract says.
        bench.want("spoils", "")?;
        let told = user.stackctl(APPLY).code(3);
        assert!(told.stdout.contains("27 tables of 28"), "{}", told.stdout);
        assert_eq!(user.ids()["s-webui"].0, ids["s-webui"].0, "the old one serves");
        assert_eq!(bench.chats("data/webui.db"), "one,two,three");

        // It migrates, and is good: the copy of what was before stays.
        let copies = bench.copies().len();
        bench.want("2", "")?;
        user.stackctl(APPLY).ok();
        bench.is_in_sync();
        assert!(bench.is_migrated("data/webui.db"));
        assert_eq!(bench.copies().len(), copies + 1);
        let last = bench.copies().pop().unwrap_or_default();
        let copied = format!("{SHELF}/{last}/0/webui.db");
        assert_eq!(bench.chats(&copied), "one,two,three");
        assert!(!bench.is_migrated(&copied));
        let manifest = user.run(&format!("cat {SHELF}/{last}/manifest.json")).ok().json();
        assert_eq!(manifest["address"], "container.webui");
        assert!(manifest["image"].as_str().is_some_and(|image| image.ends_with("webui:1")), "{manifest:#}");
        assert_eq!(manifest["is_kept"], true);
        assert_eq!(manifest["items"][0]["path"], format!("{}/data/webui.db", user.home()));

        // Neither the image nor the mounts: no copy.
        bench.want("2", ", OTHER: value")?;
        user.stackctl(APPLY).ok();
        assert_eq!(bench.copies().len(), copies + 1);
        bench.is_in_sync();
    }
    Ok(())
}

/// Where there is no room for the copy, nothing is stopped; where it runs out on the way, the old one goes on.
#[test]
fn a_full_disk_stops_nothing_or_leaves_the_old_one_serving() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("snapshots-full")?;
    let bench = Bench::new(&user, "")?;
    let ids = user.ids();
    let before = bench.chats("data/webui.db");
    let place = format!("{}/.local/share/stackctl", user.home());
    user.run("mkdir -p .local/share/stackctl").ok();
    let disk = |size: &str| {
        host.root(&format!("umount -l {place} 2>/dev/null; true"));
        host.root(&format!("mount -t tmpfs -o size={size},uid={},mode=700 tmpfs {place}", user.uid())).ok();
    };
    bench.want("2", "")?;
    disk("64k");
    let refused = user.stackctl(APPLY).code(6);
    assert!(refused.stdout.contains("DISK_SHORT"), "{}", refused.stdout);
    assert_eq!(user.ids(), ids);
    let failed = user.stackctl(&["apply", "-y", "--accept", "DISK_SHORT:container.webui"]).code(1);
    let told = format!("{}{}", failed.stdout, failed.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("No space left on device"), "{told}");
    assert_eq!(user.ids()["s-webui"].0, ids["s-webui"].0);
    assert_eq!(bench.copies(), Vec::<String>::new(), "nothing half-written");
    bench.chat("three");
    assert_eq!(bench.chats("data/webui.db"), format!("{before},three"));
    disk("64m");
    user.stackctl(APPLY).ok();
    bench.is_in_sync();
    host.root(&format!("umount -l {place}")).ok();
    Ok(())
}

/// Before and after every call of podman and systemd: what was there is there, and the next run comes to its end.
fn killed_at_every_call(name: &str, side: Side) -> anyhow::Result<()> {
    let user = Host::get()?.user(name)?;
    let bench = Bench::new(&user, "")?;
    let begin = || -> anyhow::Result<()> {
        bench.want("1", "")?;
        user.stackctl(&["apply", "-y"]).ok();
        user.run(
            "systemctl --user stop podman-s-webui && cp kept.db data/webui.db && systemctl --user start podman-s-webui",
        )
        .ok();
        user.run(&format!("rm -rf data/*.replaced {SHELF}")).ok();
        user.stackctl(&["apply", "-y"]).ok();
        Ok(())
    };
    user.run(
        "systemctl --user stop podman-s-webui && cp data/webui.db kept.db && systemctl --user start podman-s-webui",
    )
    .ok();
    for (tag, code) in [("2", 0), ("never", 3)] {
        begin()?;
        bench.want(tag, "")?;
        let made = calls(&user, side, APPLY, code)?;
        assert!(made.len() >= 2, "{made:#?}");
        for hold in both_halves(&made) {
            begin()?;
            bench.want(tag, "")?;
            kill_at(&user, side, hold, APPLY)?;
            comes_to_its_end(&bench, tag, &format!("{tag}: {hold:?} of {made:?}"))?;
        }
    }
    Ok(())
}

/// Whatever the killed run left: the newcomer serves with the data, or the old one does with its own.
fn comes_to_its_end(bench: &Bench<'_>, tag: &str, case: &str) -> anyhow::Result<()> {
    let user = bench.user;
    if tag == "never" {
        bench.want("1", "")?;
    }
    let output = user.stackctl(APPLY);
    assert_eq!(output.code, 0, "{case}:\n{}{}", output.stdout, output.stderr);
    assert_eq!(bench.chats("data/webui.db"), "one,two", "{case}");
    assert_eq!(bench.is_migrated("data/webui.db"), tag == "2", "{case}");
    let webs: Vec<String> = user.ids().into_keys().collect();
    assert_eq!(webs, ["s-webui"], "{case}");
    assert!(!user.exists(&format!("{SHELF}/restoring"))?, "{case}");
    assert_eq!(user.stackctl(&["drift"]).code(0).stdout, "", "{case}");
    Ok(())
}

#[test]
fn killed_at_every_call_of_systemd() -> anyhow::Result<()> {
    killed_at_every_call("snapshots-bus", Side::Bus)
}

#[test]
fn killed_at_every_call_of_podman() -> anyhow::Result<()> {
    killed_at_every_call("snapshots-podman", Side::Podman)
}

/// Stands in the place of `podman` and, at one entry into the user namespace, waits before or after it until stackctl is gone.
const HELD: &str = r#"#!/bin/sh
case "$*" in *" snapshot") ;; *) exec /usr/bin/podman "$@" ;; esac
echo x >>"$HOME/entries"
[ "$(wc -l <"$HOME/entries")" = "$ENTRY" ] || exec /usr/bin/podman "$@"
parent=$PPID
[ "$WHEN" = before ] || /usr/bin/podman "$@"
touch "$HOME/held"
while kill -0 "$parent" 2>/dev/null; do sleep 0.05; done
"#;

fn stand_between(user: &User) -> anyhow::Result<()> {
    user.run("mkdir -p bin").ok();
    user.write("bin/podman", HELD)?;
    user.set_mode("bin/podman", 0o755)
}

/// The same, before and after every copy that is taken, brought back, kept or dropped.
#[test]
fn killed_at_every_copy() -> anyhow::Result<()> {
    let user = Host::get()?.user("snapshots-copies")?;
    let bench = Bench::new(&user, "")?;
    user.run(
        "systemctl --user stop podman-s-webui && cp data/webui.db kept.db && systemctl --user start podman-s-webui",
    )
    .ok();
    stand_between(&user)?;
    let begin = |tag: &str| -> anyhow::Result<()> {
        bench.want("1", "")?;
        user.stackctl(APPLY).ok();
        user.run(
            "systemctl --user stop podman-s-webui && cp kept.db data/webui.db && systemctl --user start podman-s-webui",
        )
        .ok();
        user.run(&format!("rm -rf data/*.replaced {SHELF}")).ok();
        bench.want(tag, "")
    };
    for (tag, code) in [("2", 0), ("never", 3)] {
        let before = || begin(tag);
        held_at_every_copy(&user, APPLY, code, &before, &|case| {
            comes_to_its_end(&bench, tag, &format!("{tag}: {case}"))
        })?;
    }
    Ok(())
}

/// Runs these words as often as they enter the user namespace for a copy, twice each, and kills them there.
fn held_at_every_copy(
    user: &User,
    words: &[&str],
    code: i32,
    begin: &dyn Fn() -> anyhow::Result<()>,
    is_well: &dyn Fn(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let path = format!("PATH={}/bin:{}:/usr/bin:/bin", user.home(), User::programs());
    begin()?;
    user.run("rm -f held entries").ok();
    user.stackctl_with(&[&path, "ENTRY=0", "WHEN=never"], words).code(code);
    let entries = user.read("entries")?.lines().count();
    anyhow::ensure!(entries >= 2, "{entries} entries");
    for entry in 1..=entries {
        for when in ["before", "after"] {
            let case = format!("{when} entry {entry} of {entries}");
            begin()?;
            user.run("rm -f held entries").ok();
            let (at, when) = (format!("ENTRY={entry}"), format!("WHEN={when}"));
            let running = user.spawn(&[&["env", &path, &at, &when, "stackctl"], words].concat())?;
            let deadline = std::time::Instant::now() + SOON;
            while !user.exists("held")? {
                anyhow::ensure!(std::time::Instant::now() < deadline, "{case}: never came to it");
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            running.kill().code(137);
            is_well(&case)?;
        }
    }
    Ok(())
}

#[test]
fn a_run_is_taken_back_with_its_data_where_that_is_asked_for() -> anyhow::Result<()> {
    let user = Host::get()?.user("rollback")?;
    let bench = Bench::new(&user, "")?;
    let told = user.stackctl(&["rollback", "-y"]).code(64);
    assert!(told.stderr.contains("stackctl destroy"), "{}", told.stderr);
    bench.want("2", "")?;
    user.stackctl(APPLY).ok();
    bench.chat("three");
    (0..20).for_each(|n| bench.chat(&format!("more{n}")));
    user.stackctl(APPLY).ok();
    user.stackctl(&["rollback", "99", "-y"]).code(64);

    // Nothing is done without consent, and the plan says what would be.
    let before = user.ids();
    let offered = user.stackctl(&["rollback", "--data"]).code(64);
    assert!(offered.stdout.contains("webui:2\" -> \"localhost/webui:1"), "{}", offered.stdout);
    assert_eq!(user.ids(), before);

    user.stackctl(&["rollback", "--data", "-y"]).ok();
    assert_eq!(user.run("podman inspect -f '{{.ImageName}}' s-webui").ok().line(), "localhost/webui:1");
    assert!(!bench.is_migrated("data/webui.db"));
    assert_eq!(bench.chats("data/webui.db"), "one,two");
    let aside = bench.inside("ls -d data/webui.db.replaced/*").trim().to_owned();
    let replaced = bench.chats(&format!("{aside}/webui.db"));
    assert!(replaced.starts_with("one,two,three,more0"), "what it replaced is set aside: {replaced}");
    let history = user.stackctl(&["history", "--format", "json"]).ok().json();
    assert_eq!(history["runs"][0]["verb"], "rollback");
    // The file still says otherwise; that there are fewer rows is what was asked for.
    let told = user.stackctl(&["drift"]).code(2).stdout;
    assert!(!told.contains("DB_SHRUNK"), "{told}");
    user.stackctl(APPLY).ok();
    bench.is_in_sync();
    assert!(bench.is_migrated("data/webui.db"));

    // The configuration alone: the data stays as it is, and there is nothing to go back to.
    bench.chat("four");
    bench.want("2", ", OTHER: value")?;
    user.stackctl(APPLY).ok();
    let told = user.stackctl(&["rollback", "--data", "-y"]).code(64);
    assert!(told.stderr.contains("no data was copied"), "{}", told.stderr);
    user.stackctl(&["rollback", "-y"]).ok();
    assert!(!user.run("podman inspect -f '{{.Config.Env}}' s-webui").ok().stdout.contains("OTHER"));
    assert_eq!(bench.chats("data/webui.db"), "one,two,four");
    Ok(())
}

#[test]
fn a_name_means_the_image_again_that_it_meant() -> anyhow::Result<()> {
    let user = Host::get()?.user("rollback-image")?;
    let bench = Bench::new(&user, "")?;
    user.run("podman tag localhost/webui:1 localhost/webui:latest").ok();
    bench.want("latest", "")?;
    user.stackctl(APPLY).ok();
    let image = || user.run("podman inspect -f '{{.Image}}' s-webui").ok().line().to_owned();
    let named = || user.run("podman image inspect -f '{{.Id}}' localhost/webui:latest").ok().line().to_owned();
    let first = image();
    user.run("podman tag localhost/webui:2 localhost/webui:latest").ok();
    user.stackctl(APPLY).ok();
    let second = image();
    assert_ne!(first, second);
    user.stackctl(&["rollback", "-y"]).ok();
    assert_eq!((image(), named()), (first.clone(), first.clone()));
    // The file says the same, and the name means it: there is nothing to do.
    bench.is_in_sync();
    // Back again, and once more, with the image gone: nothing is done.
    user.stackctl(&["rollback", "-y"]).ok();
    assert_eq!((image(), named()), (second.clone(), second.clone()));
    user.run("podman rmi localhost/webui:1; podman rmi -f $(podman images -q --filter reference='localhost/stackctl/*/*'); true").ok();
    if user.run(&format!("podman image exists {first}")).code != 0 {
        let told = user.stackctl(&["rollback", "-y"]).code(6);
        assert!(told.stderr.contains("not on this machine any more"), "{}", told.stderr);
    }
    assert_eq!(image(), second);
    Ok(())
}

/// Wherever a rollback is cut off: every chat is somewhere, whole, and the next run comes to its end.
fn a_killed_rollback_is_well(bench: &Bench<'_>, case: &str) -> anyhow::Result<()> {
    let user = bench.user;
    // Renames that it began before it was killed come to their end.
    user.run("while pgrep -u $(id -u) -f 'stackctl snapshot$' >/dev/null; do sleep 0.02; done").ok();
    let files = user
        .run(&format!(
            "find data {SHELF} -name webui.db -not -path '*.partial/*' -not -path '*.next/*' 2>/dev/null; true"
        ))
        .ok()
        .stdout;
    assert!(files.lines().any(|file| bench.chats(file) == "one,two,three"), "{case}: {files}");
    assert!(files.lines().any(|file| bench.chats(file) == "one,two"), "{case}: {files}");
    let output = user.stackctl(APPLY);
    assert_eq!(output.code, 0, "{case}:\n{}{}", output.stdout, output.stderr);
    let chats = bench.chats("data/webui.db");
    assert!(["one,two", "one,two,three"].contains(&chats.as_str()), "{case}: {chats}");
    assert!(bench.is_migrated("data/webui.db"), "{case}");
    assert_eq!(user.ids().into_keys().collect::<Vec<_>>(), ["s-webui"], "{case}");
    assert!(!user.exists(&format!("{SHELF}/restoring"))?, "{case}");
    assert_eq!(user.stackctl(&["drift"]).code(0).stdout, "", "{case}");
    Ok(())
}

const ROLLBACK: &[&str] = &["rollback", "--data", "--yes"];

/// 2 serves with a chat more than the copy has.
fn ready_to_go_back(bench: &Bench<'_>) -> anyhow::Result<()> {
    let user = bench.user;
    bench.want("1", "")?;
    user.stackctl(APPLY).ok();
    user.run(
        "systemctl --user stop podman-s-webui && cp kept.db data/webui.db && systemctl --user start podman-s-webui",
    )
    .ok();
    user.run(&format!("rm -rf data/*.replaced {SHELF}")).ok();
    bench.want("2", "")?;
    user.stackctl(APPLY).ok();
    bench.chat("three");
    Ok(())
}

#[test]
fn a_rollback_is_killed_at_every_copy() -> anyhow::Result<()> {
    let user = Host::get()?.user("rollback-copies")?;
    let bench = Bench::new(&user, "")?;
    user.run(
        "systemctl --user stop podman-s-webui && cp data/webui.db kept.db && systemctl --user start podman-s-webui",
    )
    .ok();
    stand_between(&user)?;
    let begin = || ready_to_go_back(&bench);
    held_at_every_copy(&user, ROLLBACK, 0, &begin, &|case| a_killed_rollback_is_well(&bench, case))
}

#[test]
fn a_rollback_is_killed_at_every_call() -> anyhow::Result<()> {
    let user = Host::get()?.user("rollback-calls")?;
    let bench = Bench::new(&user, "")?;
    user.run(
        "systemctl --user stop podman-s-webui && cp data/webui.db kept.db && systemctl --user start podman-s-webui",
    )
    .ok();
    for side in [Side::Podman, Side::Bus] {
        ready_to_go_back(&bench)?;
        let made = calls(&user, side, ROLLBACK, 0)?;
        for hold in both_halves(&made) {
            ready_to_go_back(&bench)?;
            kill_at(&user, side, hold, ROLLBACK)?;
            a_killed_rollback_is_well(&bench, &format!("{hold:?} of {made:?}"))?;
        }
    }
    Ok(())
}

/// Where the data's own disk is full, nothing of it is moved, and what served goes on.
#[test]
fn a_rollback_on_a_full_disk_leaves_what_served() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("rollback-full")?;
    let place = format!("{}/data", user.home());
    host.root(&format!("umount -l {place} 2>/dev/null; mkdir -p {place}"));
    host.root(&format!("mount -t tmpfs -o size=4m,uid={},mode=700 tmpfs {place}", user.uid())).ok();
    let bench = Bench::new(&user, "")?;
    bench.want("2", "")?;
    user.stackctl(APPLY).ok();
    bench.chat("three");
    user.run("dd if=/dev/zero of=data/filler bs=4k 2>/dev/null; truncate -s -40k data/filler").ok();
    let ids = user.ids();
    let refused = user.stackctl(ROLLBACK).code(6);
    assert!(refused.stdout.contains("DISK_SHORT"), "{}", refused.stdout);
    assert_eq!(user.ids(), ids, "nothing was stopped");
    let accepted = [ROLLBACK, &["--accept", "DISK_SHORT:container.webui"]].concat();
    let failed = user.stackctl(&accepted).code(1);
    let told = format!("{}{}", failed.stdout, failed.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("No space left on device"), "{told}");
    assert_eq!(user.ids()["s-webui"].0, ids["s-webui"].0, "it serves");
    assert_eq!(user.run("find data -name '*.next' -o -path '*.replaced/*'").ok().stdout, "", "nothing half-written");
    assert!(!user.exists(&format!("{SHELF}/restoring"))?);
    user.run("rm data/filler").ok();
    bench.chat("four");
    assert_eq!(bench.chats("data/webui.db"), "one,two,three,four");
    user.stackctl(ROLLBACK).ok();
    assert_eq!(bench.chats("data/webui.db"), "one,two");
    user.stackctl(&["destroy", "-y"]).ok();
    host.root(&format!("umount -l {place}")).ok();
    Ok(())
}
