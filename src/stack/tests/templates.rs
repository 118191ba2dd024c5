//! `template` of a file: its text is read and filled in like the stack file's own.

use super::*;

const MAIN: &str = "\
version: 1
stack: a
vars: {port: 8080}
files:
  ~/conf: {template: conf/app.tmpl, mode: \"0640\"}
";

fn content(loaded: Loaded) -> (String, bool) {
    let stack = loaded.good();
    let file = &stack.section("files").unwrap().entries[0].1;
    assert!(file.get("template").is_none());
    let content = file.get("content").unwrap();
    (content.as_text().unwrap().to_owned(), content.sensitive)
}

#[test]
fn variables_are_put_into_the_text_of_another_file() {
    let template = "port=${port}\ntoken=${TOKEN:-none}\nprice=5$$\n";
    let files = [("stack.yaml", MAIN), ("conf/app.tmpl", template)];
    assert_eq!(content(load(&files, &[])), ("port=8080\ntoken=none\nprice=5$\n".to_owned(), false));
    // What the environment holds may be a secret.
    let (text, sensitive) = content(load(&files, &[("TOKEN", "t")]));
    assert_eq!((text.as_str(), sensitive), ("port=8080\ntoken=t\nprice=5$\n", true));
}

#[test]
fn what_cannot_be_filled_in_is_one_error_at_its_line() {
    let told = |files: &[(&str, &str)], words: &str| {
        let loaded = load(files, &[]);
        let text = render(&loaded.diagnostics, &loaded.sources);
        assert_eq!(loaded.diagnostics.0.len(), 1, "{text}");
        assert!(text.contains("stack.yaml:5:") && text.contains(words), "{text}");
    };
    told(&[("stack.yaml", MAIN)], "app.tmpl");
    told(&[("stack.yaml", MAIN), ("conf/app.tmpl", "x=${prot}\n")], "did you mean `port`?");
    told(&[("stack.yaml", MAIN), ("conf/app.tmpl", "x=${\n")], "Bad variable");
}
