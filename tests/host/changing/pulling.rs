//! Pulls through `stackctl apply` from a real registry: how far they are, and each way in which they fail told apart. A
//! pull that fails must leave the running stack as it is, and an image that is here must make nobody ask a registry.

use std::time::Duration;

use crate::host::Host;
use crate::host::process::Running;
use crate::host::user::User;

/// Two layers of it make a pull that can be cut in the middle.
const LAYER_BYTES: usize = 6 * 1024 * 1024;

/// A wire between podman and the registry: counts connections, slows down, and cuts. `cut-after BYTES TIMES`: a connection
/// that has brought so many bytes is closed, so many times.
const WIRE: &str = r#"
import socket, sys, threading, time
listen, upstream, log, cut_after, times, pause = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6])
lock = threading.Lock()
def note(text):
    with lock, open(log, 'a') as file:
        file.write(text + '\n')
def carry(source, target, counted):
    global times
    seen = 0
    try:
        while data := source.recv(65536):
            seen += len(data)
            if counted:
                time.sleep(pause)
                with lock:
                    cut = cut_after and seen > cut_after and times > 0
                    times -= 1 if cut else 0
                if cut:
                    note('cut')
                    break
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
server = socket.create_server(('127.0.0.1', listen))
print('listening', flush=True)
while True:
    client, _ = server.accept()
    note('connection')
    other = socket.create_connection(('127.0.0.1', upstream))
    threading.Thread(target=carry, args=(client, other, False), daemon=True).start()
    threading.Thread(target=carry, args=(other, client, True), daemon=True).start()
"#;

fn wire(user: &User, upstream: &str, cut_after: usize, times: usize, pause: &str) -> anyhow::Result<Running> {
    user.write("wire.py", WIRE)?;
    let address = format!("127.0.0.1:{}", user.port(17));
    let trust = format!("[[registry]]\nlocation = \"{address}\"\ninsecure = true\n");
    user.write(".config/containers/registries.conf.d/wire.conf", trust)?;
    user.run("rm -f wire.log; touch wire.log").ok();
    let port = upstream.rsplit(':').next().expect("a port");
    let (cut, times) = (cut_after.to_string(), times.to_string());
    let words = ["python3", "wire.py", &user.port(17).to_string(), port, "wire.log", &cut, &times, pause];
    let running = user.spawn(&words)?;
    running.says("listening", Duration::from_secs(10))?;
    Ok(running)
}

/// A running stack of one container from a local image, and an image of three layers in the registry under `app:1`.
struct Bench {
    user: User,
    ids: crate::host::user::Ids,
}

impl Bench {
    fn new(name: &str) -> anyhow::Result<Self> {
        Self::of(Host::get()?.user(name)?)
    }

    fn of(user: User) -> anyhow::Result<Self> {
        user.import_image("localhost/base:1", &["CMD [\"sleep\"]"]);
        let stack = "version: 1\nstack: s\ncontainers:\n  old: { image: \"localhost/base:1\" }\n";
        user.write("stack.yaml", stack)?;
        user.stackctl(&["apply", "-y"]).ok();
        let ids = user.ids();
        Ok(Self { user, ids })
    }

    fn push(&self, registry: &str) {
        let user = &self.user;
        user.run(&format!("for n in a b; do head -c {LAYER_BYTES} /dev/urandom > $n; done")).ok();
        user.write("Containerfile", "FROM localhost/base:1\nCOPY a /a\nCOPY b /b\n").expect("written");
        user.run(&format!("podman build --quiet --layers --tag {registry}/app:1 .")).ok();
        user.run(&format!("podman push --quiet {registry}/app:1")).ok();
        self.forget(&format!("{registry}/app:1"));
    }

    /// Away from this machine, layers too.
    fn forget(&self, reference: &str) {
        self.user.run(&format!("podman rmi --force {reference} >/dev/null 2>&1; podman image prune --force")).ok();
    }

    /// An apply that adds a container of that image, and moves the old one to it: what a failed pull must not touch.
    #[track_caller]
    fn apply(&self, reference: &str) -> crate::host::process::Output {
        self.want(reference);
        self.user.stackctl(&["apply", "-y"])
    }

    fn want(&self, reference: &str) {
        let stack = format!(
            "version: 1\nstack: s\ncontainers:\n  old: {{ image: \"{reference}\", command: [sleep] }}\n  new: {{ image: \"{reference}\", command: [sleep] }}\n"
        );
        self.user.write("stack.yaml", stack).expect("written");
    }

