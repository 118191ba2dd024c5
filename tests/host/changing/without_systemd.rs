//! Where no systemd is, podman's own restart policy takes the units' place. What would break: a stack that cannot be used in a
//! bare container or in WSL, and units written for a manager that is not there.

use std::time::{Duration, Instant};

use crate::host::Host;

const STACK: &str = "\
version: 1
stack: s
volumes: { notes: {} }
containers:
  db: { image: \"localhost/web:1\", volumes: [\"notes:/notes\"], ports: [\"PORT:11434\"], HEALTH }
  app: { image: \"localhost/app:1\", environment: { A: b }, depends_on: { db: { condition: service_healthy } } }
";

#[test]
fn podman_alone_keeps_a_stack_up() -> anyhow::Result<()> {
    let user = Host::get()?.user("bare")?;
    user.import_image("localhost/web:1", &["CMD [\"ollama\"]"]);
    user.import_image("localhost/app:1", &["CMD [\"sleep\"]"]);
    let port = user.port(0);
    let health =
        format!("healthcheck: {{ http: \"http://127.0.0.1:{port}/api/tags\", interval: 1s, start_period: 20s }}");
    let stack = STACK.replace("PORT", &port.to_string()).replace("HEALTH", &health);
    user.write("stack.yaml", &stack)?;

    let plan = user.stackctl_without_systemd(&["plan"]).ok();
    assert_eq!(plan.stdout.matches("note: no systemd user manager here").count(), 1, "{}", plan.stdout);
    user.stackctl_without_systemd(&["apply", "-y"]).ok();
    user.stackctl_without_systemd(&["plan", "--detailed-exitcode"]).ok();
    assert!(!user.exists(".config/systemd")?, "no unit is written");
    let (before, status) = (user.ids(), user.stackctl_without_systemd(&["status"]).ok());
    assert!(status.stdout.contains("2 of 2 up"), "{}", status.stdout);

    // A crash heals by itself, within the same container.
    let pid = || user.run("podman inspect -f '{{.State.Pid}}' s-app").ok().line().to_owned();
    let killed = pid();
    user.run(&format!("kill -9 {killed}")).ok();
    let deadline = Instant::now() + Duration::from_secs(30);
    while ["0", &killed].contains(&pid().as_str()) {
        assert!(Instant::now() < deadline, "it does not come back");
        std::thread::sleep(Duration::from_millis(50));
    }
    user.stackctl_without_systemd(&["plan", "--detailed-exitcode"]).ok();

    user.run("podman stop -t 0 s-app").ok();
    let drift = user.stackctl_without_systemd(&["plan", "--detailed-exitcode", "--format", "json"]).code(2).json();
    assert_eq!(drift["changes"][0]["address"], "container.app");
    assert_eq!(drift["changes"][0]["attributes"][0]["cause"], "machine");
    user.stackctl_without_systemd(&["apply", "-y"]).ok();
    assert_eq!(user.ids()["s-app"].0, before["s-app"].0, "it is the same one");

    user.write("stack.yaml", stack.replace("A: b", "A: c"))?;
    user.stackctl_without_systemd(&["apply", "-y"]).ok();
    let after = user.ids();
    assert_ne!(after["s-app"].0, before["s-app"].0, "it is replaced");
    assert_eq!((after.len(), &after["s-db"]), (2, &before["s-db"]));
    user.stackctl_without_systemd(&["plan", "--detailed-exitcode"]).ok();

    // One that never gets healthy is put back here too.
    user.import_image("localhost/sick:1", &["CMD [\"sleep\"]"]);
    user.write("stack.yaml", stack.replace("A: b", "A: c").replace("web:1", "sick:1").replace("20s", "2s"))?;
    user.stackctl_without_systemd(&["apply", "-y"]).code(3);
    assert_eq!(user.ids()["s-db"].0, before["s-db"].0);
    user.write("stack.yaml", stack.replace("A: b", "A: c"))?;
    user.stackctl_without_systemd(&["plan", "--detailed-exitcode"]).ok();

    // What only systemd can run keeps nothing of the rest from being taken down.
    user.write("stack.yaml", format!("{stack}services: {{ bare-native: {{ exec: [/bin/sleep, inf] }} }}\n"))?;
    let refused = user.stackctl_without_systemd(&["apply", "-y"]).code(6);
    assert!(refused.stdout.contains("service.bare-native is a systemd service"), "{}", refused.stdout);
    user.stackctl_without_systemd(&["destroy", "-y"]).ok();
    assert!(user.ids().is_empty());
    user.run("podman volume exists s_notes").ok();
    Ok(())
}
