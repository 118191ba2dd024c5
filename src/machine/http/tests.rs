//! What would break: a dead server that is called healthy, a healthy one that is called dead, or an answer that does not
//! say why.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use super::{ask, in_words};
use crate::observed::ProbeReading;
use crate::probe::Probe;

/// Answers one connection with these bytes, then closes it; with none it keeps silent.
fn server(answer: Option<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).unwrap();
        match answer {
            // The asker may have hung up when the body is too long for it.
            Some(answer) => drop(stream.write_all(&answer)),
            // Until the asker gives up.
            None => drop(stream.read(&mut request[length..])),
        }
    });
    address
}

fn response(status: &str, body: &str) -> Option<Vec<u8>> {
    Some(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

fn asked(probe: &Probe) -> ProbeReading {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(ask(probe, Duration::from_millis(500))).unwrap()
}

fn http(answer: Option<Vec<u8>>, status: Option<u16>, json: Option<&str>) -> (bool, String) {
    let url = format!("http://{}/api/tags?x=1", server(answer));
    let reading = asked(&Probe::Http { url, status, json: json.map(str::to_owned) });
    (reading.passed, reading.answer)
}

#[test]
fn the_status_decides() {
    let is = |passed, answer: &str| (passed, answer.to_owned());
    assert_eq!(http(response("200 OK", ""), None, None), is(true, "200 OK"));
    assert_eq!(http(response("307 Temporary Redirect", ""), None, None), is(true, "307 Temporary Redirect"));
    assert_eq!(http(response("503 Service Unavailable", ""), None, None), is(false, "503 Service Unavailable"));
    assert_eq!(http(response("404 Not Found", ""), Some(404), None), is(true, "404 Not Found"));
    assert_eq!(http(response("204 No Content", ""), Some(200), None), is(false, "204 No Content, not 200"));
}

#[test]
fn the_predicate_decides() {
    let body = r#"{"models":[],"status":true}"#;
    let says = |body: &str, json| http(response("200 OK", body), None, Some(json));
    assert_eq!(says(body, "status == true"), (true, "200 OK".to_owned()));
    assert_eq!(says(body, "models[*].name"), (false, "200 OK, but `models[*].name` selects nothing".to_owned()));
    assert_eq!(says(body, "status == false"), (false, "200 OK, but `status == false` does not hold".to_owned()));
    assert_eq!(says("<html>", "models"), (false, "200 OK, but its body is no JSON".to_owned()));
    let long = format!("[{}0]", "0,".repeat(1024 * 1024));
    assert_eq!(says(&long, "[0]"), (false, "200 OK, but its body is over 1 MiB".to_owned()));
}

#[test]
fn no_answer_is_told_in_words() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let probe = |url: String| Probe::Http { url, status: None, json: None };
    assert_eq!(asked(&probe(format!("http://{free}/"))).answer, "connection refused");
    assert_eq!(http(None, None, None), (false, "no answer within 0.5s".to_owned()));
    assert_eq!(http(Some(Vec::new()), None, None), (false, "connection closed without an answer".to_owned()));
    assert_eq!(http(Some(b"SSH-2.0-x\r\n".to_vec()), None, None), (false, "the answer is no HTTP".to_owned()));
    for url in ["https://127.0.0.1/", "nonsense", "http://"] {
        assert!(!asked(&probe(url.to_owned())).passed, "{url}");
    }
}

#[test]
fn a_tcp_probe_asks_for_a_connection_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let probe = Probe::Tcp { address: listener.local_addr().unwrap().to_string() };
    assert!(asked(&probe).passed);
    drop(listener);
    assert_eq!(asked(&probe), ProbeReading { passed: false, answer: "connection refused".to_owned() });
}

#[test]
fn durations_read_as_people_write_them() {
    for (ms, words) in
        [(200, "0.2s"), (1500, "1.5s"), (2000, "2s"), (45_900, "45s"), (100_000, "1m 40s"), (120_000, "2m")]
    {
        assert_eq!(in_words(Duration::from_millis(ms)), words);
    }
}
