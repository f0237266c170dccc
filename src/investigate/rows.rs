//! Rows of the connections table as values.

use std::net::IpAddr;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use arrow::error::ArrowError;

use crate::flow::{Direction, address_bits};

/// What is read of the table.
pub(super) const COLUMNS: [&str; 27] = [
    "interface",
    "account",
    "vpc",
    "subnet",
    "instance",
    "local",
    "remote",
    "local_port",
    "remote_port",
    "protocol",
    "direction",
    "opened",
    "start",
    "end",
    "continued",
    "action",
    "verdict",
    "reason",
    "rules",
    "blocked_reply",
    "bytes_in",
    "bytes_out",
    "packets_in",
    "packets_out",
    "rejected_in",
    "rejected_out",
    "late_packets",
];

/// A row of the connections table. Pairs are towards the interface and away from it.
#[derive(Clone, Debug)]
pub(super) struct Row<'b> {
    pub interface: &'b str,
    /// Account, VPC, subnet and instance of the interface.
    pub context: [Option<&'b str>; 4],
    /// Mapped as `flow::address_bits` does, as is `remote`.
    pub local: u128,
    pub remote: u128,
    pub local_port: u16,
    pub remote_port: u16,
    pub protocol: u8,
    pub direction: Option<Direction>,
    /// Unix seconds, as are `start` and `end`.
    pub opened: i64,
    pub start: i64,
    pub end: i64,
    pub continued: bool,
    pub accepted: bool,
    pub verdict: &'b str,
    pub reason: &'b str,
    pub rules: Vec<&'b str>,
    pub blocked_reply: Option<&'b str>,
    pub bytes: [u64; 2],
    pub packets: [u64; 2],
    pub rejected: [u64; 2],
    pub late: u64,
}

/// A column of text, plain or by number.
pub(super) enum Texts {
    Plain(StringArray),
    Numbered(Int32Array, StringArray),
}

impl Texts {
    pub fn new(column: &ArrayRef) -> Result<Self, ArrowError> {
        if let Some(texts) = column.as_string_opt::<i32>() {
            return Ok(Self::Plain(texts.clone()));
        }
        if let Some(numbered) = column.as_dictionary_opt::<Int32Type>()
            && let Some(values) = numbered.values().as_string_opt::<i32>()
        {
            return Ok(Self::Numbered(numbered.keys().clone(), values.clone()));
        }
        Ok(Self::Plain(cast(column, &DataType::Utf8)?.as_string::<i32>().clone()))
    }

    pub fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Plain(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Self::Numbered(keys, values) => {
                let key = keys.is_valid(row).then(|| keys.value(row))?;
                let key = usize::try_from(key).ok().filter(|&key| values.is_valid(key))?;
                Some(values.value(key))
            }
        }
    }
}

/// Columns of a batch of any table, by name.
pub(super) struct Named<'b>(pub &'b RecordBatch);

impl Named<'_> {
    fn column(&self, name: &str) -> Result<&ArrayRef, ArrowError> {
        self.0
            .column_by_name(name)
            .ok_or_else(|| ArrowError::SchemaError(format!("there is no column {name}")))
    }

    pub fn texts(&self, name: &str) -> Result<Texts, ArrowError> {
        Texts::new(self.column(name)?)
    }

    pub fn lists(&self, name: &str) -> Result<Lists, ArrowError> {
        let column = self.column(name)?.as_list_opt::<i32>().cloned();
        let list = column.ok_or_else(|| ArrowError::SchemaError(format!("column {name} is not of lists")))?;
        let texts = Texts::new(list.values())?;
        Ok(Lists { list, texts })
    }

    pub fn large(&self, name: &str) -> Result<Int64Array, ArrowError> {
        let column = cast(self.column(name)?, &DataType::Int64)?;
        Ok(column.as_primitive::<arrow::datatypes::Int64Type>().clone())
    }

    pub fn times(&self, name: &str) -> Result<Times, ArrowError> {
        let of_time = arrow::datatypes::DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
        let column = cast(self.column(name)?, &of_time)?;
        Ok(Times(column.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().clone()))
    }

    /// Days since 1970.
    pub fn days(&self) -> Result<Int64Array, ArrowError> {
        let days = cast(self.column(crate::store::DAY_COLUMN)?, &DataType::Int32)?;
        Ok(cast(&days, &DataType::Int64)?.as_primitive::<arrow::datatypes::Int64Type>().clone())
    }

    pub fn flags(&self, name: &str) -> Result<BooleanArray, ArrowError> {
        let column = self.column(name)?.as_boolean_opt().cloned();
        column.ok_or_else(|| ArrowError::SchemaError(format!("column {name} is not of flags")))
    }
}

