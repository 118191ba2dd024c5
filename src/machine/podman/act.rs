//! Doing: one function for each effect. Each asks for what it needs by exact name, makes one call that changes
//! something, and where podman says no, looks whether the end is reached all the same: after a crash the same step is
//! made again.

#![expect(clippy::disallowed_methods, reason = "podman tells by no event that a port is free again")]

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use podman_api::models::Subnet;
use podman_api::opts::{NetworkCreateOpts, VolumeCreateOpts};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::build;
use super::client::{CHANGE, Client, STORAGE, part, query, within};
use super::failure::CallError;
use super::look::{Tail, image, inspect, list, logs_tail, network, volume};
use super::pull;
use super::secrets;
use super::shapes::{is_ours, or_default};
use crate::effect::podman::NamedVolume;
use crate::effect::{ContainerCreate, Endpoint, NetworkCreate, Podman, VolumeCreate};
use crate::machine::{Failure, FailureKind, Progress, files};
use crate::observed::{Container, ContainerState, Volume};

/// What a stop takes beside the time that the container is given: networks are torn down, on vfs storage too.
const STOP_MARGIN: Duration = Duration::from_secs(60);

/// How long a released port may still be taken: pasta lets go of it up to 20 ms after its container has stopped.
const PORT_RETRIES: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
    Duration::from_millis(320),
];

/// Between two looks at a container that somebody is about to start. A look costs 2 ms.
const NOT_STARTED_YET: Duration = Duration::from_millis(100);

pub(super) async fn perform(client: &Client, effect: &Podman, progress: &Progress<'_>) -> Result<(), Failure> {
    match effect {
        Podman::PullImage { reference } => pull::pull(client, reference, progress).await,
        Podman::BuildImage(wanted) => build::build(client, wanted, progress).await,
        Podman::CreateNetwork(wanted) => create_network(client, wanted).await,
        Podman::RemoveNetwork { name } => remove_network(client, name).await,
        Podman::Connect { network, container, endpoint } => connect(client, network, container, endpoint).await,
        Podman::Disconnect { network, container } => disconnect(client, network, container).await,
        Podman::CreateVolume(wanted) => create_volume(client, wanted).await,
        Podman::RemoveVolume { name } => remove_volume(client, name).await,
        Podman::CreateContainer(wanted) => create_container(client, wanted, progress).await,
        Podman::StartContainer { name } => start(client, name).await,
        Podman::StopContainer { name, timeout } => stop(client, name, *timeout).await,
        Podman::UnpauseContainer { name } => unpause(client, name).await,
        Podman::RenameContainer { from, to } => rename(client, from, to).await,
        Podman::RemoveContainer { name } => remove_container(client, name).await,
        Podman::TagImage { id, reference } => tag(client, id, reference).await,
        Podman::UntagImage { reference } => untag(client, reference).await,
        Podman::CreateSecret(wanted) => secrets::create(client, wanted).await,
        Podman::RemoveSecret { name, named_in } => secrets::remove(client, name, named_in, progress).await,
    }
}

fn not_found(sort: &str, name: &str) -> Failure {
    Failure::new(FailureKind::NotFound, format!("there is no {sort} {name}"))
}

/// A reference as the two words that podman's API takes it in.
fn repo_and_tag(reference: &str) -> String {
    let (repo, tag) = reference.rsplit_once(':').unwrap_or((reference, "latest"));
    query(&[("repo", repo), ("tag", tag)])
}

async fn tag(client: &Client, id: &str, reference: &str) -> Result<(), Failure> {
    name_image(client, &format!("/images/{}/tag{}", part(id), repo_and_tag(reference))).await
}

async fn untag(client: &Client, reference: &str) -> Result<(), Failure> {
    // Podman refuses to take away a name that is not there.
    if super::look::image(client, reference).await.map_err(|error| client.failure(error))?.is_none() {
        return Ok(());
    }
    name_image(client, &format!("/images/{}/untag{}", part(reference), repo_and_tag(reference))).await
}

