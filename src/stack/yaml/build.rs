//! Events to nodes, with a stack of its own: ten thousand levels end in an error, not in a stack overflow.

use super::{Key, Node, Tag, Value, scalar};
use crate::diagnostic::{Diagnostics, FileId, Span, quoted};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};
use std::borrow::Cow;
use std::collections::HashMap;

/// Levels of lists and mappings within each other; later stages recurse over nodes and rely on it.
const DEPTH_MAX: usize = 100;
/// Values of one document. A node takes about 100 bytes, so this bounds memory to some tens of MiB.
const NODES_MAX: usize = 500_000;
/// Values that anchors and aliases may copy: a few nested aliases of nine each would otherwise make a billion.
const COPIES_MAX: usize = 100_000;
/// Bytes of text that they may copy.
const COPIED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Reads the one document of a text. `None` when there is no tree to go on with; the reason is in the diagnostics. An empty text is
/// a null node.
pub fn parse(file: FileId, text: &str, diagnostics: &mut Diagnostics) -> Option<Node> {
    let mut builder = Builder::new(file, text);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let taken = match event {
            Ok((event, span)) => {
                let span = builder.span(span.start, span.end);
                builder.take(event, span, diagnostics)
            }
            Err(error) => {
                builder.syntax_error(&error, diagnostics);
                Err(Stop)
            }
        };
        if taken.is_err() {
            return None;
        }
    }
    let start = Span { file, line: 1, column: 1, start: 0, end: 0 };
    Some(builder.root.unwrap_or_else(|| Node::new(start, Value::Null)))
}

/// The document cannot be read any further; the diagnostic was given.
#[derive(Debug)]
struct Stop;

/// What an alias stands for, with what a copy of it costs.
struct Anchored {
    node: Node,
    size: Size,
}

#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
    height: usize,
}

enum Open {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<(Key, Node)>,
        index: HashMap<String, Span>,
        key: Option<Key>,
        merge: Option<(Span, Vec<Node>)>,
    },
}

struct Frame {
    open: Open,
    span: Span,
    anchor: usize,
    tag: Tag,
    size: Size,
}

struct Builder<'t> {
    file: FileId,
    text: &'t str,
    /// Byte offset of each character; empty for ASCII, where both are the same.
    offsets: Vec<u32>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    documents: usize,
    nodes: usize,
    copies: usize,
    copied_bytes: usize,
    root: Option<Node>,
}

