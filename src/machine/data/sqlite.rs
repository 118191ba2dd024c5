//! A SQLite database, page by page: its tables and how many rows they have. SQLite itself would lock the file against its owner, make a
//! `-shm` beside it, or look past its `-wal`. The format is public and kept (<https://sqlite.org/fileformat2.html>).
//!
//! What a crashed or running transaction has changed is read as it was: the committed frames of the `-wal` lie over the file, and the
//! pages that a hot `-journal` keeps too. Where the owner writes meanwhile, it is read again.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Error, Result};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::observed::data::{Reading, State};

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const JOURNAL_MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// Above it nothing is worth reading into memory; SQLite checkpoints a `-wal` at 4 MB.
const SIDECAR_MAX: u64 = 256 << 20;
/// Pages that are visited to count rows, of all large tables together.
const PAGES_MAX: usize = 4_000;
const PAGES_OF_A_SMALL_ONE: usize = 16;
/// While its owner writes.
const TRIES: usize = 5;
/// The byte range of SQLite's locks (`PENDING_BYTE`, `SHARED_FIRST`).
const LOCKS: std::ops::Range<u64> = 0x4000_0000..0x4000_0200;

/// # Errors
/// It is not there, or may not be read.
pub(super) fn read(path: &Path) -> Result<Reading> {
    // To open a pipe would wait for whoever writes to it.
    if !std::fs::metadata(path)?.is_file() {
        return Ok(Reading { state: State::NotSqlite, ..Reading::default() });
    }
    let mut last = None;
    for _ in 0..TRIES {
        let before = stamp(path)?;
        let reading = once(path)?;
        if stamp(path)? == before {
            return Ok(locked(&before, reading));
        }
        last = Some(reading);
    }
    let why = "its owner wrote to it all the while".to_owned();
    Ok(Reading { state: State::Undetermined, why, ..last.unwrap_or_default() })
}

/// What an owner that holds it for itself leaves to be read may be half of something.
fn locked(before: &Stamp, reading: Reading) -> Reading {
    match reading.state {
        State::Undetermined | State::NotSqlite if is_locked(&before.0) => Reading { state: State::Locked, ..reading },
        _ => reading,
    }
}

/// By what a change is noticed: the file and its two sidecars.
pub(super) type Stamp = (Seen, Option<Seen>, Option<Seen>);

#[derive(PartialEq)]
pub(super) struct Seen {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

pub(super) fn stamp(path: &Path) -> Result<Stamp> {
    let seen = |path: &Path| -> Result<Seen> {
        let found = std::fs::metadata(path)?;
        let modified = (found.mtime(), found.mtime_nsec());
        Ok(Seen { device: found.dev(), inode: found.ino(), size: found.size(), modified })
    };
    Ok((seen(path)?, seen(&sidecar(path, "-wal")).ok(), seen(&sidecar(path, "-journal")).ok()))
}

fn sidecar(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Does somebody hold it exclusively? `/proc/locks` tells without asking for a lock (proc(5)).
fn is_locked(file: &Seen) -> bool {
    let text = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    text.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().filter(|word| *word != "->").collect();
        let (Some(&kind), Some(place)) = (words.get(3), words.get(5)) else { return false };
        let range = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
        let inode = place.rsplit(':').next().and_then(|inode| inode.parse::<u64>().ok());
        kind == "WRITE" && inode == Some(file.inode) && range(6).is_some_and(|start| LOCKS.contains(&start))
    })
}

