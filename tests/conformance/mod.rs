//! What the sweeps on the simulated machine lean on, tried on it and on real podman and systemd alike: lists of calls, each with what
//! has to come of it. A simulation that is kinder than the machine would prove nothing.

pub(crate) mod units;

use std::collections::BTreeMap;
use std::time::Duration;

use stackctl::attributes::Hidden;
use stackctl::effect::podman::{NamedVolume, Namespace, SecretMount};
use stackctl::effect::{
    ContainerCreate, Effect, Endpoint, NetworkCreate, Podman, SecretCreate, SecretSource, VolumeCreate,
};
use stackctl::machine::{Failure, FailureKind};

use crate::simulation::World;

/// There before the first call; what is made from it runs until it is stopped.
pub(crate) const IMAGE: &str = "localhost/x:1";
/// What containers tell in, and what keeps their secrets.
const SPEC: &str = "io.stackctl.spec";

fn labels(turn: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("io.stackctl.stack".to_owned(), "t".to_owned()), (SPEC.to_owned(), turn.to_owned())])
}

fn network(name: &str, turn: &str) -> Podman {
    Podman::CreateNetwork(NetworkCreate {
        name: name.to_owned(),
        dns_enabled: true,
        labels: labels(turn),
        ..NetworkCreate::default()
    })
}

fn volume(name: &str, turn: &str) -> Podman {
    Podman::CreateVolume(VolumeCreate { name: name.to_owned(), label: labels(turn), ..VolumeCreate::default() })
}

fn secret(name: &str, turn: &str) -> Podman {
    let source = SecretSource::Given(Hidden("value".to_owned()));
    Podman::CreateSecret(SecretCreate { name: name.to_owned(), labels: labels(turn), source })
}

fn body(name: &str, turn: &str) -> ContainerCreate {
    ContainerCreate {
        name: name.to_owned(),
        image: IMAGE.to_owned(),
        labels: labels(turn),
        netns: Namespace { nsmode: "bridge".to_owned(), value: None },
        networks: BTreeMap::from([("t_net".to_owned(), Endpoint::default())]),
        restart_policy: "no".to_owned(),
        ..ContainerCreate::default()
    }
}

fn container(body: ContainerCreate) -> Podman {
    Podman::CreateContainer(body.into())
}

fn with_volume(name: &str) -> Vec<NamedVolume> {
    vec![NamedVolume { name: name.to_owned(), dest: "/v".to_owned(), options: Vec::new(), sub_path: None }]
}

/// Lives in the network of another.
fn tenant(name: &str, home: &str) -> ContainerCreate {
    let netns = Namespace { nsmode: "container".to_owned(), value: Some(home.to_owned()) };
    ContainerCreate { netns, networks: BTreeMap::new(), ..body(name, "1") }
}

fn with_secret(name: &str) -> Vec<SecretMount> {
    vec![SecretMount { source: name.to_owned(), target: "/k".to_owned(), uid: 0, gid: 0, mode: 0o444 }]
}

