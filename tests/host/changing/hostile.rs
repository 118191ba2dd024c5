//! Values that would mean something to whoever reads them on the way: the process gets exactly these bytes, and nothing
//! else is set, run or read because of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::user::User;
use crate::host::Host;

/// Each is passed as a variable and as an argument.
const VALUES: &[&str] = &[
    "plain",
    "",
    " two  blanks at each end  ",
    "a\nExecStartPost=/bin/touch pwned\n[Service]\nExecStop=/bin/touch pwned",
    "100% %h %n %% %",
    "$HOME ${HOME} $$ $1 $(touch pwned) `touch pwned`",
    "\"double\" 'single' \\ \\n \\x41 \\",
    "-leading --dash",
    "@at :colon +plus !mark |pipe",
    ";",
    "# no comment ; either",
    "tab\there, bell\u{7}, escape\u{1b}[31m, delete\u{7f}",
    "ünï çödé 漢字 🦀 \u{202e}right to left",
    "KEY=VALUE=MORE",
    "~/x ~root *.? [a-z] {a,b}",
];

/// A `$` means nothing to the stack file when it is doubled.
fn written(value: &str) -> String {
    value.replace('$', "$$")
}

fn variables() -> BTreeMap<String, String> {
    VALUES.iter().enumerate().map(|(n, value)| (format!("V{n}"), written(value))).collect()
}

/// Waits for SIGTERM, whatever else its arguments say.
const WAIT: &str = "import signal; signal.signal(15, lambda *_: exit(0)); signal.pause()";

fn arguments(program: &str) -> Vec<String> {
    let own = [program, "-c", WAIT].map(str::to_owned);
    own.into_iter().chain(VALUES.iter().map(|value| written(value))).collect()
}

/// What a process of the host was given.
fn given(host: &Host, pid: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let list = |file: &str| {
        let text = host.root(&format!("cat /proc/{pid}/{file}")).ok().stdout;
        text.strip_suffix('\0').unwrap_or(&text).split('\0').map(str::to_owned).collect::<Vec<_>>()
    };
    let pair = |line: String| line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    (list("cmdline"), list("environ").into_iter().filter_map(pair).collect())
}

#[track_caller]
fn got_exactly(host: &Host, pid: &str) {
    let (words, environment) = given(host, pid);
    assert_eq!(words[3..], *VALUES, "arguments of {pid}");
    for (n, value) in VALUES.iter().enumerate() {
        assert_eq!(environment.get(&format!("V{n}")).map(String::as_str), Some(*value), "V{n} of {pid}");
    }
}

fn write(user: &User, stack: &Value) -> anyhow::Result<()> {
    user.write("stack.yaml", serde_json::to_string_pretty(stack)?)
}

/// An image of nothing but the links that make the host's /usr a system.
fn import_usr(user: &User) -> &'static str {
    user.run("mkdir -p empty/usr && ln -sf usr/bin usr/lib usr/lib64 empty/").ok();
    user.run("tar -C empty -cf - . | podman import --quiet - localhost/usr:1").ok();
    "localhost/usr:1"
}

