//! One line of the file, or one fact of the machine, is changed: that one object is changed for it, by the cheapest
//! action that will do, and all others are left alone.

use serde_json::{Value, json};

use crate::host::Host;
use crate::host::user::{Ids, User};

/// `follows` asks to be restarted with `db`, `stays` only to be started after it, `apart` knows nothing of it.
const STACK: &str = "\
version: 1
stack: one
networks: { default: {}, side: {} }
containers:
  db:
    image: localhost/one:1
    environment: { GREETING: hello, OTHER: same }
    ports: [\"127.0.0.1:PORT:11434\"]
    restart: always
    networks: [default]
  follows:
    image: localhost/other:1
    depends_on: { db: { condition: service_started, restart: true } }
  stays:
    image: localhost/other:1
    depends_on: { db: { condition: service_started } }
  apart: { image: localhost/other:1 }
";

struct Bench<'u> {
    user: &'u User,
    stack: String,
}

/// What a changed file or machine came to.
struct Outcome {
    /// The changes of `plan --format json`, without their reasons.
    changes: Vec<Value>,
    human: String,
    before: Ids,
    after: Ids,
}

impl<'u> Bench<'u> {
    /// Applied once.
    fn new(user: &'u User) -> anyhow::Result<Self> {
        user.import_image("localhost/one:1", &["CMD [\"ollama\"]", "ENV OLLAMA_HOST=0.0.0.0:11434"]);
        user.import_image("localhost/other:1", &["CMD [\"sleep\"]"]);
        let stack = STACK.replace("PORT", &user.port(0).to_string());
        user.write("stack.yaml", &stack)?;
        user.stackctl(&["apply", "-y"]).ok();
        user.stackctl(&["plan", "--detailed-exitcode"]).ok();
        Ok(Self { user, stack })
    }

    fn edit(&self, from: &str, to: &str) -> anyhow::Result<()> {
        assert_eq!(self.stack.matches(from).count(), 1, "{from}");
        self.user.write("stack.yaml", self.stack.replace(from, to))
    }

    /// Plans and applies what is different now.
    fn apply(&self) -> Outcome {
        let before = self.user.ids();
        self.user.stackctl(&["plan", "--detailed-exitcode"]).code(2);
        let human = self.user.stackctl(&["plan"]).ok().stdout;
        let plan = self.user.stackctl(&["plan", "--format", "json"]).ok().json();
        assert_eq!((&plan["risks"], &plan["unknown"]), (&json!([]), &json!([])), "{plan:#}");
        let changes = plan["changes"].as_array().cloned().unwrap_or_default();
        self.user.stackctl(&["apply", "-y"]).ok();
        self.user.stackctl(&["plan", "--detailed-exitcode"]).ok();
        Outcome { changes, human, before, after: self.user.ids() }
    }
}

impl Outcome {
    /// The addresses with what is done to each.
    fn actions(&self) -> Vec<(&str, &str)> {
        self.changes
            .iter()
            .map(|change| {
                (change["address"].as_str().unwrap_or_default(), change["action"].as_str().unwrap_or_default())
            })
            .collect()
    }

    fn attributes(&self, address: &str) -> Value {
        let change = self.changes.iter().find(|change| change["address"] == address);
        change.unwrap_or_else(|| panic!("{address} is not among {:#?}", self.changes))["attributes"].clone()
    }

    /// Those with another id, and those of the same id that were started anew.
    fn replaced_and_restarted(&self) -> (Vec<&str>, Vec<&str>) {
        assert_eq!(self.before.keys().collect::<Vec<_>>(), self.after.keys().collect::<Vec<_>>());
        let pairs = || self.before.iter().map(|(name, before)| (name.as_str(), before, &self.after[name]));
        let replaced = pairs().filter(|(_, before, after)| before.0 != after.0).map(|(name, ..)| name).collect();
        let restarted = pairs().filter(|(_, before, after)| before.0 == after.0 && before.1 != after.1);
        (replaced, restarted.map(|(name, ..)| name).collect())
    }
}

