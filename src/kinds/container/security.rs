//! `security_opt`, in Docker's and in podman's spelling.

use serde_json::{Value, json};

use crate::diagnostic::Diagnostics;
use crate::effect::ContainerCreate;
use crate::stack::forms::{self, Map, Places};
use crate::stack::yaml::Node;

/// Everything beside `no-new-privileges` as `name=value`, in one spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Security {
    pub(super) no_new_privileges: Option<bool>,
    selinux: Vec<String>,
    apparmor: Option<String>,
    /// `unconfined`, or the path of a profile on this machine.
    seccomp: Option<String>,
    mask: Vec<String>,
    unmask: Vec<String>,
}

impl Security {
    pub(super) fn of(map: &mut Map<'_, '_>, places: Places<'_>) -> Self {
        map.read("security_opt", |node, diagnostics| Self::read(node, places, diagnostics)).unwrap_or_default()
    }

    fn read(node: &Node, places: Places<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        let mut security = Self::default();
        for option in forms::list_of_text(node, diagnostics)? {
            let (name, value) = option.split_once(['=', ':']).unwrap_or((&option, ""));
            let paths = || value.split(':').map(str::to_owned);
            match (name, value) {
                ("no-new-privileges", "" | "true") => security.no_new_privileges = Some(true),
                ("no-new-privileges", "false") => security.no_new_privileges = Some(false),
                ("label", value) if is_label(value) => security.selinux.push(value.replacen('=', ":", 1)),
                ("apparmor", value) if !value.is_empty() => security.apparmor = Some(value.to_owned()),
                ("seccomp", "unconfined") => security.seccomp = Some(value.to_owned()),
                ("seccomp", value) if !value.is_empty() && !value.starts_with('{') => {
                    let path = forms::host_path_text(value, node.span, places, diagnostics);
                    security.seccomp = path.map(|path| path.display().to_string());
                }
                ("systempaths", "unconfined") => security.unmask.push("ALL".to_owned()),
                ("mask", value) if value.starts_with('/') => security.mask.extend(paths()),
                ("unmask", value) if value == "ALL" || value.starts_with('/') => security.unmask.extend(paths()),
                _ => {
                    let detail = format!("`{}` is no security option of podman", option.escape_debug());
                    diagnostics.error(node.span, "Unknown word", detail).help(
                        "such as `no-new-privileges`, `seccomp=unconfined`, `apparmor=PROFILE`, `label=disable`, \
                         `label=type:NAME`, `mask=/PATH` or `unmask=ALL`",
                    );
                }
            }
        }
        Some(security)
    }

    pub(super) fn attribute(&self) -> Value {
        let Self { no_new_privileges: _, selinux, apparmor, seccomp, mask, unmask } = self;
        let mut all: Vec<String> = selinux.iter().map(|label| format!("label={label}")).collect();
        all.extend(apparmor.iter().map(|profile| format!("apparmor={profile}")));
        all.extend(seccomp.iter().map(|profile| format!("seccomp={profile}")));
        all.extend(mask.iter().map(|path| format!("mask={path}")));
        all.extend(unmask.iter().map(|path| format!("unmask={path}")));
        json!(all)
    }

    pub(super) fn create(&self, body: &mut ContainerCreate) {
        body.selinux_opts.clone_from(&self.selinux);
        body.apparmor_profile.clone_from(&self.apparmor);
        body.seccomp_profile_path.clone_from(&self.seccomp);
        body.mask.clone_from(&self.mask);
        body.unmask.clone_from(&self.unmask);
    }
}

/// podman-run(1), `--security-opt`.
fn is_label(value: &str) -> bool {
    let (name, rest) = value.split_once([':', '=']).unwrap_or((value, ""));
    match name {
        "disable" | "nested" => rest.is_empty(),
        "user" | "role" | "type" | "level" | "filetype" => !rest.is_empty(),
        _ => false,
    }
}
