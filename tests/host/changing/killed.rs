//! kill -9 at every call of a run: exactly before it and exactly after it, on podman's socket and on the bus, and at each
//! file that is written or removed. Whatever is left, the next run converges, and nothing is lost on the way.

use crate::host::Host;
use crate::host::replacing::{
    FROM_THE_HOST, PATIENT, PATIENT_OF_ITS_OWN, Replacing, Side, both_halves, calls, kill_at,
};
use crate::host::user::User;

const APPLY: &[&str] = &["apply", "--yes"];
const DESTROY: &[&str] = &["destroy", "--yes"];

fn replace_that_succeeds(name: &str, side: Side, least: usize) -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user(name)?;
    let bench = Replacing::new(&user, FROM_THE_HOST)?;
    bench.want("2")?;
    let made = calls(&user, side, APPLY, 0)?;
    assert!(made.len() >= least, "{made:#?}");
    let mut tags = ["2", "1"].into_iter().cycle();
    let mut tag = tags.next().unwrap_or_default();
    for hold in both_halves(&made) {
        let (old, from) = (bench.web(), tag);
        tag = tags.next().unwrap_or_default();
        bench.want(tag)?;
        kill_at(&user, side, hold, APPLY)?;

        let case = format!("{hold:?} of {made:?}");
        let webs = bench.webs();
        let is_old = webs.values().any(|(id, _)| *id == old);
        assert!(is_old || bench.version() == tag, "{case}: neither {from} nor {tag} is left: {webs:?}");
        bench.others_are_untouched();
        let output = bench.apply();
        assert_eq!(output.code, 0, "{case}:\n{}{}", output.stdout, output.stderr);
        bench.serves(tag);
        bench.is_as_wanted();
        bench.others_are_untouched();
    }
    Ok(())
}

/// Also while the old one is put back.
fn replace_that_fails(name: &str, side: Side, least: usize) -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user(name)?;
    let bench = Replacing::new(&user, FROM_THE_HOST)?;
    let old = bench.web();
    bench.want("never")?;
    let made = calls(&user, side, APPLY, 3)?;
    assert!(made.len() >= least, "{made:#?}");
    bench.serves("1");
    for hold in both_halves(&made) {
        bench.want("never")?;
        kill_at(&user, side, hold, APPLY)?;

        let case = format!("{hold:?} of {made:?}");
        let webs = bench.webs();
        assert!(webs.values().any(|(id, _)| *id == old), "{case}: the old one is gone: {webs:?}");
        bench.others_are_untouched();
        let output = bench.apply();
        assert_eq!(output.code, 3, "{case}:\n{}{}", output.stdout, output.stderr);
        assert_eq!(bench.web(), old, "{case}: the old one is back:\n{}", output.stdout);
        bench.serves("1");
        bench.want("1")?;
        bench.is_as_wanted();
        bench.others_are_untouched();
    }
    Ok(())
}

/// Create, two renames, and the removal that commits.
#[test]
fn at_any_call_of_podman_in_a_replace() -> anyhow::Result<()> {
    replace_that_succeeds("killed-podman", Side::Podman, 4)
}

/// Stop and start.
#[test]
fn at_any_call_of_systemd_in_a_replace() -> anyhow::Result<()> {
    replace_that_succeeds("killed-bus", Side::Bus, 2)
}

/// The same three, and back: two renames and a removal.
#[test]
fn at_any_call_of_podman_in_a_replace_that_fails() -> anyhow::Result<()> {
    replace_that_fails("killed-podman-back", Side::Podman, 6)
}

/// Stop, start, stop, start.
#[test]
fn at_any_call_of_systemd_in_a_replace_that_fails() -> anyhow::Result<()> {
    replace_that_fails("killed-bus-back", Side::Bus, 4)
}