/// The calls in their order, and what each comes to: None is well.
#[expect(clippy::too_many_lines, reason = "one line for each call, in the order in which they follow from each other")]
fn cases() -> Vec<(&'static str, Podman, Option<FailureKind>)> {
    use FailureKind::{Conflict, NotFound, Refused};
    let rename = |from: &str, to: &str| Podman::RenameContainer { from: from.to_owned(), to: to.to_owned() };
    let remove = |name: &str| Podman::RemoveContainer { name: name.to_owned() };
    let start = |name: &str| Podman::StartContainer { name: name.to_owned() };
    let stop = |name: &str| Podman::StopContainer { name: name.to_owned(), timeout: Duration::from_secs(1) };
    let tag = |id: &str, reference: &str| Podman::TagImage { id: id.to_owned(), reference: reference.to_owned() };
    let untag = |reference: &str| Podman::UntagImage { reference: reference.to_owned() };
    let no_network = |name: &str| Podman::RemoveNetwork { name: name.to_owned() };
    let no_secret = |name: &str| Podman::RemoveSecret { name: name.to_owned(), named_in: SPEC };
    let on = |network: &str, container: &str| Podman::Connect {
        network: network.to_owned(),
        container: container.to_owned(),
        endpoint: Endpoint::default(),
    };
    let off = |network: &str, container: &str| Podman::Disconnect {
        network: network.to_owned(),
        container: container.to_owned(),
    };
    let image = |image: &str| ContainerCreate { image: image.to_owned(), ..body("t-none", "1") };
    vec![
        ("a container needs its network", container(body("t-a", "1")), Some(NotFound)),
        ("a network is made", network("t_net", "1"), None),
        ("the same once more", network("t_net", "1"), None),
        ("another of its name", network("t_net", "2"), Some(Conflict)),
        ("a second", network("t_side", "1"), None),
        ("an image that is gone gets no other name", tag("localhost/none:1", "localhost/t/kept:previous"), None),
        ("an image gets another name", tag(IMAGE, "localhost/t/kept:previous"), None),
        ("it has it already", tag(IMAGE, "localhost/t/kept:previous"), None),
        ("the name goes", untag("localhost/t/kept:previous"), None),
        ("the name is gone already", untag("localhost/t/kept:previous"), None),
        ("an image that is not here", container(image("localhost/none:1")), Some(NotFound)),
        (
            "a volume that is not here",
            container(ContainerCreate { volumes: with_volume("t_vol"), ..body("t-a", "1") }),
            Some(NotFound),
        ),
        ("a volume is made", volume("t_vol", "1"), None),
        ("the same volume once more", volume("t_vol", "1"), None),
        ("a secret is made", secret("t_key.1", "1"), None),
        ("the same secret once more", secret("t_key.1", "1"), None),
        (
            "a container is made",
            container(ContainerCreate {
                volumes: with_volume("t_vol"),
                secrets: with_secret("t_key.1"),
                ..body("t-a", "{\"k\":\"t_key.1\"}")
            }),
            None,
        ),
        ("another container of its name", container(body("t-a", "2")), Some(Conflict)),
        ("it starts", start("t-a"), None),
        ("it starts once more", start("t-a"), None),
        ("one that runs is not removed", remove("t-a"), Some(Refused)),
        ("a network that somebody is on stays", no_network("t_net"), Some(Conflict)),
        ("a secret that a container names stays", no_secret("t_key.1"), None),
        ("it joins another network", on("t_side", "t-a"), None),
        ("it joins it once more", on("t_side", "t-a"), None),
        ("a network that is not there", on("t_none", "t-a"), Some(NotFound)),
        ("a container that is not there", on("t_side", "t-none"), Some(NotFound)),
        ("it leaves", off("t_side", "t-a"), None),
        ("it leaves once more", off("t_side", "t-a"), None),
        ("one that runs is renamed", rename("t-a", "t-b"), None),
        ("it is renamed already", rename("t-a", "t-b"), None),
        ("there is nothing to rename", rename("t-none", "t-c"), Some(NotFound)),
        ("a successor beside it", container(body("t-a", "3")), None),
        ("the name is taken", rename("t-a", "t-b"), Some(Conflict)),
        ("who is to live with one that is not there", container(tenant("t-tenant", "t-none")), Some(NotFound)),
        ("who lives with another", container(tenant("t-tenant", "t-b")), None),
        ("it starts beside it", start("t-tenant"), None),
        ("it stops", stop("t-b"), None),
        ("it stops once more", stop("t-b"), None),
        ("one that is not there is stopped", stop("t-none"), None),
        ("whom somebody lives with stays", remove("t-b"), Some(Conflict)),
        ("the tenant stops", stop("t-tenant"), None),
        ("it is known by its id, not its name", rename("t-b", "t-home"), None),
        ("and starts with its tenant", start("t-tenant"), None),
        ("so that it runs", remove("t-home"), Some(Refused)),
        ("the tenant stops again", stop("t-tenant"), None),
        ("it stops too", stop("t-home"), None),
        ("stopped, it still stays", remove("t-home"), Some(Conflict)),
        ("the tenant is removed", remove("t-tenant"), None),
        ("it is called as before", rename("t-home", "t-b"), None),
        ("it is removed", remove("t-b"), None),
        ("it is removed already", remove("t-b"), None),
        ("the secret goes with its last user", no_secret("t_key.1"), None),
        ("the secret is gone already", no_secret("t_key.1"), None),
        (
            "a secret that is not here",
            container(ContainerCreate { secrets: with_secret("t_key.1"), ..body("t-c", "1") }),
            Some(Refused),
        ),
        ("the successor is removed", remove("t-a"), None),
        ("the network is removed", no_network("t_net"), None),
        ("it is gone already", no_network("t_net"), None),
        ("the other too", no_network("t_side"), None),
    ]
}

/// Every call on one machine.
pub(crate) fn holds(mut perform: impl FnMut(&Podman) -> Result<(), Failure>) {
    let wrong: Vec<String> = cases()
        .into_iter()
        .filter_map(|(case, effect, expected)| {
            let found = perform(&effect);
            let kind = found.as_ref().err().map(|failure| failure.kind);
            (kind != expected).then(|| format!("{case} ({effect}): {found:?}, and {expected:?} was expected"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_simulated_machine_answers_as_podman_does() {
    let mut world = World::new();
    world.has_image(IMAGE);
    holds(|effect| world.perform(&Effect::Podman(effect.clone())));
}
