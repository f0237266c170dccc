//! flowgate: judge AWS VPC Flow Logs against security groups and network ACLs.
//!
//! Flow logs do not name the rule that let a packet in, hold each direction on its own, and record replies as
//! ACCEPT. So flowgate first finds out **who opened each connection**, then **which rules permit that opening** as of
//! its time, and only then says what is odd and what can be tightened.
//!
//! # Words
//!
//! A **record** is one row of a flow log: one direction, one interface, one aggregation interval. A **connection** is
//! both directions of one 5-tuple at one interface, until it closes or stays idle too long. Its **opener** is the side
//! that began it, with the evidence that decided; its **direction** is inbound if the remote side did, outbound if the
//! interface did, and never that of a single record. A **decision** is what the configuration says; a **verdict** is
//! what happened against that: permitted, escaped, rejected, misdropped or not evaluable. A **sole match** is a
//! connection that exactly one rule permits: only these would be lost with the rule.
//!
//! A **tier** is a name for interfaces or addresses, an **expectation** what a user says should be true of who reaches whom,
//! whatever the rules permit.
//!
//! # The rooms
//!
//! Data goes one way, and each room answers one question.
//!
//! ```text
//! source ─bytes─▶ decode ─FlowBatch─▶ connection ─▶ policy ─judged─▶ rollup ─▶ detect ─▶ finding ─▶ report
//!                 inventory ─timeline──────┴───────────┘
//! ```
//!
//! - [`flow`]: *What is a flow record?* The columns of a batch, checked once when it is made, the words for actions,
//!   directions and protocols, and the tally of what was read but not used. It knows no other room.
//! - `hash`: *Which number stands for these bytes?* The same on every machine and in every version. It knows no other room.
//! - [`aws`]: *How do we reach AWS?* Credentials, endpoints, patience; and what an AWS service means when it says no.
//! - [`source`]: *Where do bytes come from?* Listing, selection, and the bytes of each object through a bounded
//!   channel. It never looks into the bytes.
//! - [`decode`]: *How do bytes become columns?* Text and Parquet, compressed and wrapped as people and services do it.
//!   One table holds every field of the log format. It never learns where the bytes came from.
//! - [`inventory`]: *What was configured, and when?* AWS CLI output and AWS Config history become a timeline, and a check
//!   says what it lacks and what that costs. [`inventory::live`] asks the EC2 API for the same.
//! - [`connection`]: *Who opened it?* Records of both directions become connections with an opener and its evidence.
//! - [`policy`]: *What does the configuration say?* Security groups and network ACLs, compiled per interface, asked as
//!   of the connection's start: the set of rules that permit it, the ACLs both ways, and the verdict.
//! - [`expect`]: *What should be true?* A small file of tiers and expectations, read with every mistake in its place,
//!   drafted from an inventory, and asked as of a connection's start.
//! - [`watchlist`]: *Which addresses is the user looking for?* Lists in every form they are published in, as one table of
//!   disjoint ranges.
//! - [`rollup`]: *What happened, per key and window?* Sums over judged connections, which merge in any grouping.
//! - [`detect`]: *Is it odd?* Pure functions from sums to findings, one file each, which is also its manual.
//! - [`finding`]: *What did we conclude, and how sure?* A finding can't be made without evidence.
//! - [`tighten`]: *What should change?* Rules that could go or be narrower, as a plan that a replay proves.
//! - [`store`]: *What do we keep between runs?* Records as they were delivered, from which everything is concluded anew, and
//!   the judged connections day by day, for questions.
//! - [`query`]: *Ask your own question.* SQL over the tables of a store, and the questions that come with the program.
//! - [`investigate`]: *What happened around this?* All that a store holds of an address, a network, an interface, an instance,
//!   a group or a rule, as plain values.
//! - [`mirror`]: *Where does a store lie that is not here?* In S3: read from a copy, written under conditions, so that two
//!   runs can't destroy each other's work.
//! - [`report`]: *How is it shown?* The report for people, the three files of the output contract, and formats for other
//!   programs and for tickets.
//! - [`pipeline`]: *In which order?* The only place that knows.
//! - [`cli`]: *What did the user ask for?* The only room that prints, reads the environment or exits. Nobody knows it.
//!
//! # Invariants
//!
//! | what holds | who guarantees it | who checks it |
//! |---|---|---|
//! | Conservation: lines read = records used + tally | `decode`, [`flow::Tally`] | property tests in `tests/decode/`, `tests/truth.rs`, an assertion in `pipeline` |
//! | Determinism: same input, same bytes out, whatever the threads, the order of files and the size of batches | `connection` sorts, `rollup` merges, `pipeline` merges in order | `tests/sample.rs`, `tests/decode/`; the lint `iter_over_hash_type` |
//! | No silent guess: what is not read, not understood or not known is counted and shown; where it could change a conclusion, the run is incomplete (exit code 4) | every room hands its counts on; `pipeline` makes limitations of them | `tests/cli/`, `tests/source.rs` |
//! | Replies prove nothing: a rule is credited only by connections opened in the direction it governs | `connection` decides the opener, `policy` judges by it | `tests/truth.rs`: rule usage equals the truth of simulated accounts |
//! | Every matching rule is credited, sole matches are counted apart | `policy` returns the set | `tests/truth.rs` |
//! | No finding without evidence | the builder in `finding` | its tests |
//! | No proposal cuts what was seen: a narrowed rule permits whatever it was used for, and what a rule that goes was used for, one that stays permits | `rollup` credits every matching rule and loses no peer, `tighten` covers them all | `tests/tighten.rs`, with rules of its own |
//! | Nothing is applied: only the files the user names are written | `cli` | there is no code that could |
//! | Rooms know only whom they may | whoever edits | `tests/repo.rs`, from the table in CONTRIBUTING.md |
//!
//! Memory grows with the number of records of a run: each is packed into 48 bytes (IPv4) until all are read, because
//! the two directions of a connection may lie in any two files.
//!
//! # Use as a library
//!
//! ```
//! use flowgate::{AnalyzeConfig, Input, Silent, analyze};
//! use flowgate::finding::Severity;
//!
//! let config = AnalyzeConfig {
//!     inputs: vec![Input::parse("sample-logs/".as_ref())?], // or s3://bucket/prefix
//!     inventories: vec![], // found among the inputs
//!     only: vec!["unexpected-accept".into()],
//!     ..AnalyzeConfig::default()
//! };
//! let conclusions = analyze(&config, None, &Silent)?;
//!
//! assert!(!conclusions.is_incomplete());
//! for finding in &conclusions.findings {
//!     assert_eq!(finding.severity, Severity::High);
//!     println!("{}: {}", finding.id, finding.title);
//! }
//! # assert_eq!(conclusions.findings.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod aws;
pub mod cli;
pub mod connection;
pub mod decode;
pub mod detect;
pub mod expect;
pub mod finding;
pub mod flow;
mod hash;
pub mod inventory;
pub mod investigate;
pub mod mirror;
pub mod pipeline;
pub mod policy;
pub mod query;
pub mod report;
pub mod rollup;
pub mod source;
pub mod store;
pub mod tighten;
pub mod watchlist;

pub use finding::Conclusions;
pub use pipeline::{AnalyzeConfig, AnalyzeError, Event, Input, Progress, Silent, analyze};
