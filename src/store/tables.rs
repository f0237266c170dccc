//! The tables that questions are asked of: their names, their columns and what each column means.
//!
//! This is the one place that says so: the files are written with these schemas, [`TableScan`](super::TableScan) reads them,
//! `flowgate sql` registers them, and `docs/store.md` is compared with them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// Column of the day (UTC), which is the name of a folder and not in the files.
pub const DAY_COLUMN: &str = "dt";

/// A table of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Judged connections.
    Connections,
    /// What used which rule.
    RuleUsage,
    /// What was rejected, in stretches of 5 minutes.
    Rejects,
    /// How much of the time the logs speak for.
    Coverage,
    /// Rules of security groups, as they were.
    Rules,
    /// Network interfaces, as they were.
    Interfaces,
    /// What the last analysis that was kept concluded.
    Findings,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type in files and batches.
    pub data_type: DataType,
    /// What it means.
    pub meaning: &'static str,
}

fn text(name: &'static str, meaning: &'static str) -> Column {
    Column { name, data_type: DataType::Utf8, meaning }
}

fn texts(name: &'static str, meaning: &'static str) -> Column {
    // As the writer of Parquet names and marks elements.
    let item = Field::new_list_field(DataType::Utf8, true);
    Column { name, data_type: DataType::List(Arc::new(item)), meaning }
}

fn small(name: &'static str, meaning: &'static str) -> Column {
    Column { name, data_type: DataType::Int32, meaning }
}

fn large(name: &'static str, meaning: &'static str) -> Column {
    Column { name, data_type: DataType::Int64, meaning }
}

fn flag(name: &'static str, meaning: &'static str) -> Column {
    Column { name, data_type: DataType::Boolean, meaning }
}

fn time(name: &'static str, meaning: &'static str) -> Column {
    Column { name, data_type: DataType::Timestamp(TimeUnit::Microsecond, None), meaning }
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Connections,
        Self::RuleUsage,
        Self::Rejects,
        Self::Coverage,
        Self::Rules,
        Self::Interfaces,
        Self::Findings,
    ];

    /// Its name in SQL, and that of its folder.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::RuleUsage => "rule_usage",
            Self::Rejects => "rejects",
            Self::Coverage => "coverage",
            Self::Rules => "rules",
            Self::Interfaces => "interfaces",
            Self::Findings => "findings",
        }
    }

    /// The table of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// One row for what.
    #[must_use]
    pub fn row(self) -> &'static str {
        match self {
            Self::Connections => "a connection and day (UTC) on which records of it start",
            Self::RuleUsage => "a rule, interface, protocol and service port, a day",
            Self::Rejects => "an interface, direction, protocol, service port, verdict and reason, 5 minutes",
            Self::Coverage => "an interface, a day",
            Self::Rules => "a rule, for as long as it stayed the same",
            Self::Interfaces => "a network interface, for as long as it stayed the same",
            Self::Findings => "a finding of the last analysis that was kept",
        }
    }

    /// Whether its files lie in a folder a day, `dt=…`.
    #[must_use]
    pub fn by_day(self) -> bool {
        matches!(self, Self::Connections | Self::RuleUsage | Self::Rejects | Self::Coverage)
    }

    /// Its columns, [`DAY_COLUMN`] apart.
    #[must_use]
    pub fn columns(self) -> Vec<Column> {
        match self {
            Self::Connections => connections(),
            Self::RuleUsage => rule_usage(),
            Self::Rejects => rejects(),
            Self::Coverage => coverage(),
            Self::Rules => rules(),
            Self::Interfaces => interfaces(),
            Self::Findings => findings(),
        }
    }

    /// The schema of its files.
    #[must_use]
    pub fn schema(self) -> SchemaRef {
        let field = |column: Column| Field::new(column.name, column.data_type, true);
        Arc::new(Schema::new(self.columns().into_iter().map(field).collect::<Vec<_>>()))
    }
}

fn connections() -> Vec<Column> {
    vec![
        text("interface", "`eni-…`, or `nat-…` of a regional NAT gateway"),
        text("account", "of the interface, as the records say"),
        text("vpc", "of the interface, as the records say, else the inventory"),
        text("subnet", "the same"),
        text("instance", "the same"),
        text("local", "address at the interface"),
        text("remote", "address of the other side"),
        small("local_port", "0 for protocols without ports"),
        small("remote_port", "0 for protocols without ports"),
        small("protocol", "IANA number"),
        text(
            "direction",
            "`inbound` if the remote side opened it, `outbound` if the interface did, null if that can't be told",
        ),
        text("evidence", "what decided the opener"),
        text("strength", "how far that carries: `proven`, `inferred`, `weak` or `unknown`"),
        time("opened", "first packet of the whole connection"),
        time("start", "first packet of the day's records"),
        time("end", "last packet of the day's records"),
        flag("continued", "it goes on from a day before"),
        text("action", "`accept` or `reject`: what happened to the opening"),
        text("verdict", "of the whole connection, as of `opened`"),
        text("reason", "of the verdict; empty where none is needed"),
        texts("rules", "ids of the security group rules that permit it"),
        text("blocked_reply", "what rejected the replies, null if nothing did"),
        large("bytes_in", "accepted, towards the interface"),
        large("bytes_out", "accepted, away from the interface"),
        large("packets_in", "accepted, towards the interface"),
        large("packets_out", "accepted, away from the interface"),
        large("rejected_in", "rejected packets, towards the interface"),
        large("rejected_out", "rejected packets, away from the interface"),
        large("late_packets", "packets rejected after the connection had been accepted: no attempts"),
    ]
}