fn once(path: &Path) -> Result<Reading> {
    let file = File::open(path)?;
    let size = file.metadata()?.size();
    let wal_pages = match std::fs::metadata(sidecar(path, "-wal")) {
        Ok(found) if found.size() > SIDECAR_MAX => return Ok(undetermined(size, "its -wal is too large to be read")),
        Ok(_) => wal(&std::fs::read(sidecar(path, "-wal"))?),
        Err(_) => None,
    };
    if size == 0 && wal_pages.is_none() {
        return Ok(Reading { state: State::ZeroLength, ..Reading::default() });
    }
    let mut database = Database { file, over: HashMap::new(), page_size: 0, reserved: 0, size };
    let journal = match std::fs::metadata(sidecar(path, "-journal")) {
        Ok(found) if found.size() > SIDECAR_MAX => {
            return Ok(undetermined(size, "its -journal is too large to be read"));
        }
        Ok(_) => journal(&std::fs::read(sidecar(path, "-journal"))?),
        Err(_) => None,
    };
    let wal_pending = wal_pages.is_some();
    for (page_size, pages) in [wal_pages, journal].into_iter().flatten() {
        database.page_size = page_size;
        database.over.extend(pages);
    }
    let mut head = [0; 100];
    let first = match database.over.get(&1) {
        Some(page) => page.get(..100),
        None => database.file.read_exact_at(&mut head, 0).ok().map(|()| &head[..]),
    };
    let Some(first) = first.filter(|first| first.starts_with(MAGIC)) else {
        return Ok(Reading { state: State::NotSqlite, size, ..Reading::default() });
    };
    let page_size = match u16::from_be_bytes([first[16], first[17]]) {
        1 => 65_536,
        size => usize::from(size),
    };
    if !page_size.is_power_of_two() || page_size < 512 {
        return Ok(Reading { state: State::NotSqlite, size, ..Reading::default() });
    }
    database.reserved = usize::from(first[20]);
    let is_utf8 = first[59] <= 1;
    database.page_size = page_size;
    if !is_utf8 {
        return Ok(undetermined(size, "its text is not UTF-8"));
    }
    Ok(match tables(&database) {
        Ok(found) => {
            let tables = counted(&database, found);
            let rows: u64 = tables.values().flatten().sum();
            let uncounted = tables.values().any(Option::is_none);
            let state = match (tables.is_empty(), rows) {
                (true, _) => State::NoTables,
                (false, 0) if !uncounted => State::Unused,
                (false, _) => State::Populated,
            };
            Reading { state, size, tables, wal_pending, ..Reading::default() }
        }
        Err(error) => undetermined(size, &error.to_string()),
    })
}

fn undetermined(size: u64, why: &str) -> Reading {
    Reading { state: State::Undetermined, size, why: why.to_owned(), ..Reading::default() }
}

type Pages = HashMap<u32, Vec<u8>>;

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The pages of every transaction that was committed to it; None where it holds none.
fn wal(bytes: &[u8]) -> Option<(usize, Pages)> {
    let magic = word(bytes, 0)?;
    let big_endian = match magic {
        0x377f_0682 => false,
        0x377f_0683 => true,
        _ => return None,
    };
    let page_size = usize::try_from(word(bytes, 8)?).ok().filter(|size| size.is_power_of_two() && *size >= 512)?;
    let salts = bytes.get(16..24)?;
    let mut sums = checksum(bytes.get(..24)?, (0, 0), big_endian);
    if (Some(sums.0), Some(sums.1)) != (word(bytes, 24), word(bytes, 28)) {
        return None;
    }
    let (mut committed, mut open) = (Pages::new(), Pages::new());
    for frame in bytes.get(32..)?.chunks_exact(24 + page_size) {
        let (head, page) = frame.split_at(24);
        if head[8..16] != *salts {
            break;
        }
        sums = checksum(page, checksum(&head[..8], sums, big_endian), big_endian);
        if (Some(sums.0), Some(sums.1)) != (word(head, 16), word(head, 20)) {
            break;
        }
        open.insert(word(head, 0)?, page.to_vec());
        if word(head, 4)? != 0 {
            committed.extend(open.drain());
        }
    }
    (!committed.is_empty()).then_some((page_size, committed))
}

fn checksum(bytes: &[u8], (mut one, mut two): (u32, u32), big_endian: bool) -> (u32, u32) {
    let number = |four: &[u8]| {
        let four = [four[0], four[1], four[2], four[3]];
        if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    };
    for eight in bytes.chunks_exact(8) {
        one = one.wrapping_add(number(&eight[..4])).wrapping_add(two);
        two = two.wrapping_add(number(&eight[4..])).wrapping_add(one);
    }
    (one, two)
}

