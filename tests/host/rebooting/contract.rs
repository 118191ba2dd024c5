//! What was set aside and made anew is there after a reboot, and the data in it.

use crate::host::Host;

const STACK: &str = "\
version: 1
stack: s
directories: { ~/data: {} }
containers:
  webui:
    image: \"localhost/webui:1\"
    ports: [\"127.0.0.1:PORT:8080\"]
    volumes: [\"~/data:/app/backend/data\"]
    healthcheck: { http: \"http://127.0.0.1:PORT/health\", interval: 200ms, start_period: 30s }
    data: [{ path: /app/backend/data/webui.db, engine: sqlite, min_tables: 28, when_hollow: quarantine }]
";

/// What would break: a boot that starts it on the old file, or on none.
#[test]
fn a_contract_holds_over_a_reboot() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("rebooting-contract")?;
    user.import_image("localhost/webui:1", &["CMD [\"open-webui\"]", "ENV STAND_IN_SCHEMA_AFTER=0s"]);
    let port = user.port(0).to_string();
    user.write("stack.yaml", STACK.replace("PORT", &port))?;
    user.run("mkdir -m 700 data && : >data/webui.db").ok();
    user.stackctl(&["apply", "-y"]).ok();
    user.run(&format!("curl -fsS -X POST 'http://127.0.0.1:{port}/chat?text=kept'")).ok();
    user.stackctl(&["apply", "-y"]).ok();
    host.reboot()?;
    user.run(&format!("curl -fsS --retry 60 --retry-connrefused --retry-delay 1 http://127.0.0.1:{port}/health")).ok();
    let chats = user.run(&format!("curl -fsS http://127.0.0.1:{port}/chats")).ok().stdout;
    assert!(chats.contains("kept"), "{chats}");
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");
    user.run("test -e data/webui.db.quarantine/*/webui.db").ok();
    Ok(())
}
