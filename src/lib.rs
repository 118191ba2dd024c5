//! stackctl keeps a stack of containers and services as one YAML file says. It loads the file, looks at the machine, plans,
//! shows the plan, carries it out, and looks again; and it loses nothing on the way. This page is the architecture.
//!
//! # The flow
//! ```text
//! files ─load─▶ Stack ─resolve─▶ Desired ─graph─▶ Graph ─┐                        ┌─▶ report ─▶ stdout
//!                                   │ query (pure)        ├─ diff, conflicts ─▶ Plan ─┤
//! machine ◀─observe(Query)──────────┘ ─▶ Observed ────────┘        ▲               └─▶ execute ─perform(Effect)─▶ machine
//!                                                 last-applied ◀───┴── ledger ◀── journal before and after each step
//! ```
//! Each arrow is one type handed on. Only three places touch the world: [`stack::source`] reads the stack's files,
//! [`machine`] is podman, systemd, files and sockets, and [`ledger`] is the tool's own memory. Everything between them is
//! values, so that it can be tested without any of them.
//!
//! # The idea
//! **Kinds are pure, the machine has two verbs, a plan is a list of steps.** A kind ([`kinds`], one folder each) never does
//! I/O: it says what it wants to know ([`observed::Query`]), reads the answer ([`observed::Observed`]), lets the one
//! comparison ([`plan::diff`]) hold it against a table of attributes, and writes down steps ([`change::Step`]) made of a
//! closed vocabulary of effects ([`effect`]). The seam ([`machine`]) is two traits, `Observe` and `Perform: Observe`; verbs
//! that only look are handed an `impl Observe`, so that the compiler says that they cannot change anything.
//!
//! # Where to find what
//! | module | is for | may not |
//! |---|---|---|
//! | [`address`] [`attributes`] [`change`] [`hand_over`] [`probe`] [`time`] [`diagnostic`] | the words everything else is said in | import anything but each other |
//! | [`effect`] | what can be done to the machine, one call each | carry a secret into a text |
//! | [`observed`] | what was asked and what was seen | decide |
//! | [`stack`] | bytes to a `Stack`: YAML with places, variables, overlays, Compose's forms | know a kind |
//! | [`desired`] | a `Stack` to resources; the trait of a resource, the struct of a kind | do I/O |
//! | [`graph`] | the dependency DAG, its order and cycles | know what a kind is |
//! | [`kinds`] | directory, file, network, volume, secret, config, image, container, database, service, timer | do I/O, compare by itself |
//! | [`plan`] | three-way diff, order, preflight: `Plan` | do I/O, look at a clock |
//! | [`machine`] | the only effects | decide what is done |
//! | [`execute`] | the walk over a plan, journal, undo | know podman or systemd |
//! | [`ledger`] | history, step journal, facts, the key | hold a secret, or "done" |
//! | [`report`] | plans, runs, status, graph and history as text and as JSON | print |
//! | [`cli`] | one verb a file; `cli/app.rs` puts the parts together, `cli/ui.rs` prints | be used by anybody |
//!
//! `tests/tidy.rs` holds these arrows, and `.clippy.toml` what may be called where.
//!
//! # What must hold
//! - Nothing is changed before every conflict was looked for, and only objects that carry our labels or our first line are
//!   ever stopped, replaced or removed. Nothing is forced, pruned, reset or killed. Data goes only by name.
//! - The live machine is the truth. What was applied last is a label on the object itself (a line in a unit file), so that
//!   a change of the file can be told from a change of the machine; the ledger keeps only what these cannot.
//! - `Unknown` is an answer of its own, and never leads to an action.
//! - A replace parks the old container until the new one is healthy and its data is as its contract says. Up to its commit every step can be taken back; from
//!   there on it only rolls forward. What a crash leaves half done is visible on the machine, and the next plan finishes it
//!   or puts it back by the ordinary diff.
//! - After every apply the machine is looked at and planned again. That plan must be empty.
//! - Boot needs no stackctl: plain systemd user units start containers that exist already.
//!
//! # How to add a kind
//! A folder in `kinds/` like the others, its `mod` line and its place in [`kinds::ALL`]. Where it needs a call that no effect
//! names yet, a variant in [`effect`] besides; the exhaustive matches then say what must answer it.

pub mod address;
pub mod attributes;
pub mod change;
pub mod cli;
pub mod desired;
pub mod diagnostic;
pub mod effect;
pub mod execute;
pub mod graph;
pub mod hand_over;
pub mod kinds;
pub mod ledger;
pub mod machine;
pub mod observed;
pub mod plan;
pub mod probe;
pub mod report;
pub mod sorted;
pub mod stack;
pub mod time;
