//! The same calls on the manager of the user who runs this.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use stackctl::machine::Failure;
use stackctl::machine::systemd::Systemd;

use super::{Call, Machine, State, TEXT, cases, hold};

struct Manager {
    systemd: Systemd,
    units: PathBuf,
    runtime: tokio::runtime::Runtime,
}

impl Machine for Manager {
    fn call(&mut self, call: &Call) -> Result<(), Failure> {
        match call {
            Call::Write(unit) => fs::write(self.units.join(unit), TEXT).expect("a user writes its own units"),
            Call::Remove(unit) => drop(fs::remove_file(self.units.join(unit))),
            Call::Manager(effect) => {
                return self.runtime.block_on(self.systemd.perform(effect, async || true)).map_err(Failure::from);
            }
        }
        Ok(())
    }

    fn state(&mut self, unit: &str) -> State {
        let asked = BTreeSet::from([unit.to_owned()]);
        let units = self.runtime.block_on(self.systemd.units(&asked)).expect("the manager answers");
        State {
            runs: units.iter().any(|found| found.name == unit && found.is_active()),
            enabled: self.units.join("default.target.wants").join(unit).is_symlink(),
        }
    }
}

/// Only where a test of the host runs this program as one of its users.
#[test]
#[expect(clippy::print_stdout, reason = "who runs it looks for it")]
fn systemd_itself() {
    let Ok(bus) = std::env::var("CONFORMANCE_BUS") else { return };
    let home = std::env::var("HOME").expect("a user has a home");
    let units = PathBuf::from(home).join(".config/systemd/user");
    fs::create_dir_all(&units).expect("a user has units");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let systemd = runtime.block_on(Systemd::connect(&bus)).expect("the user's own bus");
    hold(&mut Manager { systemd, units, runtime });
    println!("{} calls were made", cases().len());
}
