//! The house as a test: what may import what, what every file begins with, how long it may get. One crate cannot forbid its
//! own modules to reach across, so this does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

/// Nobody reads to the end of a longer one.
const LINES_MAX: usize = 800;

/// What a module of the first level may import, besides itself. Leaves import each other only.
const ARROWS: &[(&str, &[&str])] = &[
    ("address", LEAVES),
    ("attributes", LEAVES),
    ("change", LEAVES),
    ("diagnostic", LEAVES),
    ("effect", LEAVES),
    ("hand_over", LEAVES),
    ("observed", LEAVES),
    ("probe", LEAVES),
    ("sorted", LEAVES),
    ("time", LEAVES),
    ("stack", &["diagnostic"]),
    ("desired", &["stack", "graph", "+leaves"]),
    ("graph", &["desired", "+leaves"]),
    ("plan", &["desired", "graph", "+leaves"]),
    ("kinds", &["desired", "stack", "plan", "+leaves"]),
    ("machine", &["+leaves"]),
    ("execute", &["plan", "machine", "+leaves"]),
    ("ledger", &["execute", "+leaves"]),
    ("report", &["desired", "graph", "plan", "execute", "machine", "ledger", "+leaves"]),
    ("cli", &["stack", "desired", "graph", "plan", "machine", "execute", "ledger", "report", "+leaves"]),
    ("main", &["cli"]),
    ("lib", &[]),
];
const LEAVES: &[&str] =
    &["address", "attributes", "change", "diagnostic", "effect", "hand_over", "observed", "probe", "sorted", "time"];

/// Folders of `kinds/` that are no kind: what several kinds share.
const SHARED_BY_KINDS: &[&str] = &["unit"];

/// The one place that puts the parts together.
const COMPOSITION_ROOT: &[&str] = &["src/cli/app/"];

fn sources() -> BTreeMap<PathBuf, String> {
    fn walk(directory: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(directory).expect("a directory of the repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                found.insert(path, text);
            }
        }
    }
    let mut found = BTreeMap::new();
    for directory in ["src", "tests", "examples"] {
        walk(Path::new(directory), &mut found);
    }
    assert!(found.len() > 40, "the sources were not found");
    found
}

/// `src/plan/diff.rs` and `src/plan.rs` are `plan`.
fn module(path: &Path) -> Option<String> {
    let first = path.strip_prefix("src").ok()?.components().next()?;
    Some(first.as_os_str().to_str()?.trim_end_matches(".rs").to_owned())
}

fn is_test(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.ends_with("/tests.rs") || text.contains("/tests/") || text.starts_with("tests/")
}

#[derive(Default)]
struct Seen {
    /// First segments after `crate::`, with their lines.
    imports: Vec<(String, usize)>,
    asyncs: Vec<usize>,
}

impl<'ast> Visit<'ast> for Seen {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let is_test = item.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
        });
        if !is_test {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_use_tree(&mut self, tree: &'ast syn::UseTree) {
        if let syn::UseTree::Path(path) = tree
            && path.ident == "crate"
        {
            let line = path.ident.span().start().line;
            collect(&path.tree, line, &mut self.imports);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut segments = path.segments.iter();
        if segments.next().is_some_and(|first| first.ident == "crate")
            && let Some(second) = segments.next()
        {
            self.imports.push((second.ident.to_string(), second.ident.span().start().line));
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if let Some(keyword) = signature.asyncness {
            self.asyncs.push(keyword.span.start().line);
        }
        syn::visit::visit_signature(self, signature);
    }
}

fn collect(tree: &syn::UseTree, line: usize, into: &mut Vec<(String, usize)>) {
    match tree {
        syn::UseTree::Path(path) => into.push((path.ident.to_string(), line)),
        syn::UseTree::Name(name) => into.push((name.ident.to_string(), line)),
        syn::UseTree::Rename(rename) => into.push((rename.ident.to_string(), line)),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| collect(tree, line, into)),
        syn::UseTree::Glob(_) => {}
    }
}

fn look(text: &str) -> Seen {
    let file = syn::parse_file(text).expect("a source file that compiles");
    let mut seen = Seen::default();
    seen.visit_file(&file);
    seen
}

fn no_findings(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn nothing_imports_against_the_arrows() {
    let mut findings = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| path.starts_with("src") && !is_test(path)) {
        let module = module(path).expect("a module");
        let allowed = ARROWS.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed);
        let Some(allowed) = allowed else {
            findings.push(format!("{}: `{module}` has no arrows in tests/tidy.rs", path.display()));
            continue;
        };
        let root = COMPOSITION_ROOT.iter().any(|root| path.to_string_lossy().starts_with(root));
        for (import, line) in look(text).imports {
            let leaf = allowed.contains(&"+leaves") && LEAVES.contains(&import.as_str());
            // Macros and the crate's own items of lib.rs do not exist here.
            let known = ARROWS.iter().any(|(name, _)| *name == import);
            if known && import != module && !leaf && !root && !allowed.contains(&import.as_str()) {
                findings.push(format!("{}:{line}: `{module}` may not import `{import}`", path.display()));
            }
        }
    }
    no_findings(&findings);
}

