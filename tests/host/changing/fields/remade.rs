//! A network that changes is made anew under the containers that are on it.

use serde_json::json;

use super::{Host, apply, nothing_is_left};

/// A container that comes back under another address, or under its full name alone, is lost to those that know it.
#[test]
fn who_is_on_a_remade_network_keeps_address_and_names() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("fields-remade")?;
    user.import_image("localhost/stackctl/remade:1", &["CMD [\"sleep\"]"]);
    let write = |mtu: &str, own: &str| {
        let stack = json!({
            "version": 1,
            "stack": "remade",
            "networks": { "n": { "driver_opts": { "mtu": mtu }, "ipam": { "config": [
                { "subnet": "10.78.1.0/24" }, { "subnet": "10.78.2.0/24", "gateway": "10.78.2.9" },
            ] } } },
            "containers": { "c": {
                "image": "localhost/stackctl/remade:1",
                "networks": { "n": { "ipv4_address": own, "aliases": ["it"] } },
            } },
        });
        user.write("stack.yaml", stack.to_string())
    };
    let network = "(index .NetworkSettings.Networks \"remade_n\")";
    let address = || {
        user.run(&format!("podman inspect -f '{{{{{network}.IPAddress}}}} {{{{{network}.Aliases}}}}' remade-c")).ok()
    };

    write("1400", "10.78.1.7")?;
    apply(&user, "at first");
    let gateways = user.run("podman network inspect -f '{{range .Subnets}}{{.Gateway}} {{end}}' remade_n").ok();
    assert_eq!(gateways.line(), "10.78.1.1 10.78.2.9 ");
    let id = user.ids()["remade-c"].0.clone();
    let before = address();
    assert!(before.line().starts_with("10.78.1.7 ") && before.line().contains("it"), "{}", before.line());

    write("1300", "10.78.1.7")?;
    apply(&user, "of another network");
    nothing_is_left(&user, "of another network");
    assert_eq!((address().line(), user.ids()["remade-c"].0.clone()), (before.line(), id.clone()));

    // Both at once: the address is another one on a network that is another one.
    write("1200", "10.78.1.8")?;
    apply(&user, "of both");
    nothing_is_left(&user, "of both");
    assert!(address().line().starts_with("10.78.1.8 "), "{}", address().line());
    assert_eq!(user.ids()["remade-c"].0, id);
    Ok(())
}
