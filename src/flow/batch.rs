//! A batch of flow records as arrow columns, checked once when built.

use std::net::IpAddr;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, FixedSizeBinaryArray, PrimitiveArray, RecordBatch,
};
use arrow::datatypes::{Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow::error::ArrowError;

use super::types::{CaptureStatus, address_from_bits};

/// Names of the columns the engine relies on. Column names are the field names with `_` for `-`.
pub mod column {
    /// `interface-id` (or `resource-id` where that is `-`): dictionary of strings.
    pub const INTERFACE: &str = "interface_id";
    /// Source address: 16 bytes big endian, IPv4 mapped into `::ffff:0:0/96`.
    pub const SRCADDR: &str = "srcaddr";
    /// Destination address, as [`SRCADDR`].
    pub const DSTADDR: &str = "dstaddr";
    /// Source port, 0 where the protocol has none.
    pub const SRCPORT: &str = "srcport";
    /// Destination port.
    pub const DSTPORT: &str = "dstport";
    /// IANA protocol number.
    pub const PROTOCOL: &str = "protocol";
    /// Packets in this record's interval; null where the record has none.
    pub const PACKETS: &str = "packets";
    /// Bytes in this record's interval; null where the record has none.
    pub const BYTES: &str = "bytes";
    /// First packet, Unix seconds.
    pub const START: &str = "start";
    /// Last packet, Unix seconds.
    pub const END: &str = "end";
    /// [`super::super::Action`] code: 0 ACCEPT, 1 REJECT.
    pub const ACTION: &str = "action";
    /// Bitmask, null where absent or `-`.
    pub const TCP_FLAGS: &str = "tcp_flags";
    /// [`super::super::RecordDirection`] code: 0 ingress, 1 egress; null where absent or `-`.
    pub const FLOW_DIRECTION: &str = "flow_direction";
    /// Packet-level source, as [`SRCADDR`]; null where absent or `-`.
    pub const PKT_SRCADDR: &str = "pkt_srcaddr";
    /// Packet-level destination; null where absent or `-`.
    pub const PKT_DSTADDR: &str = "pkt_dstaddr";
    /// `reject-reason`: dictionary of strings; null where absent or `-`.
    pub const REJECT_REASON: &str = "reject_reason";
}

/// What the rows say about an interface beside its id, taken from the first row that named it in
/// the batch. Aligned with the dictionary values of the interface column.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfaceContext {
    /// `account-id`.
    pub account: Option<String>,
    /// `vpc-id`.
    pub vpc: Option<String>,
    /// `subnet-id`.
    pub subnet: Option<String>,
    /// `instance-id`.
    pub instance: Option<String>,
    /// `region`.
    pub region: Option<String>,
}

/// A NODATA or SKIPDATA row: no flow, but it says the interface was watched (or that capture failed).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageRow {
    /// The interface.
    pub interface: String,
    /// `NoData` or `SkipData`.
    pub status: CaptureStatus,
    /// Start of the interval, Unix seconds.
    pub start: i64,
    /// End of the interval, Unix seconds.
    pub end: i64,
}

/// Records of one schema as arrow columns. All rows have status OK; NODATA and SKIPDATA rows are in
/// [`FlowBatch::coverage`].
#[derive(Clone, Debug)]
pub struct FlowBatch {
    records: RecordBatch,
    contexts: Vec<InterfaceContext>,
    coverage: Vec<CoverageRow>,
}

/// Typed views of the columns the engine relies on, borrowed from a [`FlowBatch`].
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// Interface dictionary.
    pub interface: &'a DictionaryArray<UInt32Type>,
    /// Source addresses.
    pub srcaddr: &'a FixedSizeBinaryArray,
    /// Destination addresses.
    pub dstaddr: &'a FixedSizeBinaryArray,
    /// Source ports.
    pub srcport: &'a PrimitiveArray<UInt16Type>,
    /// Destination ports.
    pub dstport: &'a PrimitiveArray<UInt16Type>,
    /// Protocol numbers.
    pub protocol: &'a PrimitiveArray<UInt8Type>,
    /// Packets.
    pub packets: Option<&'a PrimitiveArray<UInt64Type>>,
    /// Bytes.
    pub bytes: Option<&'a PrimitiveArray<UInt64Type>>,
    /// First packet, Unix seconds.
    pub start: &'a PrimitiveArray<Int64Type>,
    /// Last packet, Unix seconds.
    pub end: &'a PrimitiveArray<Int64Type>,
    /// Action codes.
    pub action: &'a PrimitiveArray<UInt8Type>,
    /// TCP flags.
    pub tcp_flags: Option<&'a PrimitiveArray<UInt8Type>>,
    /// Flow direction codes.
    pub flow_direction: Option<&'a PrimitiveArray<UInt8Type>>,
    /// Packet-level sources.
    pub pkt_srcaddr: Option<&'a FixedSizeBinaryArray>,
    /// Packet-level destinations.
    pub pkt_dstaddr: Option<&'a FixedSizeBinaryArray>,
    /// Reject reasons.
    pub reject_reason: Option<&'a DictionaryArray<UInt32Type>>,
}

