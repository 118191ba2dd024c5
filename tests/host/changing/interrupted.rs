//! Ctrl-C and what asks for the same: the step in hand ends, what is not committed is taken back, and nothing is killed.

use rustix::process::Signal;

use crate::host::Host;
use crate::host::replacing::{FROM_THE_HOST, PATIENT, PATIENT_OF_ITS_OWN, Replacing, end_by};

const APPLY: &[&str] = &["stackctl", "apply", "--yes"];

/// While a newcomer's health is waited for, the old one comes back at once, whatever the signal and however often.
fn waiting(name: &str, check: &'static str) -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user(name)?;
    let bench = Replacing::new(&user, check)?;
    let old = bench.web();
    for signals in
        [&[Signal::INT][..], &[Signal::TERM], &[Signal::HUP], &[Signal::INT, Signal::INT, Signal::TERM, Signal::HUP]]
    {
        bench.want("never")?;
        let running = user.spawn(APPLY)?;
        bench.until("the new one does not run", |bench| {
            bench.webs().get("").is_some_and(|(id, started)| *id != old && *started > 0)
        })?;
        let output = end_by(running, signals)?.code(130);
        assert!(output.stderr.contains("interrupted: the step in hand is finished"), "{}", output.stderr);
        assert_eq!(bench.web(), old, "{signals:?}");
        bench.serves("1");
        bench.others_are_untouched();
        bench.want("1")?;
        bench.is_as_wanted();
    }
    Ok(())
}

#[test]
fn while_health_is_waited_for() -> anyhow::Result<()> {
    waiting("interrupted-http", PATIENT)
}

/// Systemd's own start job waits for this one.
#[test]
fn while_a_containers_own_check_is_waited_for() -> anyhow::Result<()> {
    waiting("interrupted-own", PATIENT_OF_ITS_OWN)
}

/// The old one takes a second to stop: the stop is the step in hand, ends, and is taken back by a start.
#[test]
fn while_the_old_one_stops() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("interrupted-stop")?;
    let bench = Replacing::new(&user, FROM_THE_HOST)?;
    user.import_image(
        "localhost/web:slow",
        &["CMD [\"qdrant\"]", "ENV STAND_IN_STOP_AFTER=1s", "ENV STAND_IN_VERSION=slow"],
    );
    bench.want("slow")?;
    bench.apply().ok();
    let old = bench.web();
    bench.want("2")?;
    let running = user.spawn(APPLY)?;
    bench.until("the old one is not being stopped", |_| {
        user.unit("podman-s-web.service", "ActiveState") == "deactivating"
    })?;
    end_by(running, &[Signal::INT, Signal::INT])?.code(130);
    assert_eq!(bench.web(), old);
    bench.serves("slow");
    bench.others_are_untouched();
    bench.want("slow")?;
    bench.is_as_wanted();
    Ok(())
}
