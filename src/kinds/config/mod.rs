//! Compose's configs: text that is mounted into containers, and no secret. Podman has none, so each is kept as a secret of
//! podman's, a version for each text; it differs in where it appears, and in that its text may be shown.

use crate::change::Steps;
use crate::desired::{Context, Kind, Ours, Owned};
use crate::kinds::secret;
use crate::observed::Observed;

pub static KIND: Kind = Kind {
    name: "config",
    section: Some("configs"),
    keys: secret::CONFIG_KEYS,
    about: "Text that containers are given as files",
    attributes: secret::OF_A_CONFIG,
    holds_data: true,
    read: Some(secret::read_config),
    owned,
    remove,
    loses: crate::desired::loses_nothing,
};

fn owned(observed: &Observed, ours: Ours<'_>) -> Vec<Owned> {
    secret::owned_of("config", observed, ours)
}

fn remove(_owned: &Owned, _observed: &Observed, _context: &Context) -> Steps {
    Steps::default()
}