/// The pages as they were before the transaction that it would take back; None where it would take back none.
fn journal(bytes: &[u8]) -> Option<(usize, Pages)> {
    let mut pages = Pages::new();
    let (mut at, mut page_size) = (0, 0);
    while bytes.get(at..at + 8).is_some_and(|magic| magic == JOURNAL_MAGIC) {
        let (count, nonce) = (word(bytes, at + 8)?, word(bytes, at + 12)?);
        let sector = usize::try_from(word(bytes, at + 20)?).ok().filter(|size| (32..=65_536).contains(size))?;
        page_size =
            usize::try_from(word(bytes, at + 24)?).ok().filter(|size| size.is_power_of_two() && *size >= 512)?;
        at += sector;
        let mut left = count;
        while left > 0 {
            let (Some(number), Some(page)) = (word(bytes, at), bytes.get(at + 4..at + 4 + page_size)) else { break };
            // Every 200th byte from the end, as SQLite sums it up.
            let sampled = (1..).map_while(|step: usize| page_size.checked_sub(200 * step)).filter(|place| *place > 0);
            let sum = sampled.fold(nonce, |sum, place| sum.wrapping_add(u32::from(page[place])));
            if word(bytes, at + 4 + page_size) != Some(sum) {
                break;
            }
            // The first one that was kept is the oldest.
            pages.entry(number).or_insert_with(|| page.to_vec());
            at += 8 + page_size;
            left = left.saturating_sub(1);
        }
        at = at.next_multiple_of(sector);
    }
    (!pages.is_empty()).then_some((page_size, pages))
}

struct Database {
    file: File,
    over: Pages,
    page_size: usize,
    reserved: usize,
    size: u64,
}

impl Database {
    fn page(&self, number: u32) -> Result<Vec<u8>> {
        if let Some(page) = self.over.get(&number) {
            return Ok(page.clone());
        }
        let place = u64::from(number).checked_sub(1).map(|before| before * self.page_size as u64);
        let place = place.filter(|place| *place < self.size).ok_or_else(|| broken("a page that is not there"))?;
        let mut page = vec![0; self.page_size];
        self.file.read_exact_at(&mut page, place)?;
        Ok(page)
    }

    fn usable(&self) -> usize {
        self.page_size - self.reserved.min(self.page_size / 2)
    }
}

fn broken(what: &str) -> Error {
    Error::other(format!("it is damaged, or of a newer form: {what}"))
}

/// A page of a tree, as far as it is needed.
struct Node {
    page: Vec<u8>,
    /// Where its header begins: the first page has the file's before it.
    head: usize,
    kind: u8,
}

const INTERIOR_INDEX: u8 = 2;
const INTERIOR_TABLE: u8 = 5;
const LEAF_INDEX: u8 = 10;
const LEAF_TABLE: u8 = 13;

impl Node {
    fn read(database: &Database, number: u32) -> Result<Self> {
        let page = database.page(number)?;
        let head = if number == 1 { 100 } else { 0 };
        let kind = page[head];
        let known = [INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE].contains(&kind);
        if known { Ok(Self { page, head, kind }) } else { Err(broken("a page of no known sort")) }
    }

    fn is_interior(&self) -> bool {
        matches!(self.kind, INTERIOR_INDEX | INTERIOR_TABLE)
    }

