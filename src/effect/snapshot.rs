//! Copies of data at rest: taken between the stop of an old container and the start of a new one, and the way back.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::observed::snapshot::{Handle, Item};

/// What is done with a copy. Each is done, not failed, where it was done before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Snapshot {
    /// Whoever writes to it is stopped by then.
    Take(Box<Take>),
    /// What differs from the copy gives way to it, and is kept beside it. Nothing is touched where nothing differs.
    Restore(Handle),
    /// What a killed run had begun to bring back from it comes to its end; nothing is done where nothing was begun.
    Finish(Handle),
    /// As `Restore`, and the container's unit does not start on it, in a boot either, before one of the two is made of it, or a `Restore` of another: until then who
    /// has its name is of other data.
    Bring(Handle),
    /// It stays as one of those that are kept; the oldest beyond their number go.
    Keep(Handle),
    /// It served its purpose: what it is a copy of is as it was.
    Drop(Handle),
}

/// What is copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Take {
    pub handle: Handle,
    pub address: String,
    /// What the container was made from, by name and by id.
    pub image: String,
    pub image_id: String,
    pub items: Vec<Item>,
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Snapshot::Take(take) => write!(f, "copy the data of {} to {}", take.address, take.handle.shelf.display()),
            Snapshot::Restore(copy) => write!(f, "bring data back from copy {copy}"),
            Snapshot::Finish(copy) => write!(f, "finish bringing data back from copy {copy}"),
            Snapshot::Bring(copy) => write!(f, "bring data back from copy {copy}, and hold it"),
            Snapshot::Keep(copy) => write!(f, "keep copy {copy}"),
            Snapshot::Drop(copy) => write!(f, "drop copy {copy}"),
        }
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.label, self.shelf.display())
    }
}
