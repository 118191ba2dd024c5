//! `volumes` of a container: what is mounted where, in Compose's short and long form.

use super::list::list_of;
use super::map::{Map, expected};
use super::path::{Places, container_path, container_path_text, expanded, host_path};
use super::scalar::{boolean, mode, one_of, size_bytes, word};
use super::{Described, Form, key};
use crate::diagnostic::{Diagnostics, Span, quoted};
use crate::stack::yaml::{Node, Value};
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selinux {
    /// `z`: the label that all containers share.
    Shared,
    /// `Z`: a label of this container alone.
    Private,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountSource {
    /// A path of the host, absolute. `create` is Compose's `create_host_path`, true unless the file says no.
    Bind {
        path: PathBuf,
        create: bool,
    },
    /// A volume by its key in the stack, or none: a volume that belongs to this container.
    Volume {
        name: Option<String>,
        subpath: Option<String>,
    },
    Tmpfs {
        size_bytes: Option<u64>,
        mode: Option<u32>,
    },
    /// The files of an image; what is written there is gone with the container.
    Image {
        reference: String,
        subpath: Option<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub source: MountSource,
    /// Absolute, in the container.
    pub target: String,
    pub read_only: bool,
    pub selinux: Option<Selinux>,
    /// `U`: podman would change the owner of everything below.
    pub chown: bool,
    /// `rprivate`, `rslave`, …
    pub propagation: Option<&'static str>,
    /// Keeps podman from filling a new volume with what the image has there.
    pub nocopy: bool,
    /// `idmap` or `idmap=…`, as written.
    pub idmap: Option<String>,
    /// Mount flags, in order: `exec`, `noexec`, `nosuid`, …
    pub flags: Vec<&'static str>,
    pub span: Span,
}

const EXAMPLE: &str = "such as `./data:/var/lib/data` or `name:/var/lib/data:ro`";
const PROPAGATION: &[&str] =
    &["private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"];
const FLAGS: &[&str] = &["exec", "noexec", "dev", "nodev", "suid", "nosuid", "bind", "rbind"];
/// Hints for Docker Desktop's file sharing; on Linux Compose takes and ignores them, since all three mean the same here.
const CONSISTENCY: &[&str] = &["cached", "delegated", "consistent", "default"];
const TYPES: &[&str] = &["bind", "volume", "tmpfs", "image"];

pub const KEYS: &[Described] = &[
    key("type", Form::OneOf(TYPES), "What is mounted"),
    key("source", Form::Text, "A path of this machine, the name of a volume of this stack, or an image"),
    key("target", Form::Text, "Where it appears in the container"),
    key("read_only", Form::Boolean, "The container cannot write to it"),
    key("bind", Form::Map(BIND_KEYS), "More of a `bind`"),
    key("volume", Form::Map(VOLUME_KEYS), "More of a `volume`"),
    key("tmpfs", Form::Map(TMPFS_KEYS), "More of a `tmpfs`"),
    key("image", Form::Map(IMAGE_KEYS), "More of an `image`"),
    key("consistency", Form::Text, "Has a meaning on macOS only, and none here"),
];
const UNSUPPORTED: &[(&str, &str)] = &[("cluster", "podman has no cluster volumes")];
const BIND_KEYS: &[Described] = &[
    key("propagation", Form::OneOf(PROPAGATION), "Whether mounts made later on one side appear on the other"),
    key("create_host_path", Form::Boolean, "A missing directory is made only below a declared one, whatever this says"),
    key("selinux", Form::OneOf(&["z", "Z"]), "Label it for containers: for several (`z`) or for this one (`Z`)"),
];
const BIND_UNSUPPORTED: &[(&str, &str)] = &[("recursive", "podman's API has no such setting; use `propagation`")];
const VOLUME_KEYS: &[Described] = &[
    key("nocopy", Form::Boolean, "Do not fill a new volume with what the image has there"),
    key("subpath", Form::Text, "A path within the volume"),
];
const VOLUME_UNSUPPORTED: &[(&str, &str)] = &[("labels", "labels belong to the volume, under `volumes:`")];
const IMAGE_KEYS: &[Described] = &[key("subpath", Form::Text, "A path within the image")];
const TMPFS_KEYS: &[Described] =
    &[key("size", Form::Size, "The most that it holds"), key("mode", Form::Mode, "Its mode, in octal")];

impl Mount {
    fn new(source: MountSource, target: String, span: Span) -> Self {
        Self {
            source,
            target,
            read_only: false,
            selinux: None,
            chown: false,
            propagation: None,
            nocopy: false,
            idmap: None,
            flags: Vec::new(),
            span,
        }
    }
}

/// A list of mounts. Two with one target are an error.
pub fn mounts(node: &Node, places: Places<'_>, diagnostics: &mut Diagnostics) -> Option<Vec<Mount>> {
    let what = format!("a list of mounts, {EXAMPLE}");
    let mounts = list_of(node, &what, diagnostics, |item, diagnostics| match &item.value {
        Value::Mapping(_) => long(item, places, diagnostics),
        Value::Text(_) => short(item, places, diagnostics),
        _ => {
            expected(item, &format!("a mount, {EXAMPLE}"), diagnostics);
            None
        }
    })?;
    for (index, mount) in mounts.iter().enumerate() {
        if let Some(first) = mounts[..index].iter().find(|first| first.target == mount.target) {
            diagnostics
                .error(mount.span, "Duplicate mount", format!("{} is mounted twice", quoted(&mount.target)))
                .related(first.span, "first mounted here");
        }
    }
    Some(mounts)
}

fn short(node: &Node, places: Places<'_>, diagnostics: &mut Diagnostics) -> Option<Mount> {
    let text = word(node, diagnostics)?;
    let mut parts = text.splitn(3, ':');
    let first = parts.next().unwrap_or_default();
    let Some(target) = parts.next() else {
        let target = container_path_text(first, &node.shown(), node.span, diagnostics)?;
        return Some(Mount::new(MountSource::Volume { name: None, subpath: None }, target, node.span));
    };
    let options = parts.next().unwrap_or_default();
    let source = if first.starts_with(['/', '.', '~']) {
        MountSource::Bind { path: expanded(first, &part(node, first), node.span, places, diagnostics)?, create: true }
    } else {
        MountSource::Volume {
            name: Some(volume_name(first, &part(node, first), node.span, diagnostics)?),
            subpath: None,
        }
    };
    let target = container_path_text(target, &part(node, target), node.span, diagnostics)?;
    let mut mount = Mount::new(source, target, node.span);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        short_option(&mut mount, option, node, diagnostics);
    }
    Some(mount)
}

fn short_option(mount: &mut Mount, option: &str, node: &Node, diagnostics: &mut Diagnostics) {
    let volume = matches!(mount.source, MountSource::Volume { .. });
    match option {
        "ro" => mount.read_only = true,
        "rw" => mount.read_only = false,
        "z" => mount.selinux = Some(Selinux::Shared),
        "Z" => mount.selinux = Some(Selinux::Private),
        "U" => mount.chown = true,
        "nocopy" if volume => mount.nocopy = true,
        "copy" if volume => mount.nocopy = false,
        _ if option == "idmap" || option.starts_with("idmap=") => mount.idmap = Some(option.to_owned()),
        _ if CONSISTENCY.contains(&option) => {}
        _ => {
            let known = |list: &'static [&'static str]| list.iter().find(|known| **known == option).copied();
            match (known(PROPAGATION), known(FLAGS)) {
                (Some(propagation), _) if !volume => mount.propagation = Some(propagation),
                (_, Some(flag)) => mount.flags.push(flag),
                _ => {
                    let detail = format!("{} is no option of this mount", part(node, option));
                    diagnostics.error(node.span, "Unknown mount option", detail).help(
                        "known are `ro`, `rw`, `z`, `Z`, `U`, `idmap`, `nocopy` (volumes), `rslave` and its like (paths), `noexec` and its like",
                    );
                }
            }
        }
    }
}