/// Of an image that is gone there is nothing to name.
async fn name_image(client: &Client, path: &str) -> Result<(), Failure> {
    match client.post(path, None::<&()>, CHANGE).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(client.failure(error)),
    }
}

async fn create_network(client: &Client, wanted: &NetworkCreate) -> Result<(), Failure> {
    let mut options = NetworkCreateOpts::builder()
        .name(&wanted.name)
        .dns_enabled(wanted.dns_enabled)
        .internal(wanted.internal)
        .ipv6_enabled(wanted.ipv6_enabled)
        .labels(&wanted.labels)
        .options(&wanted.options)
        .subnets(wanted.subnets.iter().map(|subnet| Subnet {
            gateway: subnet.gateway.clone(),
            lease_range: None,
            subnet: Some(subnet.subnet.clone()),
        }));
    if let Some(driver) = &wanted.driver {
        options = options.driver(driver);
    }
    let networks = client.podman_api.networks();
    let options = options.build();
    let created = within(CHANGE, async { Ok(networks.create(&options).await?) }).await;
    match created {
        Ok(_) => Ok(()),
        Err(error) if error.is_said() => match network(client, &wanted.name).await {
            Ok(Some(have)) if is_ours(&have.labels, &wanted.labels) => Ok(()),
            _ => Err(client.failure(error)),
        },
        Err(error) => Err(client.failure(error)),
    }
}

/// A report of `DELETE networks/NAME`: podman 5.4 answers 200 with an error inside where the removal failed
/// (`pkg/api/handlers/libpod/networks.go`).
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RemovedNetwork {
    #[serde(deserialize_with = "or_default")]
    err: Option<Value>,
}

async fn remove_network(client: &Client, name: &str) -> Result<(), Failure> {
    let there = |found: Result<_, CallError>| found.map_err(|error| client.failure(error));
    if there(network(client, name).await)?.is_none() {
        return Ok(());
    }
    // By name, see the top of podman.rs; and never with `force`, which deletes the containers.
    let path = format!("/networks/{}{}", part(name), query(&[("force", "false")]));
    let refused = match client.delete(&path, CHANGE).await {
        Ok(body) => {
            let reports: Vec<RemovedNetwork> = serde_json::from_slice(&body).unwrap_or_default();
            if reports.iter().all(|report| report.err.is_none()) {
                return Ok(());
            }
            Failure::new(FailureKind::Refused, format!("podman did not remove network {name} and gave no reason"))
        }
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) if error.is_said() => client.failure(error),
        Err(error) => return Err(client.failure(error)),
    };
    if there(network(client, name).await)?.is_none() {
        return Ok(());
    }
    let users = list(client, Some(json!({ "network": [name] }))).await.unwrap_or_default();
    let users: Vec<&str> = users
        .iter()
        .filter(|user| user.networks.iter().any(|have| have == name))
        .map(|user| user.name.as_str())
        .collect();
    if users.is_empty() {
        return Err(refused);
    }
    Err(Failure::new(FailureKind::Conflict, format!("network {name} is used by {}", users.join(", "))))
}

#[derive(Serialize)]
struct ConnectBody<'a> {
    container: &'a str,
    #[serde(flatten)]
    endpoint: &'a Endpoint,
}

async fn connect(client: &Client, name: &str, container: &str, endpoint: &Endpoint) -> Result<(), Failure> {
    let found = exact(client, container).await?;
    match network(client, name).await {
        Ok(Some(_)) => {}
        Ok(None) => return Err(not_found("network", name)),
        Err(error) => return Err(client.failure(error)),
    }
    let body = ConnectBody { container: &found.id, endpoint };
    match client.post(&format!("/networks/{}/connect", part(name)), Some(&body), CHANGE).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_said() => match inspect(client, container).await {
            Ok(Some(now)) if now.networks.iter().any(|have| have == name) => Ok(()),
            _ => Err(client.failure(error)),
        },
        Err(error) => Err(client.failure(error)),
    }
}

