//! What somebody changes by hand: the plan names it, and it alone, with the machine as its cause; apply heals it and touches
//! nothing else.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::host::Host;
use crate::host::user::User;

/// Each container has what a hand can take away; they do not depend on each other.
const STACK: &str = "\
version: 1
stack: STACK
directories: { ~/spare: { mode: \"0700\" }, ~/data: {} }
networks: { front: {}, back: {}, unused: {} }
volumes: { notes: {}, unused: {} }
containers:
  one: { image: \"localhost/x:1\", networks: [front, back], volumes: [\"notes:/notes\", \"~/data:/data\"] }
  two: { image: \"localhost/x:1\", networks: [front], environment: { A: b } }
  tame: { image: \"localhost/x:1\", networks: [front], restart: \"no\" }
  checked:
    image: \"localhost/moved:1\"
    network_mode: none
    healthcheck: { test: [CMD, /stand-in, ports, \"1\"], interval: 1s, start_period: 5s }
services:
  STACK-native: { exec: [/bin/sleep, inf] }
";

/// How much of a healed object is still what it was.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kept {
    /// It was not even restarted.
    Whole,
    /// The same object, started again.
    Id,
    Nothing,
}

/// A row of a plan: address, action, and the attributes that differ.
type Row<'a> = (&'a str, &'a str, &'a [&'a str]);

struct Stack {
    user: User,
    name: String,
}

impl Stack {
    fn converged(host: &Host, name: &str) -> anyhow::Result<Stack> {
        let user = host.user(name)?;
        user.import_image("localhost/x:1", &["CMD [\"sleep\"]"]);
        user.import_image("localhost/moved:1", &["CMD [\"sleep\"]"]);
        user.write("stack.yaml", STACK.replace("STACK", name))?;
        let stack = Stack { user, name: name.to_owned() };
        stack.user.stackctl(&["apply", "-y"]).ok();
        Ok(stack)
    }

    /// Every object by its address: what it is, and since when it runs.
    fn pulse(&self) -> BTreeMap<String, (String, String)> {
        let Stack { user, name } = self;
        let mut pulse = BTreeMap::new();
        for (container, (id, started)) in user.ids() {
            let address = format!("container.{}", container.trim_start_matches(&format!("{name}-")));
            pulse.insert(address, (id, started.to_string()));
        }
        let lines = format!(
            "podman network ls --no-trunc --filter label=io.stackctl.stack --format 'network.{{{{.Name}}}} {{{{.ID}}}}'; \
             podman volume ls --format 'volume.{{{{.Name}}}} {{{{.CreatedAt}}}}'; \
             stat -c 'directory.~/%n %i:%.W' spare data; \
             echo service.{name}-native $(systemctl --user show --value -p InvocationID {name}-native)"
        );
        for line in user.run(&lines).stdout.lines() {
            let (address, id) = line.split_once(' ').unwrap_or((line, ""));
            pulse.insert(address.replace(&format!(".{name}_"), "."), (id.to_owned(), String::new()));
        }
        pulse
    }

    /// Does something by hand, and insists that exactly these rows are planned, that apply heals them and keeps that much of
    /// them, and that nothing else was touched.
    #[track_caller]
    fn heals(&self, hand: &str, rows: &[Row<'_>], kept: Kept) {
        let Stack { user, name } = self;
        let before = self.pulse();
        user.run(&hand.replace("STACK", name)).ok();

        let rows: Vec<(String, String, Vec<String>)> = rows
            .iter()
            .map(|(address, action, paths)| {
                let paths = paths.iter().map(|path| format!("{path} machine").replace("STACK", name)).collect();
                (address.replace("STACK", name), (*action).to_owned(), paths)
            })
            .collect();
        let plan = user.stackctl(&["plan", "--format", "json"]).ok().json();
        assert_eq!(planned(&plan), rows, "{hand}: {plan:#}");
        let human = user.stackctl(&["plan", "--detailed-exitcode"]).code(2).stdout;
        for (address, ..) in &rows {
            assert!(human.contains(address), "{hand}: {address} is not in\n{human}");
        }
        assert!(human.contains("(machine"), "{hand}: no cause in\n{human}");

        user.stackctl(&["apply", "-y"]).ok();
        user.stackctl(&["plan", "--detailed-exitcode"]).ok();
        let after = self.pulse();
        for (address, (id, since)) in &before {
            let now = &after[address];
            let expected = if rows.iter().any(|(healed, ..)| healed == address) { kept } else { Kept::Whole };
            match expected {
                Kept::Whole => assert_eq!((id, since), (&now.0, &now.1), "{hand}: {address}"),
                Kept::Id => assert_eq!(id, &now.0, "{hand}: {address}"),
                Kept::Nothing => assert_ne!(id, &now.0, "{hand}: {address}"),
            }
        }
    }
}

/// Sorted by address, as tests write them down.
fn planned(plan: &Value) -> Vec<(String, String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |change: &Value| {
        let attributes = change["attributes"].as_array().into_iter().flatten();
        let mut paths: Vec<String> =
            attributes.map(|row| format!("{} {}", text(&row["path"]), text(&row["cause"]))).collect();
        paths.sort();
        (text(&change["address"]), text(&change["action"]), paths)
    };
    let mut rows: Vec<_> = plan["changes"].as_array().into_iter().flatten().map(row).collect();
    rows.sort();
    rows
}

fn risks(plan: &Value) -> Vec<&Value> {
    let changes = plan["changes"].as_array().into_iter().flatten();
    let of_changes = changes.filter_map(|change| change["risks"].as_array()).flatten();
    of_changes.chain(plan["risks"].as_array().into_iter().flatten()).collect()
}

/// A container that is gone, down, frozen or under another name.
#[test]
fn containers() -> anyhow::Result<()> {
    let stack = Stack::converged(&Host::get()?, "drift-containers")?;
    let two = "container.two";
    stack.heals("podman rm -f -t 0 STACK-two", &[(two, "create", &["exists"])], Kept::Nothing);
    stack.heals("systemctl --user stop podman-STACK-two", &[(two, "start", &["running"])], Kept::Id);
    stack.heals("podman pause STACK-two", &[(two, "start", &["paused"])], Kept::Whole);
    stack.heals("podman rename STACK-two elsewhere", &[(two, "update", &["name"])], Kept::Whole);
    let tame = "container.tame";
    stack.heals("podman stop -t 1 STACK-tame", &[(tame, "start", &["running"])], Kept::Id);
    stack.heals("podman kill STACK-tame", &[(tame, "start", &["running"])], Kept::Id);
    let all: [Row<'_>; 2] = [("container.one", "create", &["exists"]), (two, "create", &["exists"])];
    stack.heals("podman rm -f -t 0 STACK-one STACK-two", &all, Kept::Nothing);
    Ok(())
}

/// Systemd brings back what crashes: that is no drift, and the container is the same one.
#[test]
fn a_crash_heals_by_itself() -> anyhow::Result<()> {
    let stack = Stack::converged(&Host::get()?, "drift-crash")?;
    let Stack { user, name } = &stack;
    let before = user.ids();
    for hand in ["kill", "stop -t 1"] {
        // Systemd may bring it back within the second in which it started last.
        let started = user.run(&format!("podman inspect -f '{{{{.State.StartedAt.UnixNano}}}}' {name}-two"));
        let started = started.ok().line().to_owned();
        user.run(&format!("podman {hand} {name}-two")).ok();
        let again = format!(
            "for try in $(seq 100); do \
             [ \"$(podman inspect -f '{{{{.State.Running}}}} {{{{.State.StartedAt.UnixNano}}}}' {name}-two)\" '>' 'true {started}' ] \
             && [ $(systemctl --user is-active podman-{name}-two) = active ] && exit 0; sleep 0.1; done; exit 1"
        );
        user.run(&again).ok();
        user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    }
    let after = user.ids();
    assert!(before.iter().all(|(name, (id, _))| after[name].0 == *id));
    Ok(())
}

/// Many hands in a short time must not end at systemd's start limit: who applies asks for a start, and gets one.
#[test]
fn healing_is_no_crash_loop() -> anyhow::Result<()> {
    let stack = Stack::converged(&Host::get()?, "drift-often")?;
    let Stack { user, name } = &stack;
    for _ in 0..7 {
        user.run(&format!("podman rm -f -t 0 {name}-one {name}-two")).ok();
        user.stackctl(&["apply", "-y"]).ok();
    }
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    Ok(())
}

#[test]
fn networks() -> anyhow::Result<()> {
    let stack = Stack::converged(&Host::get()?, "drift-networks")?;
    let (one, two) = ("container.one", "container.two");
    let off = "podman network disconnect";
    stack.heals(&format!("{off} STACK_back STACK-one"), &[(one, "update", &["networks.STACK_back"])], Kept::Whole);
    // One too many lets others reach it that the file does not know of.
    let on = "podman network connect STACK_unused STACK-two";
    stack.heals(on, &[(two, "update", &["networks.STACK_unused"])], Kept::Whole);
    // The only one that it has.
    stack.heals(&format!("{off} STACK_front STACK-two"), &[(two, "update", &["networks.STACK_front"])], Kept::Whole);
    stack.heals("podman network rm STACK_unused", &[("network.unused", "create", &["exists"])], Kept::Nothing);
    // By force podman takes the containers along.
    let gone = [(one, "create", &["exists"][..]), ("network.back", "create", &["exists"])];
    stack.heals("podman network rm -f -t 0 STACK_back", &gone, Kept::Nothing);
    // The alias is a promise to the others.
    let Stack { user, name } = &stack;
    let aliases = "podman inspect -f '{{range .NetworkSettings.Networks}}{{.Aliases}}{{end}}'";
    assert!(user.run(&format!("{aliases} {name}-two")).ok().stdout.contains("two"));
    Ok(())
}

/// What is kept beside the machine can be lost without anything being replaced for it.
#[test]
fn memory_that_is_lost() -> anyhow::Result<()> {
    let user = Host::get()?.user("drift-memory")?;
    user.import_image("localhost/x:1", &["CMD [\"sleep\"]"]);
    user.write("secret.env", "TOKEN=geheim\n")?;
    user.run("chmod 600 secret.env").ok();
    let stack = "version: 1\nstack: s\ncontainers:\n  one: { image: \"localhost/x:1\", env_file: secret.env }\n";
    user.write("stack.yaml", stack)?;
    user.stackctl(&["apply", "-y"]).ok();
    let before = user.ids();
    for lost in ["key", "ledger.db*", "facts.json", "key facts.json ledger.db*", "../s"] {
        user.run(&format!("cd .local/state/stackctl/s && rm -r {lost}")).ok();
        user.stackctl(&["plan", "--detailed-exitcode"]).ok();
        user.stackctl(&["apply", "-y"]).ok();
        assert_eq!(user.ids(), before, "without {lost}");
    }
    // Another value is still told from the same one.
    user.run("rm .local/state/stackctl/s/key; echo TOKEN=anders >secret.env").ok();
    let plan = user.stackctl(&["plan", "--detailed-exitcode", "--format", "json"]).code(2);
    assert!(!plan.stdout.contains("geheim") && !plan.stdout.contains("anders"), "{}", plan.stdout);
    assert_eq!(plan.json()["changes"][0]["attributes"][0]["path"], "environment.TOKEN");
    Ok(())
}

/// `podman update` changes a container without leaving a trace in what was asked for.
#[test]
fn edits_in_place() -> anyhow::Result<()> {
    let stack = Stack::converged(&Host::get()?, "drift-edits")?;
    let (two, checked) = ("container.two", "container.checked");
    let edited: &[&str] = &["edited_in_place"];
    stack.heals("podman update --restart always STACK-two", &[(two, "replace", edited)], Kept::Nothing);
    stack.heals("podman update --health-cmd /bin/true STACK-two", &[(two, "replace", edited)], Kept::Nothing);
    // What the file sets is told by its own name.
    stack.heals(
        "podman update --health-interval 7s STACK-checked",
        &[(checked, "replace", &["healthcheck.interval"])],
        Kept::Nothing,
    );
    stack.heals("podman update --health-on-failure kill STACK-checked", &[(checked, "replace", edited)], Kept::Nothing);
    Ok(())
}

#[test]
fn unit_files() -> anyhow::Result<()> {
    let stack = Stack::converged(&Host::get()?, "drift-units")?;
    let two = "container.two";
    let file = ".config/systemd/user/podman-STACK-two.service";
    let edit = format!("echo Nice=5 >>{file}");
    let reload = "systemctl --user daemon-reload";
    stack.heals(&edit, &[(two, "reload", &["loaded", "unit"])], Kept::Whole);
    stack.heals(&format!("{edit}; {reload}"), &[(two, "reload", &["unit"])], Kept::Whole);
    stack.heals(&format!("touch {file}"), &[(two, "reload", &["loaded"])], Kept::Whole);
    stack.heals(&format!("rm {file}; {reload}"), &[(two, "reload", &["unit"])], Kept::Whole);
    stack.heals(&format!("rm {file}"), &[(two, "reload", &["unit"])], Kept::Whole);
    stack.heals("systemctl --user disable podman-STACK-two", &[(two, "update", &["enabled"])], Kept::Whole);

    let native = "service.STACK-native";
    stack.heals("systemctl --user stop STACK-native", &[(native, "start", &["running"])], Kept::Nothing);
    stack.heals("systemctl --user disable STACK-native", &[(native, "update", &["enabled"])], Kept::Whole);
    let gone = format!("rm .config/systemd/user/STACK-native.service; {reload}");
    stack.heals(&gone, &[(native, "create", &["exists"])], Kept::Whole);
    Ok(())
}

/// Masking says "never": it is told with the way back, and not overruled.
#[test]
fn a_masked_unit_is_the_users_word() -> anyhow::Result<()> {
    let stack = Stack::converged(&Host::get()?, "drift-masked")?;
    let Stack { user, name } = &stack;
    let before = user.ids();
    let unit = format!("podman-{name}-two.service");
    user.run(&format!("rm .config/systemd/user/{unit}; systemctl --user mask {unit}")).ok();

    let plan = user.stackctl(&["plan", "--format", "json"]).code(6).json();
    let risk = risks(&plan).into_iter().find(|risk| risk["code"] == "NAME_OWNED_BY_OTHER").expect("a conflict");
    assert!(
        risk["message"].as_str().is_some_and(|text| text.contains(&unit) && text.contains("is masked")),
        "{risk:#}"
    );
    user.stackctl(&["apply", "-y"]).code(6);
    assert_eq!(user.run(&format!("systemctl --user is-enabled {unit}")).line(), "masked");

    for command in commands(risk) {
        user.run(&command).ok();
    }
    user.stackctl(&["apply", "-y"]).ok();
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    assert_eq!(user.ids(), before);
    assert_eq!(user.unit(&unit, "UnitFileState"), "enabled");
    Ok(())
}

/// The commands among the remedies of a risk.
fn commands(risk: &Value) -> Vec<String> {
    let remedies = risk["remedies"].as_array().into_iter().flatten().filter_map(Value::as_str);
    remedies.filter(|remedy| remedy.starts_with(' ')).map(|command| command.trim().to_owned()).collect()
}

/// A drop-in is the user's own way to change a unit: it stays, and is named for as long as it is there.
#[test]
fn a_drop_in_is_named_and_stays() -> anyhow::Result<()> {
    let stack = Stack::converged(&Host::get()?, "drift-dropin")?;
    let Stack { user, name } = &stack;
    let before = user.ids();
    for unit in [format!("podman-{name}-two.service"), format!("{name}-native.service")] {
        let file = format!(".config/systemd/user/{unit}.d/nice.conf");
        user.write(&file, "[Service]\nNice=5\n")?;
        user.run("systemctl --user daemon-reload").ok();

        // Info is no drift.
        let plan = user.stackctl(&["plan", "--detailed-exitcode", "--format", "json"]).ok().json();
        assert_eq!(planned(&plan), []);
        let risk = risks(&plan).into_iter().find(|risk| risk["code"] == "UNIT_DROP_IN").expect("it is named");
        let message = risk["message"].as_str().unwrap_or_default();
        assert!(message.contains(&unit) && message.contains(&file), "{message}");
        assert_eq!(risk["severity"], "info");
        assert!(user.stackctl(&["plan"]).ok().stdout.contains("UNIT_DROP_IN"));
        user.stackctl(&["apply", "-y"]).ok();
        assert!(user.exists(&file)?);

        for command in commands(risk) {
            user.run(&command).ok();
        }
        assert!(!user.stackctl(&["plan"]).ok().stdout.contains("UNIT_DROP_IN"));
    }
    assert_eq!(user.ids(), before);
    Ok(())
}

#[test]
fn directories_and_volumes() -> anyhow::Result<()> {
    let stack = Stack::converged(&Host::get()?, "drift-places")?;
    stack.heals("rm -r spare", &[("directory.~/spare", "create", &["exists"])], Kept::Nothing);
    stack.heals("chmod 755 spare", &[("directory.~/spare", "update", &["mode"])], Kept::Whole);
    assert_eq!(stack.user.run("stat -c %a spare").ok().line(), "700");
    stack.heals("podman volume rm STACK_unused", &[("volume.unused", "create", &["exists"])], Kept::Nothing);
    Ok(())
}

/// A tag that means another image now is a replace, and the machine's doing; whoever uses another image stays.
#[test]
fn a_moved_tag() -> anyhow::Result<()> {
    let stack = Stack::converged(&Host::get()?, "drift-tag")?;
    let old = stack.user.run("podman image inspect -f '{{.Id}}' localhost/moved:1").ok();
    let image = stack.user.import_image("localhost/new:1", &["CMD [\"sleep\"]", "ENV NEW=1"]);
    stack.heals(
        "podman tag localhost/new:1 localhost/moved:1",
        &[("container.checked", "replace", &["image"])],
        Kept::Nothing,
    );
    assert_ne!(old.line(), image.trim_start_matches("sha256:"));
    let made_from = stack.user.run("podman inspect -f '{{.Image}}' drift-tag-checked").ok();
    assert_eq!(made_from.line(), image.trim_start_matches("sha256:"));
    Ok(())
}

/// What left the file is listed, is no drift, and nothing is done to it.
#[test]
fn orphans_are_listed_and_left_alone() -> anyhow::Result<()> {
    let stack = Stack::converged(&Host::get()?, "drift-orphans")?;
    let Stack { user, name } = &stack;
    let (before, units) = (user.ids(), user.run("ls -l --time-style=full-iso .config/systemd/user").ok().stdout);
    let file = user.read("stack.yaml")?;
    let kept: String =
        file.lines().filter(|line| !line.starts_with("  two:")).map(|line| format!("{line}\n")).collect();
    let kept = kept.replace(", unused: {} }", " }");
    user.write("stack.yaml", kept)?;

    let plan = user.stackctl(&["plan", "--detailed-exitcode", "--format", "json"]).ok().json();
    assert_eq!(planned(&plan), []);
    let orphans: Vec<&Value> = risks(&plan).into_iter().filter(|risk| risk["code"] == "ORPHAN").collect();
    let mut names: Vec<&str> = orphans.iter().filter_map(|risk| risk["message"].as_str()?.split(' ').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["container.two", "network.unused", "volume.unused"]);
    assert!(orphans.iter().all(|risk| risk["severity"] == "info"));
    let human = user.stackctl(&["plan"]).ok().stdout;
    assert!(human.contains("ORPHAN") && human.contains(&format!("{name}-two")), "{human}");

    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(user.ids(), before);
    assert_eq!(user.run("ls -l --time-style=full-iso .config/systemd/user").ok().stdout, units);
    user.run(&format!("podman network exists {name}_unused && podman volume exists {name}_unused")).ok();

    // Back in the file it is as if nothing had been.
    user.write("stack.yaml", file)?;
    let plan = user.stackctl(&["plan", "--detailed-exitcode", "--format", "json"]).ok().json();
    assert!(risks(&plan).is_empty(), "{plan:#}");
    assert_eq!(user.ids(), before);
    Ok(())
}