/// A part of a text for a message, which shows it only where the whole may be shown.
fn part(node: &Node, part: &str) -> String {
    if node.sensitive { format!("a part of {}", node.shown()) } else { quoted(part) }
}

/// The key of a volume. What looks like a path by mistake gets an error that says so.
fn volume_name(name: &str, shown: &str, span: Span, diagnostics: &mut Diagnostics) -> Option<String> {
    let good = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if good {
        return Some(name.to_owned());
    }
    let diagnostic = diagnostics.error(
        span,
        "Not a volume",
        format!("{shown} is neither a path (absolute, or from `./` or `~/`) nor the name of a volume"),
    );
    if name.contains('/') {
        diagnostic.help("begin a path beside the stack file with `./`");
    }
    None
}

/// The settings of the one block that belongs to the type.
#[derive(Default)]
struct Block {
    propagation: Option<&'static str>,
    create: Option<bool>,
    selinux: Option<Selinux>,
    nocopy: Option<bool>,
    subpath: Option<String>,
    size_bytes: Option<u64>,
    mode: Option<u32>,
}

fn long(node: &Node, places: Places<'_>, diagnostics: &mut Diagnostics) -> Option<Mount> {
    // Which forms a source has is told by the type.
    let mut map = Map::new(node, "a mount", KEYS, diagnostics)?.unsupported(UNSUPPORTED).elsewhere(&["source"]);
    let kind = map.require("type", "bind", |node, diagnostics| one_of(TYPES, node, diagnostics));
    let target = map.require("target", "/data", container_path);
    let read_only = map.read("read_only", boolean).unwrap_or(kind == Some("image"));
    let _consistency = map.read("consistency", |node, diagnostics| one_of(CONSISTENCY, node, diagnostics));
    let mut block = Block::default();
    for (name, reader) in
        [("bind", bind_block as BlockReader), ("volume", volume_block), ("tmpfs", tmpfs_block), ("image", image_block)]
    {
        let Some(inner) = map.take(name).filter(|inner| !inner.is_null()) else { continue };
        if kind.is_some_and(|kind| kind != name) {
            let detail = format!("`{name}` has settings of another type than this mount's");
            map.diagnostics.error(inner.span, "Settings of another type", detail);
        }
        reader(inner, &mut block, map.diagnostics);
    }
    let source = match kind {
        Some("bind") => match map.take("source") {
            // `~` alone is YAML's null, and the home directory here.
            Some(home) if home.written() == Some("~") => host_path(home, places, map.diagnostics),
            _ => map.require("source", "./data", |node, diagnostics| host_path(node, places, diagnostics)),
        }
        .map(|path| MountSource::Bind { path, create: block.create.unwrap_or(true) }),
        Some("volume") => {
            let named = map.take("source").is_some_and(|source| !source.is_null());
            let name = map.read("source", |node, diagnostics| {
                volume_name(&word(node, diagnostics)?, &node.shown(), node.span, diagnostics)
            });
            (!named || name.is_some()).then_some(MountSource::Volume { name, subpath: block.subpath.take() })
        }
        Some("image") => {
            let reference = map.require("source", "docker.io/library/redis:8", word);
            reference.map(|reference| MountSource::Image { reference, subpath: block.subpath.take() })
        }
        Some(_) => {
            if let Some(source) = map.take("source").filter(|source| !source.is_null()) {
                map.diagnostics.error(
                    source.span,
                    "Settings of another type",
                    "a tmpfs has no `source`: it lives in memory",
                );
            }
            Some(MountSource::Tmpfs { size_bytes: block.size_bytes, mode: block.mode })
        }
        None => None,
    };
    map.finish();
    let mut mount = Mount::new(source?, target?, node.span);
    mount.read_only = read_only;
    mount.propagation = block.propagation;
    mount.selinux = block.selinux;
    mount.nocopy = block.nocopy.unwrap_or_default();
    Some(mount)
}

