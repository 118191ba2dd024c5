//! A slow start is not a failed one. It takes longest of all, and its name has it begin among the first, beside the others.

use std::time::Duration;

use crate::host::Host;
use crate::host::user::User;

fn field<'j>(json: &'j serde_json::Value, address: &str) -> &'j serde_json::Value {
    let rows = json["resources"].as_array().expect("resources");
    rows.iter().find(|row| row["address"] == address).unwrap_or_else(|| panic!("{address} in {json:#}"))
}

fn slow_stack(user: &User, image: &str, start_period: &str) -> String {
    let port = user.port(0);
    format!(
        "version: 1\nstack: s\ncontainers:\n  slow:\n    image: \"{image}\"\n    ports: [\"{port}:11434\"]\n    healthcheck:\n      \
         http: http://127.0.0.1:{port}/api/tags\n      interval: 1s\n      timeout: 1s\n      retries: 2\n      start_period: {start_period}\n"
    )
}

/// The newcomer of a replace becomes healthy after `seconds`, well within its start period.
fn a_slow_newcomer(name: &str, seconds: u64) -> anyhow::Result<()> {
    let user = Host::get()?.user(name)?;
    user.import_image("localhost/quick:1", &["CMD [\"ollama\"]"]);
    user.import_image("localhost/slow:1", &["CMD [\"ollama\"]", &format!("ENV STAND_IN_HEALTHY_AFTER={seconds}s")]);
    let period = format!("{}s", seconds + 60);
    user.write("stack.yaml", slow_stack(&user, "localhost/quick:1", &period))?;
    user.stackctl(&["apply", "-y"]).ok();
    let before = user.ids();

    user.write("stack.yaml", slow_stack(&user, "localhost/slow:1", &period))?;
    let program = format!("{}/stackctl", User::programs());
    let apply = user.spawn(&[&program, "apply", "-y", "--format", "json"])?;
    // Off a terminal a line of progress comes every 10 s.
    apply.says("503", Duration::from_secs(30))?;
    let status = user.stackctl(&["status", "--format", "json"]).code(3).json();
    let row = field(&status, "container.slow");
    assert_eq!(row["state"], "starting", "{row}");
    assert!(row["answer"].as_str().is_some_and(|answer| answer.contains("503")), "{row}");
    let left = row["seconds_left"].as_u64().expect("the time left");
    assert!(left > 0 && left <= seconds + 64, "{row}");
    assert_eq!(row["restarts"], 0, "{row}");
    assert!(row["since"].as_str().is_some_and(|since| since.starts_with("20") && since.ends_with('Z')), "{row}");
    let human = user.stackctl(&["status"]).code(3).stdout;
    assert!(human.contains("starting") && human.contains("503") && human.contains(" left"), "{human}");

    let ended = apply.wait();
    let ended = ended.ok();
    assert!(ended.stderr.contains("503") && ended.stderr.contains(" left"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("taking it back"), "{}", ended.stderr);
    assert_eq!(ended.json()["converged"], true);
    let after = user.ids();
    assert_eq!(after.len(), 1, "nothing is left beside it: {after:?}");
    assert_ne!(before["s-slow"].0, after["s-slow"].0, "the newcomer stayed");
    user.stackctl(&["status"]).ok();
    Ok(())
}

#[test]
fn a_container_that_is_healthy_after_12_seconds_is_waited_for() -> anyhow::Result<()> {
    a_slow_newcomer("slow-12", 12)
}

#[test]
fn a_container_that_is_healthy_after_90_seconds_is_waited_for() -> anyhow::Result<()> {
    a_slow_newcomer("slow-90", 90)
}
