//! The transport: one request, one bounded answer. Knows paths and status codes, not what they mean.

use std::time::Duration;

use containers_api::conn::{Headers, Payload, RequestClient, Transport, get_http_connector, get_unix_connector};
use containers_api::url::encoded_pairs;
use hyper::body::HttpBody as _;
use hyper::{Body, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::failure::CallError;
use super::shapes::or_default;
use super::socket::Socket;
use crate::machine::{Failure, FailureKind};

/// Podman 4.3 to 5 all take this prefix; below it, inspect answers in the lossy shape of podman 4.
const PREFIX: &str = "/v5.0.0/libpod";

/// 500 containers list in 0.4 MB and one inspects in 10 kB; this is far beyond, and still no danger to memory.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Podman answers two at a time faster than one after the other; more only wait for each other inside it, each on a
/// connection of its own (`sh tests/bench/run` shows it as the ratio to a bare client).
const LOOKS_AT_ONCE: usize = 2;

/// Looking takes milliseconds. Podman holds its locks while it works on vfs storage, and then looking waits too.
pub(super) const LOOK: Duration = Duration::from_secs(30);
/// Creating and removing copies or deletes a whole image where storage is vfs, and maps its ids at the first keep-id.
pub(super) const STORAGE: Duration = Duration::from_secs(300);
/// What else changes something: networks, names, starts.
pub(super) const CHANGE: Duration = Duration::from_secs(120);

pub(super) struct Client {
    /// Connections are kept: 0.2 ms a call instead of 0.4. Podman closes idle ones whenever it likes, so that a request
    /// may be lost on one; looking is simply repeated.
    look: RequestClient<CallError>,
    looks: Semaphore,
    /// A connection for each call, since a change must not be repeated blindly.
    act: RequestClient<CallError>,
    pub(super) podman_api: podman_api::Podman,
    at: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(socket: &Socket) -> Result<Self, Failure> {
        let url = match socket {
            Socket::Unix(path) => format!("unix://{}", path.display()),
            Socket::Tcp(host) => format!("tcp://{host}"),
        };
        let no_address =
            |error: &dyn std::fmt::Display| Failure::new(FailureKind::Refused, format!("{socket}: {error}"));
        Ok(Self {
            looks: Semaphore::new(LOOKS_AT_ONCE),
            look: request_client(transport(socket, true).map_err(|error| no_address(&error))?),
            act: request_client(transport(socket, false).map_err(|error| no_address(&error))?),
            podman_api: podman_api::Podman::new(url).map_err(|error| no_address(&error))?,
            at: socket.to_string(),
        })
    }

    /// The failure in words, with the address of this podman.
    pub(super) fn failure(&self, error: CallError) -> Failure {
        error.into_failure(&self.at)
    }

    /// The version is in the headers.
    pub(super) async fn ping(&self) -> Result<Response<Body>, CallError> {
        within(LOOK, async {
            match self.look.get("/_ping").await {
                Err(CallError::Broken(_)) => self.look.get("/_ping").await,
                other => other,
            }
        })
        .await
    }

    /// `path` begins below `/libpod`.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        Ok(serde_json::from_slice(&self.get_bytes(path).await?)?)
    }

    pub(super) async fn get_bytes(&self, path: &str) -> Result<Vec<u8>, CallError> {
        let endpoint = format!("{PREFIX}{path}");
        let once = async || answer(self.look.get(&endpoint).await?).await;
        let (_, body) = within(LOOK, async {
            let _slot = self.looks.acquire().await.expect("it is never closed");
            match once().await {
                Err(CallError::Broken(_)) => once().await,
                other => other,
            }
        })
        .await?;
        Ok(body)
    }

    /// Without reading the answer; any status. On a connection of its own, which ends with it.
    pub(super) async fn get_streaming(&self, path: &str) -> Result<Response<Body>, CallError> {
        self.act.get(format!("{PREFIX}{path}")).await
    }

    /// Answers the status, of success, and the body.
    pub(super) async fn post(
        &self,
        path: &str,
        body: Option<&impl Serialize>,
        patience: Duration,
    ) -> Result<(u16, Vec<u8>), CallError> {
        within(patience, async { answer(self.post_streaming(path, body).await?).await }).await
    }

    /// Without reading the answer; any status.
    pub(super) async fn post_streaming(
        &self,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Response<Body>, CallError> {
        let payload = match body {
            Some(body) => Payload::Json(Body::from(serde_json::to_vec(body)?)),
            None => Payload::None,
        };
        self.act.post(format!("{PREFIX}{path}"), payload, Headers::none()).await
    }

    /// An archive as it comes, and the answer without reading it.
    pub(super) async fn post_archive(&self, path: &str, archive: Body) -> Result<Response<Body>, CallError> {
        self.act.post(format!("{PREFIX}{path}"), Payload::XTar(archive), Headers::none()).await
    }

    /// Bytes as they are: podman keeps what it is sent, and takes a form for one.
    pub(super) async fn post_bytes(&self, path: &str, bytes: Vec<u8>, patience: Duration) -> Result<(), CallError> {
        let payload = Payload::Text(Body::from(bytes));
        let sent = async { answer(self.act.post(format!("{PREFIX}{path}"), payload, Headers::none()).await?).await };
        within(patience, sent).await.map(drop)
    }

    pub(super) async fn delete(&self, path: &str, patience: Duration) -> Result<Vec<u8>, CallError> {
        within(patience, async { answer(self.act.delete(format!("{PREFIX}{path}")).await?).await })
            .await
            .map(|(_, body)| body)
    }
}

/// Bounds a call. Whether it changed anything is not known when its time is up.
pub(super) async fn within<T>(
    patience: Duration,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    tokio::time::timeout(patience, call).await.unwrap_or(Err(CallError::Timeout(patience)))
}

fn transport(socket: &Socket, kept: bool) -> Result<Transport, impl std::fmt::Display + use<>> {
    let mut builder = hyper::Client::builder();
    builder.pool_idle_timeout(Duration::from_secs(3));
    if !kept {
        builder.pool_max_idle_per_host(0);
    }
    let host = match socket {
        Socket::Unix(path) => {
            return Ok(Transport::Unix { client: builder.build(get_unix_connector()), path: path.clone() });
        }
        Socket::Tcp(host) => host,
    };
    // A scheme that URLs do not know keeps them from appending a slash, with which podman would redirect.
    containers_api::url::url::Url::parse(&format!("tcp://{host}"))
        .map(|host| Transport::Tcp { client: builder.build(get_http_connector()), host })
}

fn request_client(transport: Transport) -> RequestClient<CallError> {
    RequestClient::new(transport, Box::new(|response| Box::pin(async { Ok(response) })))
}

#[derive(Default, Deserialize)]
struct ErrorBody {
    #[serde(default, deserialize_with = "or_default")]
    cause: String,
    #[serde(default, deserialize_with = "or_default")]
    message: String,
}

/// The status and body of a success; anything else as podman's words. 304 is a success: it is so already.
pub(super) async fn answer(response: Response<Body>) -> Result<(u16, Vec<u8>), CallError> {
    let status = response.status();
    let body = bounded(response.into_body()).await?;
    if status.is_success() || status == hyper::StatusCode::NOT_MODIFIED {
        return Ok((status.as_u16(), body));
    }
    let words: ErrorBody = serde_json::from_slice(&body).unwrap_or_else(|_| ErrorBody {
        cause: String::new(),
        message: String::from_utf8_lossy(&body).trim().to_owned(),
    });
    Err(CallError::Said { status: status.as_u16(), cause: words.cause, message: words.message })
}

async fn bounded(mut body: Body) -> Result<Vec<u8>, CallError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(|error| CallError::Broken(containers_api::conn::Error::Hyper(error)))?;
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(CallError::TooLarge(ANSWER_BYTES_MAX));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// `?key=value&…`, escaped.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    format!("?{}", encoded_pairs(pairs.iter().copied()))
}

/// A name as a part of a path. The signs that image references are written with stay, as podman expects.
pub(super) fn part(name: &str) -> String {
    use std::fmt::Write as _;
    name.bytes().fold(String::with_capacity(name.len()), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b'@' => {
                text.push(char::from(byte));
            }
            _ => write!(text, "%{byte:02X}").expect("writing to a string cannot fail"),
        }
        text
    })
}
