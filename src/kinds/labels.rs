//! Ownership on podman's objects: our labels, and what other tools' labels say about who an object belongs to.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::address::Address;
use crate::attributes::Attributes;
use crate::change::{Risk, Severity};
use crate::desired::Ours;
use crate::effect::Endpoint;
use crate::hand_over::{self, HandOver};
use crate::observed::{Container, Observed};

pub const STACK: &str = "io.stackctl.stack";
pub const ADDRESS: &str = "io.stackctl.address";
/// Last-applied: `{"attributes":{…},"found":{…},"version":1}`, canonical.
pub const SPEC: &str = "io.stackctl.spec";
pub const UNIT: &str = "PODMAN_SYSTEMD_UNIT";

/// Of the label's own form, so that a later tool can read what an earlier one wrote.
const SPEC_VERSION: u64 = 1;

/// What the label says; its keys are in their order.
#[derive(Serialize, Deserialize)]
struct Spec<'a> {
    attributes: Cow<'a, Attributes>,
    /// What it was made with and no file says, such as the version of a secret.
    #[serde(default, skip_serializing_if = "is_empty")]
    found: Cow<'a, Attributes>,
    version: u64,
}

fn is_empty(found: &Attributes) -> bool {
    found.0.is_empty()
}

type Labels = BTreeMap<String, String>;

/// The user's labels with ours.
pub fn ours(stack: &str, address: &Address, spec: &Attributes, given: &Labels) -> Labels {
    ours_and_found(stack, address, spec, &Attributes::default(), given)
}

/// The same, with what was found on the machine and it is made with.
pub fn ours_and_found(stack: &str, address: &Address, spec: &Attributes, found: &Attributes, given: &Labels) -> Labels {
    let mut labels = given.clone();
    labels.insert(STACK.to_owned(), stack.to_owned());
    labels.insert(ADDRESS.to_owned(), address.to_string());
    let spec = Spec { attributes: Cow::Borrowed(spec), found: Cow::Borrowed(found), version: SPEC_VERSION };
    labels.insert(SPEC.to_owned(), serde_json::to_string(&spec).expect("a map with text keys is always JSON"));
    labels
}

pub fn belongs_to(labels: &Labels, stack: &str) -> bool {
    labels.get(STACK).is_some_and(|owner| owner == stack)
}

pub fn address(labels: &Labels) -> Option<Address> {
    labels.get(ADDRESS)?.parse().ok()
}

/// The address of what is asked for; None of everything else.
pub fn asked_for(labels: &Labels, ours: Ours<'_>) -> Option<Address> {
    let address = labels.get(ADDRESS).filter(|address| ours.asks_for(address))?;
    belongs_to(labels, ours.stack).then(|| address.parse().ok())?
}

/// None where the label is missing or of a form that is not known.
pub fn last_applied(labels: &Labels) -> Option<Attributes> {
    let Spec { attributes, found, version } = serde_json::from_str(labels.get(SPEC)?).ok()?;
    let mut spec = attributes.into_owned();
    spec.0.extend(found.into_owned().0);
    (version == SPEC_VERSION).then_some(spec)
}

