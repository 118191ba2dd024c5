//! Beside the first user's old world: home-manager's Quadlet units, its containers and its network, all of the names that the
//! ai-stack wants, over the same data directories. The plan names each and prints the commands that hand over; these commands
//! alone make the next apply run, on the same bytes.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::host::Host;
use crate::host::user::User;

const DATA: &str = ".local/share/podman-ai-stack";

/// Name, port of the host, port of the container, what is mounted where, further lines.
const CONTAINERS: [(&str, u16, u16, &str, &str); 4] = [
    ("ollama", 0, 11434, "/root/.ollama", "Environment=OLLAMA_HOST=0.0.0.0"),
    ("open-webui", 3, 8080, "/app/backend/data", "Environment=OLLAMA_BASE_URL=http://ollama:11434"),
    ("qdrant", 1, 6333, "/qdrant/storage", "PublishPort=GRPC:6334"),
    ("mindsdb", 4, 47334, "/var/lib/mindsdb", "PublishPort=MYSQL:7735"),
];

fn prepared(host: &Host, name: &str) -> anyhow::Result<User> {
    let user = host.user(name)?;
    for (name, ..) in CONTAINERS {
        let plays = format!("CMD [\"{name}\"]");
        user.import_image(&format!("localhost/stackctl/stand-in-{name}:1"), &[&plays, "ENV OLLAMA_HOST=0.0.0.0:11434"]);
        user.run(&format!("mkdir -p {DATA}/{name}")).ok();
    }
    // Each of the old units waits 90 s for a network-online.target that never comes here.
    user.run("systemctl --user mask podman-user-wait-network-online.service").ok();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ai-stack");
    for file in ["stack.yaml", "stand-ins.yaml"] {
        user.write(file, std::fs::read(examples.join(file))?)?;
    }
    Ok(user)
}

/// The Quadlet files as home-manager's module writes them (modules/services/podman-linux; the options of the first user's
/// home.nix), in a folder.
fn quadlet_files(user: &User, folder: &str) -> anyhow::Result<()> {
    let managed = "Label=nix.home-manager.managed=true\nLabel=nixos.quick-deploy.ai-stack=true\n";
    let network = format!("[Network]\nNetworkName=local-ai\n{managed}\n[Service]\nTimeoutStartSec=15\n");
    user.write(&format!("{folder}/podman-local-ai.network"), network)?;
    for (name, host, inside, target, more) in CONTAINERS {
        let more = more.replace("GRPC", &user.port(2).to_string()).replace("MYSQL", &user.port(5).to_string());
        let mut text = String::from("[Unit]\nAfter=network.target\n\n[Container]\nAutoUpdate=local\n");
        writeln!(text, "ContainerName=local-ai-{name}\nImage=localhost/stackctl/stand-in-{name}:1\n{more}")?;
        writeln!(text, "{managed}Network=podman-local-ai.network\nNetworkAlias={name}")?;
        writeln!(text, "PublishPort={}:{inside}\nVolume=%h/{DATA}/{name}:{target}", user.port(host))?;
        writeln!(text, "\n[Service]\nRestart=always\nTimeoutStopSec=30")?;
        user.write(&format!("{folder}/podman-local-ai-{name}.container"), text)?;
    }
    Ok(())
}

/// Starts what autoStart=false leaves to the user, and writes chats into it.
fn lived_in(user: &User) {
    let units: Vec<String> = CONTAINERS.iter().map(|(name, ..)| format!("podman-local-ai-{name}.service")).collect();
    user.run(&format!("systemctl --user start {}", units.join(" "))).ok();
    let chat = format!("http://127.0.0.1:{}", user.port(3));
    user.run(&format!("curl -fsS --retry 30 --retry-all-errors --retry-delay 1 {chat}/health")).ok();
    for text in ["first", "second"] {
        user.run(&format!("curl -fsS -X POST '{chat}/chat?text={text}'")).ok();
    }
    user.run(&format!(
        "echo model > {DATA}/ollama/blob; mkdir {DATA}/qdrant/collections; echo points > {DATA}/qdrant/collections/x"
    ))
    .ok();
}

