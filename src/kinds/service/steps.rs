//! The calls of a service.

use std::time::Duration;

use super::attributes::unit_rows;
use super::{Service, render};
use crate::change::{Action, Step, Steps, joined, step};
use crate::desired::{Context, Difference, Neighbours, Owned, Resource};
use crate::effect::{Effect, Files, Systemd, Wait};
use crate::kinds::container::waits_for;
use crate::kinds::unit;
use crate::observed::Observed;

/// What ends at once does so within it.
const SETTLE: Duration = Duration::from_millis(100);
/// Above what systemd itself gives a stop (`DefaultTimeoutStopSec=`, 90 s).
pub(in crate::kinds) const STOP_TIMEOUT: Duration = Duration::from_secs(120);

pub(super) fn steps(
    service: &Service,
    difference: &Difference,
    observed: &Observed,
    neighbours: &Neighbours<'_>,
) -> Steps {
    let mut prepare = service.unit().prepare(difference, &unit_rows(), observed, &service.context);
    if difference.action == Action::Create {
        // A new one that does not come up stays, so that its log and its unit can be read.
        for step in &mut prepare {
            step.undo.clear();
        }
    }
    let unit = service.unit_name();
    let settle = if service.readiness.is_some() || service.is_one_shot() { Duration::ZERO } else { SETTLE };
    let timeout = render::start_timeout(service);
    let start = || {
        Effect::Systemd(Systemd::Start { unit: unit.clone(), container: None, settle, healthy_within: None, timeout })
    };
    let restart = || {
        Effect::Systemd(Systemd::Restart { unit: unit.clone(), container: None, settle, healthy_within: None, timeout })
    };
    let waits = waits_for(service.dependencies(), neighbours);
    let runs = service.runs(observed);
    let main = match difference.action {
        // Down as well, whatever else differs.
        Action::Update | Action::Reload if difference.has("running") => {
            joined([waits, vec![step(start())], up(service)])
        }
        Action::None | Action::Finish | Action::Update | Action::Reload | Action::Delete => Vec::new(),
        Action::Restart | Action::Replace if runs => joined([waits, vec![step(restart())], up(service)]),
        // From here on it stays; to tell that it was taken back would not be true.
        Action::Create => joined([waits, vec![step(start()).commit()], up(service)]),
        Action::Start | Action::Restart | Action::Replace => joined([waits, vec![step(start())], up(service)]),
    };
    Steps { prepare, main, finish: Vec::new() }
}

fn up(service: &Service) -> Vec<Step> {
    let healthy = service.readiness.clone().map(|readiness| Wait::Healthy {
        subject: service.address.to_string(),
        readiness,
        container: None,
        unit: Some(service.unit_name()),
    });
    healthy.map(|wait| step(Effect::Wait(wait))).into_iter().collect()
}

pub(super) fn owned(observed: &Observed, stack: &str) -> Vec<Owned> {
    let units = unit::owned(observed, stack).into_iter().filter(|(address, _)| address.kind() == "service");
    units.map(|(address, path)| Owned { address, names: vec![path.display().to_string()] }).collect()
}

pub(super) fn remove(owned: &Owned, observed: &Observed, context: &Context) -> Steps {
    let file = unit::owned(observed, &context.stack).into_iter().find(|(address, _)| *address == owned.address);
    let Some((_, path)) = file else { return Steps::default() };
    let unit = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    Steps {
        prepare: Vec::new(),
        main: vec![
            step(Effect::Systemd(Systemd::Stop { unit: unit.clone(), timeout: STOP_TIMEOUT })),
            step(Effect::Systemd(Systemd::Disable { unit })).commit(),
        ],
        finish: vec![step(Effect::Files(Files::Remove { path }))],
    }
}