const WHOLE: &str = "\
version: 1
stack: whole
networks: { inner: {} }
volumes: { data: {} }
containers:
  db:
    image: localhost/web:1
    networks: [inner]
    ports: [\"127.0.0.1:PORT:6333\"]
    volumes: [\"data:/qdrant/storage\"]
    healthcheck: { http: \"http://127.0.0.1:PORT/readyz\", interval: 200ms }
  web:
    image: localhost/web:1
    networks: [inner]
    depends_on: { db: { condition: service_healthy } }
services:
  helper: { exec: [/usr/bin/sleep, infinity], depends_on: { web: { condition: service_started } } }
";

/// A whole stack that is made and taken down again and again.
struct Whole<'u> {
    user: &'u User,
}

impl<'u> Whole<'u> {
    /// Nothing of it is there, beside the data of an earlier time.
    fn new(user: &'u User) -> anyhow::Result<Self> {
        user.import_image("localhost/web:1", &["CMD [\"qdrant\"]"]);
        user.import_image("localhost/beside:1", &["CMD [\"sleep\"]"]);
        user.run("podman run --detach --name nobodys localhost/beside:1").ok();
        user.write("stack.yaml", WHOLE.replace("PORT", &user.port(0).to_string()))?;
        user.stackctl(APPLY).ok();
        user.run(&format!("curl -fsS -X PUT -d '{{}}' http://127.0.0.1:{}/collections/kept", user.port(0))).ok();
        user.stackctl(DESTROY).ok();
        let whole = Self { user };
        whole.is_gone("at first");
        Ok(whole)
    }

    #[track_caller]
    fn run(&self, words: &[&str], case: &str) {
        let output = self.user.stackctl(words);
        assert_eq!(output.code, 0, "{words:?} after {case}:\n{}{}", output.stdout, output.stderr);
    }

    /// Applies, and insists that everything is there, with the data of before.
    #[track_caller]
    fn comes_up(&self, case: &str) {
        self.run(APPLY, case);
        self.run(&["plan", "--detailed-exitcode"], case);
        let names: Vec<String> = self.user.ids().into_keys().collect();
        assert_eq!(names, ["nobodys", "whole-db", "whole-web"], "{case}");
        for unit in ["podman-whole-db.service", "podman-whole-web.service", "helper.service"] {
            assert_eq!(self.user.unit(unit, "ActiveState"), "active", "{unit} after {case}");
            assert_eq!(self.user.unit(unit, "UnitFileState"), "enabled", "{unit} after {case}");
            assert_eq!(self.user.unit(unit, "NeedDaemonReload"), "no", "{unit} after {case}");
        }
        let collections = self.user.run(&format!("curl -fsS http://127.0.0.1:{}/collections", self.user.port(0))).ok();
        assert_eq!(collections.json()["result"]["collections"][0]["name"], "kept", "{case}");
    }

    #[track_caller]
    fn goes_down(&self, case: &str) {
        self.run(DESTROY, case);
        self.is_gone(case);
    }

    /// But for the data, and what is not of the stack.
    #[track_caller]
    fn is_gone(&self, case: &str) {
        assert_eq!(self.user.ids().into_keys().collect::<Vec<_>>(), ["nobodys"], "{case}");
        let left = self.user.run("podman network ls --format '{{.Name}}' | grep -v '^podman$'");
        assert_eq!(left.line(), "", "networks after {case}");
        let left = self.user.run("find .config/systemd/user -not -type d -not -name '.*' 2>/dev/null");
        assert_eq!(left.line(), "", "units after {case}");
        assert_eq!(self.user.run("podman volume ls --format '{{.Name}}'").ok().line(), "whole_data", "{case}");
        let failed =
            self.user.run("systemctl --user list-units --failed --plain --no-legend 'podman-*' helper.service");
        assert_eq!(failed.ok().line(), "", "{case}");
    }

    #[track_caller]
    fn nobodys_runs(&self, before: &str, case: &str) {
        assert_eq!(self.nobodys(), before, "{case}");
    }

    fn nobodys(&self) -> String {
        self.user
            .run("podman inspect -f '{{.Id}} {{.State.StartedAt}} {{.State.Status}}' nobodys")
            .ok()
            .line()
            .to_owned()
    }
}

fn made(name: &str, side: Side, least: usize) -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user(name)?;
    let whole = Whole::new(&user)?;
    let nobodys = whole.nobodys();
    let made = calls(&user, side, APPLY, 0)?;
    assert!(made.len() >= least, "{made:#?}");
    whole.goes_down("counting");
    for hold in both_halves(&made) {
        let case = format!("{hold:?} of {made:?}");
        kill_at(&user, side, hold, APPLY)?;
        whole.nobodys_runs(&nobodys, &case);
        whole.comes_up(&case);
        whole.goes_down(&case);
    }
    whole.nobodys_runs(&nobodys, "all");
    Ok(())
}

/// It is taken down after all, or made again, in turns.
fn taken_down(name: &str, side: Side, least: usize) -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user(name)?;
    let whole = Whole::new(&user)?;
    whole.comes_up("nothing");
    let nobodys = whole.nobodys();
    let unmade = calls(&user, side, DESTROY, 0)?;
    assert!(unmade.len() >= least, "{unmade:#?}");
    for (hold, goes_on) in both_halves(&unmade).zip([true, false].into_iter().cycle()) {
        let case = format!("{hold:?} of {unmade:?}");
        whole.comes_up("a destroy");
        kill_at(&user, side, hold, DESTROY)?;
        whole.nobodys_runs(&nobodys, &case);
        if goes_on {
            whole.goes_down(&case);
        } else {
            whole.comes_up(&case);
        }
    }
    whole.goes_down("all");
    whole.nobodys_runs(&nobodys, "all");
    Ok(())
}

/// A network and two containers; the volume is there from the first time on.
#[test]
fn at_any_call_of_podman_while_a_stack_is_made() -> anyhow::Result<()> {
    made("killed-podman-made", Side::Podman, 3)
}

#[test]
fn at_any_call_of_podman_while_a_stack_is_taken_down() -> anyhow::Result<()> {
    taken_down("killed-podman-down", Side::Podman, 3)
}

