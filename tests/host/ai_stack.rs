//! The stack of `examples/ai-stack` with its stand-ins, in the home of a test's user, on ports of that user.

use super::process::Output;
use super::user::User;

/// Each of its ports: the variable of the stack file and the place in the user's block.
const PORTS: [(&str, u16); 7] = [
    ("ollama_port", 0),
    ("qdrant_port", 1),
    ("qdrant_grpc_port", 2),
    ("webui_port", 3),
    ("mindsdb_port", 4),
    ("mindsdb_mysql_port", 5),
    ("aidb_port", 6),
];

/// Containers on the machine, with their units.
pub(crate) const CONTAINERS: [&str; 4] =
    ["local-ai-mindsdb", "local-ai-ollama", "local-ai-open-webui", "local-ai-qdrant"];

#[derive(Debug)]
pub(crate) struct AiStack<'u> {
    pub(crate) user: &'u User,
    arguments: Vec<String>,
}

impl<'u> AiStack<'u> {
    /// Writes the files and makes the images; each line of `knobs` is one of every image, such as
    /// `ENV STAND_IN_HEALTHY_AFTER=3s`.
    #[track_caller]
    pub(crate) fn new(user: &'u User, knobs: &[&str]) -> anyhow::Result<Self> {
        user.write("ai-stack/stack.yaml", include_str!("../../examples/ai-stack/stack.yaml"))?;
        user.write("ai-stack/stand-ins.yaml", include_str!("../../examples/ai-stack/stand-ins.yaml"))?;
        for name in ["ollama", "qdrant", "open-webui", "mindsdb"] {
            let command = format!("CMD [\"{name}\"]");
            let changes = [&[command.as_str(), "ENV OLLAMA_HOST=0.0.0.0:11434"], knobs].concat();
            user.import_image(&format!("localhost/stackctl/stand-in-{name}:1"), &changes);
        }
        let files = ["-f", "ai-stack/stack.yaml", "-f", "ai-stack/stand-ins.yaml"].map(str::to_owned);
        let ports = PORTS.iter().flat_map(|(name, n)| ["--var".to_owned(), format!("{name}={}", user.port(*n))]);
        Ok(Self { user, arguments: files.into_iter().chain(ports).collect() })
    }

    /// The same stack with one more file over the others.
    pub(crate) fn on_top(&self, file: &str) -> Self {
        let arguments = self.arguments.iter().cloned().chain(["-f".to_owned(), file.to_owned()]).collect();
        Self { user: self.user, arguments }
    }

    /// `stackctl WORDS` on this stack.
    #[track_caller]
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.run_with(&[], words)
    }

    /// The same with these `NAME=VALUE` in its environment.
    #[track_caller]
    pub(crate) fn run_with(&self, environment: &[&str], words: &[&str]) -> Output {
        let arguments: Vec<&str> = words.iter().copied().chain(self.arguments.iter().map(String::as_str)).collect();
        self.user.stackctl_with(environment, &arguments)
    }

    /// Asks a server of the stack: `http("POST", "webui_port", "/chat?text=x")`.
    #[track_caller]
    pub(crate) fn http(&self, method: &str, port: &str, path: &str) -> serde_json::Value {
        let n = PORTS.iter().find(|(name, _)| *name == port).map(|(_, n)| *n).expect("a port of the stack");
        let url = format!("http://127.0.0.1:{}{path}", self.user.port(n));
        self.user.run(&format!("curl -fsS -m 10 -X {method} '{url}'")).ok().json()
    }
}