const DB_AND_WHO_FOLLOWS: [(&str, &str); 2] = [("container.db", "replace"), ("container.follows", "restart")];

#[test]
fn a_changed_variable_replaces_that_container_alone() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("one-variable")?;
    let bench = Bench::new(&user)?;

    bench.edit("GREETING: hello", "GREETING: goodbye")?;
    let outcome = bench.apply();
    assert_eq!(outcome.actions(), DB_AND_WHO_FOLLOWS);
    let expected = json!([{ "path": "environment.GREETING", "before": "hello", "after": "goodbye", "cause": "file" }]);
    assert_eq!(outcome.attributes("container.db"), expected);
    assert_eq!(outcome.attributes("container.follows"), json!([]));
    for words in ["-/+ container.db", "environment.GREETING", "hello", "goodbye", "file"] {
        assert!(outcome.human.contains(words), "{words} is not in\n{}", outcome.human);
    }
    assert!(!outcome.human.contains("OTHER"), "{}", outcome.human);
    assert_eq!(outcome.human.lines().last(), Some("Plan: 0 to add, 1 to change, 1 to replace, 0 to destroy."));

    assert_eq!(outcome.replaced_and_restarted(), (vec!["one-db"], vec!["one-follows"]));
    let environment = user.run("podman inspect --format '{{json .Config.Env}}' one-db").ok().json();
    assert!(environment.as_array().is_some_and(|lines| lines.contains(&json!("GREETING=goodbye"))), "{environment}");
    Ok(())
}

#[test]
fn a_tag_that_was_moved_here_replaces_with_cause_machine() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("one-tag")?;
    let bench = Bench::new(&user)?;

    let first = user.run("podman inspect --format '{{.Image}}' one-db").ok().line().to_owned();
    let moved = user.import_image(
        "localhost/one:1",
        &["CMD [\"ollama\"]", "ENV OLLAMA_HOST=0.0.0.0:11434", "ENV STAND_IN_VERSION=0.13.0"],
    );
    let outcome = bench.apply();
    assert_eq!(outcome.actions(), DB_AND_WHO_FOLLOWS);
    let attributes = outcome.attributes("container.db");
    assert_eq!((&attributes[0]["path"], &attributes[0]["cause"]), (&json!("image"), &json!("machine")), "{attributes}");
    assert_eq!(attributes.as_array().map(Vec::len), Some(1), "{attributes}");
    assert_eq!(outcome.replaced_and_restarted(), (vec!["one-db"], vec!["one-follows"]));
    let image = user.run("podman inspect --format '{{.Image}}' one-db").ok();
    assert_eq!(image.line(), moved.trim_start_matches("sha256:"));
    // The one before has no other name by now, and outlives a prune.
    user.run("podman image prune -f").ok();
    let kept = || user.run("podman image inspect -f '{{.Id}}' localhost/stackctl/one/db:previous");
    assert_eq!(kept().ok().line(), first.trim_start_matches("sha256:"));
    user.stackctl(&["destroy", "-y"]).ok();
    kept().code(125);
    Ok(())
}

#[test]
fn another_restart_policy_touches_no_container() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("one-policy")?;
    let bench = Bench::new(&user)?;
    let loaded = || user.unit("podman-one-db.service", "Restart");
    assert_eq!(loaded(), "always");

    bench.edit("restart: always", "restart: on-failure")?;
    let outcome = bench.apply();
    assert_eq!(outcome.actions(), [("container.db", "reload")]);
    let attributes = outcome.attributes("container.db");
    let expected = json!({ "path": "restart", "before": "always", "after": "on-failure", "cause": "file" });
    assert_eq!(attributes[0], expected, "{attributes}");
    assert_eq!(outcome.after, outcome.before);
    // Systemd has read it, too.
    assert_eq!(loaded(), "on-failure");
    assert_eq!(user.unit("podman-one-db.service", "NeedDaemonReload"), "no");
    Ok(())
}

