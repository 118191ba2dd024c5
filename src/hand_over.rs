//! How another tool lets go of what stands in the way: steps that the user takes, never this tool, in an order in which each
//! of them works. Plain data and its words.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// One step. The order of the variants is the order in which they are to be taken: a network goes when nobody is on it, and
/// a unit is stopped by what its file says before the file goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HandOver {
    /// It is declared in home.nix, and the next switch would put back what is removed here.
    HomeManager,
    StopUnit(String),
    /// Of a unit whose file may stay: it is not started again.
    DisableUnit(String),
    ComposeDown(String),
    StopContainer(String),
    RemoveContainer(String),
    RemoveNetwork(String),
    RemoveFile(PathBuf),
    ReloadUnits,
}

pub type Steps = BTreeSet<HandOver>;

impl HandOver {
    /// To be copied to a shell; none where it is not done by one command.
    pub fn command(&self) -> Option<String> {
        match self {
            HandOver::HomeManager => None,
            HandOver::StopUnit(unit) => Some(format!("systemctl --user stop {}", word(unit))),
            HandOver::DisableUnit(unit) => Some(format!("systemctl --user disable --now {}", word(unit))),
            HandOver::ComposeDown(project) => Some(format!("podman compose -p {} down", word(project))),
            HandOver::StopContainer(name) => Some(format!("podman stop --ignore {}", word(name))),
            HandOver::RemoveContainer(name) => Some(format!("podman rm --ignore {}", word(name))),
            HandOver::RemoveNetwork(name) => Some(format!("podman network rm {}", word(name))),
            HandOver::RemoveFile(path) => Some(format!("rm -f {}", word(&path.display().to_string()))),
            HandOver::ReloadUnits => Some("systemctl --user daemon-reload".to_owned()),
        }
    }
}

/// The sentence, and below it the commands, indented as remedies are.
pub fn remedies(sentence: &str, steps: &Steps) -> Vec<String> {
    let mut remedies = Vec::new();
    if steps.contains(&HandOver::HomeManager) {
        remedies.push(
            "If home-manager still declares it, take it out of home.nix (services.podman) and switch first, or the next \
             switch puts it back."
                .to_owned(),
        );
    }
    remedies.push(sentence.to_owned());
    remedies.extend(steps.iter().filter_map(HandOver::command).map(|command| format!("  {command}")));
    remedies
}

/// As a shell reads it: in quotes where it holds anything but plain letters.
fn word(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./:=,@+%".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{HandOver, Steps, remedies};

    #[test]
    fn the_order_is_the_one_that_works() {
        let steps = Steps::from([
            HandOver::ReloadUnits,
            HandOver::RemoveFile("/home/a b/x.service".into()),
            HandOver::RemoveNetwork("net".to_owned()),
            HandOver::RemoveContainer("x".to_owned()),
            HandOver::StopUnit("x.service".to_owned()),
        ]);
        let expected = [
            "So:",
            "  systemctl --user stop x.service",
            "  podman rm --ignore x",
            "  podman network rm net",
            "  rm -f '/home/a b/x.service'",
            "  systemctl --user daemon-reload",
        ];
        assert_eq!(remedies("So:", &steps), expected);
    }
}
