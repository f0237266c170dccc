//! Options of every command that reads logs: the same words everywhere.

use std::path::PathBuf;

use super::place::AccessArguments;
use crate::source::s3::MAX_REQUESTS;

/// What to read, and how to get at it.
#[derive(Debug, clap::Args)]
pub(super) struct ReadingArguments {
    /// Files, directories or patterns (quoted) with flow logs, `s3://bucket/prefix`, or `cloudwatch:log-group`;
    /// `-` is standard input
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,

    /// Directory or file of inventory dumps; may be repeated
    #[arg(long = "inventory", value_name = "DIR", help_heading = "Input")]
    pub inventories: Vec<PathBuf>,
    /// Format of logs without a header line, as in the flow log's definition [default: those of the inventory's
    /// flow logs, else formats in wide use]
    #[arg(long, value_name = "FORMAT", help_heading = "Input")]
    pub log_format: Option<String>,
    /// Largest object after decompression; a larger one is not read
    #[arg(long, value_name = "SIZE", default_value = "4G", help_heading = "Input")]
    pub max_object_bytes: String,

    /// Only records from this time on: RFC 3339, or a date for its midnight UTC [default: all; of log groups the
    /// last 24 hours]
    #[arg(long, value_name = "TIME", help_heading = "Selection")]
    pub from: Option<String>,
    /// Only records before this time
    #[arg(long, value_name = "TIME", help_heading = "Selection")]
    pub to: Option<String>,
    /// Only objects of this account; may be repeated
    #[arg(long = "account", value_name = "ID", value_delimiter = ',', help_heading = "Selection")]
    pub accounts: Vec<String>,
    /// Only objects of this region, and log groups in it; may be repeated
    #[arg(long = "region", value_name = "REGION", value_delimiter = ',', help_heading = "Selection")]
    pub regions: Vec<String>,
    /// Only objects of this flow log; may be repeated
    #[arg(long = "flow-log-id", value_name = "ID", value_delimiter = ',', help_heading = "Selection")]
    pub flow_logs: Vec<String>,

    /// Only records of this interface; may be repeated
    #[arg(long = "interface", value_name = "ID", value_delimiter = ',', help_heading = "Selection")]
    pub interfaces: Vec<String>,

    #[command(flatten)]
    pub access: AccessArguments,
    /// Objects to fetch at the same time
    #[arg(long, value_name = "N", default_value_t = MAX_REQUESTS, help_heading = "AWS")]
    pub max_requests: usize,
    /// Requests a second to CloudWatch Logs [default: the documented quota of the region]
    #[arg(long, value_name = "N", help_heading = "AWS")]
    pub max_requests_per_second: Option<f64>,
    /// Bytes to fetch ahead of decoding
    #[arg(long, value_name = "SIZE", default_value = "128M", help_heading = "AWS")]
    pub max_inflight_bytes: String,
}

/// What a run may take.
#[derive(Debug, clap::Args)]
pub(super) struct ResourceArguments {
    /// Threads to use [default: all processors]
    #[arg(long, value_name = "N", help_heading = "Resources")]
    pub threads: Option<usize>,
    /// Memory to get along with, at least 384M; what does not fit waits on disk [default: a quarter of the machine's]
    #[arg(long, value_name = "SIZE", help_heading = "Resources")]
    pub memory: Option<String>,
    /// Where records wait that memory has no room for, some 32 bytes each [default: $TMPDIR, else /var/tmp]
    #[arg(long, value_name = "DIR", help_heading = "Resources")]
    pub spill_dir: Option<PathBuf>,
}