/// Lists of texts.
pub(super) struct Lists {
    list: ListArray,
    texts: Texts,
}

impl Lists {
    pub fn get(&self, row: usize) -> Vec<&str> {
        if self.list.is_null(row) {
            return Vec::new();
        }
        let offsets = self.list.value_offsets();
        (offsets[row]..offsets[row + 1]).filter_map(|at| self.texts.get(usize::try_from(at).ok()?)).collect()
    }
}

/// Times.
pub(super) struct Times(TimestampMicrosecondArray);

impl Times {
    /// Unix seconds.
    pub fn get(&self, row: usize) -> Option<i64> {
        self.0.is_valid(row).then(|| self.0.value(row).div_euclid(1_000_000))
    }
}

/// Hands on each row of a batch.
pub(super) fn each(batch: &RecordBatch, mut take: impl FnMut(&Row<'_>)) -> Result<(), ArrowError> {
    let named = Named(batch);
    let interface = named.texts("interface")?;
    let context =
        [named.texts("account")?, named.texts("vpc")?, named.texts("subnet")?, named.texts("instance")?];
    let (local, remote) = (named.texts("local")?, named.texts("remote")?);
    let (local_port, remote_port) = (named.large("local_port")?, named.large("remote_port")?);
    let (protocol, direction) = (named.large("protocol")?, named.texts("direction")?);
    let times = [named.times("opened")?, named.times("start")?, named.times("end")?];
    let continued = named.flags("continued")?;
    let (action, verdict, reason) = (named.texts("action")?, named.texts("verdict")?, named.texts("reason")?);
    let (rules, blocked_reply) = (named.lists("rules")?, named.texts("blocked_reply")?);
    let sums = [
        named.large("bytes_in")?,
        named.large("bytes_out")?,
        named.large("packets_in")?,
        named.large("packets_out")?,
        named.large("rejected_in")?,
        named.large("rejected_out")?,
        named.large("late_packets")?,
    ];
    let number = |of: &Int64Array, row: usize| if of.is_valid(row) { of.value(row) } else { 0 };
    let address = |of: &Texts, row: usize| {
        let parsed = of.get(row).and_then(|text| text.parse::<IpAddr>().ok());
        parsed.map_or(0, address_bits)
    };
    for row in 0..batch.num_rows() {
        let sum = |at: usize| u64::try_from(number(&sums[at], row)).unwrap_or(0);
        let port = |of: &Int64Array| u16::try_from(number(of, row)).unwrap_or(0);
        let time = |at: usize| times[at].get(row).unwrap_or(0);
        take(&Row {
            interface: interface.get(row).unwrap_or_default(),
            context: [0, 1, 2, 3].map(|at: usize| context[at].get(row)),
            local: address(&local, row),
            remote: address(&remote, row),
            local_port: port(&local_port),
            remote_port: port(&remote_port),
            protocol: u8::try_from(number(&protocol, row)).unwrap_or(0),
            direction: match direction.get(row) {
                Some("inbound") => Some(Direction::Inbound),
                Some("outbound") => Some(Direction::Outbound),
                _ => None,
            },
            opened: time(0),
            start: time(1),
            end: time(2),
            continued: continued.is_valid(row) && continued.value(row),
            accepted: action.get(row) == Some("accept"),
            verdict: verdict.get(row).unwrap_or_default(),
            reason: reason.get(row).unwrap_or_default(),
            rules: rules.get(row),
            blocked_reply: blocked_reply.get(row),
            bytes: [sum(0), sum(1)],
            packets: [sum(2), sum(3)],
            rejected: [sum(4), sum(5)],
            late: sum(6),
        });
    }
    Ok(())
}
