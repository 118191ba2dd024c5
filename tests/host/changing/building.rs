//! Images that are built, and registries that are asked. What would break: a source that changed and nobody builds, a build that
//! fails and takes the running container with it, a registry that is down and stops everything, and one that is asked unbidden.

use crate::host::Host;
use crate::host::planned::{self, Planned, change};
use crate::host::user::User;

const STACK: &str = "\
version: 1
stack: s
containers:
  web:
    build: { context: src, args: { WORD: one } }
    command: [sleep]
    network_mode: none
  apart: { image: \"localhost/x:1\", network_mode: none }
";
const CONTAINERFILE: &str = "\
FROM localhost/x:1
ARG WORD=none
LABEL word=$WORD
COPY . /src/
";

fn planned(user: &User) -> Vec<Planned> {
    planned::planned(&user.stackctl(&["plan", "--format", "json"]).ok().json())
}

fn converges(user: &User) {
    user.stackctl(&["apply", "-y"]).ok();
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
}

fn bench(name: &str) -> anyhow::Result<User> {
    let user = Host::get()?.user(name)?;
    user.import_image("localhost/x:1", &["CMD [\"sleep\"]"]);
    user.write("src/Containerfile", CONTAINERFILE)?;
    user.write("src/a.txt", "one\n")?;
    user.write("src/.dockerignore", "*.log\n")?;
    user.write("stack.yaml", STACK)?;
    Ok(user)
}

#[test]
fn what_a_build_is_made_from_decides_when_it_is_made_again() -> anyhow::Result<()> {
    let user = bench("building")?;
    let told = user.stackctl(&["apply", "-y"]).ok();
    assert!(told.stderr.contains("STEP"), "a build tells how far it is:\n{}", told.stderr);
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    let in_it = |path: &str| {
        let mount = "D=$(podman image mount localhost/s-web:latest)";
        let line = format!(
            "podman unshare sh -c '{mount}; cat $D{path}; podman image unmount localhost/s-web:latest >/dev/null'"
        );
        user.run(&line).ok().stdout
    };
    assert_eq!(in_it("/src/a.txt"), "one\n");
    let label = |name: &str| {
        user.run(&format!("podman image inspect -f '{{{{.Labels.{name}}}}}' localhost/s-web:latest"))
            .ok()
            .line()
            .to_owned()
    };
    assert_eq!(label("word"), "one");
    let image = "image.localhost/s-web:latest";

    user.write("src/noise.log", "ignored")?;
    user.write("src/a.txt", "one\n")?;
    assert_eq!(planned(&user), []);
    let before = user.ids();
    user.write("src/a.txt", "two\n")?;
    let rebuilt = [change(image, "update", &["context file"]), change("container.web", "replace", &["image file"])];
    assert_eq!(planned(&user), rebuilt);
    converges(&user);
    assert_eq!(in_it("/src/a.txt"), "two\n");
    assert!(user.ids()["s-web"] != before["s-web"] && user.ids()["s-apart"] == before["s-apart"]);

    user.write("stack.yaml", STACK.replace("WORD: one", "WORD: three"))?;
    assert_eq!(
        planned(&user),
        [change(image, "update", &["args.WORD file"]), change("container.web", "replace", &["image file"])]
    );
    converges(&user);
    assert_eq!(label("word"), "three");

    // A build that fails leaves what runs as it is, and says what podman said.
    let before = user.ids();
    user.write("src/Containerfile", format!("{CONTAINERFILE}COPY missing /\n"))?;
    let failed = user.stackctl(&["apply", "-y"]).code(1);
    assert!(failed.stdout.contains("missing") && failed.stdout.contains("STEP"), "{}", failed.stdout);
    assert_eq!(user.ids(), before);
    user.write("src/Containerfile", CONTAINERFILE)?;
    assert_eq!(planned(&user), []);

    // Whoever runs the image by hand, under the very name, does not become ours by its labels.
    user.stackctl(&["destroy", "-y"]).ok();
    user.run("podman run -d --name s-web --network none localhost/s-web:latest sleep").ok();
    let told = user.stackctl(&["apply", "-y"]).code(6).stdout;
    assert!(told.contains("NAME_OWNED_BY_OTHER"), "{told}");
    user.run("podman rm -f -t 0 s-web").ok();

    // An image of that name that somebody else made keeps it.
    user.run("podman untag localhost/s-web:latest; podman tag localhost/x:1 localhost/s-web:latest").ok();
    let told = user.stackctl(&["apply", "-y"]).code(6).stdout;
    assert!(told.contains("NAME_OWNED_BY_OTHER") && told.contains("podman untag"), "{told}");
    user.run("rm -r src").ok();
    assert!(user.stackctl(&["apply", "-y"]).code(6).stdout.contains("PATH_MISSING"));
    Ok(())
}

#[test]
fn a_registry_is_asked_only_when_told_and_its_silence_replaces_nothing() -> anyhow::Result<()> {
    let user = Host::get()?.user("updates")?;
    let registry = user.registry()?;
    let reference = format!("{}/app:1", registry.address());
    let publish = |change: &str| {
        user.import_image(&reference, &["CMD [\"sleep\"]", change]);
        user.run(&format!("podman push --quiet {reference} && podman rmi {reference}")).ok();
    };
    publish("LABEL turn=one");
    let stack = |pull: &str| {
        format!("version: 1\nstack: s\ncontainers:\n  app: {{ image: \"{reference}\", network_mode: none{pull} }}\n")
    };
    user.write("stack.yaml", stack(""))?;
    converges(&user);
    let turn = || user.run("podman inspect -f '{{.Config.Labels.turn}}' s-app").ok().line().to_owned();
    let held = user.run(&format!("podman tag {reference} localhost/held:1")).ok();
    drop(held);
    // The tag moves at the registry, and stays here.
    user.import_image("localhost/new:1", &["CMD [\"sleep\"]", "LABEL turn=two"]);
    user.run(&format!("podman push --quiet --tls-verify=false localhost/new:1 {reference}")).ok();
    assert_eq!(planned(&user), [], "nobody asks the registry unbidden");
    let asked = user.stackctl(&["plan", "--check-updates", "--format", "json"]).ok().json();
    let changes = asked["changes"].as_array().cloned().unwrap_or_default();
    let addresses: Vec<&str> = changes.iter().filter_map(|change| change["address"].as_str()).collect();
    assert_eq!(addresses, [format!("image.{reference}").as_str(), "container.app"]);
    user.write("stack.yaml", stack(", pull: always"))?;
    assert_eq!(
        planned(&user),
        [
            change(&format!("image.{reference}"), "update", &["image machine"]),
            change("container.app", "replace", &["image file"]),
        ]
    );
    converges(&user);
    assert_eq!(turn(), "two");

    let before = user.ids();
    drop(registry);
    let plan = user.stackctl(&["plan", "--format", "json"]).ok().json();
    assert_eq!(plan["changes"], serde_json::json!([]), "{plan:#}");
    assert_eq!(plan["unknown"][0]["address"], format!("image.{reference}"), "{plan:#}");
    user.stackctl(&["plan", "--detailed-exitcode"]).code(1);
    user.stackctl(&["apply", "-y"]);
    assert_eq!(user.ids(), before);
    user.write("stack.yaml", stack(""))?;
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    Ok(())
}
