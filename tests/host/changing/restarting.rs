//! `restart` and `drift`. What would break: a dependent that is up before what it needs, one that nobody asked for restarted with the
//! others, a tenant left in a namespace that is gone; a drift that cron does not hear of, or hears of for nothing.

use std::collections::BTreeMap;

use crate::host::Host;
use crate::host::user::User;

const STACK: &str = "\
version: 1
stack: s
containers:
  db:
    image: \"localhost/vpn:1\"
    ports: [\"127.0.0.1:PORT:6333\"]
    healthcheck: { http: \"http://127.0.0.1:PORT/readyz\", interval: 200ms, start_period: 5s }
  web: { image: \"localhost/sleep:1\", depends_on: { db: { condition: service_healthy } } }
  along: { image: \"localhost/sleep:1\", depends_on: { web: { condition: service_started, restart: true } } }
  tenant: { image: \"localhost/sleep:1\", network_mode: \"service:web\" }
  once: { image: \"localhost/sleep:1\", environment: { STAND_IN_EXIT: \"0\" }, one_shot: true, restart: \"no\" }
services:
  s-native: { exec: [/bin/sleep, inf] }
";

/// When each was started last, in microseconds since the boot.
fn started(user: &User) -> BTreeMap<&'static str, u64> {
    let of = |name: &'static str, unit: &str| {
        let at = user.unit(unit, "ExecMainStartTimestampMonotonic");
        (name, at.parse().expect("a time"))
    };
    let containers = ["db", "web", "along", "tenant", "once"].map(|name| of(name, &format!("podman-s-{name}.service")));
    containers.into_iter().chain([of("native", "s-native.service")]).collect()
}

fn ids(user: &User) -> BTreeMap<String, String> {
    user.ids().into_iter().map(|(name, (id, _))| (name, id)).collect()
}

fn restarted(before: &BTreeMap<&'static str, u64>, user: &User) -> Vec<&'static str> {
    let now = started(user);
    let mut names: Vec<&'static str> = now.keys().filter(|name| now[*name] > before[*name]).copied().collect();
    names.sort_by_key(|name| now[name]);
    names
}

#[test]
fn what_is_there_is_restarted_in_its_order_and_as_it_is() -> anyhow::Result<()> {
    let user = Host::get()?.user("restarting")?;
    user.import_image("localhost/vpn:1", &["CMD [\"qdrant\"]"]);
    user.import_image("localhost/sleep:1", &["CMD [\"sleep\"]"]);
    let port = user.port(0).to_string();
    user.write("stack.yaml", STACK.replace("PORT", &port))?;
    user.stackctl(&["restart", "-y"]).ok();
    assert_eq!(user.ids(), BTreeMap::new(), "what is not there is not made");
    user.stackctl(&["apply", "-y"]).ok();
    let (ids, before) = (ids(&user), started(&user));

    user.stackctl(&["restart"]).code(64);
    user.stackctl(&["restart", "-y", "wob"]).code(64);
    assert_eq!(restarted(&before, &user), [""; 0]);

    // A name alone will do; with it go who lives with it, and who says so, and nobody else.
    let run = user.stackctl(&["restart", "-y", "web", "--format", "json"]).ok().json();
    assert_eq!((&run["converged"], run["changes"].as_array().map(Vec::len)), (&true.into(), Some(3)), "{run:#}");
    let mut names = restarted(&before, &user);
    assert_eq!(names.first(), Some(&"web"), "{names:?}");
    names.sort_unstable();
    assert_eq!(names, ["along", "tenant", "web"]);

    // All of it, what changed in the file left alone, what ran once too.
    let before = started(&user);
    user.write(
        "stack.yaml",
        STACK.replace("PORT", &port).replace(
            "localhost/sleep:1\", depends_on: { db",
            "localhost/sleep:1\", environment: { A: b }, depends_on: { db",
        ),
    )?;
    user.stackctl(&["restart", "-y"]).ok();
    assert_eq!(self::ids(&user), ids, "nothing is made anew");
    let names = restarted(&before, &user);
    let place = |name: &str| names.iter().position(|other| *other == name);
    assert!(names.len() == 5 && place("once").is_none(), "{names:?}");
    assert!(place("db") < place("web") && place("web") < place("tenant"), "{names:?}");
    let plan = user.stackctl(&["plan", "--format", "json"]).ok().json();
    assert_eq!(plan["changes"][0]["attributes"][0]["path"], "environment.A", "{plan:#}");
    Ok(())
}

#[test]
fn cron_hears_of_drift_and_of_nothing_else() -> anyhow::Result<()> {
    let user = Host::get()?.user("cron")?;
    user.import_image("localhost/vpn:1", &["CMD [\"qdrant\"]"]);
    user.import_image("localhost/sleep:1", &["CMD [\"sleep\"]"]);
    user.write("stack.yaml", STACK.replace("PORT", &user.port(0).to_string()))?;
    // What cron gives: no bus, no runtime directory, a short PATH, another directory.
    let drift = |more: &str| {
        let home = user.home();
        let line = format!("cd / && env -i HOME={home} PATH=/usr/bin:/bin stackctl drift -f {home}/stack.yaml {more}");
        user.run(&line.replace(" stackctl", " /usr/local/bin/stackctl"))
    };
    assert!(drift("").code(2).stdout.contains("7 to add"), "nothing is there yet");
    user.stackctl(&["apply", "-y"]).ok();
    let quiet = drift("").ok();
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    assert_eq!(drift("--format json").ok().json()["changes"], serde_json::json!([]));

    user.run("echo '# by hand' >> .config/systemd/user/podman-s-along.service").ok();
    let told = drift("").code(2).stdout;
    assert!(told.contains("container.along") && told.contains("unit   (machine)"), "{told}");
    user.stackctl(&["apply", "-y"]).ok();
    drift("").ok();
    user.run("systemctl --user stop podman-s-web").ok();
    drift("").code(2);
    // Where the machine cannot be asked, nothing is known, and that is not 0.
    let blind = drift("--podman unix:///nowhere.sock").code(1);
    assert!(blind.stdout.contains("nowhere.sock"), "{}", blind.stdout);
    Ok(())
}