async fn disconnect(client: &Client, name: &str, container: &str) -> Result<(), Failure> {
    let is_connected = |found: &Container| found.networks.iter().any(|have| have == name);
    let found = inspect(client, container).await.map_err(|error| client.failure(error))?;
    let Some(found) = found.filter(is_connected) else { return Ok(()) };
    let body = json!({ "Container": found.id, "Force": false });
    match client.post(&format!("/networks/{}/disconnect", part(name)), Some(&body), CHANGE).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_said() => match inspect(client, container).await {
            Ok(now) if !now.as_ref().is_some_and(is_connected) => Ok(()),
            _ => Err(client.failure(error)),
        },
        Err(error) => Err(client.failure(error)),
    }
}

async fn create_volume(client: &Client, wanted: &VolumeCreate) -> Result<(), Failure> {
    let mut options = VolumeCreateOpts::builder().name(&wanted.name).labels(&wanted.label).options(&wanted.options);
    if let Some(driver) = &wanted.driver {
        options = options.driver(driver);
    }
    let volumes = client.podman_api.volumes();
    let options = options.build();
    let created = within(CHANGE, async { Ok(volumes.create(&options).await?) }).await;
    match created {
        Ok(_) => Ok(()),
        Err(error) if error.is_said() => match volume(client, &wanted.name).await {
            Ok(Some(have)) if is_ours(&have.labels, &wanted.label) => Ok(()),
            _ => Err(client.failure(error)),
        },
        Err(error) => Err(client.failure(error)),
    }
}

/// Never with `force`, which stops and removes the containers that use it.
async fn remove_volume(client: &Client, name: &str) -> Result<(), Failure> {
    if volume(client, name).await.map_err(|error| client.failure(error))?.is_none() {
        return Ok(());
    }
    match client.delete(&format!("/volumes/{}{}", part(name), query(&[("force", "false")])), STORAGE).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(client.failure(error)),
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Created {
    #[serde(deserialize_with = "or_default")]
    warnings: Vec<String>,
}

async fn create_container(client: &Client, wanted: &ContainerCreate, progress: &Progress<'_>) -> Result<(), Failure> {
    needs_are_there(client, wanted).await?;
    let wanted = completed(client, wanted).await?;
    match client.post("/containers/create", Some(wanted.as_ref()), STORAGE).await {
        Ok((_, body)) => {
            let created: Created = serde_json::from_slice(&body).unwrap_or_default();
            for warning in created.warnings {
                progress(&format!("podman warns: {}", warning.trim()));
            }
            Ok(())
        }
        Err(error) if error.is_said() => match inspect(client, &wanted.name).await {
            Ok(Some(have)) if is_ours(&have.labels, &wanted.labels) => Ok(()),
            _ => Err(client.failure(error)),
        },
        Err(error) => Err(client.failure(error)),
    }
}

/// With what only the image says. Podman takes a check without a test for no check, though its image has one: the image's test is put
/// in. And a path that the image declares as `VOLUME` gets a volume that can be found again.
async fn completed<'w>(client: &Client, wanted: &'w ContainerCreate) -> Result<Cow<'w, ContainerCreate>, Failure> {
    let lacks_test = wanted.healthconfig.as_ref().is_some_and(|check| check.test.is_empty());
    if wanted.undeclared.is_none() && !lacks_test && !wanted.volumes.iter().any(is_given) {
        return Ok(Cow::Borrowed(wanted));
    }
    let found = image(client, &wanted.image).await.map_err(|error| client.failure(error))?;
    let found = found.ok_or_else(|| not_found("image", &wanted.image))?;
    let mut wanted = wanted.clone();
    if let Some(check) = wanted.healthconfig.as_mut().filter(|check| check.test.is_empty()) {
        if found.healthcheck.is_empty() {
            let message = format!("the image {} has no health check, and `healthcheck` names no test", wanted.image);
            return Err(
                Failure::new(FailureKind::Refused, message).hint("Give `healthcheck` a `test`, or take it out.")
            );
        }
        check.test = found.healthcheck;
    }
    give_new_ones_only(client, &mut wanted, &found.user).await?;
    let Some(undeclared) = wanted.undeclared.take() else { return Ok(Cow::Owned(wanted)) };
    for path in found.volumes.iter().filter(|path| !undeclared.is_covered(path)) {
        if let Some(volume) = undeclared.create(path) {
            create_volume(client, &volume).await?;
        }
        wanted.volumes.push(NamedVolume {
            name: undeclared.volume(path),
            dest: path.clone(),
            ..NamedVolume::default()
        });
    }
    Ok(Cow::Owned(wanted))
}