#[test]
fn an_added_network_is_connected_while_it_runs() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("one-network")?;
    let bench = Bench::new(&user)?;

    bench.edit("networks: [default]", "networks: [default, side]")?;
    let outcome = bench.apply();
    assert_eq!(outcome.actions(), [("container.db", "update")]);
    let attributes = outcome.attributes("container.db");
    assert_eq!((&attributes[0]["path"], &attributes[0]["cause"]), (&json!("networks.one_side"), &json!("file")));
    assert_eq!(attributes.as_array().map(Vec::len), Some(1), "{attributes}");
    assert_eq!(outcome.after, outcome.before);
    let networks = user.run("podman inspect --format '{{json .NetworkSettings.Networks}}' one-db").ok().json();
    let names: Vec<&String> = networks.as_object().into_iter().flat_map(serde_json::Map::keys).collect();
    assert_eq!(names, ["one_default", "one_side"]);
    let aliases = networks["one_side"]["Aliases"].as_array().cloned().unwrap_or_default();
    assert!(aliases.contains(&json!("db")), "{aliases:?}");

    // And off again.
    user.write("stack.yaml", &bench.stack)?;
    let outcome = bench.apply();
    assert_eq!(outcome.actions(), [("container.db", "update")]);
    assert_eq!(outcome.after, outcome.before);
    Ok(())
}

#[test]
fn another_port_replaces_that_container_alone() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("one-port")?;
    let bench = Bench::new(&user)?;
    let (from, to) = (user.port(0), user.port(1));

    bench.edit(&format!("127.0.0.1:{from}:"), &format!("127.0.0.1:{to}:"))?;
    let outcome = bench.apply();
    assert_eq!(outcome.actions(), DB_AND_WHO_FOLLOWS);
    let ports = |port: u16| json!([format!("127.0.0.1:{port}:11434/tcp")]);
    let expected = json!([{ "path": "ports", "before": ports(from), "after": ports(to), "cause": "file" }]);
    assert_eq!(outcome.attributes("container.db"), expected);
    assert_eq!(outcome.replaced_and_restarted(), (vec!["one-db"], vec!["one-follows"]));
    let ask =
        |port: u16| format!("curl -fsS --retry 10 --retry-all-errors --retry-delay 1 http://127.0.0.1:{port}/api/tags");
    assert!(user.run(&ask(to)).ok().json()["models"].is_array());
    assert_ne!(user.run(&format!("curl -fsS http://127.0.0.1:{from}/api/tags")).code, 0);
    Ok(())
}

/// A port that one gives up and another takes is an order, not a conflict; in a swap one of the two is stopped early.
#[test]
fn a_port_goes_from_one_container_to_another() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("one-handoff")?;
    let bench = Bench::new(&user)?;
    let (from, to) = (user.port(0), user.port(1));
    let apart = |port: u16| format!("apart: {{ image: localhost/other:1, ports: [\"127.0.0.1:{port}:80\"] }}");

    let handed = bench.stack.replace(&format!("127.0.0.1:{from}:"), &format!("127.0.0.1:{to}:"));
    let handed = handed.replace("apart: { image: localhost/other:1 }", &apart(from));
    user.write("stack.yaml", &handed)?;
    let outcome = bench.apply();
    let expected = [("container.db", "replace"), ("container.apart", "replace"), ("container.follows", "restart")];
    assert_eq!(sorted(outcome.actions()), sorted(expected.to_vec()));
    assert_eq!(outcome.replaced_and_restarted(), (vec!["one-apart", "one-db"], vec!["one-follows"]));
    let began = |name: &str| user.unit(&format!("podman-one-{name}.service"), "ActiveEnterTimestampMonotonic");
    assert!(began("apart").parse::<u64>()? > began("db").parse::<u64>()?);

    let swapped = bench.stack.replace("apart: { image: localhost/other:1 }", &apart(to));
    user.write("stack.yaml", swapped)?;
    let plan = user.stackctl(&["apply", "-y"]).ok();
    assert!(plan.stdout.contains("stopped early"), "{}", plan.stdout);
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    Ok(())
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}