#[test]
fn only_the_composition_root_knows_the_kinds_and_the_real_machine() {
    let mut findings = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| path.starts_with("src/cli") && !is_test(path)) {
        let root = COMPOSITION_ROOT.iter().any(|root| path.to_string_lossy().starts_with(root));
        for forbidden in ["crate::kinds", "machine::real"] {
            if !root && text.contains(forbidden) {
                findings.push(format!("{}: {forbidden} is for cli/app/ alone", path.display()));
            }
        }
    }
    no_findings(&findings);
}

#[test]
fn the_pure_parts_wait_for_nothing() {
    let mut findings = Vec::new();
    for (path, text) in sources() {
        let pure = ["stack", "desired", "graph", "plan", "kinds", "report"];
        if module(&path).is_some_and(|module| pure.contains(&module.as_str())) {
            findings.extend(look(&text).asyncs.into_iter().map(|line| format!("{}:{line}: async", path.display())));
        }
    }
    no_findings(&findings);
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    let mut findings = Vec::new();
    for (path, text) in sources() {
        if !text.starts_with("//!") {
            findings.push(format!("{}: does not begin with //!", path.display()));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            findings.push(format!("{}: {lines} lines", path.display()));
        }
        if text.contains(concat!("#[", "allow(")) || text.contains(concat!("#![", "allow(")) {
            findings.push(format!("{}: `allow`, where `expect` with a reason belongs", path.display()));
        }
    }
    no_findings(&findings);
}

#[test]
fn every_kind_is_in_the_list_and_laid_out_like_the_others() {
    let list = fs::read_to_string("src/kinds/mod.rs").expect("the list of kinds");
    let mut findings = Vec::new();
    for entry in fs::read_dir("src/kinds").expect("the kinds") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        if !path.is_dir() || SHARED_BY_KINDS.contains(&name.as_str()) {
            continue;
        }
        if !list.contains(&format!("&{name}::KIND")) {
            findings.push(format!("{name} is not in ALL"));
        }
        if !path.join("mod.rs").exists() {
            findings.push(format!("{name} has no mod.rs"));
        }
        for file in fs::read_dir(&path).expect("a kind").map(|file| file.expect("an entry").path()) {
            let text = if file.is_file() { fs::read_to_string(&file).expect("a source file") } else { String::new() };
            // A partial pattern would let a new field be forgotten in what is compared.
            if file.ends_with("attributes.rs") && text.contains(", .. } = self") {
                findings.push(format!("{}: a pattern with `..`", file.display()));
            }
        }
    }
    no_findings(&findings);
}

#[test]
fn every_test_file_is_a_module() {
    let main = fs::read_to_string("tests/main.rs").expect("the list of test modules");
    for entry in fs::read_dir("tests").expect("the tests") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let is_module = path.extension().is_some_and(|ending| ending == "rs") || path.join("mod.rs").exists();
        if is_module && name != "main" {
            assert!(main.contains(&format!("mod {name};")), "tests/main.rs does not list {name}");
        }
    }
}

/// What looks like a code and is a variable of the environment, a label, or another program's word.
const NO_CODES: &[&str] = &[
    "CARGO_",
    "CLICOLOR_",
    "COMPOSE_",
    "CONTAINER_CONNECTION",
    "CONTAINER_HOST",
    "DBUS_",
    "NO_COLOR",
    "PODMAN_SYSTEMD_UNIT",
    "STACKCTL_",
    "SUDO_",
    "XDG_",
    "PG_",
];

/// A code that a plan gives and nobody can look up says nothing.
#[test]
fn every_code_is_explained() {
    let mut findings = Vec::new();
    let known: Vec<&str> = stackctl::report::explain::MEANINGS.iter().map(|meaning| meaning.code).collect();
    assert!(known.is_sorted(), "in the order of the alphabet");
    let mut given = 0;
    for (path, text) in sources().into_iter().filter(|(path, _)| path.starts_with("src") && !is_test(path)) {
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        // Beginnings of codes, and lists of them, are none.
        if path.ends_with("cli/failure.rs") || path.ends_with("report/explain.rs") {
            continue;
        }
        for literal in text.split('"').skip(1).step_by(2) {
            let is_code = literal.contains('_') && literal.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            if is_code && !literal.ends_with('_') && !NO_CODES.iter().any(|prefix| literal.starts_with(prefix)) {
                given += 1;
                if !known.contains(&literal) {
                    findings.push(format!("{}: {literal} is explained nowhere", path.display()));
                }
            }
        }
    }
    assert!(given > 20, "{given} codes were found");
    no_findings(&findings);
}

/// Calls that nothing here may make, whatever asks for it: they take from under somebody what was not named, or end what was not asked.
#[test]
fn nothing_forces_prunes_resets_or_kills() {
    const NEVER: &[&str] = &[
        "(\"force\", \"true\")",
        "force=true",
        "/prune",
        "/kill",
        "KillUnit",
        "kill_unit",
        "system/reset",
        "chown -R",
        "rm -rf",
        "\"--force\"",
        "(\"v\", \"true\")",
    ];
    let mut found = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| path.starts_with("src") && !is_test(path)) {
        let code = text.lines().map(str::trim_start).enumerate().filter(|(_, line)| !line.starts_with("//"));
        for (number, line) in code {
            found.extend(
                NEVER
                    .iter()
                    .filter(|word| line.contains(**word))
                    .map(|word| format!("{}:{}: {word}", path.display(), number + 1)),
            );
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}
