//! The command line itself: what is accepted, and that everything else is 64.

use clap::{CommandFactory, Parser};

use super::failure::Exit;
use super::ui::usage_exit;
use super::{Cli, Verb, args};
use crate::cli::args::Format;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn a_wrong_command_line_is_64_and_never_2() {
    for line in [
        "stackctl",
        "stackctl --nonsense",
        "stackctl plan --nonsense",
        "stackctl frobnicate",
        "stackctl plan extra",
        "stackctl apply --parallelism 0",
        "stackctl apply --parallelism many",
        "stackctl plan --format yaml",
        "stackctl plan --var novalue",
        "stackctl plan --var =x",
        "stackctl plan -f",
        "stackctl wait --timeout 1",
        "stackctl wait --http http://x --tcp x:1 --timeout 1",
        "stackctl wait --tcp x:1 --status 200 --timeout 1",
        "stackctl wait --http http://x",
        "stackctl wait --http http://x --json a[ --timeout 1",
        "stackctl wait --http x:1 --timeout 1",
        "stackctl wait --http http:///path --timeout 1",
        "stackctl wait --tcp x --timeout 1",
        "stackctl wait --tcp x:port --timeout 1",
        "stackctl apply --detailed-exitcode",
    ] {
        let error = parse(line).expect_err(line);
        assert_eq!(usage_exit(&error).code(), 64, "{line}");
    }
}

#[test]
fn help_and_version_are_results() {
    for line in ["stackctl --help", "stackctl -h", "stackctl --version", "stackctl apply --help", "stackctl help plan"]
    {
        assert_eq!(usage_exit(&parse(line).expect_err(line)), Exit::Done, "{line}");
    }
}

#[test]
fn every_verb_has_a_first_line_and_an_example() {
    for verb in Cli::command().get_subcommands() {
        let about = verb.get_about().expect("a first line").to_string();
        assert!(!about.ends_with('.') && about.starts_with(char::is_uppercase), "{about}");
        let example = verb.get_after_help().expect("an example").to_string();
        assert!(example.contains(&format!("stackctl {}", verb.get_name())), "{example}");
    }
}

#[test]
fn options_stand_before_or_behind_the_verb() {
    let Cli { common, mut verb } =
        parse("stackctl -f a.yaml --var x=1 --format human plan -f b.yaml --var y=a=b --format json -v")
            .expect("valid");
    let common = common.merged(verb.common());
    assert_eq!(common.files, ["a.yaml", "b.yaml"].map(std::path::PathBuf::from));
    assert_eq!(common.vars, [("x".to_owned(), "1".to_owned()), ("y".to_owned(), "a=b".to_owned())]);
    assert_eq!(common.format(), Format::Json);
    assert_eq!(common.verbose, 1);
}

#[test]
fn apply_shows_what_plan_shows() {
    let cli = parse("stackctl apply --all -y --parallelism 8").expect("valid");
    let Verb::Apply(apply) = cli.verb else { panic!("apply is apply") };
    assert!(apply.options.all && apply.consent.yes);
    assert_eq!(apply.consent.parallelism, 8);
}

#[test]
fn whoever_waits_for_a_document_is_known_though_the_line_is_wrong() {
    let words = |line: &str| line.split(' ').map(Into::into).collect::<Vec<_>>();
    assert!(args::asks_for_json(&words("stackctl plan --nonsense --format json")));
    assert!(args::asks_for_json(&words("stackctl --format=json plan --nonsense")));
    assert!(!args::asks_for_json(&words("stackctl plan json")));
}