/// Is it plain to see that it was made with these, given in their canonical text, whatever was found beside them? Where it is not,
/// they may be the same all the same: in the label of another version, or of what was adopted.
pub fn plainly_says(labels: &Labels, canonical: &str) -> bool {
    let rest = || labels.get(SPEC)?.strip_prefix(r#"{"attributes":"#)?.strip_prefix(canonical);
    rest().is_some_and(|rest| rest.starts_with(r#","found":"#) || rest == format!(r#","version":{SPEC_VERSION}}}"#))
}

/// What was found when it was made, and nothing else of the label; None where it may stand among the attributes.
pub fn found<T: DeserializeOwned>(labels: &Labels) -> Option<T> {
    #[derive(Deserialize)]
    struct Found<T> {
        found: T,
        version: u64,
    }
    let spec = labels.get(SPEC)?;
    // The last but one of its keys. One of that name further down is followed by more than this reads.
    let at = spec.rfind(r#","found":"#)?;
    let Found { found, version } = serde_json::from_str(&format!("{{{}", &spec[at + 1..])).ok()?;
    (version == SPEC_VERSION).then_some(found)
}

/// The same of a container, read once.
pub fn applied(found: &Container) -> Option<&Attributes> {
    found.applied.get_or_init(|| last_applied(&found.labels)).as_ref()
}

/// Who made an object that is not ours, as far as its labels say, and how they let go of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub who: String,
    /// What to do, as a sentence; the steps that it announces are in `hand_over`.
    pub advice: String,
    pub hand_over: hand_over::Steps,
    /// The systemd user unit that runs it.
    pub unit: Option<String>,
}

/// `let_go` is what removes the object itself, and `noun` its sort in words.
pub fn owner(noun: &str, name: &str, labels: &Labels, let_go: Option<HandOver>) -> Owner {
    let label = |keys: &[&str]| keys.iter().find_map(|key| labels.get(*key)).filter(|text| !text.is_empty()).cloned();
    let unit = label(&[UNIT]);
    if let Some(stack) = labels.get(STACK) {
        return Owner {
            who: format!("stack {stack} of stackctl"),
            advice: format!("Give one of the two another name, or take the other stack's {noun} out of its file."),
            hand_over: hand_over::Steps::new(),
            unit,
        };
    }
    if let Some(project) = label(&["io.podman.compose.project", "com.docker.compose.project"]) {
        let service = label(&["io.podman.compose.service", "com.docker.compose.service"]);
        let place = label(&["com.docker.compose.project.working_dir"]);
        let of = service.map(|service| format!("service {service}"));
        let lies = place.map(|place| format!("in {place}"));
        let more: Vec<String> = of.into_iter().chain(lies).collect();
        let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join(", ")) };
        return Owner {
            who: format!("compose project {project}{more}"),
            advice:
                "Choose another name in the stack file, or take the whole project down where it is kept (its volumes \
                     stay):"
                    .to_owned(),
            hand_over: [HandOver::ComposeDown(project)].into(),
            unit,
        };
    }
    let by_home_manager = labels.contains_key("nix.home-manager.managed");
    let through = unit.as_ref().map(|unit| format!("the systemd unit {unit}"));
    let who = match (by_home_manager, &through) {
        (true, Some(through)) => format!("home-manager, through {through}"),
        (true, None) => "home-manager".to_owned(),
        (false, Some(through)) => through.clone(),
        (false, None) => {
            return Owner {
                who: "nobody that its labels name: it was made by hand".to_owned(),
                advice: format!(
                    "Rename or remove the {noun} `{name}` if you no longer need it, or choose another name in the stack file."
                ),
                hand_over: hand_over::Steps::new(),
                unit: None,
            };
        }
    };
    let mut steps = hand_over::Steps::from_iter(let_go);
    steps.extend(by_home_manager.then_some(HandOver::HomeManager));
    Owner { who, advice: "Stop it and remove what it leaves; the data is kept:".to_owned(), hand_over: steps, unit }
}

/// The conflict over a name.
pub fn name_conflict(noun: &str, name: &str, owner: &Owner) -> Risk {
    let Owner { who, advice, hand_over, unit: _ } = owner;
    Risk {
        code: "NAME_OWNED_BY_OTHER",
        severity: Severity::Critical,
        message: format!("the {noun} `{name}` belongs to {who}"),
        remedies: hand_over::remedies(advice, hand_over),
    }
}

/// The fact of what somebody else has made and is this stack's since `stackctl adopt`: podman cannot label it any more.
pub const ADOPTED: &str = "adopted";

/// What is kept of an object that is adopted: which one it is, and what it is taken to have been made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adopted {
    pub name: String,
    /// Tells it from another one of its name; a container's id, a volume's place.
    pub id: String,
    pub spec: Attributes,
}

/// Objects that are adopted are seen as if they carried our labels.
pub fn adopt(observed: &mut Observed, stack: &str) {
    for (key, value) in observed.facts.0.clone() {
        let address = key.strip_prefix(ADOPTED).and_then(|rest| rest.strip_prefix(':')?.parse::<Address>().ok());
        let adopted = serde_json::from_value::<Adopted>(value).ok();
        let (Some(address), Some(Adopted { name, id, spec })) = (address, adopted) else { continue };
        let labels = match address.kind() {
            "container" => observed.containers.get_mut(&name).filter(|found| found.id == id).map(|found| {
                found.applied.take();
                &mut found.labels
            }),
            "network" => observed.networks.get_mut(&name).map(|found| &mut found.labels),
            "volume" => {
                observed.volumes.get_mut(&name).filter(|found| found.mountpoint == id).map(|found| &mut found.labels)
            }
            _ => None,
        };
        if let Some(labels) = labels {
            *labels = ours(stack, &address, &spec, labels);
        }
    }
}

