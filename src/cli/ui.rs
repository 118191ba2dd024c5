//! The one place that prints. stdout is the result, stderr everything else; a program that stops reading ends nothing: what is under way
//! is finished, and its result is dropped.

use std::cell::RefCell;
use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;

use serde::Serialize;

use super::args::Format;
use super::failure::{Exit, Failure};
use crate::report::failure::FailureJson;
use crate::report::plan::PlanJson;
use crate::report::progress::{Bars, Lines, Progress};
use crate::report::{self, Look, text::escaped, words::Colour};

/// Where the three streams go, and what the environment says of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    /// `NO_COLOR` is set and not empty (no-color.org).
    pub no_colour: bool,
    /// `CLICOLOR_FORCE` is set, and neither empty nor 0 (bixense.com/clicolors).
    pub force_colour: bool,
    /// `TERM=dumb`.
    pub dumb: bool,
}

impl Terminal {
    /// With the streams of this process.
    pub fn of_this_process(no_colour: bool, force_colour: bool, dumb: bool) -> Self {
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        Self {
            stdin: stdin.is_terminal(),
            stdout: stdout.is_terminal(),
            stderr: stderr.is_terminal(),
            no_colour,
            force_colour,
            dumb,
        }
    }

    fn look(self, is_terminal: bool) -> Look {
        Look { colour: !self.no_colour && (self.force_colour || (is_terminal && !self.dumb)) }
    }
}

/// Where the texts go.
#[derive(Debug)]
enum Streams {
    Process,
    /// A test reads both: the result, and what is said beside it.
    #[cfg(test)]
    Kept(RefCell<(String, String)>),
}

impl Streams {
    fn result(&self, text: &str) -> io::Result<()> {
        match self {
            Streams::Process => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
            }
            #[cfg(test)]
            Streams::Kept(kept) => {
                kept.borrow_mut().0.push_str(text);
                Ok(())
            }
        }
    }

    fn aside(&self, text: &str) {
        match self {
            // Who closed stderr does not want to hear that it is closed.
            Streams::Process => io::stderr().lock().write_all(text.as_bytes()).unwrap_or_default(),
            #[cfg(test)]
            Streams::Kept(kept) => kept.borrow_mut().1.push_str(text),
        }
    }
}

/// What prints, and how.
#[derive(Debug)]
pub struct Ui {
    format: Format,
    quiet: bool,
    terminal: Terminal,
    streams: Streams,
    /// The first failure to write the result, a closed pipe aside.
    lost: RefCell<Option<io::Error>>,
}

impl Ui {
    pub fn new(format: Format, quiet: bool, terminal: Terminal) -> Self {
        Self { format, quiet, terminal, streams: Streams::Process, lost: RefCell::new(None) }
    }

    /// Keeps what would be printed; nobody is there to be asked.
    #[cfg(test)]
    pub(crate) fn kept(format: Format) -> Self {
        Self { streams: Streams::Kept(RefCell::default()), ..Self::new(format, false, Terminal::default()) }
    }

    /// What would have been printed: the result, and what was said beside it.
    #[cfg(test)]
    pub(crate) fn printed(self) -> (String, String) {
        let Streams::Kept(kept) = self.streams else { return (String::new(), String::new()) };
        kept.into_inner()
    }

    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// How text on stdout may look.
    pub fn look(&self) -> Look {
        self.terminal.look(self.terminal.stdout)
    }

    /// How text on stderr may look.
    pub fn side_look(&self) -> Look {
        self.terminal.look(self.terminal.stderr)
    }

    /// Is somebody there to answer a question?
    pub fn can_ask(&self) -> bool {
        self.terminal.stdin && self.terminal.stderr
    }

