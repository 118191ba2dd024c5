//! How an image is built, in Compose's words.

use crate::stack::forms::{Described, Form, key};
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map as JsonMap, Value, json};

use crate::attributes::{Attributes, Hidden};
use crate::desired::Context;
use crate::diagnostic::Diagnostics;
use crate::effect::{BuildSource, Containerfile, ImageBuild};
use crate::kinds::container::extra_hosts;
use crate::kinds::network::pairs;
use crate::observed::{Observed, Seen};
use crate::stack::forms::{self, Map, Places};
use crate::stack::yaml::Node;

pub(in crate::kinds) const KEYS: &[Described] = &[
    key("context", Form::Path, "The directory that it is built from"),
    key("dockerfile", Form::Text, "The containerfile, below the context; `Containerfile` or `Dockerfile` by itself"),
    key("dockerfile_inline", Form::Text, "The text of the containerfile"),
    key("args", Form::Pairs, "Values of its `ARG`s"),
    key("target", Form::Text, "The stage that is wanted"),
    key("labels", Form::Pairs, "Labels of the image"),
    key("no_cache", Form::Boolean, "Make every step anew"),
    key("pull", Form::Boolean, "Ask the registry for newer base images"),
    key("network", Form::OneOf(&["default", "host", "none"]), "The network of its `RUN` steps"),
    key("extra_hosts", Form::Pairs, "Names and addresses that its `RUN` steps know"),
    key("shm_size", Form::Size, "Of /dev/shm in its `RUN` steps"),
];
const UNSUPPORTED: &[(&str, &str)] = &[
    ("additional_contexts", "podman's API takes one context; put what is needed into it"),
    ("cache_from", "podman keeps its layers by itself"),
    ("cache_to", "podman keeps its layers by itself"),
    ("entitlements", "it is BuildKit's own"),
    ("isolation", "it has a meaning on Windows only"),
    ("platforms", "an image is built for this machine"),
    ("privileged", "a rootless build has no more rights than you"),
    ("provenance", "it is BuildKit's own"),
    ("sbom", "it is BuildKit's own"),
    ("secrets", "podman's API takes none from afar; `podman build --secret` does, and `image` names the result"),
    ("ssh", "podman's API takes none from afar; `podman build --ssh` does, and `image` names the result"),
    ("tags", "the one tag is the container's `image`"),
    ("ulimits", "a build has the limits of the podman service"),
];
/// What podman looks for by itself, in this order (podman-build(1)).
const CONTAINERFILES: [&str; 2] = ["Containerfile", "Dockerfile"];

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Build {
    pub(super) source: BuildSource,
    /// As written, below the context.
    dockerfile: Option<String>,
    args: BTreeMap<String, Arg>,
    target: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    no_cache: bool,
    pull: bool,
    network: Option<&'static str>,
    extra_hosts: Vec<String>,
    shm_size: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Arg {
    text: Hidden,
    sensitive: bool,
}

impl Build {
    /// A context alone, or a mapping. `exists` tells which containerfile there is where none is named.
    pub fn read(
        node: &Node,
        places: Places<'_>,
        exists: &dyn Fn(&Path) -> bool,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        if node.as_mapping().is_none() {
            let context = forms::host_path(node, places, diagnostics)?;
            let source = BuildSource { containerfile: own(&context, exists), context };
            return Some(Self { source, ..Self::default() });
        }
        let mut map = Map::new(node, "a build", KEYS, diagnostics)?.unsupported(UNSUPPORTED);
        let context = map.require("context", ".", |node, diagnostics| forms::host_path(node, places, diagnostics));
        let dockerfile = map.read("dockerfile", forms::text);
        let inline = map.read("dockerfile_inline", forms::text);
        if dockerfile.is_some() && inline.is_some() {
            let span = map.span_of("dockerfile_inline");
            map.diagnostics.error(span, "Contradiction", "`dockerfile` and `dockerfile_inline` exclude each other");
        }
        let args = map.read("args", forms::map_or_list).unwrap_or_default().into_iter();
        let arg = |pair: forms::Pair| (pair.key, Arg { text: Hidden(pair.value), sensitive: pair.sensitive });
        let networks = &["host", "none", "default"];
        let build = Self {
            source: BuildSource::default(),
            args: args.map(arg).collect(),
            target: map.read("target", forms::word),
            labels: map.read("labels", pairs).unwrap_or_default(),
            no_cache: map.read("no_cache", forms::boolean).unwrap_or(false),
            pull: map.read("pull", forms::boolean).unwrap_or(false),
            network: map.read("network", |node, diagnostics| forms::one_of(networks, node, diagnostics)),
            extra_hosts: map.read("extra_hosts", extra_hosts).unwrap_or_default(),
            shm_size: map.read("shm_size", forms::size_bytes),
            dockerfile: dockerfile.clone(),
        };
        map.finish();
        let context = context?;
        let containerfile = match (inline, dockerfile) {
            (Some(text), _) => Containerfile::Inline(text),
            (None, Some(path)) => Containerfile::File(context.join(path)),
            (None, None) => own(&context, exists),
        };
        Some(Self { source: BuildSource { context, containerfile }, ..build })
    }

    pub(super) fn containerfile(&self) -> Option<&Path> {
        match &self.source.containerfile {
            Containerfile::File(path) => Some(path),
            Containerfile::Inline(_) => None,
        }
    }

    /// What it would be built from and is not there.
    pub(super) fn missing(&self, observed: &Observed) -> Option<String> {
        let is_absent = |path: &Path| observed.paths.get(path).is_some_and(Seen::is_absent);
        if let Some(file) = self.containerfile().filter(|file| is_absent(file)) {
            return Some(format!("its containerfile {}", file.display()));
        }
        let absent = observed.build_sources.get(&self.source).is_some_and(Seen::is_absent);
        absent.then(|| format!("its context {}", self.source.context.display()))
    }

    /// `no_cache` and `pull` say how it is made, not what comes of it.
    pub(super) fn attributes(&self, context: &Context) -> Attributes {
        let Self { source, dockerfile, args, target, labels, no_cache: _, pull: _, network, extra_hosts, shm_size } =
            self;
        let value = |arg: &Arg| match arg.sensitive {
            true => context.secrets.seal(&arg.text.0),
            false => json!(arg.text.0),
        };
        let inline = match &source.containerfile {
            Containerfile::Inline(text) => json!(text),
            Containerfile::File(_) => Value::Null,
        };
        let mut attributes = Attributes::default();
        attributes.set_given("dockerfile", json!(dockerfile));
        attributes.set_given("dockerfile_inline", inline);
        attributes
            .set_given("args", args.iter().map(|(key, arg)| (key.clone(), value(arg))).collect::<JsonMap<_, _>>());
        attributes.set_given("target", json!(target));
        attributes.set_given("labels", json!(labels));
        attributes.set_given("network", json!(network));
        attributes.set_given("extra_hosts", json!(extra_hosts));
        attributes.set_given("shm_size", json!(shm_size));
        attributes
    }

    pub(super) fn effect(&self, reference: &str, labels: BTreeMap<String, String>) -> ImageBuild {
        ImageBuild {
            reference: reference.to_owned(),
            source: self.source.clone(),
            args: self.args.iter().map(|(key, arg)| (key.clone(), arg.text.clone())).collect(),
            target: self.target.clone(),
            labels,
            no_cache: self.no_cache,
            pull: self.pull,
            network: self.network.map(str::to_owned),
            extra_hosts: self.extra_hosts.clone(),
            shm_size: self.shm_size,
        }
    }
}

/// The first that there is; the last where there is none, so that the error names it.
fn own(context: &Path, exists: &dyn Fn(&Path) -> bool) -> Containerfile {
    let candidates = CONTAINERFILES.map(|name| context.join(name));
    let found = candidates.iter().find(|path| exists(path)).unwrap_or(&candidates[1]);
    Containerfile::File(found.clone())
}