    /// Exit 1, these words, a next step, and nothing touched.
    #[track_caller]
    fn fails(&self, reference: &str, words: &[&str]) -> String {
        let told = self.apply(reference).code(1);
        let flat = format!("{} {}", told.stdout, told.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(flat.contains(word), "`{word}` is not in\n{}{}", told.stdout, told.stderr);
        }
        assert!(flat.contains("what to do:"), "no next step in\n{}", told.stdout);
        assert!(flat.contains("not begun, because of image."), "{}", told.stdout);
        assert_eq!(self.user.ids(), self.ids, "the running stack was touched");
        flat
    }
}

#[test]
fn a_pull_shows_its_layers_and_a_cut_is_retried() -> anyhow::Result<()> {
    let bench = Bench::new("pull-cut")?;
    let registry = bench.user.registry()?;
    bench.push(registry.address());
    let through = format!("127.0.0.1:{}/app:1", bench.user.port(17));

    // Podman goes on where it was cut as long as it gets on; this wire never brings a layer's worth.
    let always = wire(&bench.user, registry.address(), 65536, 100_000, "0")?;
    bench.fails(&through, &["broke off each time", "again in 1 s", "try again when the registry answers"]);
    drop(always);
    let once = wire(&bench.user, registry.address(), LAYER_BYTES / 2, 1, "0.004")?;
    let told = bench.apply(&through).ok();
    assert!(bench.user.read("wire.log")?.contains("cut"), "the wire was not cut");
    // Two layers, the one of the base and the configuration: each is told when it is whole.
    for words in ["app:1: layer 1 of ", "app:1: layer 4 of 4"] {
        assert!(told.stderr.contains(words), "no `{words}` in\n{}", told.stderr);
    }
    drop(once);
    let now = bench.user.ids();
    assert!(now.contains_key("s-new") && now["s-old"] != bench.ids["s-old"], "{now:?}");
    bench.user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    Ok(())
}

#[test]
fn each_failure_of_a_pull_is_told_apart() -> anyhow::Result<()> {
    let bench = Bench::new("pull-fails")?;
    let user = &bench.user;
    let registry = user.registry()?;
    let at = registry.address().to_owned();
    bench.push(&at);

    bench.fails(&format!("{at}/app:none"), &["has no", "app:none", "check the name and the tag"]);
    bench.fails(&format!("{at}/app@sha256:{}", "0".repeat(64)), &["nothing with the digest", "pin the digest"]);
    bench.fails("no-such-registry.invalid/app:1", &["no-such-registry.invalid cannot be reached", "network"]);
    bench.fails(&format!("127.0.0.1:{}/app:1", user.port(16)), &["cannot be reached", "network"]);
    // A blob that is not what its name says.
    let spoil = "f=$(find registry/blobs -name data -size +5M | head -n 1); printf x | dd of=$f bs=1 seek=100 conv=notrunc status=none";
    user.run(spoil).ok();
    bench.fails(&format!("{at}/app:1"), &["another digest"]);
    drop(registry);
    bench.fails(&format!("{at}/app:1"), &["cannot be reached"]);
    Ok(())
}

#[test]
fn a_registry_that_asks_for_a_login_is_told_and_works_after_it() -> anyhow::Result<()> {
    let bench = Bench::new("pull-login")?;
    let user = &bench.user;
    user.run("mkdir -p registry && htpasswd -Bbn me s3cret > registry/htpasswd").ok();
    // Below `http:` of the harness's file a second `auth:` at the top level is the registry's own form.
    let registry = user.registry_with("auth: { htpasswd: { realm: test, path: registry/htpasswd } }")?;
    let at = registry.address().to_owned();
    user.run(&format!("podman login --username me --password s3cret {at}")).ok();
    bench.push(&at);
    user.run(&format!("podman logout {at}")).ok();
    let told = bench.fails(&format!("{at}/app:1"), &["login", &format!("podman login {at}")]);
    assert!(!told.contains("s3cret"));
    user.run(&format!("podman login --username me --password s3cret {at}")).ok();
    bench.apply(&format!("{at}/app:1")).ok();
    Ok(())
}

/// Progress belongs to the terminal's lines, too: there every step is drawn.
#[test]
fn a_pull_is_drawn_on_a_terminal() -> anyhow::Result<()> {
    let bench = Bench::new("pull-drawn")?;
    let registry = bench.user.registry()?;
    bench.push(registry.address());
    let wire = wire(&bench.user, registry.address(), 0, 0, "0.004")?;
    let through = format!("127.0.0.1:{}/app:1", bench.user.port(17));
    bench.want(&through);
    let told = bench.user.run("script --quiet --return --command 'env TERM=xterm stackctl apply -y' /dev/null").ok();
    assert!(told.stdout.contains("layer "), "no progress by layer in\n{}", told.stdout);
    drop(wire);
    bench.user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    Ok(())
}