    fn short(&self, at: usize) -> Result<usize> {
        let bytes = self.page.get(at..at + 2).ok_or_else(|| broken("a page that ends too early"))?;
        Ok(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
    }

    fn cells(&self) -> Result<usize> {
        self.short(self.head + 3)
    }

    fn cell(&self, index: usize) -> Result<usize> {
        self.short(self.head + if self.is_interior() { 12 } else { 8 } + 2 * index)
    }

    fn children(&self) -> Result<Vec<u32>> {
        let at = |place: usize| word(&self.page, place).ok_or_else(|| broken("a page that ends too early"));
        let mut children = Vec::new();
        for index in 0..self.cells()? {
            children.push(at(self.cell(index)?)?);
        }
        children.push(at(self.head + 8)?);
        Ok(children)
    }
}

/// Ordinary tables by name, with their roots. SQLite's own are none of the user's.
fn tables(database: &Database) -> Result<BTreeMap<String, u32>> {
    let mut found = BTreeMap::new();
    let (mut open, mut left) = (vec![1], PAGES_MAX);
    while let Some(number) = open.pop() {
        // A damaged page may lead back to itself, many times over.
        left = left.checked_sub(1).ok_or_else(|| broken("a schema without an end"))?;
        let node = Node::read(database, number)?;
        if node.is_interior() {
            open.extend(node.children()?);
            continue;
        }
        for index in 0..node.cells()? {
            let row = payload(database, &node, node.cell(index)?)?;
            let Some((kind, name, root)) = schema_row(&row) else { return Err(broken("a row of its schema")) };
            if kind == "table" && !name.starts_with("sqlite_") && root > 0 {
                found.insert(name, root);
            }
        }
    }
    Ok(found)
}

/// What a cell of a table's leaf holds, with what of it lies on pages of its own.
fn payload(database: &Database, node: &Node, at: usize) -> Result<Vec<u8>> {
    let short = || broken("a cell that ends too early");
    let (length, used) = varint(&node.page, at).ok_or_else(short)?;
    let (_, more) = varint(&node.page, at + used).ok_or_else(short)?;
    let start = at + used + more;
    let length = usize::try_from(length).ok().filter(|length| *length < 16 << 20).ok_or_else(short)?;
    let usable = database.usable();
    let most = usable - 35;
    let local = if length <= most {
        length
    } else {
        let least = (usable - 12) * 32 / 255 - 23;
        let spread = least + (length - least) % (usable - 4);
        if spread <= most { spread } else { least }
    };
    let mut row = node.page.get(start..start + local).ok_or_else(short)?.to_vec();
    let mut next = if local < length { word(&node.page, start + local).ok_or_else(short)? } else { 0 };
    while row.len() < length {
        let page = database.page(next)?;
        next = word(&page, 0).ok_or_else(short)?;
        let take = (length - row.len()).min(usable - 4);
        row.extend_from_slice(page.get(4..4 + take).ok_or_else(short)?);
    }
    Ok(row)
}

/// Type, name and root page of a row of `sqlite_schema`.
fn schema_row(row: &[u8]) -> Option<(String, String, u32)> {
    let (head, mut at) = varint(row, 0)?;
    let mut place = usize::try_from(head).ok()?;
    let mut columns: Vec<&[u8]> = Vec::new();
    while at < usize::try_from(head).ok()? && columns.len() < 4 {
        let (kind, used) = varint(row, at)?;
        at += used;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 | 7 => 8,
            kind => usize::try_from(kind.checked_sub(12)? / 2).ok()?,
        };
        columns.push(row.get(place..place + length)?);
        place += length;
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let root = columns.get(3)?.iter().try_fold(0_u32, |sum, byte| sum.checked_mul(256)?.checked_add((*byte).into()))?;
    Some((text(columns.first()?), text(columns.get(1)?), root))
}

/// A number of SQLite's variable length, and how many bytes it takes.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for index in 0..9 {
        let byte = *bytes.get(at + index)?;
        if index == 8 {
            return Some((value << 8 | u64::from(byte), 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Some((value, index + 1));
        }
    }
    None
}

/// Rows of each; None for those at which the pages ran out, or whose tree is none.
fn counted(database: &Database, tables: BTreeMap<String, u32>) -> BTreeMap<String, Option<u64>> {
    // The small ones first: what one large table takes would leave the others unknown.
    let small = |(name, root): (String, u32)| (name, root, rows(database, root, &mut { PAGES_OF_A_SMALL_ONE }));
    let counted: Vec<(String, u32, Option<u64>)> = tables.into_iter().map(small).collect();
    let mut left = PAGES_MAX;
    counted.into_iter().map(|(name, root, small)| (name, small.or_else(|| rows(database, root, &mut left)))).collect()
}

fn rows(database: &Database, root: u32, left: &mut usize) -> Option<u64> {
    let (mut rows, mut open) = (0_u64, vec![root]);
    while let Some(number) = open.pop() {
        *left = left.checked_sub(1)?;
        let node = Node::read(database, number).ok()?;
        if node.is_interior() {
            open.extend(node.children().ok()?);
        }
        // A table without a row id is kept as an index, whose inner pages hold rows too.
        if node.kind != INTERIOR_TABLE {
            rows += u64::try_from(node.cells().ok()?).ok()?;
        }
    }
    Some(rows)
}
