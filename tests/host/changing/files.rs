//! Files that the stack file declares. What would break: somebody else's file that is written over, an edit by hand that nobody
//! hears of, a private text that is shown, and a container or a service that starts before its file is there.

use crate::host::Host;

const STACK: &str = "\
version: 1
stack: s
directories: { ~/conf: {} }
files:
  ~/conf/deep/app.conf: { content: \"a=1\\nb=2\\n\", mode: \"0640\" }
  ~/conf/aidb.env: { content: \"WORD=hello\\n\", mode: \"0600\" }
  ~/conf/copy.txt: { source: original.txt }
containers:
  app:
    image: localhost/x:1
    network_mode: none
    volumes: [\"~/conf/deep/app.conf:/app.conf:ro\"]
services:
  files-native: { exec: [/bin/sh, -c, \"echo $WORD >said; exec sleep inf\"], working_dir: \"~\", env_file: ~/conf/aidb.env }
";

#[test]
fn files_are_written_told_and_healed() -> anyhow::Result<()> {
    let user = Host::get()?.user("files")?;
    user.import_image("localhost/x:1", &["CMD [\"sleep\"]"]);
    user.write("original.txt", "the original\n")?;
    let stack = STACK.replace("$WORD", "$$WORD");
    user.write("stack.yaml", &stack)?;
    user.stackctl(&["apply", "-y"]).ok();
    assert_eq!(user.read("conf/deep/app.conf")?, "a=1\nb=2\n");
    assert_eq!(user.read("conf/copy.txt")?, "the original\n");
    assert_eq!(user.run("stat -c %a conf/deep/app.conf conf/aidb.env conf/copy.txt").ok().stdout, "640\n600\n644\n");
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    let before = user.ids();

    let planned = |path: &str, cause: &str| {
        let plan = user.stackctl(&["plan", "--detailed-exitcode", "--format", "json"]).code(2).json();
        let change = &plan["changes"][0];
        assert_eq!(change["address"], "file.~/conf/deep/app.conf", "{plan:#}");
        let attributes = change["attributes"].as_array().cloned().unwrap_or_default();
        assert_eq!((plan["changes"].as_array().map(Vec::len), attributes.len()), (Some(1), 1), "{plan:#}");
        assert_eq!((&attributes[0]["path"], &attributes[0]["cause"]), (&path.into(), &cause.into()), "{plan:#}");
        user.stackctl(&["apply", "-y"]).ok();
        user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    };
    user.run("echo c=3 >>conf/deep/app.conf").ok();
    let shown = user.stackctl(&["plan"]).ok().stdout;
    assert!(shown.contains("- c=3"), "the edit is shown as lines:\n{shown}");
    planned("content", "machine");
    user.run("chmod 644 conf/deep/app.conf").ok();
    planned("mode", "machine");
    user.run("rm conf/deep/app.conf").ok();
    planned("exists", "machine");
    user.write("stack.yaml", stack.replace("b=2", "b=5"))?;
    planned("content", "file");
    assert_eq!(user.read("conf/deep/app.conf")?, "a=1\nb=5\n");
    assert_eq!(user.ids(), before, "no container is touched");
    assert_eq!(user.read("said")?, "hello\n", "the service started after its file was there");
    Ok(())
}

#[test]
fn what_is_there_already_is_never_written_over() -> anyhow::Result<()> {
    let user = Host::get()?.user("files-foreign")?;
    let stack = |more: &str| format!("version: 1\nstack: s\nfiles: {{ ~/note: {{ content: \"mine\\n\"{more} }} }}\n");
    user.write("stack.yaml", stack(""))?;
    user.write("note", "theirs\n")?;
    let refused = |words: &str| {
        let told = user.stackctl(&["apply", "-y"]).code(6).stdout;
        let flat = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(words), "{told}");
    };
    refused("was not written by stackctl");
    assert_eq!(user.read("note")?, "theirs\n");
    // The same bytes are nobody's loss.
    user.write("note", "mine\n")?;
    user.run("chmod 644 note").ok();
    user.stackctl(&["apply", "-y"]).ok();
    user.write("stack.yaml", stack(", mode: \"0600\""))?;
    user.stackctl(&["apply", "-y"]).ok();
    user.run("mv note other && ln -s other note").ok();
    refused("is a symbolic link to other");
    // Destroy leaves it.
    user.run("mv other note").ok();
    user.stackctl(&["destroy", "-y"]).ok();
    assert_eq!(user.read("note")?, "mine\n");

    let elsewhere = "version: 1\nstack: t\nfiles: { ~/no/such/place: { content: x } }\n";
    user.write("stack.yaml", elsewhere)?;
    refused("~/no/such: {}");
    Ok(())
}

#[test]
fn a_private_text_is_written_and_never_shown() -> anyhow::Result<()> {
    let user = Host::get()?.user("files-private")?;
    let stack = "version: 1\nstack: s\nfiles: { ~/token: { content: \"${TOKEN}\", mode: \"0600\" } }\n";
    user.write("stack.yaml", stack)?;
    let with = |value: &str, arguments: &[&str]| user.stackctl_with(&[&format!("TOKEN={value}")], arguments);
    let mut told = with("geheim", &["plan"]).ok().stdout;
    told += &with("geheim", &["apply", "-y", "-vv"]).ok().stdout;
    assert_eq!(user.read("token")?, "geheim");
    with("geheim", &["plan", "--detailed-exitcode"]).ok();
    told += &with("anders", &["plan", "--detailed-exitcode", "--format", "json"]).code(2).stdout;
    told += &user.run("cat .local/state/stackctl/s/facts.json; strings -a .local/state/stackctl/s/ledger.db*").stdout;
    assert!(!told.contains("geheim") && !told.contains("anders"), "{told}");
    Ok(())
}

/// One that a container has mounted by itself: a new file in its place, the container would never see.
#[test]
fn a_template_is_filled_in_and_a_mounted_file_written_where_it_is() -> anyhow::Result<()> {
    let user = Host::get()?.user("files-mounted")?;
    user.import_image("localhost/x:1", &["CMD [\"sleep\"]"]);
    user.write("app.tmpl", "port=${port}\n")?;
    let stack = |port: u16, atomic: bool| {
        format!(
            "version: 1\nstack: s\nvars: {{ port: {port} }}\ndirectories: {{ ~/conf: {{}} }}\n\
             files: {{ ~/conf/app.conf: {{ template: app.tmpl, atomic: {atomic} }} }}\ncontainers:\n  \
             app: {{ image: \"localhost/x:1\", network_mode: none, volumes: [\"~/conf/app.conf:/app.conf:ro\"] }}\n"
        )
    };
    let apply = |port, atomic| -> anyhow::Result<String> {
        user.write("stack.yaml", stack(port, atomic))?;
        user.stackctl(&["apply", "-y"]).ok();
        user.stackctl(&["plan", "--detailed-exitcode"]).ok();
        assert_eq!(user.read("conf/app.conf")?, format!("port={port}\n"));
        let pid = "podman inspect -f '{{.State.Pid}}' s-app";
        Ok(user.run(&format!("podman unshare cat /proc/$({pid})/root/app.conf")).ok().stdout)
    };
    assert_eq!(apply(1, false)?, "port=1\n");
    let before = user.ids();
    assert_eq!(apply(2, false)?, "port=2\n", "the container sees what was written");
    assert_eq!(apply(2, true)?, "port=2\n", "how it is written is no difference");
    assert_eq!(apply(3, true)?, "port=2\n", "one that took its place, it does not");
    assert_eq!(user.ids(), before);
    Ok(())
}