/// Every file and directory of the data: inode, kind, and the checksum of what is in it.
fn data(user: &User) -> Vec<String> {
    let list = format!("cd {DATA} && find . -printf '%i %y %p\\n' && find . -type f -exec sha256sum {{}} +");
    let mut lines: Vec<String> = user.run(&list).ok().stdout.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn stackctl(user: &User, words: &[&str]) -> crate::host::process::Output {
    let names = [
        "ollama_port",
        "qdrant_port",
        "qdrant_grpc_port",
        "webui_port",
        "mindsdb_port",
        "mindsdb_mysql_port",
        "aidb_port",
    ];
    let ports: Vec<String> =
        names.iter().zip(0..).flat_map(|(name, n)| ["--var".to_owned(), format!("{name}={}", user.port(n))]).collect();
    let files = ["-f", "stack.yaml", "-f", "stand-ins.yaml"];
    let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
    user.stackctl(&[words, &files, &ports].concat())
}

fn risks(plan: &Value) -> Vec<&Value> {
    let changes = plan["changes"].as_array().into_iter().flatten();
    let of_changes = changes.filter_map(|change| change["risks"].as_array()).flatten();
    of_changes.chain(plan["risks"].as_array().into_iter().flatten()).collect()
}

/// The commands to copy, as a program reads them.
fn commands(plan: &Value) -> Vec<String> {
    let remedies =
        risks(plan).into_iter().filter_map(|risk| risk["remedies"].as_array()).flatten().filter_map(Value::as_str);
    remedies.filter(|remedy| remedy.starts_with(' ')).map(|command| command.trim().to_owned()).collect()
}

/// The same as a reader sees them: alone on deeply indented lines.
fn commands_shown(plan: &str) -> Vec<String> {
    let indented = plan.lines().filter_map(|line| line.strip_prefix("          "));
    indented.filter(|line| !line.starts_with(' ')).map(str::to_owned).collect()
}

/// From the conflicts to the same chats under stackctl.
fn handed_over(user: &User, unit_file: &str) {
    let before = (data(user), user.ids());
    let plan = stackctl(user, &["plan", "--format", "json"]).code(6).json();
    let human = stackctl(user, &["plan"]).code(6).stdout;
    let words = human.split_whitespace().collect::<Vec<_>>().join(" ");
    for (name, host, ..) in CONTAINERS {
        let unit = format!("podman-local-ai-{name}.service");
        let file = unit_file.replace("NAME", &format!("local-ai-{name}"));
        let port = format!("127.0.0.1:{}/tcp is held by the container local-ai-{name}", user.port(host));
        let container =
            format!("the container `local-ai-{name}` belongs to home-manager, through the systemd unit {unit}");
        let messages: Vec<&str> = risks(&plan).into_iter().filter_map(|risk| risk["message"].as_str()).collect();
        for words in [container.as_str(), &file, &port] {
            assert!(messages.iter().any(|message| message.contains(words)), "`{words}` is in none of {messages:#?}");
        }
        assert!(words.contains(&container) && words.contains(&unit), "{human}");
    }
    assert!(words.contains("the network `local-ai` belongs to home-manager"), "{human}");
    assert!(words.contains("home.nix"), "the next switch would put it back: {human}");
    stackctl(user, &["apply", "-y"]).code(6);
    assert_eq!((data(user), user.ids()), before, "looking and refusing touch nothing");

    let commands = commands(&plan);
    assert_eq!(commands, commands_shown(&human), "{human}");
    let mut once = commands.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), commands.len(), "said twice: {commands:#?}");
    let never = [DATA, "sudo", " -v", "/nix/store", "/store/"];
    assert!(!commands.iter().any(|command| never.iter().any(|word| command.contains(word))), "{commands:#?}");
    for command in &commands {
        user.run(command).ok();
    }
    assert!(user.ids().is_empty());
    user.run("podman network exists local-ai").code(1);

    stackctl(user, &["apply", "-y"]).ok();
    stackctl(user, &["plan", "--detailed-exitcode"]).ok();
    let now = data(user);
    for line in &before.0 {
        assert!(now.contains(line), "{line} is not in {now:#?}");
    }
    let chats = user.run(&format!("curl -fsS http://127.0.0.1:{}/chats", user.port(3))).ok().json();
    let texts: Vec<&str> = chats.as_array().into_iter().flatten().filter_map(|chat| chat["text"].as_str()).collect();
    assert_eq!(texts, ["first", "second"]);
    // Neither a reload nor the next boot brings the old ones back over ours.
    user.run("systemctl --user daemon-reload").ok();
    for (name, ..) in CONTAINERS {
        let unit = format!("podman-local-ai-{name}.service");
        assert_eq!(user.unit(&unit, "FragmentPath"), format!("{}/.config/systemd/user/{unit}", user.home()));
    }
    // A unit that is gone from disk is forgotten once nothing refers to it any more.
    let forgotten = "for try in $(seq 100); do test -z \"$(systemctl --user show --value -p FragmentPath \
        podman-local-ai-network.service)\" && exit 0; sleep 0.1; done; exit 1";
    user.run(forgotten).ok();
    assert_eq!(user.ids().len(), 4);
}

