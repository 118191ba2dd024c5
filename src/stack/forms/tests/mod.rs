//! What would break: a form of Compose's that is read differently, a value that is taken for another, an error that stops at the first.

use super::*;
use crate::diagnostic::{Diagnostics, FileId};
use crate::stack::source::{Environment, Sources};
use crate::stack::yaml::{Node, parse};
use std::path::{Path, PathBuf};
use std::time::Duration;

mod compound;

/// The value of a reader, or the summary of its first error.
fn read<T>(text: &str, reader: impl FnOnce(&Node, &mut Diagnostics) -> Option<T>) -> Result<T, &'static str> {
    let mut diagnostics = Diagnostics::default();
    let node = parse(FileId(0), text, &mut diagnostics).expect("the test's own text is YAML");
    assert!(diagnostics.is_empty(), "{text}: {diagnostics:?}");
    let value = reader(&node, &mut diagnostics);
    match (value, diagnostics.0.first()) {
        (Some(value), None) => Ok(value),
        (_, Some(first)) => {
            assert!(first.span.is_some() && !first.detail.is_empty(), "{text}");
            Err(first.summary)
        }
        (None, None) => panic!("{text}: nothing was read, and nothing said"),
    }
}

fn sources() -> Sources {
    let mut sources = Sources::default();
    sources.add("stack.yaml".into(), PathBuf::from("/srv/stack/stack.yaml"), String::new(), false);
    sources
}

fn environment() -> Environment {
    Environment { home: PathBuf::from("/home/user"), ..Environment::default() }
}

#[test]
fn texts_keep_what_was_written() {
    let cases = [
        ("plain", Ok("plain")),
        ("1.10", Ok("1.10")),
        ("0o17", Ok("0o17")),
        ("8080", Ok("8080")),
        ("'true'", Ok("true")),
        ("\"a\\nb % $x\"", Ok("a\nb % $x")),
        ("true", Err("Wrong type")),
        ("~", Err("Wrong type")),
        ("[a]", Err("Wrong type")),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text, super::text), expected.map(str::to_owned), "{text}");
    }
    assert_eq!(read("\"a\\nb\"", word), Err("Control character"));
    assert_eq!(read("''", word), Err("Empty value"));
}

#[test]
fn booleans_and_numbers_are_not_guessed() {
    assert_eq!(read("true", boolean), Ok(true));
    for text in ["yes", "'true'", "1", "on"] {
        assert_eq!(read(text, boolean), Err("Wrong type"), "{text}");
    }
    assert_eq!(read("-3", integer), Ok(-3));
    for text in ["'3'", "3.0", "x"] {
        assert_eq!(read(text, integer), Err("Wrong type"), "{text}");
    }
    assert_eq!(read("5", |n, d| integer_in(1..=4, n, d)), Err("Out of range"));
    assert_eq!(read("\"0.5\"", number), Ok(0.5));
    for text in ["-1", "'x'", ".nan", ".inf"] {
        assert_eq!(read(text, number), Err("Wrong type"), "{text}");
    }
}

#[test]
fn durations_are_composes() {
    let cases = [
        ("90s", 90_000),
        ("1m30s", 90_000),
        ("500ms", 500),
        ("1.5h", 5_400_000),
        ("0.1s", 100),
        ("2d", 172_800_000),
        ("1h2m3s4ms", 3_723_004),
        ("'0'", 0),
    ];
    for (text, milliseconds) in cases {
        assert_eq!(read(text, duration), Ok(Duration::from_millis(milliseconds)), "{text}");
    }
    for text in ["soon", "''", "1x", "s", "-1s", "1m 30s", "1..5s", "99999999999w", "1e3s"] {
        assert_eq!(read(text, duration), Err("Not a duration"), "{text}");
    }
    for text in ["90", "1.5", "[1s]"] {
        assert_eq!(read(text, duration), Err("Wrong type"), "{text}");
    }
}

#[test]
fn sizes_are_composes() {
    let cases = [
        ("512m", 512 << 20),
        ("1gb", 1 << 30),
        ("1.5g", 3 << 29),
        ("64KiB", 65_536),
        ("64M", 64 << 20),
        ("100", 100),
        ("'100b'", 100),
        ("0", 0),
        ("2 GB", 2 << 30),
    ];
    for (text, bytes) in cases {
        assert_eq!(read(text, size_bytes), Ok(bytes), "{text}");
    }
    for text in ["big", "-1", "1x", "9999999p", "''", "g", "1.2.3m", "18446744073709551615b"] {
        assert_eq!(read(text, size_bytes), Err("Wrong type"), "{text}");
    }
}