/// A line end in a value that became a line end in a unit file would run what the value says.
#[test]
fn a_process_gets_exactly_the_bytes_of_the_file() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("hostile-values")?;
    let image = import_usr(&user);
    // Blanks, a specifier, a variable, a bracket, quotes, and a backslash that would join the next line.
    let odd = "we ird %h $HOME [x] \"q\" ünï\\";
    user.write(&format!("{odd}/some file.env"), "FROM_FILE=yes\n")?;
    user.set_mode(&format!("{odd}/some file.env"), 0o600)?;
    std::os::unix::fs::symlink("/usr/bin/python3", user.outside("pro %h [$gram]")?)?;
    write(
        &user,
        &json!({
            "version": 1,
            "stack": "hostile",
            "containers": { "c": {
                "image": image,
                "network_mode": "none",
                "volumes": ["/usr:/usr:ro"],
                "entrypoint": [],
                "command": arguments("/usr/bin/python3"),
                "environment": variables(),
                "labels": variables(),
            } },
            "services": { "hostile-s": {
                "exec": arguments("~/pro %h [$$gram]"),
                "environment": variables(),
                "env_file": format!("~/{}/some file.env", written(odd)),
                "working_dir": format!("~/{}", written(odd)),
            } },
        }),
    )?;

    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(user.stackctl(&["plan", "--format", "json"]).ok().json()["changes"], json!([]));
    got_exactly(&host, user.run("podman inspect -f '{{.State.Pid}}' hostile-c").ok().line());
    let labels = user.run("podman inspect -f '{{json .Config.Labels}}' hostile-c").ok().json();
    for (n, value) in VALUES.iter().enumerate() {
        assert_eq!(labels[format!("V{n}")], *value);
    }

    let pid = user.unit("hostile-s.service", "MainPID");
    got_exactly(&host, &pid);
    let (words, environment) = given(&host, &pid);
    assert_eq!(words[0], format!("{}/pro %h [$gram]", user.home()));
    assert_eq!(environment.get("FROM_FILE").map(String::as_str), Some("yes"));
    let folder = host.root(&format!("readlink /proc/{pid}/cwd")).ok();
    assert_eq!(folder.line(), format!("{}/{odd}", user.home()));

    let unit = user.read(".config/systemd/user/hostile-s.service")?;
    let keys = unit.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '[']));
    let mut keys: Vec<&str> = keys.map(|line| line.split('=').next().unwrap_or_default()).collect();
    keys.dedup();
    let expected = [
        "Description",
        "Type",
        "Environment",
        "EnvironmentFile",
        "WorkingDirectory",
        "ExecStart",
        "Restart",
        "TimeoutStartSec",
        "WantedBy",
    ];
    assert_eq!(keys, expected, "{unit}");
    assert!(!user.exists("pwned")?);
    Ok(())
}

/// What no process can be given is an error of the file, not something dropped on the way.
#[test]
fn what_no_process_can_be_given_is_an_error() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("hostile-refused")?;
    for (what, stack) in [
        ("a NUL in a variable of a service", "services: { s: { exec: [sleep, '1'], environment: { A: \"x\\0y\" } } }"),
        ("a NUL in an argument of a service", "services: { s: { exec: [sleep, \"1\\0\"] } }"),
        ("a NUL in a variable of a container", "containers: { c: { image: x, environment: { A: \"x\\0y\" } } }"),
        ("a NUL in an argument of a container", "containers: { c: { image: x, command: [\"1\\0\"] } }"),
        // systemd drops such a variable with a line in its log (systemd.exec(5), Environment=).
        ("a dash in a name", "services: { s: { exec: [sleep, '1'], environment: { A-B: x } } }"),
        ("a digit before a name", "services: { s: { exec: [sleep, '1'], environment: [\"1A=x\"] } }"),
        ("a line end in a path", "services: { s: { exec: [sleep, '1'], working_dir: \"/tmp\\nExecStop=/x\" } }"),
        (
            "an override of two lines",
            "services: { s: { exec: [a], overrides: { Service: { Nice: \"1\\nExecStop=/x\" } } } }",
        ),
    ] {
        user.write("stack.yaml", format!("version: 1\nstack: refused\n{stack}\n"))?;
        let refused = user.stackctl(&["validate"]);
        assert_eq!(refused.code, 65, "{what}: {}{}", refused.stdout, refused.stderr);
        assert!(refused.stderr.contains("stack.yaml:3:"), "{what}: {}", refused.stderr);
    }
    Ok(())
}

/// An environment file that everybody can read is refused before anything is done.
#[test]
fn a_services_environment_file_is_its_owners_alone() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("hostile-env-file")?;
    user.write("app.env", "TOKEN=opensesame-4711\n")?;
    write(
        &user,
        &json!({
            "version": 1,
            "stack": "opened",
            "services": { "opened": { "exec": ["sleep", "1000"], "env_file": "./app.env" } },
        }),
    )?;
    for mode in [0o644, 0o640, 0o604, 0o660] {
        user.set_mode("app.env", mode)?;
        let refused = user.stackctl(&["apply", "-y"]).code(6);
        let said = refused.stdout + &refused.stderr;
        assert!(said.contains("PATH_TOO_OPEN") && said.contains("chmod 600"), "{mode:o}: {said}");
        assert!(!said.contains("opensesame"), "{said}");
        assert!(!user.exists(".config/systemd/user/opened.service")?);
    }
    user.set_mode("app.env", 0o600)?;
    user.stackctl(&["apply", "-y"]).ok();
    let pid = user.unit("opened.service", "MainPID");
    assert_eq!(given(&host, &pid).1.get("TOKEN").map(String::as_str), Some("opensesame-4711"));
    assert!(!user.read(".config/systemd/user/opened.service")?.contains("opensesame"));
    Ok(())
}

