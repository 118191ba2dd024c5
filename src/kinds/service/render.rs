//! The unit file of a service.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Restart, Service, sockets};
use crate::kinds::directory;
use crate::kinds::unit::{assignment, directory_value, exec_line, line_value, pattern_value};

/// systemd's own `DefaultTimeoutStartSec=`, on top of what is waited for at boot.
const TIMEOUT_START: Duration = Duration::from_secs(90);

pub(super) fn start_timeout(service: &Service) -> Duration {
    let waits: u64 = service.boot_waits.iter().map(|wait| wait.timeout_s).sum();
    service.timeout_start.unwrap_or(TIMEOUT_START) + Duration::from_secs(waits)
}

pub(super) fn body(service: &Service) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a string takes all");
    line("[Unit]".to_owned());
    let Service { address, context, .. } = service;
    let description = format!("{} ({} of stack {})", address.name(), address.kind(), context.stack);
    line(format!("Description={}", line_value(&description)));
    for after in &service.unit_dependencies.after {
        line(format!("After={after}"));
    }
    for wants in &service.unit_dependencies.wants {
        line(format!("Wants={wants}"));
    }
    if !service.sockets.is_empty() {
        // Started by hand it gets what it listens on as well, and is never without.
        let socket = sockets::unit_name(service);
        line(format!("After={socket}"));
        line(format!("Requires={socket}"));
    }
    for root in &service.roots {
        line(directory::assertion(root));
    }
    if let Some((burst, interval)) = service.start_limit {
        line(format!("StartLimitBurst={burst}"));
        line(format!("StartLimitIntervalSec={}", seconds(interval)));
    }
    for extra in overrides(service, "Unit") {
        line(extra);
    }
    line("\n[Service]".to_owned());
    for each in service_lines(service) {
        line(each);
    }
    // What has sockets is started by them.
    let wanted_by = if service.sockets.is_empty() { service.wanted_by.as_slice() } else { &[] };
    if !wanted_by.is_empty() || !overrides(service, "Install").is_empty() {
        line("\n[Install]".to_owned());
        for target in wanted_by {
            line(format!("WantedBy={target}"));
        }
        for extra in overrides(service, "Install") {
            line(extra);
        }
    }
    text
}

fn service_lines(service: &Service) -> Vec<String> {
    let mut lines = vec![format!("Type={}", service.kind)];
    if service.kind == "oneshot" && service.remains {
        lines.push("RemainAfterExit=yes".to_owned());
    }
    lines.extend(service.environment.iter().map(|(key, value)| format!("Environment={}", assignment(key, value))));
    for (path, required) in &service.env_files {
        let optional = if *required { "" } else { "-" };
        lines.push(format!("EnvironmentFile={optional}{}", pattern_value(&path.display().to_string())));
    }
    lines.extend(
        service
            .working_dir
            .iter()
            .map(|path| format!("WorkingDirectory={}", directory_value(&path.display().to_string()))),
    );
    lines.extend(service.boot_waits.iter().map(crate::kinds::unit::BootWait::line));
    lines.push(format!("ExecStart={}", exec_line(&service.exec)));
    lines.push(match service.restart {
        Restart::No => "Restart=no".to_owned(),
        Restart::OnFailure(_) => "Restart=on-failure".to_owned(),
        Restart::Always | Restart::UnlessStopped => "Restart=always".to_owned(),
    });
    lines.extend(service.restart_sec.map(|time| format!("RestartSec={}", seconds(time))));
    lines.push(match service.timeout_start {
        // The job of a timer has all the time it needs, as systemd gives it by itself.
        None if !service.remains => "TimeoutStartSec=infinity".to_owned(),
        _ => format!("TimeoutStartSec={}", seconds(start_timeout(service))),
    });
    lines.extend(service.timeout_stop.map(|time| format!("TimeoutStopSec={}", seconds(time))));
    lines.extend(service.kill_signal.iter().map(|signal| format!("KillSignal={signal}")));
    lines.extend(service.nice.map(|nice| format!("Nice={nice}")));
    lines.extend(service.memory_max.map(|bytes| format!("MemoryMax={bytes}")));
    lines.extend(service.cpu_quota.map(|cpus| format!("CPUQuota={}%", (cpus * 100.0).round())));
    lines.extend(service.tasks_max.map(|tasks| format!("TasksMax={tasks}")));
    if service.sandbox == Some(true) {
        lines.extend(SANDBOX.iter().map(|line| (*line).to_owned()));
    }
    // Last, so that they can take a line of the above back.
    lines.extend(overrides(service, "Service"));
    lines
}

/// What a user manager can do without any right of its own: mount namespaces take the user namespace that comes first
/// (systemd.exec(5), "Sandboxing"). The home stays writable, since the program's data lies there.
const SANDBOX: &[&str] = &[
    "PrivateUsers=yes",
    "NoNewPrivileges=yes",
    "PrivateTmp=yes",
    "ProtectSystem=full",
    "LockPersonality=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
];

fn overrides(service: &Service, section: &str) -> Vec<String> {
    let lines = service.overrides.get(section).into_iter().flatten();
    lines.map(|(key, value)| format!("{key}={value}")).collect()
}

pub(in crate::kinds) fn seconds(time: Duration) -> String {
    format!("{}", time.as_secs_f64())
}
