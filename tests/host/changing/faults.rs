//! Podman and the bus misbehave at every call of a replace: the connection ends before or after the effect, garbage comes back, the
//! call is refused, the answer is late. Whatever the run says then, the old one or the new one serves, and the next run converges.

use crate::host::Host;
use crate::host::replacing::{FROM_THE_HOST, Replacing, Side, calls, with_fault};
use crate::host::tap::Fault;

const APPLY: &[&str] = &["apply", "--yes"];

fn sweep(name: &str, side: Side, faults: &[(&'static str, &'static str)]) -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user(name)?;
    let bench = Replacing::new(&user, FROM_THE_HOST)?;
    bench.want("2")?;
    let made = calls(&user, side, APPLY, 0)?;
    assert!(made.len() >= 2, "{made:#?}");
    let mut tags = ["2", "1"].into_iter().cycle();
    let mut tag = tags.next().unwrap_or_default();
    for (kind, half) in faults {
        for (mutation, call) in (1..).zip(&made) {
            let from = tag;
            tag = tags.next().unwrap_or_default();
            bench.want(tag)?;
            let fault = Fault { kind, side: half, mutation };
            let output = with_fault(&user, side, fault, APPLY)?;
            let case = format!("{kind} the {half} of {call}:\n{}{}", output.stdout, output.stderr);
            assert!([0, 1, 3].contains(&output.code), "{}: {case}", output.code);
            assert!(!output.stderr.contains("panicked"), "{case}");
            // What systemd was asked for may still be on its way when the connection to it is gone.
            bench.until(&format!("neither serves: {case}"), |bench| [from, tag].contains(&bench.version().as_str()))?;
            bench.others_are_untouched();
            let next = bench.apply();
            assert_eq!(next.code, 0, "{case}\nthen:\n{}{}", next.stdout, next.stderr);
            bench.serves(tag);
            bench.is_as_wanted();
            bench.others_are_untouched();
        }
    }
    Ok(())
}

#[test]
fn podman_misbehaves_at_any_call_of_a_replace() -> anyhow::Result<()> {
    let faults =
        [("close", "request"), ("close", "reply"), ("garble", "reply"), ("refuse", "request"), ("delay", "reply")];
    sweep("faults-podman", Side::Podman, &faults)
}

#[test]
fn the_bus_misbehaves_at_any_call_of_a_replace() -> anyhow::Result<()> {
    sweep("faults-bus", Side::Bus, &[("close", "request"), ("close", "reply"), ("garble", "reply"), ("delay", "reply")])
}