#[test]
fn modes_are_octal_or_refused() {
    for (text, mode) in
        [("\"0700\"", 0o700), ("0700", 0o700), ("0o644", 0o644), ("'755'", 0o755), ("'01777'", 0o1777), ("0", 0)]
    {
        assert_eq!(read(text, super::mode), Ok(mode), "{text}");
    }
    for text in ["700", "'0800'", "'17777'", "rwx", "''", "448", "0x1ff", "-1"] {
        assert_eq!(read(text, super::mode), Err("Wrong type"), "{text}");
    }
}

#[test]
fn command_lines_split_as_a_shell_would() {
    let cases: &[(&str, &[&str])] = &[
        ("a b  c", &["a", "b", "c"]),
        ("sh -c 'echo \"$HOME\" | cat; x'", &["sh", "-c", "echo \"$HOME\" | cat; x"]),
        (r#"a "b \"c\" \n" d"#, &["a", r#"b "c" \n"#, "d"]),
        (r"a\ b c\\", &["a b", r"c\"]),
        ("'' \"\"", &["", ""]),
        ("a'b'\"c\"", &["abc"]),
        ("50% $x", &["50%", "$x"]),
        ("", &[]),
        ("a\nb\tc", &["a", "b", "c"]),
    ];
    for (text, expected) in cases {
        assert_eq!(split_words(text).unwrap(), *expected, "{text}");
    }
    assert_eq!(split_words("a 'b"), Err(WordsError::Unclosed('\'')));
    assert_eq!(split_words("a \"b\\"), Err(WordsError::Unclosed('"')));
    assert_eq!(split_words("a \\"), Err(WordsError::Backslash));
    assert_eq!(split_words("a && b"), Err(WordsError::Shell('&')));
    let list = read("[sleep, 60, \"a b\"]", command).unwrap();
    assert_eq!((list.words, list.split), (vec!["sleep".to_owned(), "60".into(), "a b".into()], false));
    let text = read("sleep 60", command).unwrap();
    assert_eq!((text.words, text.split), (vec!["sleep".to_owned(), "60".into()], true));
    assert_eq!(read("[]", command).unwrap().words, Vec::<String>::new());
    assert_eq!(read("a | b", command), Err("Not a command"));
    assert_eq!(read("{a: b}", command), Err("Wrong type"));
    assert_eq!(read("[a, [b]]", command), Err("Wrong type"));
}

#[test]
fn maps_and_lists_of_pairs_mean_the_same() {
    let flat =
        |pairs: Vec<Pair>| pairs.into_iter().map(|pair| format!("{}={}", pair.key, pair.value)).collect::<Vec<_>>();
    let map = read("{A: true, B: 1.10, C: ~, D: \"x=y\\nz %h\", 5: 0o7}", map_or_list).map(flat).unwrap();
    assert_eq!(map, ["A=true", "B=1.10", "C=", "D=x=y\nz %h", "5=0o7"]);
    let list = read("[A=true, \"D=x=y\", E]", map_or_list).map(flat).unwrap();
    assert_eq!(list, ["A=true", "D=x=y", "E="]);
    assert_eq!(read("[A=1, A=2]", map_or_list), Err("Duplicate key"));
    assert_eq!(read("[=1]", map_or_list), Err("Not a name"));
    assert_eq!(read("{A: [1]}", map_or_list), Err("Wrong type"));
    assert_eq!(read("text", map_or_list), Err("Wrong type"));
}

#[test]
fn host_paths_start_at_home_or_at_the_file() {
    let (sources, environment) = (sources(), environment());
    let places = Places { sources: &sources, environment: &environment };
    let cases = [
        ("/a/b/../c/./d//e", Ok("/a/c/d/e")),
        ("./data", Ok("/srv/stack/data")),
        ("../x", Ok("/srv/x")),
        ("x", Ok("/srv/stack/x")),
        ("~", Ok("/home/user")),
        ("'~'", Ok("/home/user")),
        ("~/.config/x", Ok("/home/user/.config/x")),
        ("'~//x'", Ok("/home/user/x")),
        ("/../../x", Ok("/x")),
        ("\"/a b/%n $x\"", Ok("/a b/%n $x")),
        ("~root/x", Err("Not a path")),
        ("''", Err("Empty value")),
        ("\"/a\\nb\"", Err("Control character")),
        ("true", Err("Wrong type")),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text, |n, d| host_path(n, places, d)), expected.map(PathBuf::from), "{text}");
    }
    assert_eq!(read("data", container_path), Err("Not a path"));
    assert_eq!(read("/data/./x/", container_path), Ok("/data/x".into()));
    assert_eq!(crate::stack::source::normalised(Path::new("a/../../b")), Path::new("../b"));
}

#[test]
fn ports_have_every_form_of_compose() {
    let flat = |ports: Vec<Port>| {
        ports.iter().map(|p| format!("{} {} {} {}", p.host_ip, p.host, p.container, p.protocol)).collect::<Vec<_>>()
    };
    let cases: &[(&str, &[&str])] = &[
        ("8080:80", &["127.0.0.1 8080 80 tcp"]),
        ("22:22", &["127.0.0.1 22 22 tcp"]),
        ("\"127.0.0.1:8080:80/udp\"", &["127.0.0.1 8080 80 udp"]),
        ("0.0.0.0:8080:80", &["0.0.0.0 8080 80 tcp"]),
        ("\"[::1]:80:81\"", &["::1 80 81 tcp"]),
        ("\"::1:80:81\"", &["::1 80 81 tcp"]),
        ("8000-8002:80-82", &["127.0.0.1 8000 80 tcp", "127.0.0.1 8001 81 tcp", "127.0.0.1 8002 82 tcp"]),
        ("{target: 80, published: \"8080\"}", &["127.0.0.1 8080 80 tcp"]),
        ("{target: 80, published: 8080, host_ip: \"::\", protocol: udp, mode: host}", &[":: 8080 80 udp"]),
        ("9:9/sctp", &["127.0.0.1 9 9 sctp"]),
    ];
    for (text, expected) in cases {
        assert_eq!(read(&format!("- {text}\n"), ports).map(flat).unwrap(), *expected, "{text}");
    }
    let wrong = [
        ("8080", "No host port"),
        ("\":80\"", "No host port"),
        ("\"127.0.0.1::80\"", "No host port"),
        ("{target: 80}", "No host port"),
        ("0:80", "Bad port"),
        ("8080:0", "Bad port"),
        ("70000:80", "Bad port"),
        ("8080:80:90:100", "Bad port"),
        ("localhost:8080:80", "Bad port"),
        ("8000-8002:80", "Bad port"),
        ("8002-8000:80-82", "Bad port"),
        ("8080:80/icmp", "Bad port"),
        ("\" 8080:80\"", "Bad port"),
        ("+8080:80", "Bad port"),
        ("true", "Wrong type"),
        ("8080.5", "Wrong type"),
        ("{target: x, published: 80}", "Wrong type"),
        ("{target: 80, published: 80, host_ip: localhost}", "Wrong type"),
        ("{target: 80, published: 80, protocol: tcpp}", "Unknown value"),
        ("{target: 80, publshed: 80}", "Unknown key"),
        ("{target: 80, published: 80, name: web}", "Unsupported key"),
        ("{published: 80}", "Missing key"),
    ];
    for (text, summary) in wrong {
        assert_eq!(read(&format!("- {text}\n"), ports).map(flat), Err(summary), "{text}");
    }
    assert_eq!(read("[\"80\", 90, \"53/udp\", 1-2]", exposed).unwrap().len(), 5);
    assert_eq!(read("[x]", exposed), Err("Wrong type"));
}

/// Every fault of a mapping is found in one reading.
const KEYS: &[Described] =
    &[key("image", Form::Text, "One"), key("command", Form::Text, "Two"), key("name", Form::Text, "Three")];

#[test]
fn a_mapping_reports_all_that_is_wrong() {
    let text = "{imgae: x, x-note: y, command: [a], links: [b], zzz: 1, name: true}";
    let mut diagnostics = Diagnostics::default();
    let node = parse(FileId(0), text, &mut diagnostics).unwrap();
    let mut map = Map::new(&node, "a container", KEYS, &mut diagnostics)
        .unwrap()
        .unsupported(&[("links", "podman has none; containers of a network know each other by name")]);
    assert_eq!(map.require("image", "docker.io/library/nginx:1", super::text), None);
    assert_eq!(map.read("name", super::text), None);
    assert!(map.read("command", command).is_some());
    map.finish();
    let found: Vec<_> = diagnostics.0.iter().map(|d| (d.summary, d.help.as_deref())).collect();
    assert_eq!(
        found,
        [
            ("Missing key", Some("for example `image: docker.io/library/nginx:1`")),
            ("Wrong type", None),
            ("Unknown key", Some("did you mean `image`?")),
            ("Unsupported key", None),
            ("Unknown key", Some("its keys are image, command, name")),
        ]
    );
    assert!(Map::new(&node.get("command").unwrap().clone(), "a container", KEYS, &mut diagnostics).is_none());
    assert_eq!(
        diagnostics.0.last().unwrap().detail,
        "a container is written as a mapping, such as `image: …`; found a list"
    );
}
