//! The libpod client against real podman: every key that is written is read back (podman ignores unknown keys without a
//! word), each effect made twice is made once, and nothing but what was named is touched.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use stackctl::effect::podman::{
    ANONYMOUS, Cpu, Device, HealthConfig, Memory, Mount, NamedVolume, Namespace, Pids, PortMapping, ResourceLimits,
    Subnet,
};
use stackctl::effect::{ContainerCreate, Endpoint, NetworkCreate, Podman as Effect, VolumeCreate};
use stackctl::machine::podman::{Podman, Tail};
use stackctl::machine::{Failure, FailureKind};
use stackctl::observed::{ContainerState, Health};

use crate::host::Host;
use crate::host::user::User;

const IMAGE: &str = "localhost/usr:1";

/// A user with podman's socket and an image whose programs are the host's.
struct Bench {
    user: User,
    podman: Podman,
    runtime: tokio::runtime::Runtime,
    told: RefCell<Vec<String>>,
}

impl Bench {
    fn new(name: &str) -> anyhow::Result<Self> {
        let host = Host::get()?;
        let user = host.user(name)?;
        user.run("mkdir -p empty/usr empty/data && ln -sf usr/bin usr/lib usr/lib64 empty/").ok();
        let import = "podman import --quiet --change 'VOLUME /data' --change 'CMD [\"sleep\", \"inf\"]'";
        user.run(&format!("tar -C empty -cf - . | {import} - {IMAGE}")).ok();
        user.run("systemctl --user start podman.socket").ok();
        let socket = host.path(&format!("/run/user/{}/podman/podman.sock", user.uid()))?;
        Ok(Self {
            podman: Podman::new(&socket.display().to_string())?,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            told: RefCell::default(),
            user,
        })
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    fn perform(&self, effect: &Effect) -> Result<(), Failure> {
        self.wait(self.podman.perform(effect, &|line| self.told.borrow_mut().push(line.to_owned())))
    }

    /// What libpod keeps of a container: more than inspect shows.
    fn kept(&self, name: &str) -> anyhow::Result<Value> {
        let database = "~/.local/share/containers/storage/db.sql";
        let select = format!("select json from ContainerConfig where name='{name}'");
        Ok(serde_json::from_str(&self.user.run(&format!("sqlite3 {database} \"{select}\"")).ok().stdout)?)
    }
}

fn labels(spec: &str) -> BTreeMap<String, String> {
    map(&[("io.stackctl.stack", "bench"), ("io.stackctl.spec", spec)])
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn network(name: &str) -> NetworkCreate {
    NetworkCreate { name: name.to_owned(), dns_enabled: true, labels: labels("1"), ..NetworkCreate::default() }
}

fn volume(name: &str) -> VolumeCreate {
    VolumeCreate { name: name.to_owned(), label: labels("1"), ..VolumeCreate::default() }
}

/// Runs a program of the host's.
fn container(name: &str, command: &[&str]) -> ContainerCreate {
    ContainerCreate {
        name: name.to_owned(),
        image: IMAGE.to_owned(),
        labels: labels("1"),
        command: Some(words(command)),
        mounts: vec![Mount {
            destination: "/usr".to_owned(),
            kind: "bind".to_owned(),
            source: Some("/usr".to_owned()),
            options: words(&["ro", "rbind"]),
        }],
        netns: Namespace { nsmode: "none".to_owned(), value: None },
        restart_policy: "no".to_owned(),
        image_volume_mode: ANONYMOUS.to_owned(),
        ..ContainerCreate::default()
    }
}

fn create(container: &ContainerCreate) -> Effect {
    Effect::CreateContainer(container.clone().into())
}

fn start(name: &str) -> Effect {
    Effect::StartContainer { name: name.to_owned() }
}

fn stop(name: &str) -> Effect {
    Effect::StopContainer { name: name.to_owned(), timeout: Duration::from_secs(1) }
}

fn remove(name: &str) -> Effect {
    Effect::RemoveContainer { name: name.to_owned() }
}

fn kind(result: Result<(), Failure>) -> FailureKind {
    result.expect_err("podman takes it").kind
}

fn everything(port: u16) -> ContainerCreate {
    ContainerCreate {
        env: map(&[("GREETING", "x=y $Z")]),
        entrypoint: Some(words(&["/usr/bin/env", "--"])),
        command: Some(words(&["sleep", "1 2"])),
        work_dir: Some("/data".to_owned()),
        user: Some("1000:1000".to_owned()),
        hostname: Some("named".to_owned()),
        init: Some(true),
        privileged: Some(true),
        read_only_filesystem: Some(true),
        no_new_privileges: Some(true),
        devices: vec![Device { path: "/dev/fuse:/dev/other:r".to_owned() }],
        volumes: vec![NamedVolume {
            name: "kept".to_owned(),
            dest: "/kept".to_owned(),
            options: words(&["ro"]),
            sub_path: Some("/part".to_owned()),
        }],
        portmappings: vec![PortMapping {
            host_ip: "127.0.0.1".to_owned(),
            host_port: port,
            container_port: 80,
            protocol: "udp".to_owned(),
        }],
        expose: [(53, "tcp,udp".to_owned())].into(),
        netns: Namespace { nsmode: "bridge".to_owned(), value: None },
        networks: [(
            "net".to_owned(),
            Endpoint { aliases: words(&["alias"]), static_ips: words(&["10.91.7.77"]), ..Endpoint::default() },
        )]
        .into(),
        hostadd: words(&["other:10.0.0.1"]),
        healthconfig: Some(HealthConfig {
            test: words(&["CMD", "true"]),
            interval: Some(3_000_000_000),
            timeout: Some(2_000_000_000),
            start_period: Some(5_000_000_000),
            retries: Some(4),
        }),
        shm_size: Some(70_000_000),
        stop_timeout: Some(17),
        stop_signal: Some(2),
        resource_limits: Some(ResourceLimits {
            memory: Some(Memory { limit: Some(100_000_000), reservation: Some(50_000_000), swap: None }),
            cpu: Some(Cpu { quota: Some(50_000), period: Some(100_000), shares: Some(512), cpus: None }),
            pids: Some(Pids { limit: 99 }),
        }),
        restart_policy: "unless-stopped".to_owned(),
        sdnotify_mode: Some("conmon".to_owned()),
        cgroups_mode: Some("split".to_owned()),
        ..container("all", &[])
    }
}

/// A key that podman does not know would be a setting that silently is not there.
#[test]
#[expect(clippy::too_many_lines, reason = "an assertion for each key, in one place with the list of them")]
fn every_key_of_a_container_is_read_back() -> anyhow::Result<()> {
    let bench = Bench::new("libpod-keys")?;
    let subnets = vec![Subnet { subnet: "10.91.7.0/24".to_owned(), gateway: None }];
    bench.perform(&Effect::CreateNetwork(NetworkCreate { subnets, ..network("net") }))?;
    bench.perform(&Effect::CreateVolume(volume("kept")))?;
    let wanted = everything(bench.user.port(0));
    bench.perform(&create(&wanted))?;

    let seen = bench.wait(bench.podman.inspect("all"))?.expect("it was created");
    let inspect = seen.inspect.clone().expect("inspected");
    let kept = bench.kept("all")?;
    let shown = |pointer: &str| inspect.pointer(pointer).cloned().unwrap_or_default();
    let kept = |pointer: &str| kept.pointer(pointer).cloned().unwrap_or_default();

    // Every field by name, so that a new one is missed here.
    let ContainerCreate {
        name,
        image,
        labels,
        env,
        entrypoint,
        command,
        work_dir,
        user,
        hostname,
        init,
        privileged,
        read_only_filesystem,
        no_new_privileges,
        cap_add: _,
        cap_drop: _,
        devices: _,
        mounts: _,
        volumes: _,
        portmappings,
        expose: _,
        netns,
        networks: _,
        hostadd,
        healthconfig: _,
        shm_size,
        stop_timeout,
        stop_signal: _,
        resource_limits: _,
        // These are read back by the cases of `fields`, through the whole program.
        dns_server: _,
        dns_search: _,
        dns_option: _,
        r_limits: _,
        sysctl: _,
        groups: _,
        terminal: _,
        stdin: _,
        oom_score_adj: _,
        annotations: _,
        pidns: _,
        ipcns: _,
        utsns: _,
        userns: _,
        log_configuration: _,
        secrets: _,
        secret_env: _,
        network_options: _,
        selinux_opts: _,
        apparmor_profile: _,
        seccomp_profile_path: _,
        mask: _,
        unmask: _,
        restart_policy,
        sdnotify_mode,
        cgroups_mode,
        image_volume_mode: _,
        image_volumes: _,
        undeclared: _,
    } = &wanted;
    assert_eq!((&seen.name, &seen.image, &seen.labels, seen.state), (name, image, labels, ContainerState::Created));
    for (key, value) in env {
        let line = json!(format!("{key}={value}"));
        assert!(shown("/Config/Env").as_array().is_some_and(|lines| lines.contains(&line)), "{}", shown("/Config/Env"));
    }
    assert_eq!(shown("/Config/Entrypoint"), json!(entrypoint));
    assert_eq!(shown("/Config/Cmd"), json!(command));
    assert_eq!(shown("/Config/WorkingDir"), json!(work_dir));
    assert_eq!(shown("/Config/User"), json!(user));
    assert_eq!(shown("/Config/Hostname"), json!(hostname));
    assert_eq!(shown("/HostConfig/Init"), json!(init));
    assert_eq!(shown("/HostConfig/Privileged"), json!(privileged));
    assert_eq!(shown("/HostConfig/ReadonlyRootfs"), json!(read_only_filesystem));
    assert_eq!(kept("/spec/process/noNewPrivileges"), json!(no_new_privileges));
    // Devices, control groups and addresses are what inspect never shows of a container that has not run.
    assert_eq!(kept("/device_host_src/0/path"), json!("/dev/fuse:/dev/other:r"));
    assert_eq!(kept("/cgroupsMode"), json!(cgroups_mode));
    assert_eq!(kept("/newNetworks/net/static_ips"), json!(["10.91.7.77"]));
    assert_eq!(kept("/newNetworks/net/aliases/0"), json!("alias"));
    let mounts = shown("/Mounts");
    let mount = |at: &str| mounts.as_array().into_iter().flatten().find(|mount| mount["Destination"] == at).cloned();
    let mount = |at: &str| mount(at).unwrap_or_default();
    assert_eq!((&mount("/usr")["Type"], &mount("/usr")["RW"]), (&json!("bind"), &json!(false)));
    assert_eq!((&mount("/kept")["Name"], &mount("/kept")["RW"]), (&json!("kept"), &json!(false)));
    assert_eq!(mount("/kept")["SubPath"], json!("/part"));
    assert_eq!(mount("/data")["Type"], json!("volume"), "the image's own volume, without a name");
    let port = &seen.ports[0];
    assert_eq!((&port.host_ip, port.host_port), (&portmappings[0].host_ip, portmappings[0].host_port));
    assert_eq!((port.container_port, port.protocol.as_str()), (80, "udp"));
    let exposed = shown("/Config/ExposedPorts");
    assert!(exposed.get("53/tcp").is_some() && exposed.get("53/udp").is_some(), "{exposed}");
    assert_eq!(shown("/HostConfig/NetworkMode"), json!(netns.nsmode));
    assert_eq!(seen.networks, ["net"]);
    assert_eq!(shown("/HostConfig/ExtraHosts"), json!(hostadd));
    let health = json!({"Test": ["CMD", "true"], "Interval": 3_000_000_000_u64, "Timeout": 2_000_000_000_u64,
        "StartPeriod": 5_000_000_000_u64, "Retries": 4});
    assert_eq!(shown("/Config/Healthcheck"), health);
    assert_eq!(shown("/HostConfig/ShmSize"), json!(shm_size));
    assert_eq!(shown("/Config/StopTimeout"), json!(stop_timeout));
    assert_eq!(shown("/Config/StopSignal"), json!("SIGINT"));
    for (key, value) in [("Memory", 100_000_000), ("MemoryReservation", 50_000_000), ("CpuQuota", 50_000)] {
        assert_eq!(shown(&format!("/HostConfig/{key}")), json!(value), "{key}");
    }
    for (key, value) in [("CpuPeriod", 100_000), ("CpuShares", 512), ("PidsLimit", 99)] {
        assert_eq!(shown(&format!("/HostConfig/{key}")), json!(value), "{key}");
    }
    assert_eq!(shown("/HostConfig/RestartPolicy/Name"), json!(restart_policy));
    assert_eq!(shown("/Config/sdNotifyMode"), json!(sdnotify_mode));

    // Capabilities and privileges exclude each other.
    let capable = ContainerCreate {
        cap_add: words(&["CAP_NET_RAW"]),
        cap_drop: words(&["CHOWN"]),
        ..container("capable", &["true"])
    };
    bench.perform(&create(&capable))?;
    let seen = bench.wait(bench.podman.inspect("capable"))?.and_then(|seen| seen.inspect).expect("it was created");
    assert_eq!(seen["HostConfig"]["CapAdd"], json!(["CAP_NET_RAW"]));
    assert_eq!(seen["HostConfig"]["CapDrop"], json!(["CAP_CHOWN"]));
    Ok(())
}

#[test]
fn every_key_of_networks_and_volumes_is_read_back() -> anyhow::Result<()> {
    let bench = Bench::new("libpod-nets")?;
    let wanted = NetworkCreate {
        name: "net".to_owned(),
        driver: Some("bridge".to_owned()),
        dns_enabled: false,
        internal: true,
        ipv6_enabled: true,
        subnets: vec![
            Subnet { subnet: "10.91.8.0/24".to_owned(), gateway: Some("10.91.8.9".to_owned()) },
            Subnet { subnet: "fd91:8::/64".to_owned(), gateway: None },
        ],
        labels: labels("1"),
        options: map(&[("mtu", "1400")]),
    };
    bench.perform(&Effect::CreateNetwork(wanted.clone()))?;
    let networks = bench.wait(bench.podman.networks())?;
    let seen = networks.iter().find(|seen| seen.name == "net").expect("it was created");
    assert_eq!((seen.internal, seen.ipv6_enabled, seen.dns_enabled), (true, true, false));
    assert_eq!((seen.driver.as_str(), &seen.labels, &seen.options), ("bridge", &wanted.labels, &wanted.options));
    assert_eq!(seen.subnets[0], ("10.91.8.0/24".to_owned(), "10.91.8.9".to_owned()));
    assert_eq!(seen.subnets[1].0, "fd91:8::/64");

    let wanted = VolumeCreate {
        name: "vol".to_owned(),
        driver: Some("local".to_owned()),
        label: labels("1"),
        options: map(&[("type", "tmpfs"), ("device", "tmpfs")]),
    };
    bench.perform(&Effect::CreateVolume(wanted.clone()))?;
    let volumes = bench.wait(bench.podman.volumes())?;
    let seen = volumes.iter().find(|seen| seen.name == "vol").expect("it was created");
    assert_eq!((seen.driver.as_str(), &seen.labels, &seen.options), ("local", &wanted.label, &wanted.options));
    Ok(())
}

/// After a crash the same step is made again; it may neither fail nor take another's object for its own.
#[test]
fn an_effect_made_again_is_done_and_anothers_object_is_a_conflict() -> anyhow::Result<()> {
    let bench = Bench::new("libpod-again")?;
    let web = container("web", &["sleep", "inf"]);
    let bridged = ContainerCreate {
        expose: [(53, "tcp,udp".to_owned())].into(),
        netns: Namespace { nsmode: "bridge".to_owned(), value: None },
        networks: [("net".to_owned(), Endpoint::default())].into(),
        ..web.clone()
    };
    let names = |container: &str, network: &str| (container.to_owned(), network.to_owned());
    let (container, network_name) = names("web", "side");
    let connect = Effect::Connect { network: network_name, container, endpoint: Endpoint::default() };
    let (container, network_name) = names("web", "side");
    let disconnect = Effect::Disconnect { network: network_name, container };
    let rename = Effect::RenameContainer { from: "web".to_owned(), to: "web.parked".to_owned() };
    for effect in [
        Effect::CreateNetwork(network("net")),
        Effect::CreateNetwork(network("side")),
        Effect::CreateVolume(volume("vol")),
        create(&bridged),
        start("web"),
        connect,
        disconnect,
        stop("web"),
        rename,
        remove("web.parked"),
        Effect::RemoveNetwork { name: "side".to_owned() },
    ] {
        assert_eq!(bench.perform(&effect), Ok(()), "{effect}");
        assert_eq!(bench.perform(&effect), Ok(()), "{effect}, made again");
    }
    assert_eq!(bench.user.ids().len(), 0);

    bench.user.run(&format!("podman create --name web --label io.stackctl.spec=2 {IMAGE}")).ok();
    bench.user.run("podman network create other; podman volume create other").ok();
    assert_eq!(kind(bench.perform(&create(&web))), FailureKind::Conflict);
    assert_eq!(kind(bench.perform(&Effect::CreateNetwork(network("other")))), FailureKind::Conflict);
    assert_eq!(kind(bench.perform(&Effect::CreateVolume(volume("other")))), FailureKind::Conflict);
    bench.perform(&create(&ContainerCreate { name: "web.next".to_owned(), ..web.clone() }))?;
    let onto = Effect::RenameContainer { from: "web.next".to_owned(), to: "web".to_owned() };
    assert_eq!(kind(bench.perform(&onto)), FailureKind::Conflict);
    Ok(())
}

/// Podman takes the start of an id for a name, makes volumes that are missing, and removes a network by its id without
/// asking who uses it.
#[test]
fn nothing_but_what_was_named_is_touched() -> anyhow::Result<()> {
    let bench = Bench::new("libpod-names")?;
    bench.perform(&Effect::CreateNetwork(network("net")))?;
    let user = ContainerCreate {
        expose: [(53, "tcp,udp".to_owned())].into(),
        netns: Namespace { nsmode: "bridge".to_owned(), value: None },
        networks: [("net".to_owned(), Endpoint::default())].into(),
        ..container("web", &["sleep", "inf"])
    };
    bench.perform(&create(&user))?;
    let container_id = bench.user.ids()["web"].0[..8].to_owned();
    let network_id = bench.user.run("podman network inspect net -f '{{.ID}}'").ok().line()[..8].to_owned();

    assert_eq!(bench.wait(bench.podman.inspect(&container_id))?, None);
    assert_eq!(kind(bench.perform(&start(&container_id))), FailureKind::NotFound);
    bench.perform(&remove(&container_id))?;
    bench.perform(&Effect::RemoveNetwork { name: network_id.clone() })?;
    let astray = ContainerCreate { networks: [(network_id, Endpoint::default())].into(), ..user.clone() };
    let astray = ContainerCreate { name: "astray".to_owned(), ..astray };
    assert_eq!(kind(bench.perform(&create(&astray))), FailureKind::NotFound);
    let missing = NamedVolume { name: "missing".to_owned(), dest: "/v".to_owned(), ..NamedVolume::default() };
    let missing = ContainerCreate { volumes: vec![missing], ..container("astray", &["true"]) };
    assert_eq!(kind(bench.perform(&create(&missing))), FailureKind::NotFound);

    let used = bench.perform(&Effect::RemoveNetwork { name: "net".to_owned() }).expect_err("it is used");
    assert_eq!((used.kind, used.message.as_str()), (FailureKind::Conflict, "network net is used by web"));
    assert_eq!(bench.user.ids().keys().collect::<Vec<_>>(), ["web"]);
    assert_eq!(bench.user.run("podman network ls -q | sort").ok().stdout, "net\npodman\n");

    bench.perform(&start("web"))?;
    let running = bench.perform(&remove("web")).expect_err("it runs");
    assert_eq!(running.kind, FailureKind::Refused, "{running:?}");
    bench.perform(&stop("web"))?;
    bench.perform(&remove("web"))?;
    let anonymous = bench.user.run("podman volume ls -q").ok();
    assert_eq!(anonymous.line().len(), 64, "the volume without a name is kept: {}", anonymous.stdout);
    Ok(())
}

/// A job's code, a server's health and a log are what tells a person why something did not come up.
#[test]
fn ends_health_and_logs_are_told() -> anyhow::Result<()> {
    let bench = Bench::new("libpod-ends")?;
    let first = ": > /again; for i in {1..30}; do echo line $i; done; sleep 0.5; exit 7";
    let program = format!("[ ! -e /again ] || {{ echo again; exec sleep inf; }}; {first}");
    let job = container("job", &["bash", "-c", &program]);
    bench.perform(&create(&job))?;
    let code = bench.wait(async {
        let wait = bench.podman.wait_exit("job");
        let starting = start("job");
        let silent = |_: &str| {};
        let start = bench.podman.perform(&starting, &silent);
        let (code, started) = tokio::join!(wait, start);
        started.and(code)
    })?;
    assert_eq!(code, 7, "waited for from before its start");
    let expected: Vec<String> = (11..=30).map(|line| format!("line {line}")).collect();
    assert_eq!(bench.wait(bench.podman.logs_tail("job", Tail::UpToNow))?, expected);
    assert_eq!(bench.wait(bench.podman.logs_tail("job", Tail::UpToItsEnd))?, expected);
    bench.perform(&start("job"))?;
    bench.user.run("until podman logs --tail 1 job | grep -q again; do sleep 0.1; done").ok();
    assert_eq!(bench.wait(bench.podman.logs_tail("job", Tail::UpToItsEnd))?, expected);
    let log = bench.wait(bench.podman.logs_tail("job", Tail::UpToNow))?;
    assert_eq!((log.len(), log[19].as_str()), (20, "again"));

    let sick = ContainerCreate {
        healthconfig: Some(HealthConfig {
            test: words(&["CMD", "bash", "-c", "echo not yet; exit 1"]),
            interval: Some(1_000_000_000),
            timeout: Some(5_000_000_000),
            start_period: None,
            retries: Some(1),
        }),
        ..container("sick", &["sleep", "inf"])
    };
    bench.perform(&create(&sick))?;
    bench.perform(&start("sick"))?;
    bench.user.run("podman wait --condition=unhealthy sick").ok();
    let health = bench.wait(bench.podman.health_log("sick"))?.expect("it is there");
    assert_eq!((health.health, health.exit_code), (Some(Health::Unhealthy), Some(1)));
    assert_eq!(health.output, "not yet");

    let nothing = ContainerCreate { entrypoint: Some(words(&["/nowhere"])), ..container("nothing", &[]) };
    bench.perform(&create(&nothing))?;
    let failure = bench.perform(&start("nothing")).expect_err("there is no such program");
    assert_eq!(failure.kind, FailureKind::NotUp);
    assert!(failure.message.contains("/nowhere"), "{failure:?}");
    Ok(())
}

/// A person can do something about a pull that failed only if it is told which failure it was.
#[test]
fn a_pull_tells_how_far_it_is_and_why_it_failed() -> anyhow::Result<()> {
    let bench = Bench::new("libpod-pull")?;
    let registry = bench.user.registry()?;
    let reference = format!("{}/a/b:1", registry.address());
    bench.user.run(&format!("podman push --quiet {IMAGE} {reference}")).ok();
    let pull = |reference: &str| bench.perform(&Effect::PullImage { reference: reference.to_owned() });

    pull(&reference)?;
    assert!(bench.told.borrow().iter().any(|line| line.starts_with("layer 1 of ")), "{:?}", bench.told);
    let image = bench.wait(bench.podman.image(&reference))?.expect("it was pulled");
    assert_eq!(image.volumes, ["/data"]);
    assert_eq!(bench.wait(bench.podman.image(&image.id[..8]))?, None, "the start of an id is no name");

    let absent = pull(&format!("{}/a/b:2", registry.address())).expect_err("there is no such tag");
    assert_eq!(absent.kind, FailureKind::NotFound, "{absent:?}");
    let digest = format!("{}/a/b@sha256:{}", registry.address(), "0".repeat(64));
    assert!(pull(&digest).expect_err("there is no such digest").message.contains("digest"));
    drop(registry);
    let gone = pull(&reference).expect_err("nobody listens");
    assert_eq!(gone.kind, FailureKind::Unreachable, "{gone:?}");
    Ok(())
}

/// The simulated machine is held to the same.
#[test]
fn podman_answers_as_the_simulated_machine_does() -> anyhow::Result<()> {
    let bench = Bench::new("conformance")?;
    bench.user.import_image(crate::conformance::IMAGE, &["CMD [\"sleep\"]"]);
    crate::conformance::holds(|effect| bench.perform(effect));
    Ok(())
}

/// The bus lets nobody but its user in: this very program is run there, to call as the user does.
#[test]
fn systemd_answers_as_the_simulated_manager_does() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = host.user("conformance-units")?;
    let inside = format!("{}/tests", user.home());
    std::fs::copy(std::env::current_exe()?, host.path(&inside)?)?;
    let bus = format!("unix:path=/run/user/{}/bus", user.uid());
    let run = format!(
        "chmod +x tests; CONFORMANCE_BUS={bus} ./tests --exact conformance::units::real::systemd_itself --nocapture"
    );
    let told = user.run(&run).ok().stdout;
    assert!(told.contains("1 passed"), "{told}");
    assert!(told.contains("calls were made"), "{told}");
    Ok(())
}
