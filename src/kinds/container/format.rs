//! Data of one version of a program, and the image of another that cannot go on with it: it would refuse to start on it, or change it
//! for good. Told before anything is pulled or stopped.
//!
//! A PostgreSQL writes into its directory what it is. A Qdrant writes the versions of its parts alone, so that what it is, is told by the
//! image that has run on it.

use std::path::PathBuf;

use super::observe::Lies;
use super::{Container, data};
use crate::change::{Risk, Severity};
use crate::observed::data::{Engine, State};
use crate::observed::{Observed, Query};

/// What Postgres writes into its data directory: the major version that made it, as text (postgresql.org/docs, "Database File Layout").
const MARKER: &str = "PG_VERSION";
/// Where its images keep it (docker-library/postgres; since 18 in a directory of the version).
const PLACES: [&str; 2] = ["/var/lib/postgresql/data", "/var/lib/postgresql"];
/// Images whose tag begins with the major version, `16-alpine` or `pg16`.
const IMAGES: [&str; 3] = ["postgres", "pgvector", "postgis"];

/// Where Qdrant's images keep their collections.
const QDRANT_STORAGE: &str = "/qdrant/storage";

/// Name and tag of an image.
fn named(reference: &str) -> Option<(&str, &str)> {
    let (name, tag) = reference.rsplit_once('/').map_or(reference, |(_, last)| last).split_once(':')?;
    Some((name, tag.split('@').next()?))
}

/// Major and minor version of a Qdrant, as the tag of its image says: `v1.16.2`, `v1.16.2-gpu-nvidia`.
fn of_qdrant(reference: &str) -> Option<(u32, u32)> {
    let (_, tag) = named(reference).filter(|(name, _)| *name == "qdrant")?;
    let mut numbers = tag.trim_start_matches('v').split(['.', '-']).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// One minor version after the other, and never back (qdrant.tech/documentation/upgrades, and its questions on versions).
fn qdrant(container: &Container, observed: &Observed) -> Option<Risk> {
    let wanted = of_qdrant(&container.image)?;
    let lies = Lies::of(container, observed);
    let ran = lies.live.or(lies.parked).or(lies.renamed)?;
    let has = of_qdrant(&ran.image)?;
    data::host_path(container, QDRANT_STORAGE, observed)?;
    let what = match (wanted.0 == has.0, wanted < has) {
        (_, true) => "does not read what a newer one wrote",
        (true, false) if wanted.1 - has.1 <= 1 => return None,
        (true | false, false) => "reads what the one right before it wrote, and nothing older",
    };
    let next = format!("v{}.{}", has.0, has.1 + 1);
    Some(Risk {
        code: "DATA_FORMAT_INCOMPATIBLE",
        severity: Severity::Critical,
        message: format!(
            "{}: the data was written by {}, and {} {what}",
            container.address, ran.image, container.image
        ),
        remedies: vec![match wanted < has {
            true => "Stay with that version, or bring the older one a snapshot that it made itself.".to_owned(),
            false => {
                format!("Go one minor version at a time, next with the last image of {next}, and let each start once.")
            }
        }],
    })
}

/// The major version that the image is of, as its tag says.
fn major(reference: &str) -> Option<u32> {
    let (name, tag) = named(reference)?;
    let tag = tag.trim_start_matches("pg");
    let digits: String = tag.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|_| IMAGES.contains(&name))
}

fn markers(container: &Container, observed: &Observed) -> Vec<PathBuf> {
    if major(&container.image).is_none() {
        return Vec::new();
    }
    let given = container.environment.get("PGDATA").map(|place| place.text.clone());
    let places = given.into_iter().chain(PLACES.map(str::to_owned));
    places.filter_map(|place| data::host_path(container, &format!("{place}/{MARKER}"), observed)).collect()
}

pub(super) fn query(container: &Container, observed: &Observed, query: &mut Query) {
    query.data.extend(markers(container, observed).into_iter().map(|path| (path, Engine::Text)));
}

pub(super) fn risks(container: &Container, observed: &Observed) -> Vec<Risk> {
    // The data goes back with the image.
    if observed.going_back.contains_key(&container.address) {
        return Vec::new();
    }
    qdrant(container, observed).into_iter().chain(postgres(container, observed)).collect()
}

fn postgres(container: &Container, observed: &Observed) -> Option<Risk> {
    let wanted = major(&container.image)?;
    let found = markers(container, observed).into_iter().find_map(|path| {
        let reading = observed.data.get(&path).filter(|reading| reading.state == State::Populated)?;
        Some((path, reading.why.trim().parse::<u32>().ok()?))
    });
    let (path, has) = found.filter(|(_, has)| *has != wanted)?;
    Some(Risk {
        code: "DATA_FORMAT_INCOMPATIBLE",
        severity: Severity::Critical,
        message: format!(
            "{}: the data is of PostgreSQL {has} ({}), and {} is {wanted}: it does not start on it",
            container.address,
            path.display(),
            container.image
        ),
        remedies: vec![format!(
            "Stay with an image of version {has}, or dump the data with it and load it into a new directory with the other (pg_dumpall)."
        )],
    })
}

#[cfg(test)]
mod tests {
    use super::{major, of_qdrant};

    #[test]
    fn the_version_of_a_qdrant_is_read_off_the_tag() {
        for (reference, wanted) in [
            ("docker.io/qdrant/qdrant:v1.16.2", Some((1, 16))),
            ("localhost/qdrant:1.9-unprivileged", Some((1, 9))),
            ("qdrant/qdrant:v1.16.2-gpu-nvidia@sha256:00", Some((1, 16))),
            ("docker.io/qdrant/qdrant:latest", None),
            ("docker.io/qdrant/qdrant:v1", None),
            ("docker.io/library/postgres:16.4", None),
        ] {
            assert_eq!(of_qdrant(reference), wanted, "{reference}");
        }
    }

    #[test]
    fn the_major_version_is_read_off_the_tag() {
        for (reference, wanted) in [
            ("docker.io/library/postgres:16", Some(16)),
            ("docker.io/library/postgres:16.4-alpine", Some(16)),
            ("docker.io/pgvector/pgvector:pg17", Some(17)),
            ("localhost:5000/postgis:16-3.4@sha256:00", Some(16)),
            ("docker.io/library/postgres:latest", None),
            ("docker.io/library/redis:7", None),
            ("localhost:5000/postgres", None),
        ] {
            assert_eq!(major(reference), wanted, "{reference}");
        }
    }
}
