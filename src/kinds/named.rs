//! What networks and volumes have in common: objects of podman under a name, which are this stack's by their labels, or somebody
//! else's, whom the file calls `external`.

use std::collections::BTreeMap;

use crate::attributes::Attributes;
use crate::change::{Risk, Severity};
use crate::desired::Object;
use crate::kinds::labels;
use crate::observed::{Observed, Seen, Sort};

/// The desired side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    pub(super) sort: Sort,
    /// As podman's command line has it: `network`.
    pub(super) noun: &'static str,
    /// On the machine.
    pub(super) name: &'a str,
    pub(super) stack: &'a str,
    pub(super) external: bool,
}

impl Named<'_> {
    /// `labels` are those of what has the name. What is external is as it should be once it is there; what belongs to another
    /// stack or tool is as good as absent, and told by [`Self::is_anothers`].
    pub(super) fn seen(
        &self,
        observed: &Observed,
        labels: Option<&BTreeMap<String, String>>,
        desired: impl FnOnce() -> Attributes,
        live: impl FnOnce() -> Attributes,
    ) -> Seen<Object> {
        if let Some(why) = observed.blind.get(&self.sort) {
            return Seen::Unknown(why.clone());
        }
        match labels {
            Some(_) if self.external => Seen::Present(Object { attributes: desired(), last_applied: None }),
            Some(labels) if labels::belongs_to(labels, self.stack) => {
                Seen::Present(Object { attributes: live(), last_applied: labels::last_applied(labels) })
            }
            Some(_) | None => Seen::Absent,
        }
    }

    /// Has somebody else taken the name of what the stack wants for itself?
    pub(super) fn is_anothers(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.external && !labels::belongs_to(labels, self.stack)
    }

    /// Where what is external is not there although podman could be asked.
    pub(super) fn not_found(&self, observed: &Observed) -> Vec<Risk> {
        let Self { sort, noun, name, stack: _, external } = self;
        if !external || observed.blind.contains_key(sort) {
            return Vec::new();
        }
        vec![Risk {
            code: "NAME_NOT_FOUND",
            severity: Severity::Critical,
            message: format!("the external {noun} `{name}` does not exist"),
            remedies: vec![
                "Make it, or take `external: true` away:".to_owned(),
                format!("  podman {noun} create {name}"),
            ],
        }]
    }
}