impl<'t> Builder<'t> {
    fn new(file: FileId, text: &'t str) -> Self {
        let offsets = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(at, _)| offset(at)).chain([offset(text.len())]).collect()
        };
        Self {
            file,
            text,
            offsets,
            frames: Vec::new(),
            anchors: HashMap::new(),
            documents: 0,
            nodes: 0,
            copies: 0,
            copied_bytes: 0,
            root: None,
        }
    }

    fn byte(&self, marker: Marker) -> u32 {
        if self.offsets.is_empty() {
            return offset(marker.index().min(self.text.len()));
        }
        self.offsets.get(marker.index()).copied().unwrap_or_else(|| offset(self.text.len()))
    }

    fn span(&self, start: Marker, end: Marker) -> Span {
        Span {
            file: self.file,
            line: offset(start.line()),
            column: offset(start.col() + 1),
            start: self.byte(start),
            end: self.byte(end).max(self.byte(start)),
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span, diagnostics: &mut Diagnostics) -> Result<(), Stop> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents == 1 {
                    return Ok(());
                }
                diagnostics
                    .error(span, "Several documents", "a stack file holds one YAML document; here a second one begins")
                    .help("put it into a file of its own and give both with `-f`");
                Err(Stop)
            }
            Event::Alias(id) => self.alias(id, span, diagnostics),
            Event::Scalar(text, style, anchor, tag) => {
                let node = self.scalar(text.into_owned(), style, tag, span, diagnostics);
                self.anchor(anchor, &node, Size { nodes: 1, bytes: 0, height: 0 }, diagnostics)?;
                self.place(node, Size { nodes: 1, bytes: 0, height: 0 }, diagnostics)
            }
            Event::SequenceStart(anchor, tag) => self.open(Open::Sequence(Vec::new()), anchor, tag, span, diagnostics),
            Event::MappingStart(anchor, tag) => {
                let open = Open::Mapping { entries: Vec::new(), index: HashMap::new(), key: None, merge: None };
                self.open(open, anchor, tag, span, diagnostics)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(diagnostics),
        }
    }

    fn open(
        &mut self,
        open: Open,
        anchor: usize,
        tag: Option<Cow<'_, saphyr_parser::Tag>>,
        span: Span,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Stop> {
        if self.at_key() {
            diagnostics
                .error(
                    span,
                    "Key is not a text",
                    "the key of a mapping must be one word or text, not a list or mapping",
                )
                .help("put text that begins with `{` or `[` in quotes");
            return Err(Stop);
        }
        if self.frames.len() >= DEPTH_MAX {
            return Err(too_deep(span, diagnostics));
        }
        let tag = tag.map_or(Tag::None, |tag| match (tag.is_yaml_core_schema(), tag.suffix.as_str(), &open) {
            (true, "seq", Open::Sequence(_)) | (true, "map", Open::Mapping { .. }) => Tag::None,
            _ => compose_tag(&tag, span, diagnostics),
        });
        self.frames.push(Frame { open, span, anchor, tag, size: Size::default() });
        Ok(())
    }

    /// Whether what comes next is the key of a mapping.
    fn at_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame { open: Open::Mapping { key: None, .. }, .. }))
    }

    fn scalar(
        &mut self,
        text: String,
        style: ScalarStyle,
        tag: Option<Cow<'_, saphyr_parser::Tag>>,
        span: Span,
        diagnostics: &mut Diagnostics,
    ) -> Node {
        let mut node = Node::new(span, Value::Null);
        let core = tag.as_ref().filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.clone());
        match (&core, tag) {
            (Some(_), _) | (None, None) => {}
            (None, Some(tag)) => node.tag = compose_tag(&tag, span, diagnostics),
        }
        let plain = style == ScalarStyle::Plain;
        if self.at_key() || core.as_deref() == Some("str") || (core.is_none() && !plain) {
            node.plain = plain && core.is_none();
            node.value = Value::Text(text);
            return node;
        }
        scalar::plain(&mut node, text, diagnostics);
        let fits = match core.as_deref() {
            None => true,
            Some("null") => node.is_null(),
            Some("bool") => matches!(node.value, Value::Bool(_)),
            Some("int") => matches!(node.value, Value::Integer(_)),
            Some("float") => matches!(node.value, Value::Float(_) | Value::Integer(_)),
            Some(_) => false,
        };
        if !fits {
            let tag = quoted(&format!("!!{}", core.unwrap_or_default()));
            diagnostics.error(
                span,
                "Tag does not fit",
                format!("{} is no value that the tag {tag} allows here", node.shown()),
            );
        }
        node
    }

    /// Remembers a finished node under its anchor.
    fn anchor(&mut self, id: usize, node: &Node, size: Size, diagnostics: &mut Diagnostics) -> Result<(), Stop> {
        if id == 0 {
            return Ok(());
        }
        let size = Size { bytes: size.bytes + node.written().map_or(0, str::len), ..size };
        self.copy(node.span, size, diagnostics)?;
        self.anchors.insert(id, Anchored { node: node.clone(), size });
        Ok(())
    }

    /// Counts a copy against what aliases may make of a document.
    fn copy(&mut self, span: Span, size: Size, diagnostics: &mut Diagnostics) -> Result<(), Stop> {
        self.copies += size.nodes;
        self.copied_bytes += size.bytes;
        if self.copies <= COPIES_MAX && self.copied_bytes <= COPIED_BYTES_MAX {
            return Ok(());
        }
        diagnostics.error(
            span,
            "Alias bomb",
            format!(
                "anchors and aliases repeat more than {COPIES_MAX} values or {COPIED_BYTES_MAX} bytes in this file"
            ),
        );
        Err(Stop)
    }

    fn alias(&mut self, id: usize, span: Span, diagnostics: &mut Diagnostics) -> Result<(), Stop> {
        let Some(Anchored { size, .. }) = self.anchors.get(&id) else {
            diagnostics.error(span, "Alias within itself", "this alias stands inside the value that it is to repeat");
            return Err(Stop);
        };
        let size = *size;
        self.copy(span, size, diagnostics)?;
        if self.frames.len() + size.height > DEPTH_MAX {
            return Err(too_deep(span, diagnostics));
        }
        let Some(mut node) = self.anchors.get(&id).map(|anchored| anchored.node.clone()) else { return Err(Stop) };
        if self.at_key() {
            let Some(text) = node.written().map(str::to_owned) else {
                diagnostics.error(span, "Key is not a text", "the key of a mapping must be one word or text");
                return Err(Stop);
            };
            node = Node::new(span, Value::Text(text));
        }
        self.place(node, size, diagnostics)
    }

    /// Puts a finished node where it belongs: key, value, item, or root.
    fn place(&mut self, node: Node, size: Size, diagnostics: &mut Diagnostics) -> Result<(), Stop> {
        self.nodes += size.nodes;
        if self.nodes > NODES_MAX {
            diagnostics.error(node.span, "Too many values", format!("a file may hold {NODES_MAX} values"));
            return Err(Stop);
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.size.nodes += size.nodes;
        frame.size.bytes += size.bytes + node.written().map_or(0, str::len);
        frame.size.height = frame.size.height.max(size.height);
        match &mut frame.open {
            Open::Sequence(items) => items.push(node),
            Open::Mapping { entries, index, key, merge } => match key.take() {
                None => *key = Some(read_key(node, index, diagnostics)),
                Some(key) if key.text == MERGE => merge.get_or_insert_with(|| (key.span, Vec::new())).1.push(node),
                Some(key) => {
                    let mut node = node;
                    if node.is_null() && node.raw.is_empty() {
                        // A missing value has no place of its own; the parser names where the next token stands.
                        node.span = key.span;
                    }
                    entries.push((key, node));
                }
            },
        }
        Ok(())
    }

    fn close(&mut self, diagnostics: &mut Diagnostics) -> Result<(), Stop> {
        let Some(Frame { open, span, anchor, tag, size }) = self.frames.pop() else { return Ok(()) };
        let value = match open {
            Open::Sequence(items) => Value::Sequence(items),
            Open::Mapping { entries, index, key: _, merge } => {
                Value::Mapping(merged(first_of_each(entries), index, merge, diagnostics))
            }
        };
        let size = Size { nodes: size.nodes + 1, bytes: size.bytes, height: size.height + 1 };
        let node = Node { tag, ..Node::new(span, value) };
        self.anchor(anchor, &node, size, diagnostics)?;
        // The children were counted when they were placed.
        self.nodes -= size.nodes - 1;
        self.place(node, size, diagnostics)
    }

    fn syntax_error(&self, error: &ScanError, diagnostics: &mut Diagnostics) {
        let span = self.span(*error.marker(), *error.marker());
        // The scanner reads ahead of the builder's own bound and has one at 255 levels of `[` and `{`.
        if error.info().contains("recursion limit") {
            too_deep(span, diagnostics);
            return;
        }
        let lines = self.text.lines().skip((span.line as usize).saturating_sub(2)).take(2);
        let tab = lines.into_iter().any(|line| line[..line.len() - line.trim_start().len()].contains('\t'));
        let diagnostic = diagnostics.error(span, "Not YAML", format!("the parser stopped here: {}", error.info()));
        if tab {
            diagnostic.help("YAML allows no tab in the indentation: use spaces");
        }
    }
}

