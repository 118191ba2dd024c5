//! Paths that an image declares as `VOLUME` and the stack file mounts nothing at. Podman would make a volume without a name there, which
//! nobody finds again: they get one with a name and our labels, which outlives every replace.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Container;
use crate::address::Address;
use crate::change::{Risk, Severity};
use crate::desired::Neighbours;
use crate::effect::podman::Undeclared;
use crate::kinds::labels;
use crate::observed::{self, Observed, Seen};

/// In the address of such a volume, between the container's name and the path.
const SEPARATOR: &str = ":/";

/// Whose volume it is, where it is one of these.
pub fn owner(address: &Address) -> Option<Address> {
    let (container, _) = address.name().split_once(SEPARATOR).filter(|_| address.kind() == "volume")?;
    Some(Address::new("container", container))
}

/// What podman is told of them when the container is made: only then it is certain what its image declares.
pub(super) fn wanted(container: &Container, observed: &Observed) -> Undeclared {
    Undeclared {
        labels: [(labels::STACK.to_owned(), container.context.stack.clone())].into(),
        address_label: labels::ADDRESS,
        address: format!("volume.{}", container.address.name()),
        name: format!("{}_{}.", container.context.stack, container.address.name()),
        known: known(container, observed),
        except: container.mounts.keys().chain(&container.ephemeral).cloned().collect(),
    }
}

/// The same; None where the image is here, stays what it is, and declares nothing of the kind: then podman need not be asked again.
pub(super) fn to_ask(container: &Container, observed: &Observed, neighbours: &Neighbours<'_>) -> Option<Undeclared> {
    let wanted = wanted(container, observed);
    let image = observed.images.get(&container.image).and_then(Seen::present);
    let after = neighbours.name_after(&Address::new("image", &container.image));
    let stays = after.is_none_or(|name| name == container.image);
    let has_none = image.is_some_and(|image| image.volumes.iter().all(|path| wanted.is_covered(path)));
    (!(stays && has_none)).then_some(wanted)
}

/// What the one before it has there: a volume of these, perhaps by the name that the container had then, or one without a name from
/// before they had any.
fn known(container: &Container, observed: &Observed) -> BTreeMap<String, String> {
    let is_before = |found: &&observed::Container| {
        let address = labels::address(&found.labels);
        labels::belongs_to(&found.labels, &container.context.stack)
            && address.is_some_and(|address| address == container.address || Some(&address) == container.was.as_ref())
    };
    let mounts = observed.containers.values().filter(is_before).filter_map(|found| found.inspect.as_ref());
    let mounts = mounts.filter_map(|inspect| inspect["Mounts"].as_array()).flatten();
    let one = |mount: &Value| {
        let (name, path) = (mount["Name"].as_str()?, mount["Destination"].as_str()?);
        let is_nameless = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_ours = || {
            let address = labels::address(&observed.volumes.get(name)?.labels)?;
            owner(&address)
        };
        (is_nameless || is_ours().is_some()).then(|| (path.trim_end_matches('/').to_owned(), name.to_owned()))
    };
    mounts.filter_map(one).collect()
}

/// What is told of an image that is here.
pub(super) fn risks(container: &Container, observed: &Observed) -> Vec<Risk> {
    let Some(image) = observed.images.get(&container.image).and_then(Seen::present) else { return Vec::new() };
    if image.volumes.is_empty() {
        return Vec::new();
    }
    let undeclared = wanted(container, observed);
    let declared = image.volumes.iter().filter(|path| !undeclared.is_covered(path));
    let risk = |path: &String| {
        let name = undeclared.volume(path);
        let is_there = observed.volumes.contains_key(&name);
        Risk {
            code: "STATEFUL_PATH_NOT_MOUNTED",
            severity: if is_there { Severity::Info } else { Severity::Warning },
            message: format!(
                "{}: its image keeps state at {path}, and nothing is mounted there; the volume `{name}` {} it",
                container.address,
                if is_there { "keeps" } else { "will keep" }
            ),
            remedies: vec![format!(
                "Mount a directory or a volume of your own at {path}, or list it in `ephemeral:` where it may go."
            )],
        }
    };
    declared.map(risk).collect()
}

#[cfg(test)]
mod tests {
    use super::owner;
    use crate::address::Address;

    #[test]
    fn the_address_of_such_a_volume_says_whose_it_is() {
        let volume = |name: &str| Address::new("volume", name);
        assert_eq!(owner(&volume("db:/var/lib/mysql")), Some(Address::new("container", "db")));
        assert_eq!(owner(&volume("notes")), None);
        assert_eq!("volume.db:/var/lib/mysql".parse::<Address>().ok(), Some(volume("db:/var/lib/mysql")));
    }
}
