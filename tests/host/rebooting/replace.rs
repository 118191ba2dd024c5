//! A sudden end of the host at every call of a replace, exactly before it and exactly after it: the old or the new one
//! serves after the boot, without stackctl, and the next apply converges.

use crate::host::Host;
use crate::host::replacing::{FROM_THE_HOST, Replacing, Side, both_halves, calls, held_at};

const APPLY: &[&str] = &["apply", "--yes"];

#[test]
fn at_any_call_of_a_replace() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("rebooting-replace")?;
    let bench = Replacing::new(&user, FROM_THE_HOST)?;
    let mut tag = "1";
    let mut turn = || {
        let old = tag;
        tag = if old == "1" { "2" } else { "1" };
        (old, tag)
    };
    for side in [Side::Podman, Side::Bus] {
        bench.want(turn().1)?;
        let made = calls(&user, side, APPLY, 0)?;
        for hold in both_halves(&made) {
            let (old, new) = turn();
            let case = format!("{hold:?} of {made:?}");
            bench.want(new)?;
            let held = held_at(&user, side, hold, APPLY)?;
            host.crash()?;
            drop(held);

            user.run("systemctl --user is-system-running --wait").ok();
            bench.until(&format!("neither {old} nor {new} serves, at {case}"), |bench| {
                let version = bench.version();
                version == old || version == new
            })?;
            bench.others_are_there();
            let output = bench.apply();
            assert_eq!(output.code, 0, "{case}:\n{}{}", output.stdout, output.stderr);
            bench.serves(new);
            bench.is_as_wanted();
            bench.others_are_there();
        }
    }
    Ok(())
}