    /// A result for people.
    pub fn result(&self, text: &str) {
        if let Err(error) = self.streams.result(text)
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            self.lost.borrow_mut().get_or_insert(error);
        }
    }

    /// A result for programs.
    pub fn document(&self, face: &impl Serialize) {
        self.result(&report::document(face));
    }

    /// Text beside the result, with its line ends; silenced by `--quiet`.
    pub fn status(&self, text: &str) {
        if !self.quiet {
            self.streams.aside(text);
        }
    }

    /// Text beside the result that is part of a conversation, and never silenced.
    pub fn aside(&self, text: &str) {
        self.streams.aside(text);
    }

    pub fn warning(&self, text: &str) {
        self.aside(&format!("{} {}\n", self.side_look().paint(Colour::Careful, "warning:"), escaped(text)));
    }

    /// Tells a failure, on stdout too where a program waits for a document.
    pub fn failure(&self, failure: &Failure) -> Exit {
        self.refusal(failure, None)
    }

    /// Tells a failure together with the plan that was refused. People have been shown the plan already.
    pub fn refusal(&self, failure: &Failure, plan: Option<PlanJson<'_>>) -> Exit {
        if let Some(findings) = &failure.findings {
            self.aside(&format!("{}\n", findings.rendered));
        }
        self.aside(&report::failure::human(&failure.face(), self.side_look()));
        if self.is_json() {
            let diagnostics = failure.findings.as_ref().map_or(&[][..], |findings| &findings.diagnostics);
            self.document(&FailureJson::new(failure.face(), diagnostics, plan));
        }
        failure.kind
    }

    /// What the parser of the command line has to say: help, the version, or what is wrong with it.
    pub fn usage(&self, error: &clap::Error) -> Exit {
        // The parser knows its stream and its colours; that nobody reads them is no failure.
        error.print().unwrap_or_default();
        let exit = usage_exit(error);
        if exit == Exit::Usage && self.is_json() {
            let text = error.to_string();
            let mut lines = text.lines().map(|line| line.strip_prefix("error: ").unwrap_or(line));
            let failure = Failure::new(Exit::Usage, lines.next().unwrap_or("wrong usage"));
            self.document(&FailureJson::new(failure.face(), &[], None));
        }
        exit
    }

    /// Asks on the terminal; anything but yes is no.
    pub fn confirm(&self, question: &str) -> bool {
        self.aside(&format!("{} [y/N] ", self.side_look().paint(Colour::Bold, question)));
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
    }

    /// Who tells a run's progress; `clock` says how long it has taken.
    pub fn progress<'a>(&'a self, clock: impl Fn() -> Duration + 'a) -> Progress<'a> {
        if self.quiet {
            Progress::Silent
        } else if self.terminal.stderr && !self.terminal.dumb {
            Progress::Bars(Bars::new(self.side_look()))
        } else {
            Progress::Lines(Lines::new(|line| self.aside(&format!("{line}\n")), clock))
        }
    }

    /// The exit code, unless the result never arrived.
    pub fn finish(&self, exit: Exit) -> Exit {
        match self.lost.borrow_mut().take() {
            Some(error) => {
                let failure = Failure::new(Exit::Failed, "the result cannot be written to stdout");
                let failure = Failure { causes: vec![error.to_string()], ..failure };
                self.aside(&report::failure::human(&failure.face(), self.side_look()));
                Exit::first([exit, Exit::Failed])
            }
            None => exit,
        }
    }
}

/// Help and the version are results; everything else is a wrong command line.
pub fn usage_exit(error: &clap::Error) -> Exit {
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}

#[cfg(test)]
mod tests {
    use super::Terminal;

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        let plain = Terminal::default();
        for (terminal, is_terminal, colour) in [
            (plain, true, true),
            (plain, false, false),
            (Terminal { no_colour: true, ..plain }, true, false),
            (Terminal { dumb: true, ..plain }, true, false),
            (Terminal { force_colour: true, ..plain }, false, true),
            (Terminal { force_colour: true, no_colour: true, ..plain }, true, false),
        ] {
            assert_eq!(terminal.look(is_terminal).colour, colour, "{terminal:?} {is_terminal}");
        }
    }
}
