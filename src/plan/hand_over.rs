//! One block of commands in place of many that repeat each other: what several conflicts of one earlier setup have in common is
//! said once, in an order that works.

use std::collections::BTreeSet;

use super::Plan;
use crate::change::{Risk, Severity};
use crate::hand_over::{HandOver, Steps, remedies};

const BELOW: &str = "Hand it over with the commands of HAND_OVER, below.";

/// Risks whose commands are all among the steps lose them to the block; a single such risk says them itself.
pub(super) fn gather(plan: &mut Plan, steps: impl FnOnce() -> Steps) {
    let risks = plan.changes.iter().flat_map(|change| &change.risks).chain(&plan.risks);
    if risks.filter(|risk| risk.severity == Severity::Critical).nth(1).is_none() {
        return;
    }
    let steps = steps();
    let commands: BTreeSet<String> =
        steps.iter().filter_map(HandOver::command).map(|command| format!("  {command}")).collect();
    let said_here = |risk: &Risk| {
        let mut said = risk.remedies.iter().filter(|remedy| remedy.starts_with(' ')).peekable();
        said.peek().is_some() && said.all(|command| commands.contains(command))
    };
    let of_changes = plan.changes.iter_mut().flat_map(|change| &mut change.risks);
    let sharing: Vec<&mut Risk> = of_changes
        .chain(&mut plan.risks)
        .filter(|risk| risk.severity == Severity::Critical && said_here(risk))
        .collect();
    if sharing.len() < 2 {
        return;
    }
    let count = sharing.len();
    for risk in sharing {
        risk.remedies = vec![BELOW.to_owned()];
    }
    plan.risks.push(Risk {
        code: "HAND_OVER",
        severity: Severity::Info,
        message: format!(
            "{count} of these conflicts are with what another tool runs; it lets go of all of it in this order"
        ),
        remedies: remedies("Data directories and volumes stay where they are. Run these, then plan again:", &steps),
    });
}

#[cfg(test)]
mod tests {
    use super::{BELOW, gather};
    use crate::change::{Risk, Severity};
    use crate::hand_over::{HandOver, Steps, remedies};
    use crate::plan::Plan;

    fn risk(steps: &[HandOver]) -> Risk {
        let steps: Steps = steps.iter().cloned().collect();
        let remedies = remedies("So:", &steps);
        Risk { code: "NAME_OWNED_BY_OTHER", severity: Severity::Critical, message: String::new(), remedies }
    }

    #[test]
    fn what_is_shared_is_said_once_and_in_order() {
        let stop = HandOver::StopUnit("x.service".to_owned());
        let remove = HandOver::RemoveContainer("x".to_owned());
        let network = HandOver::RemoveNetwork("net".to_owned());
        let both = [risk(std::slice::from_ref(&network)), risk(&[stop.clone(), remove.clone()])];
        let mut plan = Plan { risks: both.into(), ..Plan::default() };
        gather(&mut plan, || [network, stop.clone(), remove].into());
        let said: Vec<&str> = plan.risks.iter().flat_map(|risk| &risk.remedies).map(String::as_str).collect();
        assert_eq!(said[..2], [BELOW, BELOW]);
        assert_eq!(
            said[3..],
            ["  systemctl --user stop x.service", "  podman rm --ignore x", "  podman network rm net"]
        );

        let mut alone = Plan { risks: vec![risk(std::slice::from_ref(&stop))], ..Plan::default() };
        let before = alone.clone();
        gather(&mut alone, || [stop].into());
        assert_eq!(alone, before);
    }
}
