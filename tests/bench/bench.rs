//! What the figures of the program are measured with: a client that makes only the calls that a plan needs, and a clock
//! that runs two commands in turns. It knows neither crate nor protocol library: it is the floor.
//!
//! ```text
//! bench bare PODMAN-SOCKET BUS-SOCKET STACK IMAGE CONTAINER..  the calls of a plan with nothing to do
//! bench list PODMAN-SOCKET BUS-SOCKET STACK IMAGE CONTAINER..  the same of a large stack, which is told by its list
//! bench pairs COUNT BEFORE A BEFORE B                  the medians of two commands that take turns, and their ratio;
//!                                                      each is a line of shell, its BEFORE is not measured
//! bench peak COMMAND                                   the most memory that it ever had resident, in kB (VmHWM)
//! bench done                                           what a one-shot runs: it has ended well
//! bench sleep                                          what the containers run: nothing, until it is killed
//! ```

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a tool for measuring, not a part of the program"
)]

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["bare", podman, bus, stack, image, containers @ ..] => {
            bare(podman, bus, [stack, image], containers, containers)
        }
        ["list", podman, bus, stack, image, containers @ ..] => bare(podman, bus, [stack, image], &[], containers),
        ["done"] => Ok(()),
        ["pairs", count, rest @ ..] if rest.len() == 4 => {
            let count = count.parse().map_err(|_| io::Error::other("how many pairs?"))?;
            pairs(count, [(rest[0], rest[1]), (rest[2], rest[3])])
        }
        ["peak", command] => peak(command),
        ["sleep"] => loop {
            std::thread::park();
        },
        _ => Err(io::Error::other("see the head of bench.rs")),
    }
}

/// One list for each sort of object, one look at each container and its image, one list of units, and when units were
/// last loaded.
fn bare(podman: &str, bus: &str, [stack, image]: [&str; 2], inspected: &[&str], containers: &[&str]) -> io::Result<()> {
    let filter = format!("%7B%22label%22%3A%5B%22io.stackctl.stack%3D{stack}%22%5D%7D");
    let mut paths = vec![
        "/_ping".to_owned(),
        format!("/v5.0.0/libpod/containers/json?all=true&filters={filter}"),
        "/v5.0.0/libpod/networks/json".to_owned(),
        "/v5.0.0/libpod/volumes/json".to_owned(),
        format!("/v5.0.0/libpod/images/{image}/json"),
    ];
    paths.extend(inspected.iter().map(|name| format!("/v5.0.0/libpod/containers/{stack}-{name}/json")));
    let units: Vec<String> = containers.iter().map(|name| format!("podman-{stack}-{name}.service")).collect();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| ask_bus(bus, &units));
        // Podman answers two at a time faster than one after the other; more gain nothing.
        let (half, other) = paths.split_at(paths.len() / 2);
        let first = scope.spawn(|| ask_podman(podman, half));
        let bytes = ask_podman(podman, other)?;
        let bytes = bytes + first.join().map_err(|_| io::Error::other("panicked"))??;
        let units = asked.join().map_err(|_| io::Error::other("panicked"))??;
        println!("{bytes} bytes of podman, {units} of systemd");
        Ok(())
    })
}

/// All over one connection; the bytes of the bodies.
fn ask_podman(socket: &str, paths: &[String]) -> io::Result<usize> {
    let mut stream = BufReader::new(UnixStream::connect(socket)?);
    let mut bytes = 0;
    for path in paths {
        write!(stream.get_mut(), "GET {path} HTTP/1.1\r\nHost: d\r\n\r\n")?;
        bytes += body(&mut stream, path)?;
    }
    Ok(bytes)
}

fn body(stream: &mut BufReader<UnixStream>, path: &str) -> io::Result<usize> {
    let (mut length, mut chunked, mut line) = (0, false, String::new());
    stream.read_line(&mut line)?;
    if !line.contains(" 200 ") {
        return Err(io::Error::other(format!("{path}: {line}")));
    }
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        chunked |= header == "transfer-encoding: chunked";
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().map_err(io::Error::other)?;
        }
    }
    let mut bytes = 0;
    loop {
        if chunked {
            line.clear();
            stream.read_line(&mut line)?;
            length = usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
        }
        let mut chunk = vec![0; length + if chunked { 2 } else { 0 }];
        stream.read_exact(&mut chunk)?;
        bytes += length;
        if !chunked || length == 0 {
            return Ok(bytes);
        }
    }
}

