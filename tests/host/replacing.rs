//! A stack of which one container, `web`, is replaced again and again, beside others that must not notice: for the tests of
//! a replace that fails, is killed, is interrupted, or is overtaken by a reboot.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::process::Signal;

use super::process::{Output, Running};
use super::tap::{Fault, Hold, Tap};
use super::user::{Ids, User};

/// `web` answers its version at `/`, and keeps its collections in the volume.
const STACK: &str = "\
version: 1
stack: s
containers:
  web:
    image: localhost/web:TAG
    ports: [\"127.0.0.1:PORT:6333\"]
    volumes: [\"data:/qdrant/storage\"]
    healthcheck: CHECK
  beside: { image: localhost/beside:1 }
volumes: { data: {} }
";

/// Given up after 1.4 s: the start period, and two failures in a row.
pub(crate) const FROM_THE_HOST: &str =
    "{ http: \"http://127.0.0.1:PORT/readyz\", start_period: 1s, interval: 200ms, timeout: 1s, retries: 2 }";
/// Podman's own, for which systemd waits too; given up after 3 s.
pub(crate) const ITS_OWN: &str = "{ test: [CMD, /stand-in, healthcheck, \"http://127.0.0.1:6333/readyz\"], \
     start_period: 1s, interval: 1s, timeout: 1s, retries: 2 }";
/// Waited for longer than any test takes.
pub(crate) const PATIENT: &str =
    "{ http: \"http://127.0.0.1:PORT/readyz\", start_period: 10m, interval: 200ms, timeout: 1s, retries: 2 }";
/// The same, of podman.
pub(crate) const PATIENT_OF_ITS_OWN: &str = "{ test: [CMD, /stand-in, healthcheck, \"http://127.0.0.1:6333/readyz\"], \
     start_period: 10m, interval: 1s, timeout: 1s, retries: 2 }";

/// Longer than anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Which of the two that stackctl talks to is listened in on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Podman,
    Bus,
}

#[derive(Debug)]
pub(crate) struct Replacing<'u> {
    pub(crate) user: &'u User,
    check: &'static str,
    beside: Ids,
}

impl<'u> Replacing<'u> {
    /// Applied with the tag 1, with a collection in the volume, and a container that is nobody's beside it.
    pub(crate) fn new(user: &'u User, check: &'static str) -> anyhow::Result<Self> {
        let of_web = |tag: &str, more: &[&str]| {
            let version = format!("ENV STAND_IN_VERSION={tag}");
            let changes = [&["CMD [\"qdrant\"]", version.as_str()], more].concat();
            user.import_image(&format!("localhost/web:{tag}"), &changes);
        };
        of_web("1", &[]);
        of_web("2", &[]);
        of_web("never", &["ENV STAND_IN_HEALTHY_AFTER=never"]);
        of_web("exits", &["ENV STAND_IN_EXIT=101"]);
        user.import_image("localhost/beside:1", &["CMD [\"sleep\"]"]);
        user.run("podman run --detach --name nobodys localhost/beside:1").ok();
        let mut bench = Self { user, check, beside: Ids::new() };
        bench.want("1")?;
        bench.apply().ok();
        bench.user.run(&format!("curl -fsS -X PUT -d '{{}}' {}/collections/kept", bench.url())).ok();
        bench.beside = bench.others();
        assert_eq!(bench.beside.keys().collect::<Vec<_>>(), ["nobodys", "s-beside"]);
        Ok(bench)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.user.port(0))
    }

    /// Writes the stack file with this image.
    pub(crate) fn want(&self, tag: &str) -> anyhow::Result<()> {
        let stack = STACK.replace("CHECK", self.check).replace("TAG", tag);
        self.user.write("stack.yaml", stack.replace("PORT", &self.user.port(0).to_string()))
    }

    pub(crate) fn apply(&self) -> Output {
        self.user.stackctl(&["apply", "--yes"])
    }

    /// The containers of `web` by what is behind its name: empty, `.parked`, `.next`.
    pub(crate) fn webs(&self) -> Ids {
        let ids = self.user.ids().into_iter();
        ids.filter_map(|(name, id)| Some((name.strip_prefix("s-web")?.to_owned(), id))).collect()
    }

    fn others(&self) -> Ids {
        self.user.ids().into_iter().filter(|(name, _)| !name.starts_with("s-web")).collect()
    }

    /// The id of the one that is called `web`.
    #[track_caller]
    pub(crate) fn web(&self) -> String {
        self.webs().get("").expect("there is one").0.clone()
    }

    /// What answers at the port; empty where nothing does.
    pub(crate) fn version(&self) -> String {
        self.user.run(&format!("curl -fsS --max-time 5 {} | jq -r .version", self.url())).line().to_owned()
    }

    /// Nothing lies beside the one that serves, and what it serves is the old data.
    #[track_caller]
    pub(crate) fn serves(&self, version: &str) {
        let webs = self.webs();
        assert_eq!(webs.keys().collect::<Vec<_>>(), [""], "{webs:?}");
        assert_eq!(self.version(), version);
        let collections = self.user.run(&format!("curl -fsS {}/collections", self.url())).ok();
        assert_eq!(collections.json()["result"]["collections"][0]["name"], "kept", "{}", collections.stdout);
        assert_eq!(self.user.unit("podman-s-web.service", "ActiveState"), "active");
    }

    /// No other container was stopped, started or made anew.
    #[track_caller]
    pub(crate) fn others_are_untouched(&self) {
        assert_eq!(self.others(), self.beside);
    }

    /// None of the other containers is gone or was made anew, whether it was started again or not.
    #[track_caller]
    pub(crate) fn others_are_there(&self) {
        let ids = |all: &Ids| all.iter().map(|(name, (id, _))| (name.clone(), id.clone())).collect::<Vec<_>>();
        assert_eq!(ids(&self.others()), ids(&self.beside));
    }

    /// There is nothing to do.
    #[track_caller]
    pub(crate) fn is_as_wanted(&self) {
        self.user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    }

    /// Looks again and again, until it is so.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + SOON;
        while !is_so(self) {
            ensure!(Instant::now() < deadline, "{what} after {} s", SOON.as_secs());
        }
        Ok(())
    }
}

