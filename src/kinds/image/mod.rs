//! Images, implied by the containers that use them: pulled, or built from a context. Either is a change of its own, made before
//! anything is stopped; units never pull, and no registry is asked about an image that is here unless the user says so.
//!
//! What an image was built from stands in its labels. One that was pulled carries no mark of ours.

mod attributes;
pub(super) mod build;
mod reference;
mod room;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::address::Address;
use crate::attributes::Attributes;
use crate::change::{Action, AttributeChange, Cause, Risk, Severity, Steps, step};
use crate::desired::{Context, Dependency, Difference, Kind, Neighbours, Object, Ours, Owned, Resource};
use crate::diagnostic::Span;
use crate::effect::{Effect, Podman};
use crate::kinds::contract::weighed;
use crate::observed::{Image as Found, Observed, Query, Seen};

pub use build::Build;
pub use reference::{normalised, normalised_built};

pub static KIND: Kind = Kind {
    name: "image",
    section: None,
    keys: &[],
    about: "",
    attributes: attributes::ATTRIBUTES,
    holds_data: false,
    read: None,
    owned,
    remove,
    loses: crate::desired::loses_nothing,
};

/// Last-applied of what was built. A label of its own: containers inherit it, and that is not to make them ours.
const LABEL: &str = "io.stackctl.build";
/// In last-applied: a digest of what it was made from.
const CONTEXT: &str = "context";
const VERSION: u64 = 1;

/// When a registry is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    Missing,
    /// Whenever somebody looks.
    Always,
    Never,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    address: Address,
    context: Context,
    origin: Origin,
    span: Option<Span>,
}

#[derive(Clone, Debug, PartialEq)]
enum Origin {
    Pulled(Pull),
    Built(Box<Build>),
}

impl Image {
    /// `reference` is a full one: registry, path, and tag or digest.
    pub fn pulled(reference: &str, pull: Pull, context: &Context) -> Self {
        let address = Address::new("image", reference);
        Self { address, context: context.clone(), origin: Origin::Pulled(pull), span: None }
    }

    /// Declared, so that another container that only names the image does not have it pulled.
    pub fn built(reference: &str, build: Build, context: &Context, span: Span) -> Self {
        let address = Address::new("image", reference);
        Self { address, context: context.clone(), origin: Origin::Built(Box::new(build)), span: Some(span) }
    }

    fn reference(&self) -> &str {
        self.address.name()
    }

    fn found<'o>(&self, observed: &'o Observed) -> Option<&'o Found> {
        observed.images.get(self.reference())?.present()
    }

    /// What it was built from, where this stack did.
    fn last_applied(&self, found: &Found) -> Option<Attributes> {
        let told: Value = serde_json::from_str(found.labels.get(LABEL)?).ok()?;
        let is_ours = told["version"] == json!(VERSION) && told["stack"] == json!(self.context.stack);
        is_ours.then(|| serde_json::from_value(told["attributes"].clone()).ok()).flatten()
    }

    /// Is the machine to have another image under this reference once the plan is carried out?
    fn is_renewed(&self, observed: &Observed) -> bool {
        match self.seen(observed) {
            Seen::Present(object) => {
                let last = object.last_applied.clone();
                let of_file = crate::plan::diff::compare(
                    attributes::ATTRIBUTES,
                    &self.attributes(),
                    &object.attributes,
                    last.as_ref(),
                );
                of_file.action != Action::None || !self.renewals(observed).is_empty()
            }
            Seen::Absent => true,
            Seen::Unknown(_) => false,
        }
    }

    /// What differs and is in no file: what a build is made from, and what a registry has by now.
    fn renewals(&self, observed: &Observed) -> Vec<AttributeChange> {
        let Some(found) = self.found(observed) else { return Vec::new() };
        let change = |path: &str, before: Value, after: Value, cause| AttributeChange {
            path: path.to_owned(),
            before,
            after,
            cause,
            on_change: Action::Update,
        };
        match &self.origin {
            Origin::Built(build) => {
                let before = self.last_applied(found).and_then(|last| last.get(CONTEXT).cloned());
                let now = observed.build_sources.get(&build.source).and_then(Seen::present);
                let after = now.map(|digest| json!(short(digest)));
                match (before, after) {
                    (before, Some(after)) if before.as_ref() != Some(&after) => {
                        vec![change(CONTEXT, before.unwrap_or_default(), after, Cause::File)]
                    }
                    (_, Some(_) | None) => Vec::new(),
                }
            }
            Origin::Pulled(_) => match observed.registry.get(self.reference()) {
                Some(Seen::Present(remote)) if !remote.is(found) => {
                    let after = remote.id.as_ref().or(remote.digests.first()).map(|digest| short(digest));
                    vec![change("image", json!(short(&found.id)), json!(after), Cause::Machine)]
                }
                Some(Seen::Present(_) | Seen::Absent | Seen::Unknown(_)) | None => Vec::new(),
            },
        }
    }

    fn make(&self, observed: &Observed) -> Effect {
        match &self.origin {
            Origin::Pulled(_) => Effect::Podman(Podman::PullImage { reference: self.reference().to_owned() }),
            Origin::Built(build) => {
                let mut spec = self.attributes();
                let digest = observed.build_sources.get(&build.source).and_then(Seen::present);
                spec.0.extend(digest.map(|digest| (CONTEXT.to_owned(), json!(short(digest)))));
                let told = json!({ "attributes": spec, "stack": self.context.stack, "version": VERSION });
                let mut labels = build.labels.clone();
                labels.insert(LABEL.to_owned(), told.to_string());
                Effect::Podman(Podman::BuildImage(Box::new(build.effect(self.reference(), labels))))
            }
        }
    }
}