type BlockReader = fn(&Node, &mut Block, &mut Diagnostics);

fn bind_block(node: &Node, block: &mut Block, diagnostics: &mut Diagnostics) {
    let Some(map) = Map::new(node, "the `bind` of a mount", BIND_KEYS, diagnostics) else { return };
    let mut map = map.unsupported(BIND_UNSUPPORTED);
    block.propagation = map.read("propagation", |node, diagnostics| one_of(PROPAGATION, node, diagnostics));
    block.create = map.read("create_host_path", boolean);
    block.selinux = map.read("selinux", |node, diagnostics| {
        let label = one_of(&["z", "Z"], node, diagnostics)?;
        Some(if label == "z" { Selinux::Shared } else { Selinux::Private })
    });
    map.finish();
}

fn volume_block(node: &Node, block: &mut Block, diagnostics: &mut Diagnostics) {
    let Some(map) = Map::new(node, "the `volume` of a mount", VOLUME_KEYS, diagnostics) else { return };
    let mut map = map.unsupported(VOLUME_UNSUPPORTED);
    block.nocopy = map.read("nocopy", boolean);
    block.subpath = map.read("subpath", word);
    map.finish();
}

fn image_block(node: &Node, block: &mut Block, diagnostics: &mut Diagnostics) {
    let Some(mut map) = Map::new(node, "the `image` of a mount", IMAGE_KEYS, diagnostics) else { return };
    block.subpath = map.read("subpath", word);
    map.finish();
}

fn tmpfs_block(node: &Node, block: &mut Block, diagnostics: &mut Diagnostics) {
    let Some(mut map) = Map::new(node, "the `tmpfs` of a mount", TMPFS_KEYS, diagnostics) else { return };
    block.size_bytes = map.read("size", size_bytes);
    block.mode = map.read("mode", mode);
    map.finish();
}
