//! The records as they were delivered: table `records`, a folder a day (of the record's start).

mod columns;
mod read;
mod target;
mod waiting;
mod write;

use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

pub use read::{Group, Piece, Scan};
pub use write::RecordWriter;

use crate::flow::column;

/// Number of the object that a record came in.
const OBJECT: &str = "object";
/// Which optional columns the log had, bits of [`OPTIONAL`].
const FIELDS: &str = "fields";
/// 0 OK, 1 NODATA, 2 SKIPDATA.
const STATUS: &str = "log_status";

/// Columns that a log may lack, in the order of their bits.
const OPTIONAL: [&str; 7] = [
    column::PACKETS,
    column::BYTES,
    column::TCP_FLAGS,
    column::FLOW_DIRECTION,
    column::PKT_SRCADDR,
    column::PKT_DSTADDR,
    column::REJECT_REASON,
];

/// Columns that every record has, after the three of the store.
const REQUIRED: [&str; 9] = [
    column::INTERFACE,
    column::SRCADDR,
    column::DSTADDR,
    column::SRCPORT,
    column::DSTPORT,
    column::PROTOCOL,
    column::START,
    column::END,
    column::ACTION,
];

const DAY: i64 = 86_400;

fn kind(name: &str) -> DataType {
    match name {
        column::INTERFACE | column::REJECT_REASON => {
            DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8))
        }
        column::SRCADDR | column::DSTADDR | column::PKT_SRCADDR | column::PKT_DSTADDR => {
            DataType::FixedSizeBinary(16)
        }
        column::SRCPORT | column::DSTPORT => DataType::UInt16,
        column::START | column::END => DataType::Int64,
        column::PACKETS | column::BYTES => DataType::UInt64,
        OBJECT => DataType::UInt32,
        _ => DataType::UInt8,
    }
}

fn schema() -> SchemaRef {
    static SCHEMA: OnceLock<SchemaRef> = OnceLock::new();
    let make = || {
        let required = [OBJECT, FIELDS, STATUS].into_iter().chain(REQUIRED);
        let fields = required.map(|name| Field::new(name, kind(name), false));
        let optional = OPTIONAL.into_iter().map(|name| Field::new(name, kind(name), true));
        Arc::new(Schema::new(fields.chain(optional).collect::<Vec<_>>()))
    };
    Arc::clone(SCHEMA.get_or_init(make))
}

#[cfg(test)]
mod tests;