/// Where the Quadlet files lie in the user's own folder, and the generator makes the units at each reload.
#[test]
fn quadlet_files_in_the_users_folder() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = prepared(&host, "old-quadlet")?;
    quadlet_files(&user, ".config/containers/systemd")?;
    user.run("systemctl --user daemon-reload").ok();
    lived_in(&user);
    handed_over(&user, ".config/containers/systemd/podman-NAME.container");
    assert_eq!(user.run("ls .config/containers/systemd").ok().stdout, "");
    Ok(())
}

/// As home-manager really does it: the generator runs when the generation is built, and the units are links into the store;
/// with the drop-ins of the first user's home.nix, which would pull images inside the start of our units too.
#[test]
fn units_linked_from_the_store() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = prepared(&host, "old-store")?;
    quadlet_files(&user, "store/quadlets")?;
    let store = "/nix/store/stackctl-test-old-store";
    let generate = format!(
        "rm -rf {store} && mkdir -p {store} && cd {}/store && \
         QUADLET_UNIT_DIRS=$PWD/quadlets /usr/libexec/podman/quadlet --user {store}",
        user.home()
    );
    host.root(&generate).ok();
    user.run(&format!("mkdir -p .config/systemd/user && ln -s {store}/*.service .config/systemd/user/")).ok();
    let drop_in =
        "[Service]\nTimeoutStartSec=600\nExecStartPre=/bin/sh -c 'podman image exists x || podman pull -q x || true'\n";
    user.write("store/override.conf", drop_in)?;
    let folder = ".config/systemd/user/podman-local-ai-ollama.service.d";
    user.run(&format!("mkdir {folder} && ln -s ~/store/override.conf {folder}/")).ok();
    user.run("systemctl --user daemon-reload").ok();
    lived_in(&user);
    handed_over(&user, ".config/systemd/user/podman-NAME.service");
    assert!(!user.exists(&format!("{folder}/override.conf"))?);
    host.root(&format!("rm -rf {store}")).ok();
    Ok(())
}

/// Stopped, nothing of the old world runs (its containers go at each stop), and its units still stand in the way; a Quadlet
/// file that is named otherwise would put its container over ours at the next boot.
#[test]
fn what_is_stopped_is_found_too() -> anyhow::Result<()> {
    let host = Host::get()?;
    let user = prepared(&host, "old-stopped")?;
    quadlet_files(&user, ".config/containers/systemd")?;
    user.run("cd .config/containers/systemd && mv podman-local-ai-qdrant.container vectors.container").ok();
    user.run("systemctl --user daemon-reload").ok();
    let plan = stackctl(&user, &["plan", "--format", "json"]).code(6).json();
    let messages: Vec<&str> = risks(&plan).into_iter().filter_map(|risk| risk["message"].as_str()).collect();
    for words in [
        "vectors.container makes a container `local-ai-qdrant` too (vectors.service)",
        "podman-local-ai-ollama.service",
    ] {
        assert!(messages.iter().any(|message| message.contains(words)), "`{words}` is in none of {messages:#?}");
    }
    for command in commands(&plan) {
        user.run(&command).ok();
    }
    stackctl(&user, &["apply", "-y"]).ok();
    stackctl(&user, &["plan", "--detailed-exitcode"]).ok();
    Ok(())
}