/// A secret that is printed, logged or kept once is no secret any more.
#[test]
fn what_an_environment_file_holds_is_shown_nowhere() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("hostile-secrets")?;
    user.import_image("localhost/stackctl/secrets:1", &["CMD [\"sleep\"]"]);
    let secrets = |word: &str| format!("PASSWORD=opensesame-{word}\nTWO=\"opensesame-{word} two\"\n");
    user.write("app.env", secrets("first"))?;
    user.set_mode("app.env", 0o600)?;
    let stack = "version: 1\nstack: secrets\ncontainers:\n  c:\n    image: localhost/stackctl/secrets:1\n    \
                 network_mode: none\n    env_file: app.env\n    environment:\n      FROM_ENVIRONMENT: ${TOKEN}\n      \
                 PLAIN: shown\n";
    user.write("stack.yaml", stack)?;
    let run = |token: &str, arguments: &[&str]| {
        let output = user.stackctl_with(&[&format!("TOKEN=opensesame-{token}")], arguments);
        for text in [&output.stdout, &output.stderr] {
            assert!(!text.contains("opensesame"), "{}: {text}", output.command);
        }
        output
    };
    let nowhere = || {
        // The file itself and podman, which has to give it to the process, are the only places.
        let found =
            user.run("grep -rla opensesame ~/.local/state ~/.config /run/user/$(id -u)/stackctl /tmp 2>/dev/null");
        assert_eq!(found.stdout, "");
        let labels = user.run("podman inspect -f '{{json .Config.Labels}}' secrets-c").ok();
        assert!(!labels.stdout.contains("opensesame"), "{}", labels.stdout);
        let said = user.run("journalctl --user --no-pager -q");
        assert!(!said.stdout.contains("opensesame"), "{}", said.stdout);
    };

    run("env", &["plan"]).ok();
    run("env", &["-vv", "apply", "-y"]).ok();
    run("env", &["plan", "--format", "json", "--all"]).ok();
    assert_eq!(run("env", &["-vv", "plan", "--detailed-exitcode"]).code, 0);
    let pid = user.run("podman inspect -f '{{.State.Pid}}' secrets-c").ok();
    let (_, environment) = given(&host, pid.line());
    for (key, value) in
        [("PASSWORD", "opensesame-first"), ("TWO", "opensesame-first two"), ("FROM_ENVIRONMENT", "opensesame-env")]
    {
        assert_eq!(environment.get(key).map(String::as_str), Some(value), "{key}");
    }
    nowhere();

    user.write("app.env", secrets("second"))?;
    let shown = run("other", &["plan"]).ok().stdout;
    for key in ["PASSWORD", "TWO", "FROM_ENVIRONMENT"] {
        let line = shown.lines().find(|line| line.contains(&format!("environment.{key}")));
        assert!(line.is_some_and(|line| line.contains("(secret, changed)")), "{key}: {shown}");
    }
    assert!(shown.contains("0 to add, 0 to change, 1 to replace, 0 to destroy"), "{shown}");
    let json = run("other", &["plan", "--format", "json"]).ok().json();
    assert_eq!(json["changes"][0]["action"], "replace");
    run("other", &["-vv", "apply", "-y"]).ok();
    assert_eq!(run("other", &["plan", "--detailed-exitcode"]).code, 0);
    nowhere();

    // A variable that was there and is gone, as under cron, is no reason to set it to nothing.
    let missing = user.stackctl(&["plan"]);
    assert_ne!(missing.code, 0, "{}", missing.stdout);
    Ok(())
}
