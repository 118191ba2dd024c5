//! What an image brings by itself: nobody set it, so it is no difference; what the file lays over it and takes away again is.

use serde_json::{Value, json};

use super::{Host, User, apply, nothing_is_left, plan, rows};

const CONTAINERFILE: &str = r#"FROM localhost/stackctl/base:1
ENV FROM_IMAGE=yes OVERLAID=image STAND_IN_DATA=/dev/shm
USER 1234:99
WORKDIR /dev
VOLUME /data
EXPOSE 11434/tcp 53/udp
LABEL of.image=yes tier=image
STOPSIGNAL SIGINT
HEALTHCHECK --interval=7s --timeout=3s --retries=4 CMD ["/stand-in", "healthcheck", "http://127.0.0.1:11434/api/tags"]
ENTRYPOINT ["/./stand-in"]
CMD ["ollama"]
"#;

fn image(user: &User) -> anyhow::Result<()> {
    user.import_image("localhost/stackctl/base:1", &[]);
    user.write("Containerfile", CONTAINERFILE)?;
    user.run("podman build --quiet --format docker --pull=never --tag localhost/stackctl/opinionated:1 .").ok();
    Ok(())
}

fn write(user: &User, containers: &[(&str, Value)]) -> anyhow::Result<()> {
    let whole = |(name, snippet): &(&str, Value)| {
        let base = json!({ "image": "localhost/stackctl/opinionated:1", "network_mode": "none" });
        ((*name).to_owned(), super::over(base, snippet))
    };
    let containers: serde_json::Map<_, _> = containers.iter().map(whole).collect();
    user.write("stack.yaml", json!({ "version": 1, "stack": "images", "containers": containers }).to_string())
}

/// A plan that takes the image's own for drift would replace every real container at every apply.
#[test]
fn what_an_image_brings_is_no_difference() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("fields-images")?;
    image(&user)?;
    let times = json!({ "interval": "1s", "timeout": "2s", "retries": 5, "start_period": "1s" });
    let laid_over = [
        ("nothing", json!({})),
        ("variable", json!({ "environment": { "OVERLAID": "file", "NEW": "x" } })),
        ("user", json!({ "user": "77" })),
        ("folder", json!({ "working_dir": "/proc" })),
        ("label", json!({ "labels": { "tier": "file", "new": "x" } })),
        ("signal", json!({ "stop_signal": "SIGTERM" })),
        ("words", json!({ "command": ["qdrant"] })),
        ("entry", json!({ "entrypoint": ["/stand-in"], "command": ["ollama"] })),
        ("times", json!({ "healthcheck": times })),
        ("unchecked", json!({ "healthcheck": { "disable": true } })),
    ];
    write(&user, &laid_over)?;
    apply(&user, "of images with a will of their own");
    nothing_is_left(&user, "of images with a will of their own");
    let check = |name: &str, field: &str| {
        user.run(&format!("podman inspect -f '{{{{{field}}}}}' images-{name}")).ok().line().to_owned()
    };
    let test = "[CMD /stand-in healthcheck http://127.0.0.1:11434/api/tags]";
    assert_eq!(check("nothing", ".Config.Healthcheck.Test"), test);
    assert_eq!(check("times", ".Config.Healthcheck.Test"), test, "the image's own check, at other times");
    assert_eq!(check("times", ".Config.Healthcheck.Interval"), "1s");
    assert_eq!(check("times", ".State.Health.Status"), "healthy");
    assert_eq!(check("unchecked", ".Config.Healthcheck.Test"), "[NONE]");

    // Taken out again: each is named once, as the file's doing, and then it is the image's that holds.
    let bare: Vec<(&str, Value)> = laid_over.iter().map(|(name, _)| (*name, json!({}))).collect();
    write(&user, &bare)?;
    let found = rows(&plan(&user));
    assert_eq!(found.len(), laid_over.len() - 1, "{found:?}");
    for (name, path) in [
        ("variable", "environment.OVERLAID"),
        ("variable", "environment.NEW"),
        ("user", "user"),
        ("folder", "working_dir"),
        ("label", "labels.tier"),
        ("label", "labels.new"),
        ("signal", "stop_signal"),
        ("words", "command"),
        ("entry", "entrypoint"),
        ("times", "healthcheck.interval"),
        ("unchecked", "healthcheck.test"),
    ] {
        let row = &found[&format!("container.{name}")];
        assert_eq!(row.action, "replace", "{name}");
        assert!(row.attributes.contains(&(path.to_owned(), "file".to_owned())), "{name}: {row:?}");
        assert!(row.attributes.iter().all(|(_, cause)| cause == "file"), "{name}: {row:?}");
    }
    apply(&user, "without what was laid over");
    nothing_is_left(&user, "without what was laid over");
    for (name, field, value) in [
        ("user", ".Config.User", "1234:99"),
        ("folder", ".Config.WorkingDir", "/dev"),
        ("label", ".Config.Labels.tier", "image"),
        ("signal", ".Config.StopSignal", "SIGINT"),
        ("words", ".Config.Cmd", "[ollama]"),
        ("entry", ".Config.Entrypoint", "[/./stand-in]"),
        ("times", ".Config.Healthcheck.Interval", "7s"),
        ("unchecked", ".Config.Healthcheck.Test", test),
    ] {
        assert_eq!(check(name, field), value, "{name}");
    }
    let variables = check("variable", "json .Config.Env");
    assert!(variables.contains("OVERLAID=image") && !variables.contains("NEW="), "{variables}");
    Ok(())
}

/// Fifty images, each with another mixture of what an image may say of itself.
#[test]
fn fifty_images_with_a_will_of_their_own_leave_nothing_to_do() -> anyhow::Result<()> {
    const WILLS: [&str; 6] = [
        "ENV PATH=/usr/bin OF_IMAGE=yes STAND_IN_PORT=1",
        "USER 1234:99",
        "VOLUME /data",
        "LABEL io.example.a=b maintainer=nobody",
        "STOPSIGNAL SIGQUIT",
        "WORKDIR /proc",
    ];
    const COUNT: usize = 50;
    let host = Host::get()?;
    let user = host.user("fields-fifty")?;
    let mut containers = serde_json::Map::new();
    for number in 0..COUNT {
        let wills = WILLS.iter().enumerate().filter(|(bit, _)| (number + 7) >> bit & 1 == 1).map(|(_, will)| *will);
        let name = format!("localhost/will/{number}:1");
        user.import_image(&name, &wills.chain(["CMD [\"sleep\"]"]).collect::<Vec<_>>());
        containers.insert(format!("c{number}"), json!({ "image": name, "network_mode": "none" }));
    }
    user.write("stack.yaml", json!({ "version": 1, "stack": "wills", "containers": containers }).to_string())?;
    apply(&user, "of fifty images");
    nothing_is_left(&user, "of fifty images");
    assert_eq!(user.ids().len(), COUNT);
    Ok(())
}