/// As podman has it in a volume's options: all in it is given to whom the container runs as.
const GIVEN: &str = "U";

fn is_given(volume: &NamedVolume) -> bool {
    volume.options.iter().any(|option| option == GIVEN)
}

fn is_empty(directory: &Path) -> bool {
    files::info(directory, false).present().is_some_and(|info| info.empty == Some(true))
}

/// `U` stays where nothing lies in the volume yet, and where it cannot come back: podman goes through all that is in a volume when it
/// first makes the container ready, and at each later start that finds the volume's own directory somebody else's
/// (`ChangeHostPathOwnership` in `libpod/container_internal_common.go` of podman 5). Only what runs as root can give that away, and it
/// needs no `U`.
async fn give_new_ones_only(client: &Client, wanted: &mut ContainerCreate, image_user: &str) -> Result<(), Failure> {
    let user = wanted.user.as_deref().unwrap_or(image_user);
    let is_root = wanted.userns.is_none() && ["", "0", "root"].contains(&user.split(':').next().unwrap_or_default());
    for mount in wanted.volumes.iter_mut().filter(|mount| is_given(mount)) {
        let found = volume(client, &mount.name).await.map_err(|error| client.failure(error))?;
        // What a driver mounts there is seen only by then.
        let is_plain = |volume: &Volume| volume.driver == "local" && volume.options.is_empty();
        let is_new =
            found.map(Volume::from).filter(is_plain).is_some_and(|volume| is_empty(Path::new(&volume.mountpoint)));
        if is_root || !is_new || mount.sub_path.is_some() {
            mount.options.retain(|option| option != GIVEN);
        }
    }
    Ok(())
}

/// Podman makes a named volume that is missing, empty and without our labels, and takes the start of an id for a
/// network's name. Neither is wanted.
async fn needs_are_there(client: &Client, wanted: &ContainerCreate) -> Result<(), Failure> {
    for mount in wanted.volumes.iter().filter(|mount| !mount.name.is_empty()) {
        if volume(client, &mount.name).await.map_err(|error| client.failure(error))?.is_none() {
            return Err(not_found("volume", &mount.name));
        }
    }
    for name in wanted.networks.keys() {
        if network(client, name).await.map_err(|error| client.failure(error))?.is_none() {
            return Err(not_found("network", name));
        }
    }
    Ok(())
}

/// The container of exactly that name.
async fn exact(client: &Client, name: &str) -> Result<Container, Failure> {
    inspect(client, name).await.map_err(|error| client.failure(error))?.ok_or_else(|| not_found("container", name))
}

/// `/containers/ID/…`
fn of(container: &Container, call: &str) -> String {
    format!("/containers/{}{call}", container.id)
}

async fn start(client: &Client, name: &str) -> Result<(), Failure> {
    let container = exact(client, name).await?;
    let mut pauses = PORT_RETRIES.into_iter();
    let error = loop {
        let Err(error) = client.post(&of(&container, "/start"), None::<&()>, CHANGE).await else { return Ok(()) };
        // Podman said no, so that a second try repeats nothing.
        let port_is_taken = matches!(&error, CallError::Said { message, .. } if is_taken_port(message));
        match pauses.next() {
            Some(pause) if port_is_taken => tokio::time::sleep(pause).await,
            _ => break error,
        }
    };
    if !error.is_said() {
        return Err(client.failure(error));
    }
    let mut failure = named(client.failure(error), &container);
    if is_taken_port(&failure.message) {
        return Err(Failure { kind: FailureKind::Conflict, ..failure }.hint("see who holds the port:\nss -ltnup"));
    }
    failure.kind = FailureKind::NotUp;
    Err(failure.log(logs_tail(client, name, Tail::UpToNow).await.unwrap_or_default()))
}

