//! LOAD: bytes to a [`Stack`], as written, merged and with its variables put in, every node with its place.
//! Only `source` reads files; nothing here asks the process for its environment, prints, or knows what a kind means.

pub mod dotenv;
pub mod forms;
mod interpolate;
mod load;
mod merge;
mod print;
pub mod schema;
pub mod source;
pub mod yaml;

#[cfg(test)]
mod tests;

pub use interpolate::{EnvironmentUse, Variable};
pub use load::{Inactive, LoadOptions, Section, Stack, load, load_from};
pub use print::print;
