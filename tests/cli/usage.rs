//! What is typed wrong is 64, never clap's 2, which would read as drift; help costs nothing.

use super::{GOOD, Session};

#[test]
fn wrong_usage_is_64_and_points_to_help() {
    let session = Session::new("usage");
    session.file("stack.yaml", GOOD);
    for arguments in [
        &["plan", "--no-such-option"][..],
        &["no-such-verb"],
        &["plan", "--format", "xml"],
        &["plan", "--var", "novalue"],
        &["apply", "--parallelism", "0"],
        &[],
    ] {
        session.run(arguments).says(64, &[]);
    }
    let told = session.run(&["plan", "--no-such-option"]);
    told.says(64, &["--no-such-option", "--help"]);
    assert!(told.stdout.is_empty(), "an error is no result");
}

#[test]
fn help_has_an_example_for_every_verb() {
    let session = Session::new("help");
    session
        .run(&["--help"])
        .says(0, &["validate", "plan", "apply", "destroy", "status", "history", "show", "Exit codes", "Example:"]);
    for verb in ["validate", "graph", "plan", "apply", "destroy", "status", "history", "show"] {
        session.run(&[verb, "--help"]).says(0, &["Example:", "stackctl"]);
    }
    session.run(&["--version"]).says(0, &[env!("CARGO_PKG_VERSION")]);
    assert!(session.paths().is_empty(), "help writes nothing: {:?}", session.paths());
}

#[test]
fn without_a_stack_file_it_says_where_it_looked() {
    Session::new("nofile").run(&["plan"]).says(64, &["stack.yaml", ".config/stackctl/stack.yaml", "hint:"]);
}

#[test]
fn root_through_sudo_is_refused_with_the_reason() {
    let session = Session::new("sudo").with("SUDO_UID", "1000");
    session.file("stack.yaml", GOOD);
    session.run(&["plan"]).says(1, &["through sudo", "without sudo"]);
    assert_eq!(session.paths(), ["stack.yaml"], "nothing was touched");
}

#[test]
fn nothing_is_applied_where_nobody_can_agree() {
    let session = Session::new("noyes");
    session.file("stack.yaml", GOOD);
    session.run(&["apply"]).says(64, &["--yes", "nothing was done"]);
    assert!(!session.home.join("data").exists());
}

#[test]
fn a_second_run_is_told_who_holds_the_stack() {
    let session = Session::new("lock");
    session.file("stack.yaml", GOOD);
    // Who holds it is this process; one that does not live is not named.
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc tells of this process");
    let began =
        stat.rsplit(')').next().and_then(|fields| fields.split_whitespace().nth(19)).expect("proc(5), field 22");
    let pid = std::process::id().to_string();
    let lock = session.file(".local/state/stackctl/s/lock", &format!("{pid} {began}\nstackctl apply -y\n"));
    let file = std::fs::File::open(&lock).expect("the lock");
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).expect("the lock is free");
    session.run(&["apply", "-y"]).says(5, &[&pid, "stackctl apply -y"]);
    let json = session.run(&["apply", "-y", "--format", "json"]);
    assert_eq!(json.says(5, &[]).json()["error"]["code"], "locked");
    assert!(!session.home.join("data").exists());
    drop(file);
    session.run(&["apply", "-y"]).says(0, &["1 done"]);
    assert!(session.home.join("data").is_dir());
}

#[test]
fn a_machine_without_podman_is_said_to_be_one() {
    let session = Session::new("nopodman");
    session.file("stack.yaml", "version: 1\nstack: s\ncontainers: { web: { image: localhost/web:1 } }\n");
    session.run(&["plan"]).says(6, &["PODMAN_UNREACHABLE", "what to do"]);
    let json = session.run(&["plan", "--format", "json"]);
    let json = json.says(6, &[]).json();
    assert_eq!(json["format_version"], "1");
    assert!(json["risks"].as_array().expect("risks").iter().any(|risk| risk["code"] == "PODMAN_UNREACHABLE"), "{json}");
    session.run(&["apply", "-y"]).says(6, &["nothing was done"]);
}

#[test]
fn colour_is_for_terminals_and_for_who_asks() {
    let plain = Session::new("plain");
    plain.file("stack.yaml", GOOD);
    plain.run(&["plan"]).says(0, &["directory.~/data", "create"]).keeps_silent_about("\u{1b}");
    let forced = Session::new("forced").with("CLICOLOR_FORCE", "1");
    forced.file("stack.yaml", GOOD);
    assert!(forced.run(&["plan"]).stdout.contains('\u{1b}'));
    let never = Session::new("never").with("CLICOLOR_FORCE", "1").with("NO_COLOR", "1");
    never.file("stack.yaml", GOOD);
    never.run(&["plan"]).keeps_silent_about("\u{1b}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let session = Session::new("pipe");
    session.file("stack.yaml", GOOD);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = session.command(&["plan"]).stdout(writer).output().expect("the program runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn waiting_ends_at_its_time() {
    let session = Session::new("wait");
    session.run(&["wait", "--http", "http://127.0.0.1:9/", "--timeout", "0"]).says(1, &[]);
}