/// Hello, `ListUnitsByPatterns`, `UnitsLoadTimestamp` (D-Bus Specification, "Message Protocol").
fn ask_bus(socket: &str, units: &[String]) -> io::Result<usize> {
    let mut stream = UnixStream::connect(socket)?;
    // No uid is named: the bus takes it from the socket.
    stream.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while !line.starts_with("OK ") {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::Error::other("the bus refuses"));
        }
    }
    let systemd = "org.freedesktop.systemd1";
    let mut patterns = Body::default();
    patterns.texts(&[]);
    patterns.texts(units);
    let mut property = Body::default();
    property.text("org.freedesktop.systemd1.Manager");
    property.text("UnitsLoadTimestamp");
    let bus = ["/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", "org.freedesktop.DBus"];
    let list = ["/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "ListUnitsByPatterns", systemd];
    let get = ["/org/freedesktop/systemd1", "org.freedesktop.DBus.Properties", "Get", systemd];
    stream.write_all(&call(1, bus, "", &[]))?;
    stream.write_all(&call(2, list, "asas", &patterns.0))?;
    stream.write_all(&call(3, get, "ss", &property.0))?;
    let mut replies = 0;
    let mut bytes = 0;
    while replies < 3 {
        let mut head = [0; 16];
        reader.read_exact(&mut head)?;
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
        let mut rest = vec![0; number(12).next_multiple_of(8) + number(4)];
        reader.read_exact(&mut rest)?;
        match head[1] {
            2 => (replies, bytes) = (replies + 1, bytes + rest.len()),
            3 => return Err(io::Error::other("the bus answers with an error")),
            _ => {}
        }
    }
    Ok(bytes)
}

#[derive(Default)]
struct Body(Vec<u8>);

impl Body {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn number(&mut self, number: usize) {
        self.align(4);
        self.0.extend(u32::try_from(number).expect("these are small").to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    fn texts(&mut self, texts: &[String]) {
        let mut inner = Body::default();
        texts.iter().for_each(|text| inner.text(text));
        self.number(inner.0.len());
        self.0.extend(inner.0);
    }

    fn field(&mut self, code: u8, signature: u8, text: &str) {
        self.align(8);
        self.0.extend([code, 1, signature, 0]);
        self.text(text);
    }
}

/// `path, interface, member, destination`.
fn call(serial: usize, [path, interface, member, destination]: [&str; 4], signature: &str, body: &[u8]) -> Vec<u8> {
    let mut fields = Body::default();
    fields.field(1, b'o', path);
    fields.field(2, b's', interface);
    fields.field(3, b's', member);
    fields.field(6, b's', destination);
    if !signature.is_empty() {
        fields.align(8);
        fields.0.extend([8, 1, b'g', 0, u8::try_from(signature.len()).expect("it is short")]);
        fields.0.extend(signature.as_bytes());
        fields.0.push(0);
    }
    let mut message = Body(vec![b'l', 1, 0, 1]);
    message.number(body.len());
    message.number(serial);
    message.number(fields.0.len());
    message.0.extend(fields.0);
    message.align(8);
    message.0.extend(body);
    message.0
}

fn pairs(count: usize, commands: [(&str, &str); 2]) -> io::Result<()> {
    let mut times = [Vec::new(), Vec::new()];
    // The first of each warms caches and podman's service.
    for turn in 0..=count {
        for (which, (before, command)) in commands.iter().enumerate() {
            if !before.is_empty() {
                run(before)?;
            }
            let time = run(command)?;
            if turn > 0 {
                times[which].push(time);
            }
        }
    }
    let [a, b] = times.map(median);
    println!(
        "{:.1} {:.1} {:.2}",
        a.as_secs_f64() * 1000.0,
        b.as_secs_f64() * 1000.0,
        a.as_secs_f64() / b.as_secs_f64()
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Words without quotes; a line with signs of a shell is given to one, whose own start is then part of the time.
fn command(line: &str) -> Command {
    let mut words = line.split_whitespace();
    let mut command = match line.contains(['\'', '"', ';', '&', '|', '$']) {
        true => {
            let mut shell = Command::new("sh");
            shell.args(["-c", line]);
            shell
        }
        false => {
            let mut command = Command::new(words.next().unwrap_or_default());
            command.args(words);
            command
        }
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn run(line: &str) -> io::Result<Duration> {
    let started = Instant::now();
    let status = command(line).status()?;
    let time = started.elapsed();
    if status.success() { Ok(time) } else { Err(io::Error::other(format!("`{line}` ended with {status}"))) }
}

/// Asked over and over while it runs: memory that is given back does not lower it.
fn peak(line: &str) -> io::Result<()> {
    let mut child = command(line).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(now.unwrap_or_default());
    }
    println!("{peak}");
    Ok(())
}
