//! stackctl keeps a stack of containers and services as one YAML file says.

pub mod address;
pub mod attributes;
pub mod change;
pub mod desired;
pub mod diagnostic;
pub mod effect;
pub mod execute;
pub mod graph;
pub mod hand_over;
pub mod kinds;
pub mod ledger;
pub mod machine;
pub mod observed;
pub mod plan;
pub mod probe;
pub mod report;
pub mod stack;