/// As podman shows ids.
fn short(digest: &str) -> String {
    digest.trim_start_matches("sha256:").chars().take(12).collect()
}

impl Resource for Image {
    fn address(&self) -> &Address {
        &self.address
    }

    fn attributes(&self) -> Attributes {
        match &self.origin {
            Origin::Pulled(_) => Attributes::default(),
            Origin::Built(build) => build.attributes(&self.context),
        }
    }

    fn dependencies(&self) -> Vec<Dependency> {
        Vec::new()
    }

    fn query(&self, query: &mut Query) {
        let reference = self.reference().to_owned();
        query.images.insert(reference.clone());
        match &self.origin {
            Origin::Built(build) => {
                query.build_sources.insert(build.source.clone());
                query.paths.extend(build.containerfile().map(PathBuf::from));
            }
            Origin::Pulled(pull) => {
                if *pull == Pull::Always || (query.check_updates && *pull != Pull::Never) {
                    query.registry.insert(reference);
                }
            }
        }
    }

    fn seen(&self, observed: &Observed) -> Seen<Object> {
        if let Origin::Built(build) = &self.origin
            && let Some(Seen::Unknown(why)) = observed.build_sources.get(&build.source)
        {
            return Seen::Unknown(why.clone());
        }
        match (observed.images.get(self.reference()), observed.registry.get(self.reference())) {
            (Some(Seen::Present(_)), Some(Seen::Unknown(why))) | (Some(Seen::Unknown(why)), _) => {
                Seen::Unknown(why.clone())
            }
            (Some(Seen::Present(found)), _) => {
                Seen::Present(Object { attributes: Attributes::default(), last_applied: self.last_applied(found) })
            }
            (Some(Seen::Absent), _) => Seen::Absent,
            (None, _) => Seen::Unknown("it was not looked at".to_owned()),
        }
    }

    fn outdated(&self, observed: &Observed, _neighbours: &Neighbours<'_>) -> Vec<AttributeChange> {
        self.renewals(observed)
    }

    fn name_after(&self, observed: &Observed, _made_anew: bool) -> String {
        let renewed = self.found(observed).is_some() && self.is_renewed(observed);
        if renewed { format!("{}, made anew", self.reference()) } else { self.reference().to_owned() }
    }

    fn conflicts(&self, observed: &Observed) -> Vec<Risk> {
        let reference = self.reference();
        let risk = |code, message, remedies| vec![Risk { code, severity: Severity::Critical, message, remedies }];
        match &self.origin {
            Origin::Built(build) => match (self.found(observed), build.missing(observed)) {
                (_, Some(missing)) => {
                    let message = format!("the image {reference} is to be built, and {missing} does not exist");
                    risk("PATH_MISSING", message, vec!["Write the path where it is.".to_owned()])
                }
                (Some(found), None) if self.last_applied(found).is_none() => risk(
                    "NAME_OWNED_BY_OTHER",
                    format!("there is an image {reference} that this stack did not build"),
                    vec![
                        "Give what is built another name with `image:`, or take the name away from that one:"
                            .to_owned(),
                        format!("  podman untag {reference} {reference}"),
                    ],
                ),
                (Some(_) | None, None) => Vec::new(),
            },
            Origin::Pulled(Pull::Never) if observed.images.get(reference).is_some_and(Seen::is_absent) => risk(
                "IMAGE_MISSING",
                format!("the image {reference} is not here, and `pull: never` forbids to fetch it"),
                vec![
                    "Fetch, load or build it, or say `pull: missing`:".to_owned(),
                    format!("  podman pull {reference}"),
                ],
            ),
            Origin::Pulled(_) => weighed(&self.address, room::risk(self, observed), observed),
        }
    }

    /// Before it is pulled: how much that brings, and whether there is room.
    fn query_closer(&self, action: Action, observed: &Observed, query: &mut Query) {
        let storage = observed.host.as_ref().map(|host| host.storage.root.clone());
        if let (Origin::Pulled(_), true, Some(root)) = (&self.origin, action > Action::None, storage) {
            query.pulls.insert(self.reference().to_owned());
            query.space.insert(root);
        }
    }

    fn steps(&self, _difference: &Difference, observed: &Observed, _neighbours: &Neighbours<'_>) -> Steps {
        // Nothing to undo: an image that nobody uses takes nothing but space, and the next try finds it.
        Steps { main: vec![step(self.make(observed))], ..Steps::default() }
    }

    fn span(&self) -> Option<Span> {
        self.span
    }
}

/// Images are shared with everything else on the machine: none is ever removed.
fn owned(_observed: &Observed, _ours: Ours<'_>) -> Vec<Owned> {
    Vec::new()
}

fn remove(_owned: &Owned, _observed: &Observed, _context: &Context) -> Steps {
    Steps::default()
}