/// What stackctl calls to carry these words out, one line a call that changes something.
pub(crate) fn calls(user: &User, side: Side, words: &[&str], code: i32) -> anyhow::Result<Vec<String>> {
    let tap = tap(user, side, None)?;
    let socket = environment(side, tap.socket());
    user.stackctl_with(&[&socket], words).code(code);
    tap.mutations()
}

/// Runs these words until the call is held, to which it has to come. Both end when they are dropped.
pub(crate) fn held_at(user: &User, side: Side, hold: Hold, words: &[&str]) -> anyhow::Result<(Running, Tap)> {
    let tap = tap(user, side, Some(hold.into()))?;
    let socket = environment(side, tap.socket());
    let running = user.spawn(&[&["env", socket.as_str(), "stackctl"], words].concat())?;
    match tap.held(SOON) {
        Ok(()) => Ok((running, tap)),
        Err(error) => {
            let killed = running.kill();
            Err(error).with_context(|| format!("{hold:?} of {side:?}: {}{}", killed.stdout, killed.stderr))
        }
    }
}

/// Runs these words, and the call is done this to.
pub(crate) fn with_fault(user: &User, side: Side, fault: Fault, words: &[&str]) -> anyhow::Result<Output> {
    let tap = tap(user, side, Some(fault))?;
    let socket = environment(side, tap.socket());
    let output = user.stackctl_with(&[&socket], words);
    ensure!(tap.events()?.iter().any(|event| event["event"] == "fault"), "{fault:?} never came to be");
    Ok(output)
}

/// Runs these words and kills stackctl when the call is held.
pub(crate) fn kill_at(user: &User, side: Side, hold: Hold, words: &[&str]) -> anyhow::Result<()> {
    let (running, _tap) = held_at(user, side, hold, words)?;
    running.kill().code(137);
    Ok(())
}

/// Before and after each of these calls. A reference to a unit ends with the connection, as if it had not been taken.
pub(crate) fn both_halves(calls: &[String]) -> impl Iterator<Item = Hold> {
    let counted = (1..).zip(calls);
    let lasting = counted.filter(|(_, call)| !call.starts_with("RefUnit") && !call.starts_with("UnrefUnit"));
    lasting.flat_map(|(call, _)| [Hold::Request(call), Hold::Reply(call)])
}

/// Sends these signals one after the other, and waits for the end.
pub(crate) fn end_by(running: Running, signals: &[Signal]) -> anyhow::Result<Output> {
    for signal in signals {
        running.signal(*signal)?;
    }
    Ok(running.wait())
}

fn tap(user: &User, side: Side, fault: Option<Fault>) -> anyhow::Result<Tap> {
    match side {
        Side::Podman => user.tap_podman(fault),
        Side::Bus => user.tap_bus(fault),
    }
}

fn environment(side: Side, socket: &str) -> String {
    match side {
        Side::Podman => format!("CONTAINER_HOST=unix://{socket}"),
        Side::Bus => format!("DBUS_SESSION_BUS_ADDRESS=unix:path={socket}"),
    }
}
