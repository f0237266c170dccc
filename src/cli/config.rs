//! From what was typed to what is meant: every problem at once.

use std::path::{Path, PathBuf};

use super::analyze::Arguments;
use super::failure::{Failure, Problem};
use super::reading::{ReadingArguments, ResourceArguments};
use super::{Environment, expect, suggest, values};
use crate::detect::Meta;
use crate::finding::IgnoreList;
use crate::pipeline::{AnalyzeConfig, Baseline, Expect, Input, MemoryPlan, Remote, StorePlace, log_fields};
use crate::report::{prepare_dir, prepare_report};
use crate::source::{STDIN, Selection};
use crate::store::Store;

/// Checks the arguments and makes the output directory.
///
/// # Errors
/// Everything that is wrong, not only the first.
pub(super) fn validate(
    arguments: &Arguments,
    registry: &[&'static Meta],
    environment: &Environment,
) -> Result<AnalyzeConfig, Failure> {
    let mut check = Check(Vec::new());
    let reading = check.reading("analyze", &arguments.reading, &arguments.resources, environment);
    let baseline = check.baseline(arguments.baseline.as_deref(), &reading.selection);
    check.detectors(arguments, registry);
    let expect = arguments.expect.as_deref().and_then(|path| match expect::read(path) {
        Ok(expectations) => Some(Expect { file: path.display().to_string(), expectations }),
        Err(problems) => {
            check.0.extend(problems);
            None
        }
    });
    let ignore = check.ignore(arguments.ignore.as_deref(), registry);
    if arguments.formats.len() > 1 && arguments.out.is_none() {
        let help = "name one, or a directory for files of each with --out";
        check.add(Problem::new("--format: standard output has room for one").help(help));
    }
    if let Some(path) = &arguments.connections {
        check.parent("--connections", path);
    }
    if arguments.keep {
        check.keeping(&reading);
    }
    check.prepared_report(arguments.report.as_deref());
    // The one check that changes something: only for a command line that would run.
    if let (Some(dir), true) = (&arguments.out, check.0.is_empty())
        && let Err(error) = prepare_dir(dir)
    {
        check.add(error.into());
    }
    if !check.0.is_empty() {
        return Err(Failure::usage(check.0));
    }
    Ok(AnalyzeConfig {
        connections_out: arguments.connections.clone(),
        expect,
        list_escapes: arguments.list_escapes,
        watchlists: arguments.watchlists.clone(),
        sensitivity: arguments.sensitivity.into(),
        ignore,
        only: arguments.only.clone(),
        skip: arguments.skip.clone(),
        baseline,
        ..reading
    })
}

/// The problems so far.
#[derive(Default)]
pub(super) struct Check(pub Vec<Problem>);

impl Check {
    pub fn add(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// What every command that reads logs is told; `command` is its name.
    pub fn reading(
        &mut self,
        command: &str,
        arguments: &ReadingArguments,
        resources: &ResourceArguments,
        environment: &Environment,
    ) -> AnalyzeConfig {
        let inputs = self.inputs(command, &arguments.inputs);
        self.inventories(&arguments.inventories);
        let selection = self.selection(arguments);
        let max_object_bytes = self.size("--max-object-bytes", &arguments.max_object_bytes);
        let max_inflight_bytes = self.size("--max-inflight-bytes", &arguments.max_inflight_bytes);
        if arguments.max_requests == 0 {
            self.add(Problem::new("--max-requests 0: nothing would be fetched").help("32 is usual"));
        }
        if arguments.max_requests_per_second.is_some_and(|rate| !rate.is_finite() || rate < 0.1) {
            self.add(
                Problem::new("--max-requests-per-second: not a rate").help("write a number from 0.1 on"),
            );
        }
        self.0.extend(arguments.access.aws.problems());
        self.fields(arguments.log_format.as_deref());
        let memory = self.resources(resources);
        AnalyzeConfig {
            inputs,
            remote: Remote {
                requests_per_second: arguments.max_requests_per_second,
                max_requests: arguments.max_requests,
                max_inflight_bytes,
                ..arguments.access.remote(environment)
            },
            inventories: arguments.inventories.clone(),
            selection,
            log_format: arguments.log_format.clone(),
            threads: resources.threads.unwrap_or(environment.threads).max(1),
            max_object_bytes,
            memory: MemoryPlan::new(memory.unwrap_or(environment.memory / 4)),
            spill_directory: resources
                .spill_dir
                .clone()
                .unwrap_or_else(|| environment.spill_directory.clone()),
            ..AnalyzeConfig::default()
        }
    }

    /// Memory in bytes, if told.
    fn resources(&mut self, resources: &ResourceArguments) -> Option<u64> {
        let help = "leave it out to use all processors";
        if resources.threads == Some(0) {
            self.add(Problem::new("--threads 0: nothing would run").help(help));
        }
        if let Some(threads) = resources.threads.filter(|threads| *threads > 1024) {
            self.add(Problem::new(format!("--threads {threads}: too many")).help(help));
        }
        let memory = resources.memory.as_deref().map(|text| self.size("--memory", text));
        if let (Some(text), Some(1..MemoryPlan::LEAST)) = (&resources.memory, memory) {
            let least = MemoryPlan::LEAST >> 20;
            self.add(
                Problem::new(format!("--memory {text}: too little")).help(format!("{least}M is the least")),
            );
        }
        if let Some(directory) = resources.spill_dir.as_ref().filter(|directory| !directory.is_dir()) {
            let message = format!("--spill-dir {}: there is no such directory", directory.display());
            self.add(Problem::new(message).help("create it, or name another"));
        }
        memory
    }

    fn inputs(&mut self, command: &str, inputs: &[PathBuf]) -> Vec<Input> {
        if inputs.is_empty() {
            self.add(Problem::new(format!("nothing to {command}")).help(format!(
                "name files, directories or patterns with flow logs, `s3://bucket/prefix`, `cloudwatch:log-group`, \
                 or `-` for standard input: `flowgate {command} logs/ --inventory inventory/`",
            )));
        }
        if inputs.iter().filter(|input| input.as_os_str() == STDIN).count() > 1 {
            self.add(Problem::new("standard input (`-`) is named twice").help("it can be read only once"));
        }
        let mut parsed = Vec::with_capacity(inputs.len());
        for input in inputs {
            let text = input.to_string_lossy();
            match Input::parse(input.as_os_str()) {
                Ok(Input::Local(path)) if path.as_os_str() != STDIN => {
                    let lower = text.to_ascii_lowercase();
                    if ["s3:", "logs:", "cloudwatch:"].iter().any(|scheme| lower.starts_with(scheme)) && !path.exists() {
                        let help = "write it like s3://bucket/AWSLogs/ or cloudwatch:/vpc/flow-logs";
                        self.add(Problem::new(format!("{text}: no such file, and not a place in AWS")).help(help));
                    } else if !text.contains(['*', '?', '[', '{']) && !path.exists() {
                        self.add(Problem::missing("", &path));
                    }
                    parsed.push(match Store::is_at(&path) {
                        true => Input::Store(StorePlace::Directory(path)),
                        false => Input::Local(path),
                    });
                }
                // Legal in a key, and never in one that AWS made.
                Ok(Input::S3(url)) if url.prefix.contains('*') => self.add(
                    Problem::new(format!("{url}: patterns are for local files"))
                        .help("name the folder, and choose by --from, --account and so on"),
                ),
                Ok(input) => parsed.push(input),
                Err(reason) => self.add(
                    Problem::new(format!("{text}: {reason}"))
                        .help("write it like s3://bucket/AWSLogs/ or cloudwatch:/vpc/flow-logs; patterns are for local files"),
                ),
            }
        }
        parsed
    }

    /// What is kept is of a store, and of all of it but for the time.
    fn keeping(&mut self, config: &AnalyzeConfig) {
        if !matches!(config.inputs.as_slice(), [Input::Store(_)]) {
            let help = "make one of the logs (`flowgate ingest LOGS --inventory DIR --store STORE`), and analyze that";
            self.add(Problem::new("--keep: a single store must be the input").help(help));
        }
        let Selection { accounts, regions, flow_logs, interfaces, .. } = &config.selection;
        if ![accounts, regions, flow_logs, interfaces].iter().all(|words| words.is_empty()) {
            let help =
                "leave out --account, --region, --flow-log-id and --interface; --from and --to may stay";
            self.add(
                Problem::new("--keep: the findings of a part would be taken for those of all").help(help),
            );
        }
    }

    fn ignore(&mut self, path: Option<&Path>, registry: &[&'static Meta]) -> IgnoreList {
        let Some(path) = path else { return IgnoreList::default() };
        let shown = path.display();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                self.add(Problem::new(format!("--ignore {shown}: {error}")).help("name a text file"));
                return IgnoreList::default();
            }
        };
        match IgnoreList::parse(&text) {
            Ok(list) => {
                for id in list.entries.iter().filter_map(|entry| entry.detector.as_ref()) {
                    if !registry.iter().any(|meta| meta.id == id) {
                        let message = format!("--ignore {shown}: there is no detector `{id}`");
                        self.add(Problem::new(message).help("`flowgate explain` lists them"));
                    }
                }
                list
            }
            Err(problems) => {
                let message = format!("--ignore {shown}: {}", problems.join("\n"));
                self.add(
                    Problem::new(message)
                        .help("lines are like `10.0.0.9 rejected-spike 2030-01-31 our scanner`"),
                );
                IgnoreList::default()
            }
        }
    }

    /// Fields that don't exist may be newer than this program, unless they look like a slip.
    fn fields(&mut self, format: Option<&str>) {
        let known = log_fields();
        let part = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
        let named: Vec<&str> =
            format.unwrap_or_default().split(part).filter(|word| !word.is_empty()).collect();
        for word in named.iter().filter(|word| !known.contains(*word)) {
            if let Some(near) =
                suggest::slip(word, known.iter().copied()).filter(|near| !named.contains(near))
            {
                let message = format!("--log-format: no field is called {word}");
                self.add(Problem::new(message).help(format!("did you mean `{near}`?")));
            }
        }
    }

    pub fn inventories(&mut self, paths: &[PathBuf]) {
        for path in paths.iter().filter(|path| !path.exists()) {
            self.add(Problem::missing("--inventory ", path));
        }
    }

    fn selection(&mut self, arguments: &ReadingArguments) -> Selection {
        let from = self.time("--from", arguments.from.as_deref());
        let to = self.time("--to", arguments.to.as_deref());
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            self.add(Problem::new("--from is not before --to").help("exchange them, or move one"));
        }
        for account in arguments.accounts.iter().filter(|a| a.len() != 12 || !all_digits(a)) {
            self.add(
                Problem::new(format!("--account {account}: not an account")).help("write its 12 digits"),
            );
        }
        for region in arguments.regions.iter().filter(|r| !is_region(r)) {
            self.add(
                Problem::new(format!("--region {region}: not a region")).help("write it like eu-west-1"),
            );
        }
        for id in arguments.flow_logs.iter().filter(|id| !id.starts_with("fl-")) {
            let help = "write it like fl-0123456789abcdef0; `aws ec2 describe-flow-logs` lists them";
            self.add(Problem::new(format!("--flow-log-id {id}: not a flow log")).help(help));
        }
        for id in arguments.interfaces.iter().filter(|id| !id.starts_with("eni-") && !id.starts_with("nat-"))
        {
            let help = "write it like eni-0123456789abcdef0";
            self.add(Problem::new(format!("--interface {id}: not an interface")).help(help));
        }
        Selection {
            from,
            to,
            accounts: arguments.accounts.clone(),
            regions: arguments.regions.clone(),
            flow_logs: arguments.flow_logs.clone(),
            interfaces: arguments.interfaces.clone(),
        }
    }

    pub fn time(&mut self, flag: &str, text: Option<&str>) -> Option<i64> {
        let text = text?;
        let time = values::time(text);
        if time.is_none() {
            let help = "write it like 2026-03-01T12:00:00Z, or 2026-03-01 for its midnight UTC";
            self.add(Problem::new(format!("{flag} {text}: not a time")).help(help));
        }
        time
    }

    /// `FROM..TO`, which must be read and leave something to compare with it.
    fn baseline(&mut self, text: Option<&str>, selection: &Selection) -> Option<Baseline> {
        let text = text?;
        let flag = "--baseline";
        let Some((from, to)) = text.split_once("..") else {
            let help = "write it like 2026-03-01..2026-03-08, or with times like 2026-03-01T12:00:00Z";
            self.add(Problem::new(format!("{flag} {text}: not a period")).help(help));
            return None;
        };
        let (from, to) = (self.time(flag, Some(from))?, self.time(flag, Some(to))?);
        let least = i64::from(Baseline::LEAST);
        if to - from < least {
            let message = format!("{flag} {text}: too short to learn from");
            self.add(Problem::new(message).help("give at least 24 hours, better a week"));
        } else if selection.from.is_some_and(|start| to - start < least)
            || selection.to.is_some_and(|end| end <= to)
        {
            let message =
                format!("{flag} {text}: --from and --to leave nothing to learn from, or nothing after it");
            self.add(
                Problem::new(message)
                    .help("let --from and --to hold the baseline and what to compare with it"),
            );
        }
        let second = |time: i64| u32::try_from(time.max(0)).unwrap_or(u32::MAX);
        Some(Baseline { from: second(from), to: second(to) })
    }

    /// A size in bytes.
    pub fn size(&mut self, flag: &str, text: &str) -> u64 {
        values::size(text).unwrap_or_else(|| {
            let message = format!("{flag} {text}: not a size");
            self.add(Problem::new(message).help("write it like 512M or 4G"));
            0
        })
    }

    fn parent(&mut self, flag: &str, path: &Path) {
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if path.is_dir() {
            let message = format!("{flag} {}: is a directory", path.display());
            self.add(Problem::new(message).help("name a file in it"));
        } else if !parent.is_dir() {
            let message = format!("{flag} {}: there is no directory {}", path.display(), parent.display());
            self.add(Problem::new(message).help("create it, or name another"));
        }
    }

    /// Looks whether the report can be written. One format, so that a name that promises another is a mistake.
    pub fn prepared_report(&mut self, path: Option<&Path>) {
        let Some(path) = path else { return };
        self.parent("--report", path);
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if !path.is_dir() && !matches!(extension.as_str(), "html" | "htm") {
            self.add(
                Problem::new(format!("--report {}: the report is HTML", path.display()))
                    .help("name it like report.html; --out DIR writes JSON"),
            );
        }
        // Only for a command line that would run.
        if self.0.is_empty()
            && let Err(error) = prepare_report(path)
        {
            self.add(Problem::new(format!("--report {error}")));
        }
    }

    fn detectors(&mut self, arguments: &Arguments, registry: &[&'static Meta]) {
        let known = |id: &str| registry.iter().any(|d| d.id == id);
        for (flag, ids) in [("--only", &arguments.only), ("--skip", &arguments.skip)] {
            for id in ids.iter().filter(|id| !known(id)) {
                let help = match suggest::nearest(id, registry.iter().map(|d| d.id)) {
                    Some(near) => format!("did you mean `{near}`? `flowgate explain` lists them all"),
                    None => "`flowgate explain` lists them all".to_owned(),
                };
                self.add(Problem::new(format!("{flag} {id}: no such detector")).help(help));
            }
        }
        for id in arguments.only.iter().filter(|id| arguments.skip.contains(id)) {
            self.add(Problem::new(format!("{id} is in --only and in --skip")).help("leave one out"));
        }
    }
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// `eu-west-1`, `us-gov-east-1`: open, because new ones appear.
fn is_region(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.ends_with(|c: char| c.is_ascii_digit())
        && text.split('-').count() >= 3
}