fn is_taken_port(message: &str) -> bool {
    message.to_ascii_lowercase().contains("address already in use")
}

async fn stop(client: &Client, name: &str, timeout: Duration) -> Result<(), Failure> {
    let Some(container) = inspect(client, name).await.map_err(|error| client.failure(error))? else { return Ok(()) };
    if !container.is_running() {
        return Ok(());
    }
    let seconds = timeout.as_secs().to_string();
    let path = of(&container, &format!("/stop{}", query(&[("timeout", &seconds)])));
    match client.post(&path, None::<&()>, timeout + STOP_MARGIN).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_said() => match inspect(client, name).await {
            Ok(now) if !now.as_ref().is_some_and(Container::is_running) => Ok(()),
            _ => Err(named(client.failure(error), &container)),
        },
        Err(error) => Err(client.failure(error)),
    }
}

async fn unpause(client: &Client, name: &str) -> Result<(), Failure> {
    let container = exact(client, name).await?;
    match client.post(&of(&container, "/unpause"), None::<&()>, CHANGE).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_said() => match inspect(client, name).await {
            Ok(Some(now)) if now.state != ContainerState::Paused => Ok(()),
            _ => Err(named(client.failure(error), &container)),
        },
        Err(error) => Err(client.failure(error)),
    }
}

async fn rename(client: &Client, from: &str, to: &str) -> Result<(), Failure> {
    let failure = |error| client.failure(error);
    let Some(container) = inspect(client, from).await.map_err(failure)? else {
        return match inspect(client, to).await.map_err(failure)? {
            Some(_) => Ok(()),
            None => Err(not_found("container", from)),
        };
    };
    let path = of(&container, &format!("/rename{}", query(&[("name", to)])));
    match client.post(&path, None::<&()>, CHANGE).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_said() && matches!(inspect(client, to).await, Ok(Some(_))) => {
            Err(Failure::new(FailureKind::Conflict, format!("there is a container {to} already, beside {from}")))
        }
        Err(error) => Err(named(failure(error), &container)),
    }
}

async fn remove_container(client: &Client, name: &str) -> Result<(), Failure> {
    let Some(container) = inspect(client, name).await.map_err(|error| client.failure(error))? else { return Ok(()) };
    // `volumes` would delete the anonymous volumes, `force` would kill, `depend` would take others along.
    let options = query(&[("force", "false"), ("volumes", "false"), ("depend", "false")]);
    match client.delete(&of(&container, &options), STORAGE).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(named(client.failure(error), &container)),
    }
}

/// Podman's words with the name in place of the id, since the call was made with the id.
fn named(mut failure: Failure, container: &Container) -> Failure {
    failure.message = failure.message.replace(&container.id, &container.name);
    failure
}

impl super::Podman {
    /// Waits until the container has ended and answers its exit code. One that was never started has not ended: the
    /// wait goes on through its start. The caller bounds it.
    ///
    /// # Errors
    /// There is no such container, or the connection broke.
    pub async fn wait_exit(&self, name: &str) -> Result<i32, Failure> {
        wait_exit(&self.client, name).await
    }
}

async fn wait_exit(client: &Client, name: &str) -> Result<i32, Failure> {
    // Podman takes one that was never started for one that ended with 0.
    let container = loop {
        match exact(client, name).await? {
            container if container.state != ContainerState::Created => break container,
            _ => tokio::time::sleep(NOT_STARTED_YET).await,
        }
    };
    let path = of(&container, &format!("/wait{}", query(&[("condition", "exited")])));
    // Bounded by the caller: a job may run for hours.
    let response = client.post_streaming(&path, None::<&()>).await.map_err(|error| client.failure(error))?;
    let (_, body) = super::client::answer(response).await.map_err(|error| client.failure(error))?;
    serde_json::from_slice(&body).map_err(|error| client.failure(error.into()))
}
