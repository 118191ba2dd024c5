//! Podman's secrets: listed, made, removed. `podman-api` sends a value as JSON, quotes and all, and knows no labels, so the
//! calls are made here.

use std::collections::BTreeMap;

use serde_json::json;

use super::client::{CHANGE, Client, part, query};
use super::failure::CallError;
use super::look;
use super::shapes::{SecretRow, is_ours};
use crate::attributes::Hidden;
use crate::effect::{SecretCreate, SecretSource};
use crate::machine::{Failure, FailureKind, Progress};
use crate::observed::Secret;

impl super::Podman {
    /// # Errors
    /// Podman did not answer.
    pub async fn secrets(&self) -> Result<Vec<Secret>, Failure> {
        list(&self.client).await.map_err(|error| self.client.failure(error))
    }

    /// What a secret holds; None: there is none of that name.
    ///
    /// # Errors
    /// Podman did not answer.
    pub async fn secret_value(&self, name: &str) -> Result<Option<Hidden>, Failure> {
        value(&self.client, name).await.map_err(|error| self.client.failure(error))
    }
}

async fn list(client: &Client) -> Result<Vec<Secret>, CallError> {
    let rows: Vec<SecretRow> = client.get("/secrets/json").await?;
    Ok(rows.into_iter().map(Secret::from).collect())
}

/// Podman 5 answers it when asked with `showsecret`.
async fn value(client: &Client, name: &str) -> Result<Option<Hidden>, CallError> {
    match client.get::<SecretRow>(&format!("/secrets/{}/json{}", part(name), query(&[("showsecret", "true")]))).await {
        Ok(row) => {
            let data = row.secret_data.clone();
            Ok((Secret::from(row).name == name).then_some(Hidden(data)))
        }
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

async fn named(client: &Client, name: &str) -> Result<Option<Secret>, CallError> {
    Ok(list(client).await?.into_iter().find(|secret| secret.name == name))
}

pub(super) async fn create(client: &Client, wanted: &SecretCreate) -> Result<(), Failure> {
    let SecretCreate { name, labels, source } = wanted;
    let value = match source {
        SecretSource::Given(Hidden(value)) => value.clone(),
        SecretSource::Generated { length } => generated(*length).map_err(|error| {
            Failure::new(FailureKind::Refused, format!("the kernel gives no random bytes: {error}"))
        })?,
    };
    let labels_text = json!(labels).to_string();
    let path = format!("/secrets/create{}", query(&[("name", name), ("labels", &labels_text)]));
    match client.post_bytes(&path, value.into_bytes(), CHANGE).await {
        Ok(()) => Ok(()),
        Err(error) if error.is_said() => match named(client, name).await {
            Ok(Some(have)) if is_ours(&have.labels, labels) => Ok(()),
            _ => Err(client.failure(error)),
        },
        Err(error) => Err(client.failure(error)),
    }
}

/// Letters and digits, each as likely as the other: what is over the last whole round of 62 is thrown away.
fn generated(length: usize) -> Result<String, getrandom::Error> {
    const SIGNS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut value = String::with_capacity(length);
    let mut bytes = [0_u8; 256];
    while value.len() < length {
        getrandom::fill(&mut bytes)?;
        let signs = bytes.iter().filter(|byte| usize::from(**byte) < 256 / SIGNS.len() * SIGNS.len());
        value.extend(signs.map(|byte| char::from(SIGNS[usize::from(*byte) % SIGNS.len()])).take(length - value.len()));
    }
    Ok(value)
}

/// Kept while a container tells in its label that it was made with it: one whose variable it is could not start again.
pub(super) async fn remove(
    client: &Client,
    name: &str,
    named_in: &str,
    progress: &Progress<'_>,
) -> Result<(), Failure> {
    let failure = |error| client.failure(error);
    let users = look::list(client, Some(json!({ "label": [named_in] }))).await.map_err(failure)?;
    let tells = |labels: &BTreeMap<String, String>| {
        labels.get(named_in).is_some_and(|text| text.contains(&json!(name).to_string()))
    };
    if let Some(user) = users.iter().find(|user| tells(&user.labels)) {
        progress(&format!("secret {name} is kept: {} uses it", user.name));
        return Ok(());
    }
    // By its exact name: podman takes the start of an id for one.
    if named(client, name).await.map_err(failure)?.is_none() {
        return Ok(());
    }
    match client.delete(&format!("/secrets/{}", part(name)), CHANGE).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(failure(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::generated;

    #[test]
    fn a_generated_value_is_as_long_as_asked_and_never_the_same() {
        for length in [1, 32, 255, 256, 1000] {
            let value = generated(length).expect("the kernel has random bytes");
            assert_eq!(value.len(), length);
            assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
        assert_ne!(generated(32).ok(), generated(32).ok());
    }
}
