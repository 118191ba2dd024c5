//! Tests that change their own user's podman and units.

mod adopting;
mod building;
mod conflicts;
mod converging;
mod destroying;
mod drift;
mod fields;
mod files;
mod hostile;
mod interrupted;
mod killed;
mod large;
mod libpod;
mod looking;
mod machinery;
mod newcomer;
mod old_world;
mod one_thing;
mod options;
mod owners;
mod pulling;
mod secrets;
mod starting;
mod timers;
mod waiting;
mod without_systemd;
