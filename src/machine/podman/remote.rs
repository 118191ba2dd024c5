//! What a registry has under a reference, without pulling it. Podman answers a list of manifests as such; of a single image it
//! says that this is not implemented, and quotes its manifest, which names the image's id
//! (`remoteManifestInspect` in `pkg/domain/infra/abi/manifest.go` of podman 5).

use std::time::Duration;

use serde::Deserialize;

use super::client::{Client, part, within};
use super::failure::CallError;
use super::registry::failure;
use super::shapes::or_default;
use crate::machine::Failure;
use crate::observed::RemoteImage;

/// A registry that says nothing is as good as one that is not there.
const PATIENCE: Duration = Duration::from_secs(20);
const QUOTED: &str = "parsing manifest blob ";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Manifest {
    #[serde(deserialize_with = "or_default")]
    manifests: Vec<Entry>,
    #[serde(deserialize_with = "or_default")]
    config: Entry,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    #[serde(deserialize_with = "or_default")]
    digest: String,
}

impl super::Podman {
    /// What the registry has under this reference.
    ///
    /// # Errors
    /// The registry did not answer, or has nothing of that name; or podman did not.
    pub async fn remote_image(&self, reference: &str) -> Result<RemoteImage, Failure> {
        image(&self.client, reference).await
    }
}

async fn image(client: &Client, reference: &str) -> Result<RemoteImage, Failure> {
    let path = format!("/manifests/{}/json", part(reference));
    match within(PATIENCE, client.get_bytes(&path)).await {
        Ok(bytes) => {
            let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| client.failure(error.into()))?;
            Ok(remote(manifest))
        }
        Err(CallError::Said { message, .. }) => match quoted_manifest(&message) {
            Some(manifest) => Ok(remote(manifest)),
            None => Err(failure(reference, &message)),
        },
        Err(error) => Err(client.failure(error)),
    }
}

fn remote(manifest: Manifest) -> RemoteImage {
    let id = Some(manifest.config.digest).filter(|digest| !digest.is_empty());
    RemoteImage {
        id: id.map(|digest| digest.trim_start_matches("sha256:").to_owned()),
        digests: manifest.manifests.into_iter().map(|entry| entry.digest).collect(),
    }
}

/// Go quotes it as JSON does, as far as a manifest goes.
fn quoted_manifest(message: &str) -> Option<Manifest> {
    let (_, rest) = message.split_once(QUOTED)?;
    let text: String = serde_json::Deserializer::from_str(rest).into_iter().next()?.ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::{quoted_manifest, remote};

    #[test]
    fn a_single_image_is_told_from_podmans_refusal() {
        let message = r#"parsing manifest blob "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:bf78\",\"size\":409},\"layers\":[]}" as a "application/vnd.oci.image.manifest.v1+json": Treating single images as manifest lists is not implemented"#;
        let found = remote(quoted_manifest(message).expect("a manifest"));
        assert_eq!((found.id.as_deref(), found.digests.len()), (Some("bf78"), 0));
        assert!(quoted_manifest("reading image: connection refused").is_none());
    }
}