/// The whole storage on a small file system of its own: what is full is where the images are kept.
#[test]
fn a_full_storage_is_told() -> anyhow::Result<()> {
    let host = Host::get()?;
    // Not in the home, which could not be removed while it is mounted there.
    let place = "/mnt/pull-storage";
    let unmount = format!("umount -l {place} 2>/dev/null; mkdir -p {place}");
    host.root(&unmount).ok();
    let user = host.user("pull-storage")?;
    host.root(&format!("mount -t tmpfs -o size=128m,mode=700,uid={},gid={} tmpfs {place}", user.uid(), user.uid()))
        .ok();
    let storage = format!("[storage]\ndriver = \"overlay\"\ngraphroot = \"{place}/storage\"\n");
    user.write(".config/containers/storage.conf", storage)?;
    let bench = Bench::of(user)?;
    let registry = bench.user.registry()?;
    let reference = format!("{}/app:1", registry.address());
    bench.push(registry.address());
    // What is left is less than the two layers of the image.
    let filler = bench.user.run(&format!(
        "free=$(df --output=avail -B1 {place} | tail -n 1); head -c $((free - {LAYER_BYTES})) /dev/zero > {place}/filler"
    ));
    filler.ok();
    // The registry says how much it would send: nothing is begun.
    let told = bench.apply(&reference).code(6).stdout;
    let flat = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("DISK_SHORT") && flat.contains(&format!("image.{reference}")), "{told}");
    assert_eq!(bench.user.ids(), bench.ids, "the running stack was touched");
    let drift = bench.user.stackctl(&["plan", "--detailed-exitcode", "--format", "json"]).code(6).json();
    assert!(drift["changes"].to_string().contains("DISK_SHORT"), "{drift:#}");
    // Let pass, it fails where it is full.
    let told =
        bench.user.stackctl(&["apply", "-y", "--accept", &format!("DISK_SHORT:image.{reference}")]).code(1).stdout;
    let flat = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("no space") && flat.contains("make room where podman keeps its images"), "{told}");
    assert_eq!(bench.user.ids(), bench.ids, "the running stack was touched");
    bench.user.run(&format!("rm {place}/filler")).ok();
    bench.apply(&reference).ok();
    bench.user.stackctl(&["destroy", "-y"]).ok();
    host.root(&unmount).ok();
    Ok(())
}

#[test]
fn a_full_disk_is_told() -> anyhow::Result<()> {
    let host = Host::get()?;
    let bench = Bench::new("pull-full")?;
    let user = &bench.user;
    let registry = user.registry()?;
    let at = registry.address().to_owned();
    bench.push(&at);
    // What a pull is unpacked through fills up.
    let place = "/mnt/pull-full";
    host.root(&format!("umount -l {place} 2>/dev/null; mkdir -p {place}")).ok();
    host.root(&format!("mount -t tmpfs -o size=4m,uid={} tmpfs {place}", user.uid())).ok();
    user.write(".config/containers/containers.conf", format!("[engine]\nimage_copy_tmp_dir = \"{place}\"\n"))?;
    user.run(
        "systemctl --user stop podman.socket podman.service; pkill --uid $UID --full '[p]odman system service' || true",
    )
    .ok();
    let told = bench.apply(&format!("{at}/app:1"));
    host.root(&format!("umount -l {place}")).ok();
    let told = told.code(1);
    let flat = told.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("no space"), "{}", told.stdout);
    assert!(flat.contains("what to do:"), "{}", told.stdout);
    assert_eq!(user.ids(), bench.ids, "the running stack was touched");
    Ok(())
}

#[test]
fn an_image_that_is_here_asks_no_registry() -> anyhow::Result<()> {
    let bench = Bench::new("pull-none")?;
    let user = &bench.user;
    let registry = user.registry()?;
    bench.push(registry.address());
    let wire = wire(user, registry.address(), 0, 0, "0")?;
    let through = format!("127.0.0.1:{}/app:1", user.port(17));
    user.run(&format!("podman pull --quiet {through} && : > wire.log")).ok();
    bench.apply(&through).ok();
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    assert_eq!(user.read("wire.log")?, "", "a registry was asked");
    drop((wire, registry));
    user.stackctl(&["plan", "--detailed-exitcode"]).ok();
    // Made anew from the image that is here, while nobody listens where it came from.
    user.run("podman rm --force --time 1 s-new").ok();
    user.stackctl(&["apply", "-y"]).ok();
    assert!(user.ids().contains_key("s-new"));
    Ok(())
}
