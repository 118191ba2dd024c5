//! `include`, as Compose does it.

use super::*;

const HEAD: &str = "version: 1\nstack: a\n";

/// Path and text.
type File = (&'static str, &'static str);

fn with(include: &str, rest: &str) -> String {
    format!("{HEAD}include: {include}\n{rest}")
}

#[test]
fn resources_of_included_files_join() {
    let main = with(
        "[sub/db.yaml, {path: [other/a.yaml, other/b.yaml], env_file: other/x.env}]",
        "vars: {tag: main}\ncontainers: {web: {image: \"w:${tag}\"}}\n",
    );
    let files = [
        ("stack.yaml", main.as_str()),
        (
            "sub/db.yaml",
            "version: 1\nstack: db\nvars: {tag: own, more: m}\ncontainers: {db: {image: \"d:${tag}-${more}-${E}\", volumes: [./d:/d]}}\nvolumes: {v: }\n",
        ),
        ("sub/.env", "E=sub\n"),
        ("other/a.yaml", "containers: {o: {image: \"o:${X}\"}}\n"),
        ("other/b.yaml", "containers: {o: {user: b}}\n"),
        ("other/x.env", "X=1\n"),
    ];
    let loaded = load(&files, &[]);
    let file =
        loaded.stack.as_ref().unwrap().section("containers").unwrap().entries[1].1.get("volumes").unwrap().span.file;
    assert_eq!(loaded.sources.directory(file), Path::new("/w/sub"));
    let stack = loaded.good();
    // As in Compose, the including project's variables go before the included one's.
    assert_eq!(
        shown(&stack, "containers"),
        "web {image: w:main}; db {image: `d:${tag}-${more}-${E}`, volumes: [./d:/d]}; o {image: `o:${X}`, user: b}"
    );
    let image = |at: usize| {
        stack.section("containers").unwrap().entries[at].1.get("image").unwrap().as_text().unwrap().to_owned()
    };
    assert_eq!((image(1).as_str(), image(2).as_str()), ("d:main-m-sub", "o:1"));
    assert_eq!(shown(&stack, "volumes"), "v null");
    assert_eq!(stack.name, "a");
}

#[test]
fn a_project_directory_moves_relative_paths() {
    let main = with("{path: sub/x.yaml, project_directory: elsewhere}", "");
    let loaded = load(
        &[("stack.yaml", &main), ("sub/x.yaml", "containers: {c: {image: $E}}\n"), ("elsewhere/.env", "E=e\n")],
        &[],
    );
    let file = loaded.stack.as_ref().unwrap().section("containers").unwrap().entries[0].1.span.file;
    assert_eq!(loaded.sources.directory(file), Path::new("/w/elsewhere"));
    loaded.good();
}

#[test]
fn conflicts_are_errors_and_repetitions_are_not() {
    let one = ("one.yaml", "include: [common.yaml]\n");
    let two = ("two.yaml", "include: [common.yaml]\n");
    let common = ("common.yaml", "containers: {c: {image: x}}\n");
    let main = with("[one.yaml, two.yaml]", "containers: {d: {image: y}}\n");
    load(&[("stack.yaml", &main), one, two, common], &[]).good();
    let main = with("[one.yaml]", "containers: {c: {image: y}}\n");
    let loaded = load(&[("stack.yaml", &main), one, common], &[]);
    assert_eq!(loaded.summaries(), ["Declared twice"]);
    assert_eq!(loaded.sources.path(loaded.diagnostics.0[0].related[0].0.file), Path::new("/w/common.yaml"));
    // An overlay changes what was included.
    let main = with("[one.yaml]", "");
    let over = ("over.yaml", "containers: {c: {image: z}}\n");
    let stack = load(&[("stack.yaml", &main), one, common, over], &[]).good();
    assert_eq!(shown(&stack, "containers"), "c {image: z}");
}

#[test]
fn what_must_not_be_included_is_refused() {
    let cases: &[(&str, &[File], &str)] = &[
        ("[stack.yaml]", &[], "Include in a circle"),
        ("[a.yaml]", &[("a.yaml", "include: b.yaml\n"), ("b.yaml", "include: [a.yaml]\n")], "Include in a circle"),
        ("[a.yaml]", &[("a.yaml", "include: ./sub/../stack.yaml\n")], "Include in a circle"),
        ("[link.yaml]", &[("link.yaml", "->/w/stack.yaml")], "Include in a circle"),
        (
            "[link.yaml]",
            &[("link.yaml", "->/etc/x.yaml"), ("/etc/x.yaml", "containers: {}\n")],
            "Include through a symlink",
        ),
        ("[tree/x.yaml]", &[("tree", "->/etc"), ("/etc/x.yaml", "containers: {}\n")], "Include through a symlink"),
        ("[nowhere.yaml]", &[], "Cannot read file"),
        ("[\"https://example.org/x.yaml\"]", &[], "Not a file"),
        ("[~root/x.yaml]", &[], "Not a path"),
        ("[{path: a.yaml, envfile: x}]", &[("a.yaml", "x-a: 1\n")], "Unknown key"),
        ("[{env_file: x}]", &[], "Missing key"),
        ("[a.yaml]", &[("a.yaml", "contaners: {}\n")], "Unknown key"),
        ("[a.yaml]", &[("a.yaml", "- x\n")], "Not a stack file"),
        ("[true]", &[], "Wrong type"),
        ("[{path: a.yaml, env_file: no.env}]", &[("a.yaml", "x-a: 1\n")], "Cannot read file"),
    ];
    for (include, others, summary) in cases {
        let main = with(include, "");
        let files: Vec<(&str, &str)> =
            std::iter::once(("stack.yaml", main.as_str())).chain(others.iter().copied()).collect();
        let loaded = load(&files, &[]);
        assert_eq!(loaded.summaries(), [*summary], "{include}: {}", render(&loaded.diagnostics, &loaded.sources));
    }
    // A path that openly leads elsewhere, and a link that stays, are fine.
    let main = with("[../y.yaml, l.yaml]", "");
    load(
        &[("stack.yaml", &main), ("/y.yaml", "x-a: 1\n"), ("l.yaml", "->/w/sub/z.yaml"), ("sub/z.yaml", "x-b: 1\n")],
        &[],
    )
    .good();
}

/// Without a circle, a tree of includes still ends.
#[test]
fn includes_are_bounded() {
    let texts: Vec<(String, String)> = (0..40)
        .map(|n| {
            (
                format!("f{n}.yaml"),
                if n < 39 { format!("include: [f{0}.yaml, f{0}.yaml]\n", n + 1) } else { "x-a: 1\n".into() },
            )
        })
        .collect();
    let main = with("f0.yaml", "");
    let files: Vec<(&str, &str)> = std::iter::once(("stack.yaml", main.as_str()))
        .chain(texts.iter().map(|(path, text)| (path.as_str(), text.as_str())))
        .collect();
    let loaded = load(&files, &[]);
    assert!(loaded.summaries().iter().all(|summary| *summary == "Too many files") && loaded.diagnostics.has_errors());
}
