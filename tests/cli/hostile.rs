//! Files that are made to do harm: each is one clear error, in bounded time and memory. The bounds are the process's own limits, and
//! what each took is printed.

use std::process::Command;
use std::time::{Duration, Instant};

use super::Session;

/// Address space that the program may take, in kilobytes; the files are up to 100 MB.
const MEMORY_KB: u32 = 400_000;
const TIME_MAX: Duration = Duration::from_secs(10);

const HEAD: &str = "version: 1\nstack: s\n";

fn files() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let with = |body: &str| format!("{HEAD}{body}").into_bytes();
    let row = |name: char, of: &str| format!("x-{name}: &{name} [{}]\n", [of; 9].join(","));
    let bomb: String = ('a'..='i')
        .map(|name| row(name, &if name == 'a' { "1".to_owned() } else { format!("*{}", char::from(name as u8 - 1)) }))
        .collect();
    vec![
        ("bomb.yaml", with(&bomb), "Alias bomb"),
        ("large.yaml", with(&format!("x-a: {}\n", "a".repeat(100_000_000))), "Cannot read file"),
        ("deep.yaml", with(&format!("x-a: {}{}\n", "[".repeat(10_000), "]".repeat(10_000))), "Nested too deeply"),
        ("key.yaml", with(&format!("{}: 1\n", "a".repeat(1_000_000))), "Not YAML"),
        ("name.yaml", with(&format!("containers: {{ {}: {{ image: x }} }}\n", "b".repeat(1_000_000))), "Not a name"),
        ("latin.yaml", [HEAD.as_bytes(), b"x-a: \xff\xfe\n"].concat(), "Cannot read file"),
        ("tabs.yaml", with("containers:\n\tweb: { image: x }\n"), "Not YAML"),
        ("nul.yaml", with("x-a: a\0b\n"), "Cannot read file"),
        ("twice.yaml", with("x-b: &b { image: a }\ncontainers: { web: { <<: *b, <<: *b } }\n"), "Duplicate key"),
        ("merged.yaml", with("x-b: &b { image: a, image: b }\ncontainers: { web: { <<: *b } }\n"), "Duplicate key"),
        (
            "number.yaml",
            with("containers: { web: { image: x, pids_limit: 99999999999999999999999 } }\n"),
            "Number out of range",
        ),
        ("round.yaml", with("include: [back.yaml]\n"), "Include in a circle"),
        ("link.yaml", with("include: [outside.yaml]\n"), "Include through a symlink"),
    ]
}

#[test]
#[expect(clippy::print_stdout, reason = "what each took is for the reader of the output")]
fn each_is_one_clear_error_in_bounded_time_and_memory() {
    let session = Session::new("hostile");
    session.file("back.yaml", "include: [round.yaml]\n");
    let outside = session.home.with_file_name(format!("stackctl-outside-{}.yaml", std::process::id()));
    std::fs::write(&outside, "containers: { o: { image: x } }\n").expect("a file outside of the tree");
    std::os::unix::fs::symlink(&outside, session.home.join("outside.yaml")).expect("a link");
    for (name, bytes, summary) in files() {
        std::fs::write(session.home.join(name), bytes).expect("a file");
        let begun = Instant::now();
        let script = format!("ulimit -v {MEMORY_KB}; exec \"$0\" validate -f {name}");
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_stackctl")]).current_dir(&session.home);
        let told = command.env_clear().env("HOME", &session.home).output().expect("a shell");
        let took = begun.elapsed();
        let words = String::from_utf8_lossy(&told.stderr);
        assert_eq!(told.status.code(), Some(65), "{name}: {words:.400}");
        assert!(words.contains(summary) && words.contains(name.trim_end_matches(".yaml")), "{name}: {words:.400}");
        assert!(took < TIME_MAX, "{name} took {took:?}");
        println!("{name}: {summary}, {took:?}, below {MEMORY_KB} kB of address space");
    }
    drop(std::fs::remove_file(outside));
}
