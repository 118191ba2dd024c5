//! What would break: a directory is taken for a file that was written.

use std::collections::BTreeSet;

use super::{globs, leaves};

#[test]
fn what_has_something_below_it_is_a_directory() {
    let changed: BTreeSet<String> =
        ["/tmp", "/tmp/app", "/tmp/app/a.db", "/tmp/app.txt", "/srv", "/srv-x/y"].map(str::to_owned).into();
    let found: Vec<&str> = leaves(&changed).collect();
    assert_eq!(found, ["/srv", "/srv-x/y", "/tmp/app.txt", "/tmp/app/a.db"]);
}

#[test]
fn patterns_hold_whole_parts_of_a_path() {
    let set = globs(&["/run/**".to_owned(), "**/__pycache__/**".to_owned(), "/var/log/*.log".to_owned()]);
    for (path, is_passed_over) in [
        ("/run/app.pid", true),
        ("/runner/app.pid", false),
        ("/app/lib/__pycache__/x.pyc", true),
        ("/var/log/a.log", true),
        ("/var/log/app/a.log", false),
    ] {
        assert_eq!(set.is_match(path), is_passed_over, "{path}");
    }
}