/// Enabling, reloading and starting three units.
#[test]
fn at_any_call_of_systemd_while_a_stack_is_made() -> anyhow::Result<()> {
    made("killed-bus-made", Side::Bus, 7)
}

#[test]
fn at_any_call_of_systemd_while_a_stack_is_taken_down() -> anyhow::Result<()> {
    taken_down("killed-bus-down", Side::Bus, 7)
}

/// These write, remove and rename files, those of the ledger too. A signal that strace sends is there before the call
/// has its effect.
const OF_FILES: &str = "?rename,renameat,renameat2,?unlink,unlinkat,?mkdir,mkdirat";

/// Whole runs, killed at one call after the other, until one comes to its end.
fn at_files(name: &str) -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user(name)?;
    let whole = Whole::new(&user)?;
    let nobodys = whole.nobodys();
    for (words, least) in [(APPLY, 3), (DESTROY, 3)] {
        for call in 1.. {
            let case = format!("file call {call} of {words:?}");
            if words == DESTROY {
                whole.comes_up("a destroy");
            }
            let inject = format!("inject={OF_FILES}:signal=KILL:when={call}");
            let strace =
                ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={OF_FILES}"), "-e", &inject].join(" ");
            let run = user.run(&format!("{strace} $(command -v stackctl) {}", words.join(" ")));
            whole.nobodys_runs(&nobodys, &case);
            if run.code == 0 {
                assert!(call > least, "{case} was the last: {}", run.stderr);
                break;
            }
            assert_eq!(run.code, 137, "{case}: {}{}", run.stdout, run.stderr);
            assert!(call < 50, "there is no end to it");
            if words == APPLY {
                whole.comes_up(&case);
            }
            whole.goes_down(&case);
        }
    }
    Ok(())
}

/// Unit files that are written and removed.
#[test]
fn at_any_file_while_a_stack_is_made_and_taken_down() -> anyhow::Result<()> {
    at_files("killed-files")
}

/// What a run that was killed has left: the old one parked, and a newcomer that is still to prove itself.
fn left_by_a_killed_run(bench: &Replacing<'_>, tag: &str) -> anyhow::Result<()> {
    let old = bench.web();
    bench.want(tag)?;
    let running = bench.user.spawn(&["stackctl", "apply", "--yes"])?;
    bench.until("the new one does not run", |bench| {
        bench.webs().get("").is_some_and(|(id, started)| *id != old && *started > 0)
    })?;
    running.kill().code(137);
    assert_eq!(bench.webs().keys().collect::<Vec<_>>(), ["", ".parked"]);
    Ok(())
}

/// The sick newcomer has the name; another file, and one that fails as well: the good one is back, not the sick one.
#[test]
fn a_sick_newcomer_does_not_outlive_the_next_run() -> anyhow::Result<()> {
    for check in [PATIENT, PATIENT_OF_ITS_OWN] {
        let host = Host::get()?;
        let user = host.user("killed-sick")?;
        let bench = Replacing::new(&user, check)?;
        let old = bench.web();
        left_by_a_killed_run(&bench, "never")?;
        bench.want("exits")?;
        let told = bench.apply().code(3);
        assert_eq!(bench.web(), old, "{}{}", told.stdout, told.stderr);
        bench.serves("1");
        bench.others_are_untouched();
        bench.want("1")?;
        bench.is_as_wanted();
    }
    Ok(())
}

/// The newcomer got healthy after its run was killed: it is what the next failure puts back, not the one before it.
#[test]
fn a_newcomer_that_proved_itself_is_the_one_to_go_back_to() -> anyhow::Result<()> {
    for check in [PATIENT, PATIENT_OF_ITS_OWN] {
        let host = Host::get()?;
        let user = host.user("killed-proven")?;
        let bench = Replacing::new(&user, check)?;
        user.import_image(
            "localhost/web:late",
            &["CMD [\"qdrant\"]", "ENV STAND_IN_HEALTHY_AFTER=3s", "ENV STAND_IN_VERSION=late"],
        );
        left_by_a_killed_run(&bench, "late")?;
        let middle = bench.web();
        let ready = format!("curl -fsS --max-time 5 http://127.0.0.1:{}/readyz", user.port(0));
        bench.until("it is not healthy", |_| user.run(&ready).code == 0)?;
        if check == PATIENT_OF_ITS_OWN {
            let health = "podman inspect -f '{{.State.Health.Status}}' s-web";
            bench.until("podman does not find it healthy", |_| user.run(health).line() == "healthy")?;
        }
        bench.want("exits")?;
        bench.apply().code(3);
        assert_eq!(bench.web(), middle);
        bench.until("it does not serve again", |_| {
            user.run(&ready).code == 0 && user.unit("podman-s-web.service", "ActiveState") == "active"
        })?;
        bench.serves("late");
        bench.want("late")?;
        bench.is_as_wanted();
    }
    Ok(())
}