/// Objects of a resource that was renamed in the file are seen as the new one's.
pub fn rename(observed: &mut Observed, stack: &str, renamed: &BTreeMap<Address, Address>) {
    if renamed.is_empty() {
        return;
    }
    for found in observed.containers.values_mut().filter(|found| belongs_to(&found.labels, stack)) {
        if let Some(now) = address(&found.labels).and_then(|was| renamed.get(&was)) {
            found.labels.insert(ADDRESS.to_owned(), now.to_string());
        }
    }
}

/// How a container of ours is on a network, with what it was given there, so that it comes back to it as it was.
pub fn endpoint_on(found: &Container, network: &str, observed: &Observed) -> Endpoint {
    let applied = address(&found.labels).and_then(|address| observed.facts.get("applied", &address).cloned());
    let label = self::applied(found);
    let given = |row: &str| {
        let label = label.as_ref().and_then(|spec| spec.get(row).cloned());
        applied.as_ref().and_then(|applied| applied.get(row).cloned()).or(label).unwrap_or_default()[network].take()
    };
    let options = given("network_options");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Endpoint {
        aliases: found.aliases_on(network),
        static_ips: given("networks")["static_ips"].as_array().into_iter().flatten().filter_map(text).collect(),
        static_mac: text(&options["mac_address"]),
        interface_name: text(&options["interface_name"]),
        options: serde_json::from_value(options["driver_opts"].clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        ADDRESS, SPEC, belongs_to, found, last_applied, name_conflict, ours, ours_and_found, owner, plainly_says,
    };
    use crate::address::Address;
    use crate::attributes::Attributes;
    use crate::hand_over::HandOver;
    use std::collections::BTreeMap;

    #[test]
    fn what_was_applied_can_be_read_back_from_the_object() {
        let mut spec = Attributes::default();
        spec.set("user", "1000");
        let labels = ours("s", &Address::new("container", "x"), &spec, &BTreeMap::new());
        assert!(belongs_to(&labels, "s") && !belongs_to(&labels, "t"));
        assert_eq!(labels[ADDRESS], "container.x");
        assert_eq!(last_applied(&labels), Some(spec.clone()));
        assert_eq!(found::<Attributes>(&labels), None);
        assert!(plainly_says(&labels, &spec.canonical()));
        let later = BTreeMap::from([(SPEC.to_owned(), r#"{"attributes":{},"version":99}"#.to_owned())]);
        assert_eq!(last_applied(&later), None, "a form that is not known says nothing");
    }

    #[test]
    fn what_was_found_stands_beside_what_the_file_says() {
        let attributes = |pairs: &[(&str, &str)]| {
            let mut attributes = Attributes::default();
            pairs.iter().for_each(|(path, value)| attributes.set(path, *value));
            attributes
        };
        let (spec, beside) = (attributes(&[("user", "1000")]), attributes(&[("devices", "one")]));
        let address = Address::new("container", "x");
        let labels = ours_and_found("s", &address, &spec, &beside, &BTreeMap::new());
        assert_eq!(last_applied(&labels), Some(attributes(&[("devices", "one"), ("user", "1000")])));
        assert_eq!(found(&labels), Some(beside));
        assert!(plainly_says(&labels, &spec.canonical()));
        let mut nested = Attributes::default();
        nested.set("labels", serde_json::json!({ "a": 1, "found": { "devices": "two" } }));
        assert_eq!(found::<Attributes>(&ours("s", &address, &nested, &BTreeMap::new())), None);
        for other in [&[("user", "100")][..], &[("user", "1000"), ("z", "")], &[]] {
            assert!(!plainly_says(&labels, &attributes(other).canonical()), "{other:?}");
        }
    }

    #[test]
    fn a_compose_project_is_named() {
        let labels = BTreeMap::from([("com.docker.compose.project".to_owned(), "shop".to_owned())]);
        let owner = owner("container", "x", &labels, Some(HandOver::RemoveContainer("x".to_owned())));
        let risk = name_conflict("container", "x", &owner);
        assert!(risk.message.contains("compose project shop"), "{}", risk.message);
    }
}
