//! stackctl keeps a stack of containers and services as one YAML file says.

pub mod address;
pub mod attributes;
pub mod change;
pub mod diagnostic;
pub mod effect;
pub mod hand_over;
pub mod observed;
pub mod probe;
pub mod stack;
