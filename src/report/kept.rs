//! The data that a destroy leaves behind, with its places and, where they were told in time, its sizes.

use schemars::JsonSchema;
use serde::Serialize;

use super::text::{Look, Page, escaped, size, width};
use super::words::{Colour, WIDTH};
use crate::address::Address;

/// Data that stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KeptData {
    /// Whose data it is.
    pub address: Address,
    /// A path, or the name of a volume.
    pub place: String,
    /// What lies there; none where it could not be read, or not in the time that a report may take.
    pub size_bytes: Option<u64>,
}

/// A block with one row a place; empty where nothing is kept.
pub fn human(kept: &[KeptData], look: Look) -> String {
    if kept.is_empty() {
        return String::new();
    }
    let mut page = Page::default();
    page.line(0, &look.paint(Colour::Bold, "Data that stays, and is not touched:"));
    for KeptData { address, place, size_bytes } in kept {
        let (address, place) = (escaped(&address.to_string()), escaped(place));
        let size = size_bytes.map_or_else(|| "size not known".to_owned(), size);
        // An address often says its place already.
        if address.ends_with(&format!(".{place}")) {
            page.line(4, &format!("{address}  ({size})"));
        } else if 4 + width(&address) + 2 + width(&place) + 4 + width(&size) <= WIDTH {
            page.line(4, &format!("{address}  {place}  ({size})"));
        } else {
            page.line(4, &address);
            page.line(6, &format!("{place}  ({size})"));
        }
    }
    page.0
}
