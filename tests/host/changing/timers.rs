//! Timers. What would break: a job that runs at apply though nobody said so, a schedule that systemd never hears of, a run in hand
//! that is stopped by a change, and a timer that does not come back after it was taken away.

use serde_json::Value;

use crate::host::Host;

const STACK: &str = "\
version: 1
stack: s
timers:
  tidy: { on_calendar: \"Sun 13:07\", persistent: false, exec: [/bin/sh, -c, \"echo ran >>said; sleep 2\"], working_dir: \"~\" }
  soon: { on_calendar: \"*-*-* *:*:*\", accuracy: 100ms, exec: [/bin/sh, -c, \"echo soon >>soon\"], working_dir: \"~\" }
";

#[test]
fn a_timer_stands_is_changed_in_place_and_healed() -> anyhow::Result<()> {
    let user = Host::get()?.user("timers")?;
    user.write("stack.yaml", STACK)?;
    user.stackctl(&["apply", "-y"]).ok();
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    assert_eq!(user.unit("tidy.timer", "ActiveState"), "active");
    assert_eq!(user.unit("tidy.timer", "UnitFileState"), "enabled");
    assert_eq!(user.unit("tidy.service", "ActiveState"), "inactive", "nothing runs before it is due");
    assert!(!user.exists("said")?);
    user.run("for i in $(seq 100); do [ -e soon ] && exit; sleep 0.1; done; exit 1").ok();

    let planned = |address: &str, action: &str, attributes: &[(&str, &str)]| {
        let plan = user.stackctl(&["plan", "--detailed-exitcode", "--format", "json"]).code(2).json();
        let changes = plan["changes"].as_array().cloned().unwrap_or_default();
        assert_eq!(changes.len(), 1, "{plan:#}");
        assert_eq!((&changes[0]["address"], &changes[0]["action"]), (&address.into(), &action.into()), "{plan:#}");
        let found: Vec<(&str, &str)> = changes[0]["attributes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| (row["path"].as_str().unwrap_or_default(), row["cause"].as_str().unwrap_or_default()))
            .collect();
        assert_eq!(found, attributes);
        user.stackctl(&["apply", "-y"]).ok();
        user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    };
    // A run in hand goes on while what it is made from changes.
    let next = |unit: &str| user.unit(unit, "NextElapseUSecRealtime");
    let sunday = next("tidy.timer");
    user.run("systemctl --user start --no-block tidy.service; until [ -e said ]; do sleep 0.05; done").ok();
    let run = user.unit("tidy.service", "MainPID");
    user.write("stack.yaml", STACK.replace("\"Sun 13:07\"", "[daily, monthly]").replace("echo ran", "echo again"))?;
    planned("timer.tidy", "reload", &[("on_calendar", "file"), ("exec", "file")]);
    assert_eq!(user.unit("tidy.service", "MainPID"), run, "the run in hand was left alone");
    assert_ne!(next("tidy.timer"), sunday, "systemd has heard of the new schedule");
    user.run("systemctl --user start tidy.service").ok();
    user.run("systemctl --user start tidy.service").ok();
    assert_eq!(user.read("said")?, "ran\nagain\n", "one that runs already is not started twice");

    user.run("systemctl --user stop tidy.timer").ok();
    planned("timer.tidy", "start", &[("running", "machine")]);
    user.run("systemctl --user disable tidy.timer").ok();
    planned("timer.tidy", "update", &[("enabled", "machine")]);
    user.run("sed -i /^ExecStart/s/again/edited/ .config/systemd/user/tidy.service; systemctl --user daemon-reload")
        .ok();
    planned("timer.tidy", "reload", &[("job_unit", "machine")]);
    user.run("rm .config/systemd/user/tidy.service; systemctl --user daemon-reload").ok();
    planned("timer.tidy", "reload", &[("job_unit", "machine")]);
    user.run("rm .config/systemd/user/tidy.timer; systemctl --user daemon-reload").ok();
    planned("timer.tidy", "create", &[("exists", "machine")]);

    let status = user.stackctl(&["status", "--format", "json"]).ok().json();
    let rows = status["resources"].as_array().cloned().unwrap_or_default();
    let row: Vec<&Value> = rows.iter().filter(|row| row["address"] == "timer.tidy").collect();
    assert_eq!(row.len(), 1, "{status:#}");
    let soon = STACK.lines().filter(|line| !line.contains("tidy")).collect::<Vec<_>>().join("\n");
    user.write("stack.yaml", soon)?;
    user.stackctl(&["apply", "-y", "--prune"]).ok();
    assert!(!user.exists(".config/systemd/user/tidy.timer")? && !user.exists(".config/systemd/user/tidy.service")?);
    user.stackctl(&["destroy", "-y"]).ok();
    assert_eq!(user.run("find .config/systemd").ok().stdout.matches("soon").count(), 0);
    assert_eq!(user.unit("soon.timer", "ActiveState"), "inactive");
    Ok(())
}

#[test]
fn a_wrong_timer_is_told_before_anything_is_done() -> anyhow::Result<()> {
    let user = Host::get()?.user("timers-wrong")?;
    user.write(
        "stack.yaml",
        "version: 1\nstack: s\ntimers:\n  never: { exec: [/bin/true] }\n  evil: { on_calendar: \"daily\\nExecStart=/bin/evil\", exec: [/bin/true] }\n  both: { on_calendar: daily, exec: [/bin/true], restart: always }\nservices: { both: { exec: [/bin/true] } }\n",
    )?;
    let told = user.stackctl(&["validate"]).code(65).stderr;
    for words in ["Never due", "Control character", "what a timer runs ends by itself"] {
        assert!(told.contains(words), "{words}:\n{told}");
    }
    let clash = "version: 1\nstack: s\ntimers: { both: { on_calendar: daily, exec: [/bin/true] } }\nservices: { both: { exec: [/bin/true] } }\n";
    user.write("stack.yaml", clash)?;
    assert!(user.stackctl(&["validate"]).code(65).stderr.contains("Name taken twice"));
    // What only systemd can tell: the words come back, and the exit code.
    user.write("stack.yaml", "version: 1\nstack: s\ntimers: { odd: { on_calendar: Sometimes, exec: [/bin/true] } }\n")?;
    let told = user.stackctl(&["apply", "-y"]).code(1).stdout;
    assert!(told.contains("odd.timer"), "{told}");
    Ok(())
}
