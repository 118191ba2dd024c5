//! Where data lies. What would break: a program that begins anew on the empty place where its disk is not mounted, at a boot that
//! nobody looks at, and a file of ours that a container sees.

use crate::host::Host;

const STACK: &str = "\
version: 1
stack: s
directories: { ~/disk: { children: [web, other] } }
containers:
  web: { image: \"localhost/web:1\", network_mode: none, volumes: [\"~/disk/web:/data\"] }
  apart: { image: \"localhost/web:1\", network_mode: none }
";

const UNIT: &str = "podman-s-web.service";

#[test]
fn nothing_starts_where_the_disk_is_not_mounted() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("roots")?;
    user.import_image("localhost/web:1", &["CMD [\"sleep\"]"]);
    user.write("stack.yaml", STACK)?;
    // As after a start without the disk: the place where it goes has the directories too.
    user.run("mkdir -p -m 700 real disk disk/web").ok();
    let home = user.home();
    let mount = || host.root(&format!("mount --bind {home}/real {home}/disk")).ok();
    let unmount = || host.root(&format!("umount {home}/disk")).ok();
    mount();
    user.stackctl(&["apply", "-y"]).ok();
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    let ids = || user.run("find real -name .stackctl-id | sort").ok().stdout;
    assert_eq!(ids(), "real/.stackctl-id\nreal/other/.stackctl-id\n", "none where a container sees it");
    user.run("echo precious >real/web/chats").ok();

    user.run(&format!("systemctl --user stop {UNIT}")).ok();
    unmount();
    let before = user.ids();
    assert_ne!(user.run(&format!("systemctl --user start {UNIT}")).code, 0);
    assert_eq!(user.unit(UNIT, "ActiveState"), "inactive");
    assert_eq!(user.unit("podman-s-apart.service", "ActiveState"), "active");
    let told = user.stackctl(&["drift"]).code(2).stdout;
    assert!(told.contains("DATA_ROOT_IDENTITY_CHANGED") && told.contains("may not be mounted"), "{told}");
    user.stackctl(&["apply", "-y"]).code(4);
    user.stackctl(&["restart", "-y", "web"]).code(4);
    assert_eq!(
        (user.run("ls -A disk disk/web").ok().stdout, user.ids()),
        ("disk:\nweb\n\ndisk/web:\n".to_owned(), before)
    );

    // Mounted again, everything is as it was.
    mount();
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");
    assert_eq!(user.unit(UNIT, "ActiveState"), "active");
    assert_eq!(user.read("real/web/chats")?, "precious\n");

    // Meant to be so, it is said once.
    user.run(&format!("systemctl --user stop {UNIT}")).ok();
    unmount();
    user.stackctl(&["apply", "-y", "--accept", "DATA_ROOT_IDENTITY_CHANGED:directory.~/disk"]).ok();
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");
    assert!(user.exists("disk/.stackctl-id")?);
    Ok(())
}

/// Whoever may not write there is told before anything is done, and another may make the file for them.
#[test]
fn a_directory_of_somebody_elses_gets_it_from_them() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("roots-closed")?;
    user.import_image("localhost/web:1", &["CMD [\"sleep\"]"]);
    let home = user.home();
    host.root(&format!("mkdir -m 755 {home}/disk && mkdir -m 777 {home}/disk/web")).ok();
    let stack = STACK.replace("{ children: [web, other] }", "{ mode: \"0755\" }");
    user.write("stack.yaml", stack)?;
    let told = user.stackctl(&["apply", "-y"]).code(6).stdout;
    assert!(told.contains("PATH_NOT_WRITABLE") && told.contains("sudo touch"), "{told}");
    assert_eq!(user.ids().len(), 0);
    host.root(&format!("touch {home}/disk/.stackctl-id")).ok();
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(user.stackctl(&["drift"]).ok().stdout, "");
    Ok(())
}
