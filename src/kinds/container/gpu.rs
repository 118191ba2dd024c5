//! GPUs: which devices of this machine a container is given for one. NVIDIA's come by CDI, whose list of devices the driver's
//! toolkit writes; the others are device nodes.

use crate::stack::forms::{Described, Form, TEXTS, key};
use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::Container;
use crate::change::{Risk, Severity};
use crate::diagnostic::Diagnostics;
use crate::observed::{Observed, Query, Seen};
use crate::stack::forms::{self, Map};
use crate::stack::yaml::Node;

/// In last-applied: the devices that `auto` came to.
pub(super) const FOUND: &str = "gpu_devices";

const CDI_SPECS: [&str; 4] =
    ["/etc/cdi/nvidia.yaml", "/etc/cdi/nvidia.json", "/var/run/cdi/nvidia.yaml", "/var/run/cdi/nvidia.json"];
const DRI: &str = "/dev/dri";
/// Compute on AMD (ROCm); a machine with it has an AMD card with a driver that computes.
const KFD: &str = "/dev/kfd";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gpu {
    None,
    /// Whatever the machine has, and nothing where it has none.
    Auto,
    Nvidia,
    Amd,
    Intel,
}

impl Gpu {
    fn word(self) -> &'static str {
        match self {
            Gpu::None => "none",
            Gpu::Auto => "auto",
            Gpu::Nvidia => "nvidia",
            Gpu::Amd => "amd",
            Gpu::Intel => "intel",
        }
    }

    fn devices(self, observed: &Observed) -> Vec<String> {
        let has = |path: &str| observed.paths.get(Path::new(path)).is_some_and(|seen| seen.present().is_some());
        let nvidia = || vec!["nvidia.com/gpu=all".to_owned()];
        match self {
            Gpu::None => Vec::new(),
            Gpu::Auto if CDI_SPECS.iter().any(|spec| has(spec)) => nvidia(),
            Gpu::Auto => [KFD, DRI].into_iter().filter(|path| has(path)).map(str::to_owned).collect(),
            Gpu::Nvidia => nvidia(),
            Gpu::Amd => vec![KFD.to_owned(), DRI.to_owned()],
            Gpu::Intel => vec![DRI.to_owned()],
        }
    }
}

pub(super) fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Gpu> {
    let all = [Gpu::None, Gpu::Auto, Gpu::Nvidia, Gpu::Amd, Gpu::Intel];
    let word = forms::one_of(&["none", "auto", "nvidia", "amd", "intel"], node, diagnostics)?;
    all.into_iter().find(|gpu| gpu.word() == word)
}

pub(super) const DEVICE_KEYS: &[Described] = &[
    key("driver", Form::OneOf(&["nvidia", "amd", "intel", "cdi"]), "Whose; NVIDIA's by itself"),
    key("count", Form::Text, "How many, or `all`"),
    key("device_ids", TEXTS, "Which, as CDI names them"),
    key("capabilities", Form::Either(&[TEXTS, Form::List(&TEXTS)]), "What for, such as `[gpu]`"),
];
const DEVICE_UNSUPPORTED: &[(&str, &str)] = &[("options", "CDI has no options; choose devices with `device_ids`")];

/// Compose's `gpus`, and `deploy.resources.reservations.devices`: devices by their CDI names.
pub(super) fn compose(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    if node.as_text() == Some("all") {
        return Some(vec!["nvidia.com/gpu=all".to_owned()]);
    }
    let lists = forms::list_of(node, "`all`, or a list of GPUs", diagnostics, one)?;
    Some(lists.concat())
}

fn one(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    let mut map = Map::new(node, "a GPU", DEVICE_KEYS, diagnostics)?.unsupported(DEVICE_UNSUPPORTED);
    let driver =
        map.read("driver", |node, diagnostics| forms::one_of(&["nvidia", "amd", "intel", "cdi"], node, diagnostics));
    let ids = map.read("device_ids", forms::list_of_text);
    let count = map.read("count", |node, diagnostics| match node.as_text() {
        Some("all") => Some(None),
        _ => forms::integer_in(1..=64, node, diagnostics).map(Some),
    });
    let capabilities = map.read("capabilities", forms::list_of_text).unwrap_or_default();
    if let Some(other) =
        capabilities.iter().find(|word| !["gpu", "compute", "utility", "video", "graphics"].contains(&word.as_str()))
    {
        let detail = format!("`{}` is nothing that a GPU is asked for here", other.escape_debug());
        let span = map.span_of("capabilities");
        map.diagnostics.error(span, "Not supported", detail).help("such as `[gpu]`");
    }
    if ids.is_some() && count.is_some() {
        let span = map.span_of("count");
        map.diagnostics.error(span, "Contradiction", "`count` and `device_ids` exclude each other");
    }
    map.finish();
    if driver == Some("cdi") {
        return Some(ids.unwrap_or_default());
    }
    let vendor = driver.unwrap_or("nvidia");
    let device = |id: &str| format!("{vendor}.com/gpu={id}");
    Some(match (ids, count.flatten()) {
        (Some(ids), _) => ids.iter().map(|id| device(id)).collect(),
        (None, Some(count)) => (0..count).map(|id: i64| device(&id.to_string())).collect(),
        (None, None) => vec![device("all")],
    })
}

pub(super) fn attribute(gpu: Option<Gpu>) -> Value {
    json!(gpu.map(Gpu::word))
}

pub(super) fn query(container: &Container, query: &mut Query) {
    if matches!(container.gpu, Some(gpu) if gpu != Gpu::None) {
        query.paths.extend(CDI_SPECS.iter().chain(&[DRI, KFD]).map(std::path::PathBuf::from));
    }
}

/// What it is given now.
pub(super) fn devices(container: &Container, observed: &Observed) -> BTreeSet<String> {
    container.gpu.map(|gpu| gpu.devices(observed)).unwrap_or_default().into_iter().collect()
}

/// What it is to have and the machine has not.
pub(super) fn missing(container: &Container, observed: &Observed) -> Option<Risk> {
    let is_absent = |path: &str| observed.paths.get(Path::new(path)).is_some_and(Seen::is_absent);
    let (missing, remedy) = match container.gpu? {
        Gpu::None | Gpu::Auto => return None,
        Gpu::Nvidia if CDI_SPECS.iter().all(|spec| is_absent(spec)) => (
            "no CDI specification of NVIDIA's lies in /etc/cdi or /var/run/cdi".to_owned(),
            "Write it with the NVIDIA container toolkit, as root (on NixOS: hardware.nvidia-container-toolkit.enable):\n  \
             nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
        ),
        gpu @ (Gpu::Amd | Gpu::Intel) => {
            let device = gpu.devices(observed).into_iter().find(|path| is_absent(path))?;
            (
                format!("{device} does not exist"),
                "Load the driver, or say `gpu: auto` to do without where there is none.",
            )
        }
        Gpu::Nvidia => return None,
    };
    Some(Risk {
        code: "GPU_MISSING",
        severity: Severity::Critical,
        message: format!("{} asks for a GPU, and {missing}", container.address),
        remedies: remedy.lines().map(str::to_owned).collect(),
    })
}
