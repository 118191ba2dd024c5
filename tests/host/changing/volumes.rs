//! `U` on a volume: podman gives all that is in it to whom the container runs as. What would break: what a program keeps belongs to
//! somebody else after a replace or a restart.

use crate::host::Host;
use crate::host::user::User;

const STACK: &str = "\
version: 1
stack: s
volumes: { v: {}, w: {} }
containers:
  of-one: { image: \"localhost/x:1\", user: \"1000:1000\", volumes: [\"v:/v:U\"] }
  of-root: { image: \"localhost/x:1\", volumes: [\"w:/w:U\"] }
";

/// In a shell that is root in the user namespace.
fn inside(user: &User, volume: &str, line: &str) -> String {
    let place =
        user.run(&format!("podman volume inspect --format '{{{{.Mountpoint}}}}' s_{volume}")).ok().line().to_owned();
    user.run(&format!("podman unshare sh -c 'cd {place} && {line}'")).ok().stdout
}

const LOOK: &str = "stat -c \"%u:%g %n\" . *";

#[test]
fn what_lies_in_a_volume_keeps_its_owners() -> anyhow::Result<()> {
    let user = Host::get()?.user("given")?;
    user.import_image("localhost/x:1", &["CMD [\"sleep\"]"]);
    // As a run that was killed between them leaves it: the volumes are there, and nobody has them yet.
    user.write("stack.yaml", STACK.split("containers:").next().unwrap_or_default())?;
    user.stackctl(&["apply", "-y"]).ok();
    user.write("stack.yaml", STACK)?;
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(inside(&user, "v", "stat -c %u:%g ."), "1000:1000\n");
    let options = "podman inspect --format '{{range .Mounts}}{{.Options}}{{end}}' s-of-one s-of-root";
    let options = user.run(options).ok().stdout;
    let is_given: Vec<bool> = options.lines().map(|line| line.contains("[U ")).collect();
    assert_eq!(is_given, [true, false], "{options}");

    // A program that is root gives its directory to another, as that of PostgreSQL does.
    inside(&user, "v", "touch a b && chown 5:7 a && chown 6:8 b");
    inside(&user, "w", "touch c d && chown 5:7 c . && chown 6:8 d");
    let before = [inside(&user, "v", LOOK), inside(&user, "w", LOOK)];
    assert_eq!(before[1], "5:7 .\n5:7 c\n6:8 d\n");
    user.stackctl(&["restart", "-y", "container.of-one", "container.of-root"]).ok();
    assert_eq!([inside(&user, "v", LOOK), inside(&user, "w", LOOK)], before);
    user.stackctl(&["apply", "-y", "--replace", "container.of-one", "--replace", "container.of-root"]).ok();
    assert_eq!([inside(&user, "v", LOOK), inside(&user, "w", LOOK)], before);
    user.stackctl(&["plan", "--detailed-exitcode"]).code(0);
    Ok(())
}