impl FlowBatch {
    /// Wraps columns after checking that `contexts` matches the interface dictionary and that every
    /// engine column that is present has its documented type.
    ///
    /// # Errors
    /// An [`ArrowError::SchemaError`] that names the column.
    pub fn try_new(
        records: RecordBatch,
        contexts: Vec<InterfaceContext>,
        coverage: Vec<CoverageRow>,
    ) -> Result<Self, ArrowError> {
        let batch = Self { records, contexts, coverage };
        if let Some(array) = batch.records.column_by_name(column::INTERFACE) {
            let dictionary =
                array.as_dictionary_opt::<UInt32Type>().ok_or_else(|| mistyped(column::INTERFACE))?;
            if dictionary.values().as_string_opt::<i32>().is_none()
                || dictionary.values().len() != batch.contexts.len()
            {
                return Err(mistyped(column::INTERFACE));
            }
        }
        Ok(batch)
    }

    /// The columns, by name.
    #[must_use]
    pub fn records(&self) -> &RecordBatch {
        &self.records
    }

    /// Number of flow records (rows with status OK).
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.num_rows()
    }

    /// True without flow records; there may still be coverage rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// NODATA and SKIPDATA rows read along with the records.
    #[must_use]
    pub fn coverage(&self) -> &[CoverageRow] {
        &self.coverage
    }

    /// What the rows say about each interface of the dictionary.
    #[must_use]
    pub fn contexts(&self) -> &[InterfaceContext] {
        &self.contexts
    }

    /// The engine's columns, typed.
    ///
    /// # Errors
    /// An [`ArrowError::SchemaError`] naming the first required column that is missing or of another type.
    pub fn columns(&self) -> Result<Columns<'_>, ArrowError> {
        Ok(Columns {
            interface: self.need(column::INTERFACE, |a| a.as_dictionary_opt())?,
            srcaddr: self.need(column::SRCADDR, |a| a.as_fixed_size_binary_opt())?,
            dstaddr: self.need(column::DSTADDR, |a| a.as_fixed_size_binary_opt())?,
            srcport: self.need(column::SRCPORT, |a| a.as_primitive_opt())?,
            dstport: self.need(column::DSTPORT, |a| a.as_primitive_opt())?,
            protocol: self.need(column::PROTOCOL, |a| a.as_primitive_opt())?,
            packets: self.want(column::PACKETS, |a| a.as_primitive_opt())?,
            bytes: self.want(column::BYTES, |a| a.as_primitive_opt())?,
            start: self.need(column::START, |a| a.as_primitive_opt())?,
            end: self.need(column::END, |a| a.as_primitive_opt())?,
            action: self.need(column::ACTION, |a| a.as_primitive_opt())?,
            tcp_flags: self.want(column::TCP_FLAGS, |a| a.as_primitive_opt())?,
            flow_direction: self.want(column::FLOW_DIRECTION, |a| a.as_primitive_opt())?,
            pkt_srcaddr: self.want(column::PKT_SRCADDR, |a| a.as_fixed_size_binary_opt())?,
            pkt_dstaddr: self.want(column::PKT_DSTADDR, |a| a.as_fixed_size_binary_opt())?,
            reject_reason: self.want(column::REJECT_REASON, |a| a.as_dictionary_opt())?,
        })
    }

    fn need<'a, T: ?Sized>(
        &'a self,
        name: &str,
        cast: impl Fn(&'a ArrayRef) -> Option<&'a T>,
    ) -> Result<&'a T, ArrowError> {
        self.want(name, cast)?.ok_or_else(|| ArrowError::SchemaError(format!("column {name} is missing")))
    }

    fn want<'a, T: ?Sized>(
        &'a self,
        name: &str,
        cast: impl Fn(&'a ArrayRef) -> Option<&'a T>,
    ) -> Result<Option<&'a T>, ArrowError> {
        match self.records.column_by_name(name) {
            None => Ok(None),
            Some(array) => cast(array).map(Some).ok_or_else(|| mistyped(name)),
        }
    }
}

/// Reads one address out of an address column.
///
/// The caller guarantees that the row is not null.
#[must_use]
pub fn address_at(array: &FixedSizeBinaryArray, row: usize) -> IpAddr {
    address_from_bits(u128::from_be_bytes(address_bytes(array)[row]))
}

/// All values of an address column, big endian, in the order of rows. What stands in the place of a null means
/// nothing. Empty for a column of another width.
///
/// For loops over rows: taking the slice once leaves one check of bounds per row, or none if it is iterated.
#[must_use]
#[inline]
pub fn address_bytes(array: &FixedSizeBinaryArray) -> &[[u8; 16]] {
    match array.value_length() {
        16 => &array.value_data().as_chunks().0[..array.len()],
        _ => &[],
    }
}

fn mistyped(name: &str) -> ArrowError {
    ArrowError::SchemaError(format!("column {name} is not of its documented type"))
}