fn rule_usage() -> Vec<Column> {
    vec![
        text("rule_id", "of a security group rule that permitted connections (verdict `permitted`)"),
        text("security_group", "its group"),
        text("direction", "of the rule: `inbound` or `outbound`"),
        text("interface", "whose connections these are"),
        small("protocol", "IANA number"),
        small("port", "the service's: `local_port` of inbound connections, `remote_port` of outbound ones"),
        large(
            "connections",
            "that it permitted and that began on this day: rows of `connections` that are not `continued`",
        ),
        large("sole_connections", "of these, those that no other rule permits"),
        large("bytes", "accepted on this day, both ways, also of connections that go on from a day before"),
        large("packets", "the same"),
        large("remotes", "distinct addresses of the other side on this day, of all these connections"),
        time("first_used", "earliest `start` on this day"),
        time("last_used", "latest `end` on this day"),
    ]
}

fn rejects() -> Vec<Column> {
    vec![
        time("start", "begin of the 5 minutes"),
        text("interface", "where it was rejected"),
        text("direction", "of the attempts; null if that can't be told"),
        small("protocol", "IANA number"),
        small(
            "port",
            "the service's: `local_port` of inbound attempts, `remote_port` of outbound ones; null like `direction`",
        ),
        text("verdict", "of the attempts: `rejected`, `misdropped` or `not-evaluable`"),
        text("reason", "what rejected them; late packets are no attempts, and blocked replies none either"),
        large("attempts", "connections whose opening was rejected and that began in these 5 minutes"),
        large(
            "packets",
            "their rejected packets on this day, and those of attempts that go on from a day before and whose `start` is here",
        ),
        large("remotes", "distinct addresses of the other side, of all these"),
        text("top_remote", "the one with the most attempts; of several the first as text"),
        large("top_remote_attempts", "its attempts"),
    ]
}

fn coverage() -> Vec<Column> {
    vec![
        text("interface", "that the records are of"),
        large("records", "that start on this day, as delivered: what was delivered twice counts twice"),
        large("nodata", "NODATA rows, the same"),
        large("skipdata", "SKIPDATA rows, the same: records were lost"),
        time("first", "earliest start of all these"),
        time("last", "latest end of all these"),
        large(
            "covered_seconds",
            "of the day: 600 for each 10 minutes, the longest aggregation interval, that some record or NODATA row touches",
        ),
        large(
            "longest_gap_seconds",
            "longest stretch of such 10 minutes without any, between `first` and `last`, within the day",
        ),
    ]
}

/// When a state of the configuration held, as far as the inventory tells.
fn periods() -> Vec<Column> {
    vec![
        time("appeared_after", "it was not so yet at this time; null if nothing is known from before"),
        time(
            "seen_from",
            "it was so at this time: the first that is known; null if none is, since only an undated dump tells of it",
        ),
        time("seen_to", "it was so at this time: the last that is known"),
        time(
            "gone_by",
            "it was not so any more at this time; null if it still is, as far as is known; end of 9999 if an undated dump lacks it",
        ),
    ]
}

fn rules() -> Vec<Column> {
    let mut columns = vec![
        text("rule_id", "`sgr-…`, or an id of ours where the inventory has none"),
        text("security_group", "id of its group"),
        text("group_name", "name of its group"),
        text("account", "of the group"),
        text("region", "of the group"),
        text("vpc", "of the group"),
        text("direction", "`inbound` or `outbound`"),
        text("protocol", "`tcp`, `udp`, `icmp`, …, a number, or `all`"),
        text("port_range", "as in `rules.jsonl`"),
        small("from_port", "first port, 0 where all are meant; null where the protocol has no ports"),
        small("to_port", "last port, 65535 where all are meant; null like `from_port`"),
        text("peer", "a CIDR, `pl-…` or `sg-…`; `account/sg-…` of another account"),
        text("description", "of the rule; null if it has none"),
    ];
    columns.extend(periods());
    columns
}

fn interfaces() -> Vec<Column> {
    let mut columns = vec![
        text("interface", "`eni-…`"),
        text("account", "its owner"),
        text("region", "its region"),
        text("vpc", "its VPC"),
        text("subnet", "its subnet"),
        text("instance", "that it is attached to"),
        text("kind", "its type: `interface`, `nat_gateway`, …; null if only records tell of it"),
        text("description", "as the inventory says; null if it has none"),
        text("name", "its tag `Name`, null if it has none"),
        texts("addresses", "its private addresses, an empty list if there are none, as in the next two"),
        texts("public_addresses", "its public addresses"),
        texts("security_groups", "ids of its security groups"),
        flag("in_inventory", "false if only records tell of it"),
    ];
    columns.extend(periods());
    columns
}

fn findings() -> Vec<Column> {
    vec![
        text("id", "stable across runs"),
        text("detector", "that found it"),
        text("kind", "as in `findings.jsonl`, like all that follows"),
        text("cause", "subclass of the kind"),
        text("severity", "`informational`, `low`, `medium`, `high` or `critical`"),
        text("grade", "`reliable`, `weak` or `not-evaluable`"),
        text("title", "one line"),
        text("summary", "some sentences"),
        text("account", "null if there are several or none, as in all columns of one id below"),
        text("region", "its region"),
        text("vpc", "its VPC"),
        texts("interfaces", "ids"),
        texts("instances", "ids"),
        text("security_group", "id"),
        text("rule_id", "of the rule that it is about"),
        text("network_acl", "id"),
        text("direction", "`inbound` or `outbound`"),
        text("protocol", "`tcp`, `udp`, `icmp` or a number"),
        texts("ports", "service ports and ranges"),
        texts("remotes", "addresses or CIDRs, the top ones first"),
        time("start", "from when it is"),
        time("end", "until when it is"),
        text("counts", "JSON object of numbers"),
        text("evidence", "JSON object"),
        texts("controls", "Security Hub controls"),
        texts("next", "what to run or look at next"),
    ]
}
