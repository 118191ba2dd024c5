//! Podman secrets. What would break: a generated value that is made again and signs everybody out, a rotation that its users do
//! not hear of, an old version that is taken from under one who still needs it, and a value that can be read anywhere.

use serde_json::json;

use crate::host::Host;
use crate::host::planned::{self, Planned, change};
use crate::host::user::User;

const STACK: &str = "\
version: 1
stack: s
secrets:
  key: { generate: { length: 40 } }
  token: { file: token.txt }
  word: { environment: WORD }
containers:
  app:
    image: localhost/x:1
    network_mode: none
    secrets:
      - key
      - { source: token, target: /etc/token, mode: \"0400\", uid: 0 }
      - { source: word, type: env, target: THE_WORD }
  other: { image: \"localhost/x:1\", network_mode: none, secrets: [token] }
  apart: { image: \"localhost/x:1\", network_mode: none }
";

struct Bench {
    user: User,
}

impl Bench {
    fn new(name: &str) -> anyhow::Result<Self> {
        let user = Host::get()?.user(name)?;
        user.import_image("localhost/x:1", &["CMD [\"sleep\"]"]);
        user.write("token.txt", "tok-one\n")?;
        user.write("stack.yaml", STACK)?;
        Ok(Self { user })
    }

    fn stackctl(&self, arguments: &[&str]) -> crate::host::process::Output {
        self.user.stackctl_with(&["WORD=sesame-opens"], arguments)
    }

    fn converges(&self) {
        self.stackctl(&["apply", "-y"]).ok();
        self.stackctl(&["plan", "--detailed-exitcode"]).ok();
    }

    /// Below `/run/secrets`, or anywhere in a container.
    fn file(&self, container: &str, path: &str) -> String {
        let line =
            format!("podman unshare cat /proc/$(podman inspect -f '{{{{.State.Pid}}}}' s-{container})/root{path}");
        self.user.run(&line).ok().stdout
    }

    fn versions(&self) -> Vec<String> {
        let names = self.user.run("podman secret ls --format '{{.Name}}' | sort").ok().stdout;
        names.lines().map(str::to_owned).collect()
    }

    fn planned(&self) -> Vec<Planned> {
        planned::planned(&self.stackctl(&["plan", "--format", "json"]).ok().json())
    }
}

#[test]
fn a_secret_is_made_once_and_a_rotation_replaces_exactly_its_users() -> anyhow::Result<()> {
    let bench = Bench::new("secrets")?;
    let user = &bench.user;
    bench.converges();
    assert_eq!(bench.versions(), ["s_key.1", "s_token.1", "s_word.1"]);
    let key = bench.file("app", "/run/secrets/key");
    assert!(key.len() == 40 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{} bytes", key.len());
    assert_eq!(bench.file("app", "/etc/token"), "tok-one\n");
    assert_eq!(bench.file("other", "/run/secrets/token"), "tok-one\n");
    let environ =
        user.run("tr '\\0' '\\n' </proc/$(podman inspect -f '{{.State.Pid}}' s-app)/environ | grep ^THE_WORD").ok();
    assert_eq!(environ.line(), "THE_WORD=sesame-opens");

    // Nothing that anybody may read holds one of the values.
    let shown = [
        user.run("podman inspect s-app s-other").ok().stdout,
        bench.stackctl(&["plan", "--all", "--format", "json"]).ok().stdout,
        bench.stackctl(&["show", "last", "--format", "json"]).ok().stdout,
        bench.stackctl(&["validate", "--print"]).ok().stdout,
        user.run("cat ~/.config/systemd/user/podman-s-*; strings -a ~/.local/state/stackctl/s/* 2>/dev/null || cat ~/.local/state/stackctl/s/*").ok().stdout,
    ];
    for text in &shown {
        for value in [key.as_str(), "tok-one", "sesame-opens"] {
            assert!(!text.contains(value), "a value is shown in:\n{text}");
        }
    }

    // The file's content changes: a new version, and its users alone.
    let before = user.ids();
    user.write("token.txt", "tok-two\n")?;
    assert_eq!(
        bench.planned(),
        [
            change("secret.token", "replace", &["file file"]),
            change("container.other", "replace", &["secret_versions.secret.token file"]),
            change("container.app", "replace", &["secret_versions.secret.token file"]),
        ]
    );
    bench.converges();
    assert_eq!(bench.versions(), ["s_key.1", "s_token.2", "s_word.1"], "the old version went at the commit");
    assert_eq!(
        (bench.file("app", "/etc/token"), bench.file("app", "/run/secrets/key")),
        ("tok-two\n".to_owned(), key.clone())
    );
    let after = user.ids();
    assert_eq!(before["s-apart"], after["s-apart"]);
    assert!(before["s-app"] != after["s-app"] && before["s-other"] != after["s-other"]);

    // A generated one is made anew only when asked.
    assert_eq!(bench.planned(), []);
    bench.stackctl(&["apply", "-y", "--replace", "secret.key"]).ok();
    bench.stackctl(&["plan", "--detailed-exitcode"]).ok();
    let rotated = bench.file("app", "/run/secrets/key");
    assert!(rotated.len() == 40 && rotated != key);
    assert_eq!(user.ids()["s-other"], after["s-other"]);
    user.write("stack.yaml", STACK.replace("length: 40", "length: 20"))?;
    let changes = bench.planned();
    assert_eq!(changes[0], change("secret.key", "replace", &["generate file"]));
    bench.converges();
    assert_eq!(bench.file("app", "/run/secrets/key").len(), 20);
    Ok(())
}

#[test]
fn what_happens_to_a_secret_by_hand_is_seen_and_healed() -> anyhow::Result<()> {
    let bench = Bench::new("secrets-drift")?;
    let user = &bench.user;
    bench.converges();
    let before = user.ids();
    // One that is known to have held the same comes back under its name, and its users hear nothing of it.
    user.run("podman secret rm s_word.1").ok();
    assert_eq!(bench.planned(), [change("secret.word", "create", &["exists machine"])]);
    bench.converges();
    assert_eq!((bench.versions().len(), user.ids()), (3, before.clone()));
    // What was generated is lost with it: another value is another version.
    user.run("podman secret rm s_key.1").ok();
    assert_eq!(
        bench.planned(),
        [
            change("secret.key", "create", &["exists machine"]),
            change("container.app", "replace", &["secret_versions.secret.key machine"]),
        ]
    );
    // Which nobody makes without being asked to: what was written with the old one could not be read any more.
    let told = bench.stackctl(&["apply", "-y"]).code(4).stdout;
    assert!(told.contains("SECRET_LOST") && told.contains("--accept SECRET_LOST:secret.key"), "{told}");
    assert_eq!((bench.versions().len(), user.ids()), (2, before));
    bench.stackctl(&["apply", "-y", "--accept", "SECRET_LOST:secret.key"]).ok();
    bench.converges();
    assert_eq!(bench.versions(), ["s_key.2", "s_token.1", "s_word.1"]);

    // The state directory is lost, and the key with it: nothing is replaced for that.
    let before = user.ids();
    user.run("rm -r ~/.local/state/stackctl").ok();
    assert_eq!(bench.planned(), []);
    bench.converges();
    user.write("token.txt", "tok-two\n")?;
    let changes = bench.planned();
    assert_eq!(changes[0], change("secret.token", "replace", &["file file"]));
    assert_eq!(user.ids(), before);

    // Destroyed and made again: the values are kept.
    bench.converges();
    let key = bench.file("app", "/run/secrets/key");
    let told = bench.stackctl(&["destroy", "-y"]).ok().stdout;
    assert!(told.contains("secret.key"), "it is listed as kept:\n{told}");
    bench.converges();
    assert_eq!(bench.file("app", "/run/secrets/key"), key);
    Ok(())
}

#[test]
fn somebody_elses_secret_and_a_bad_one_are_told() -> anyhow::Result<()> {
    let bench = Bench::new("secrets-foreign")?;
    let user = &bench.user;
    user.run("printf theirs | podman secret create s_token.1 -; printf mine | podman secret create shared -").ok();
    let told = bench.stackctl(&["apply", "-y"]).code(6).stdout;
    assert!(told.contains("s_token.1") && told.contains("NAME_OWNED_BY_OTHER"), "{told}");
    assert_eq!(bench.versions(), ["s_token.1", "shared"], "nothing was made");
    user.run("podman secret rm s_token.1").ok();
    user.write(
        "stack.yaml",
        "version: 1\nstack: s\nsecrets: { shared: { external: true, name: shared } }\ncontainers:\n  app: { image: \"localhost/x:1\", network_mode: none, secrets: [shared] }\n",
    )?;
    bench.converges();
    assert_eq!(bench.file("app", "/run/secrets/shared"), "mine");
    let wrong = "version: 1\nstack: s\nsecrets: { a: {}, b: { file: none.txt }, c: { environment: NOPE }, d: { generate: {}, file: token.txt } }\ncontainers:\n  app: { image: x, secrets: [e] }\n";
    user.write("stack.yaml", wrong)?;
    let told = bench.stackctl(&["validate"]).code(65).stderr;
    for words in ["Not one source", "Cannot read secret", "Unset variable", "Reference to nothing"] {
        assert!(told.contains(words), "{words}:\n{told}");
    }
    assert_eq!(json!(bench.versions()), json!(["shared"]));
    Ok(())
}
