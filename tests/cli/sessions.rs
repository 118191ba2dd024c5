//! Whole sessions, as they stand on the screen: what people learn to read must not change by accident.

use std::io::{Read as _, Write as _};

use super::{GOOD, Session};

#[track_caller]
fn check(told: &str, expected: &str) {
    assert!(told == expected, "told:\n{told}\nexpected:\n{expected}");
}

const BAD: &str = "\
version: 1
stack: s
containers:
  web:
    image: localhost/web:1
    imgae: x
    ports: [\"99999:80\", \"8080:80\"]
    depends_on: [webb]
    environment:
      A: \"1\"
      A: \"2\"
  db:
    image: localhost/db:1
    restart: sometimes
    ports: [\"127.0.0.1:8080:81\"]
services:
  api:
    environment: {}
";

const BAD_TOLD: &str = "\
$ stackctl validate
--- stderr
error: Unknown key
 --> stack.yaml:6:5
  |
6 |     imgae: x
  |     ^^^^^
  = `imgae` is not a key of a container
  = help: did you mean `image`?

error: Bad port
 --> stack.yaml:7:13
  |
7 |     ports: [\"99999:80\", \"8080:80\"]
  |             ^^^^^^^^^^
  = `99999:80` names no port from 1 to 65535 of the host
  = help: write HOST:CONTAINER, such as `8080:80`, `127.0.0.1:8080:80/udp` or `[::1]:8080:80`

error: Port claimed twice
  --> stack.yaml:7:25
   |
 7 |     ports: [\"99999:80\", \"8080:80\"]
   |                         ^^^^^^^^^
  ::: stack.yaml:15:13
   |
15 |     ports: [\"127.0.0.1:8080:81\"]
   |             ------------------- container.db claims it here
   = container.db and container.web both claim host port 8080/tcp
   = help: publish one of them on another host port

error: Reference to nothing
 --> stack.yaml:8:18
  |
8 |     depends_on: [webb]
  |                  ^^^^
  = there is no container or service `webb` in this stack
  = help: did you mean `web`?

error: Duplicate key
  --> stack.yaml:11:7
   |
11 |       A: \"2\"
   |       ^
  ::: stack.yaml:10:7
   |
10 |       A: \"1\"
   |       - first given here
   = `A` is given twice in one mapping

error: Wrong type
  --> stack.yaml:14:14
   |
14 |     restart: sometimes
   |              ^^^^^^^^^
   = expected `no`, `always`, `on-failure`, `on-failure:3` or `unless-stopped`; found a text `sometimes`

error: Missing key
  --> stack.yaml:18:5
   |
18 |     environment: {}
   |     ^
   = a service needs `exec`
   = help: for example `exec: [~/bin/program, --option]`

error: the stack file is invalid: 7 errors
--- exit 65
";

#[test]
fn every_kind_of_error_of_a_file_is_told_at_once() {
    let session = Session::new("allerrors");
    session.file("stack.yaml", BAD);
    check(&session.shown(&["validate"]), BAD_TOLD);
}

#[test]
fn a_cycle_is_told_with_its_members() {
    let session = Session::new("cycle");
    let cycle = "  a: { image: localhost/x:1, depends_on: [b] }\n  b: { image: localhost/x:1, depends_on: [a] }\n";
    session.file("stack.yaml", &format!("version: 1\nstack: s\ncontainers:\n{cycle}"));
    session.run(&["validate"]).says(65, &["stack.yaml:4:3", "container.a -> container.b -> container.a"]);
}

#[test]
fn without_podman_and_systemd_the_plan_says_what_it_could_not_see() {
    let session = Session::new("nothing");
    session.file(
        "stack.yaml",
        "\
version: 1
stack: s
containers:
  db: { image: localhost/db:1, depends_on: [web] }
  web: { image: localhost/web:1 }
directories: { ~/data: {} }
",
    );
    let expected = "\
$ stackctl plan
stackctl: stack s

  + directory.~/data  create
  ! PODMAN_UNREACHABLE  podman is not installed
      what to do: Install podman 5 or newer.
  ? 5 could not be told: podman system service: there is no such program
      image.localhost/db:1, image.localhost/web:1, network.default,
      container.web, container.db

note: no systemd user manager here: podman's own restart policy runs the
      containers; nothing comes back at boot by itself, and start order holds
      only while stackctl applies

Plan: 1 to add, 0 to change, 0 to replace, 0 to destroy.
--- exit 6
";
    check(&session.shown(&["plan"]), expected);
    let expected = "\
$ stackctl status
ADDRESS        STATE    SINCE  RESTARTS  LAST ANSWER
container.db   unknown
container.web  unknown

Not known of 2: podman system service: there is no such program
Status: 0 of 2 up.
--- exit 1
";
    check(&session.shown(&["status"]), expected);
    assert_eq!(session.paths(), ["stack.yaml"], "looking writes nothing");
}

#[test]
fn a_run_shows_the_plan_its_progress_and_what_it_came_to() {
    let session = Session::new("run");
    session.file("stack.yaml", GOOD);
    let expected = "\
$ stackctl apply -y
stackctl: stack s

  + directory.~/data  create

note: no systemd user manager here: podman's own restart policy runs the
      containers; nothing comes back at boot by itself, and start order holds
      only while stackctl applies

Plan: 1 to add, 0 to change, 0 to replace, 0 to destroy.

  + directory.~/data  created

Apply: 1 done. The machine is as stack.yaml says.
--- stderr
directory.~/data: creating
directory.~/data: created
--- exit 0
";
    check(&session.shown(&["apply", "-y"]), expected);
    std::fs::remove_dir_all(session.home.join("data")).expect("a directory");
    let quiet = session.shown(&["apply", "-y", "--quiet"]);
    assert!(quiet.ends_with("says.\n--- exit 0\n") && !quiet.contains("stderr"), "{quiet}");
}

/// Nobody agreed, so nothing is written: no data, no unit, and no state either.
#[test]
fn without_consent_not_even_a_state_directory_is_made() {
    let session = Session::new("consent");
    session.file("stack.yaml", GOOD);
    session.file("empty.yaml", "version: 1\nstack: empty\n");
    let before = session.paths();
    let unconfirmed = "\
--- stderr
error: nobody is there to confirm the plan; nothing was done

hint: The same command with --yes confirms it beforehand.
--- exit 64
";
    let told = session.shown(&["apply"]);
    assert!(told.contains("  + directory.~/data  create\n") && told.ends_with(unconfirmed), "{told}");
    let json = session.run(&["apply", "--format", "json"]);
    assert_eq!(json.says(64, &[]).json()["error"]["code"], "usage");
    session.run(&["apply", "-f", "empty.yaml"]).says(0, &["No changes."]);
    session.run(&["destroy", "-f", "empty.yaml"]).says(0, &["No changes."]);
    assert_eq!(session.paths(), before);
}

/// An invalid file is refused before anything is made for its stack, by the verbs that change something too.
#[test]
fn a_bad_file_leaves_no_trace() {
    let session = Session::new("trace");
    session.file("stack.yaml", "version: 1\nstack: s\ncontainers: { web: { imgae: x } }\n");
    for verb in ["apply", "destroy"] {
        session.run(&[verb, "-y"]).says(65, &["did you mean `image`?"]);
    }
    assert_eq!(session.paths(), ["stack.yaml"]);
}

#[test]
fn bytes_that_are_no_stack_file_are_told_as_what_they_are() {
    let session = Session::new("bytes");
    let not_text = session.file("bin.yaml", "");
    std::fs::write(not_text, b"a: \xff\n").expect("a file");
    session.file("empty.yaml", "");
    session.file("open.yaml", "version: 1\nstack: s\ncontainers: { web: {image: x\n");
    session.file("tab.yaml", "version: 1\nstack: s\ncontainers:\n\tweb: {}\n");
    for (file, words) in [
        ("bin.yaml", &["not UTF-8", "byte 4"][..]),
        ("empty.yaml", &["empty.yaml:1:1", "the file is empty"]),
        ("open.yaml", &["Not YAML", "open.yaml:"]),
        ("tab.yaml", &["tab.yaml:"]),
        (".", &["it is a directory"]),
    ] {
        session.run(&["validate", "-f", file]).says(65, words);
    }
}

#[test]
fn variables_come_from_files_and_the_command_line() {
    let session = Session::new("variables").with("FROM", "~/environment");
    session.file("values", "FROM=~/file\n");
    session.file("stack.yaml", "version: 1\nstack: s\ndirectories: { \"${FROM}\": {} }\n");
    session.run(&["plan"]).says(0, &["directory.~/environment"]);
    session.run(&["plan", "--env-file", "values", "--var", "FROM=~/typed"]).says(0, &["directory.~/typed"]);
    let unset = Session::new("unset");
    unset.file("values", "FROM=~/file\n");
    unset.file("stack.yaml", "version: 1\nstack: s\ndirectories: { \"${FROM:?where to}\": {} }\n");
    unset.run(&["plan"]).says(65, &["stack.yaml:3:", "where to"]);
    unset.run(&["plan", "--env-file", "values"]).says(0, &["directory.~/file"]);
}

/// The units' own way to wait: silent and 0 when the answer comes.
#[test]
fn waiting_ends_with_the_answer() {
    let session = Session::new("answer");
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = server.local_addr().expect("its address").to_string();
    let answering = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut client, _) = server.accept().expect("a client");
            let mut request = [0; 512];
            // The probe of TCP says nothing and closes.
            let asked = client.read(&mut request).expect("a request");
            if asked > 0 {
                client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").expect("an answer");
            }
        }
    });
    for arguments in [&["--tcp", &address][..], &["--http", &format!("http://{address}/")]] {
        let words = [&["wait", "--timeout", "30"], arguments].concat();
        let told = session.run(&words);
        assert_eq!((told.code, told.stdout.as_str(), told.stderr.as_str()), (0, "", ""), "{words:?}");
    }
    answering.join().expect("both have been asked");
    assert!(session.paths().is_empty(), "it needs no stack and makes no state");
}

#[test]
fn a_graph_is_drawn_in_three_ways() {
    let session = Session::new("graph");
    session.file(
        "stack.yaml",
        "\
version: 1
stack: s
containers:
  db: { image: localhost/db:1, network_mode: none }
  web: { image: localhost/web:1, depends_on: { db: { condition: service_started } }, volumes: [\"~/da#ta:/d\"] }
directories: { \"~/da#ta\": {} }
",
    );
    let expected = "\
$ stackctl graph
container.web
├─ container.db  (service_started)
│  └─ image.localhost/db:1
├─ directory.~/da#ta
├─ image.localhost/web:1
└─ network.default
--- exit 0
";
    check(&session.shown(&["graph"]), expected);
    let expected = "\
$ stackctl graph --as dot
digraph \"s\" {
  rankdir = \"BT\";
  node [shape = box];
  \"directory.~/da#ta\";
  \"image.localhost/db:1\";
  \"container.db\";
  \"image.localhost/web:1\";
  \"network.default\";
  \"container.web\";
  \"container.db\" -> \"image.localhost/db:1\";
  \"container.web\" -> \"container.db\" [label = \"service_started\"];
  \"container.web\" -> \"directory.~/da#ta\";
  \"container.web\" -> \"image.localhost/web:1\";
  \"container.web\" -> \"network.default\";
}
--- exit 0
";
    check(&session.shown(&["graph", "--as", "dot"]), expected);
    let expected = "\
$ stackctl graph --as mermaid
flowchart BT
  n0[\"directory.~/da#35;ta\"]
  n1[\"image.localhost/db:1\"]
  n2[\"container.db\"]
  n3[\"image.localhost/web:1\"]
  n4[\"network.default\"]
  n5[\"container.web\"]
  n2 --> n1
  n5 -->|service_started| n2
  n5 --> n0
  n5 --> n3
  n5 --> n4
--- exit 0
";
    check(&session.shown(&["graph", "--as", "mermaid"]), expected);
}

#[test]
fn profiles_bring_in_what_lists_them() {
    let session = Session::new("profiles");
    session.file(
        "stack.yaml",
        "\
version: 1
stack: s
containers:
  web: { image: localhost/x:1, network_mode: none }
  debug: { image: localhost/x:1, network_mode: none, profiles: [debug, tools] }
services:
  watcher: { exec: [/bin/sleep, inf], profiles: [debug] }
",
    );
    let graph = |session: &Session, arguments: &[&str]| {
        let shown = session.run(&[&["graph", "--as", "mermaid"], arguments].concat());
        ["container.debug", "service.watcher"].map(|address| shown.stdout.contains(address))
    };
    assert_eq!(graph(&session, &[]), [false, false]);
    assert_eq!(graph(&session, &["--profile", "tools"]), [true, false]);
    assert_eq!(graph(&session, &["--profile", "debug"]), [true, true]);
    assert_eq!(graph(&session, &["--profile", "*"]), [true, true]);

    session.file(
        "bad.yaml",
        "\
version: 1
stack: s
containers:
  web: { image: localhost/x:1, network_mode: none, depends_on: [debug] }
  debug: { image: localhost/x:1, network_mode: none, profiles: [debug] }
  odd: { image: localhost/x:1, network_mode: none, profiles: [a b] }
",
    );
    let told = session.run(&["validate", "-f", "bad.yaml"]);
    told.says(65, &["is in no profile that is active"]);
    assert!(told.stderr.contains("--profile debug") && told.stderr.contains("bad.yaml:4:"), "{}", told.stderr);
    assert!(told.stderr.contains("cannot be the name of a profile"), "{}", told.stderr);
    let session = session.with("STACKCTL_PROFILES", "other, tools");
    assert_eq!(graph(&session, &[]), [true, false]);
}

#[test]
fn what_the_files_come_to_can_be_printed_and_read_again() {
    let session = Session::new("print").with("TOKEN", "geheim");
    session.file(
        "stack.yaml",
        "\
version: 1
stack: s
vars: { tag: \"1.10\" }
x-common: &common { network_mode: none }
containers:
  base: { image: \"localhost/x:${tag}\", environment: { PRICE: \"5$$\", TOKEN: \"${TOKEN}\" }, <<: *common }
  web: { extends: base, command: [a, 'on'] }
  debug: { extends: base, profiles: [debug] }
",
    );
    session.file("over.yaml", "containers: { web: { environment: [MORE=1] } }\n");
    let expected = "\
version: 1
stack: s
containers:
  base:
    image: localhost/x:1.10
    environment:
      PRICE: 5$$
      TOKEN: ${TOKEN}
    network_mode: none
  web:
    image: localhost/x:1.10
    environment:
      PRICE: 5$$
      TOKEN: ${TOKEN}
      MORE: '1'
    network_mode: none
    command:
    - a
    - on
";
    let files = ["-f", "stack.yaml", "-f", "over.yaml"];
    let told = session.run(&[&["validate", "--print"], &files[..]].concat());
    told.says(0, &[]).keeps_silent_about("geheim");
    check(&told.stdout, expected);
    session.file("whole.yaml", &told.stdout);
    let again = session.run(&["validate", "--print", "-f", "whole.yaml"]);
    check(&again.says(0, &[]).stdout, expected);
    let json = session.run(&[&["validate", "--print", "--format", "json"], &files[..]].concat()).json();
    assert_eq!(json["resolved"]["containers"]["web"]["environment"]["MORE"], "1", "{json:#}");
}