/// The key under which the entries of other mappings are taken over. A quoted one is told apart by [`read_key`].
const MERGE: &str = "<<";
/// What a quoted `<<` is held under until its mapping is closed; no text of a file can hold a NUL.
const QUOTED_MERGE: &str = "\0<<";

fn read_key(node: Node, index: &mut HashMap<String, Span>, diagnostics: &mut Diagnostics) -> Key {
    let text = node.written().unwrap_or_default().to_owned();
    let text = if text == MERGE && !node.plain { QUOTED_MERGE.to_owned() } else { text };
    let span = node.span;
    match index.get(&text) {
        Some(first) => {
            diagnostics
                .error(span, "Duplicate key", format!("{} is given twice in one mapping", quoted(&text)))
                .related(*first, "first given here");
        }
        None => {
            index.insert(text.clone(), span);
        }
    }
    Key { text, span }
}

/// Of a key that was given twice the first stays, so that what reads the nodes sees each once.
fn first_of_each(entries: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
    let mut seen = std::collections::HashSet::new();
    let first: Vec<bool> = entries.iter().map(|(key, _)| seen.insert(key.text.as_str())).collect();
    let mut first = first.into_iter();
    let mut entries = entries;
    entries.retain(|_| first.next().unwrap_or(true));
    entries
}

/// The entries with those of the merged mappings behind them; what is written out wins, then the earlier of the merged.
fn merged(
    mut entries: Vec<(Key, Node)>,
    mut index: HashMap<String, Span>,
    merge: Option<(Span, Vec<Node>)>,
    diagnostics: &mut Diagnostics,
) -> Vec<(Key, Node)> {
    for (key, _) in &mut entries {
        if key.text == QUOTED_MERGE {
            MERGE.clone_into(&mut key.text);
        }
    }
    let Some((span, nodes)) = merge else { return entries };
    let sources = nodes.into_iter().flat_map(|node| match node.value {
        Value::Sequence(items) => items,
        _ => vec![node],
    });
    for source in sources {
        let Value::Mapping(source) = source.value else {
            diagnostics
                .error(
                    span,
                    "Merge key without a mapping",
                    format!("`<<` takes a mapping or a list of mappings, not {}", source.kind()),
                )
                .help("`<<: *name` takes over the entries of the mapping with the anchor `&name`");
            continue;
        };
        for (key, node) in source {
            if !index.contains_key(&key.text) {
                index.insert(key.text.clone(), key.span);
                entries.push((key, node));
            }
        }
    }
    entries
}

fn compose_tag(tag: &saphyr_parser::Tag, span: Span, diagnostics: &mut Diagnostics) -> Tag {
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("!", "reset") => Tag::Reset,
        ("!", "override") => Tag::Override,
        _ => {
            let name = quoted(&tag.to_string());
            diagnostics
                .error(span, "Unknown tag", format!("{name} is not a tag of a stack file"))
                .help("known are `!reset`, `!override` and YAML's own, such as `!!str`");
            Tag::None
        }
    }
}

fn too_deep(span: Span, diagnostics: &mut Diagnostics) -> Stop {
    diagnostics.error(
        span,
        "Nested too deeply",
        format!("lists and mappings may lie {DEPTH_MAX} deep within each other"),
    );
    Stop
}

/// Texts are bounded by [`super::super::source::FILE_SIZE_MAX`], so every offset fits.
fn offset(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
