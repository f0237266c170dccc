//! Rows of a day that wait for their row group.

use arrow::error::ArrowError;

use super::target::{self, Target};
use super::waiting::{Names, Picked, Runs, Sparse, addresses, all, each};
use crate::flow::{CaptureStatus, Columns, CoverageRow};
use crate::store::StoreError;
use crate::store::encode::{Coder, OpenGroup, Shape};

/// The rows, column by column.
#[derive(Default)]
pub(super) struct Rows {
    rows: usize,
    object: Runs,
    fields: Runs,
    status: Runs,
    interface: Names,
    addresses: [Coder<u128>; 2],
    ports: [Vec<u16>; 2],
    protocol: Vec<u8>,
    times: [Vec<i64>; 2],
    action: Vec<u8>,
    packets: Sparse<Vec<u64>>,
    bytes: Sparse<Vec<u64>>,
    tcp_flags: Sparse<Vec<u8>>,
    flow_direction: Sparse<Vec<u8>>,
    packet_addresses: [Sparse<Coder<u128>>; 2],
    reject_reason: Sparse<Names>,
    target: Target,
}

impl Rows {
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Adds rows of a batch.
    pub fn push(&mut self, batch: &Columns<'_>, object: u32, picked: Picked<'_>) -> Result<(), ArrowError> {
        let rows = picked.map_or(batch.start.len(), <[usize]>::len);
        let optional = [
            batch.packets.is_some(),
            batch.bytes.is_some(),
            batch.tcp_flags.is_some(),
            batch.flow_direction.is_some(),
            batch.pkt_srcaddr.is_some(),
            batch.pkt_dstaddr.is_some(),
            batch.reject_reason.is_some(),
        ];
        let fields = (0..).zip(optional).map(|(at, is_there)| u64::from(is_there) << at).sum();
        self.object.push(object.into(), rows);
        self.fields.push(fields, rows);
        self.status.push(0, rows);
        let codes = self.interface.renumbered(batch.interface)?;
        each(batch.interface.keys().values(), picked, |key| self.interface.codes.push(codes[key as usize]));
        addresses(&mut self.addresses[0], batch.srcaddr, picked);
        addresses(&mut self.addresses[1], batch.dstaddr, picked);
        all(&mut self.ports[0], batch.srcport, picked);
        all(&mut self.ports[1], batch.dstport, picked);
        all(&mut self.protocol, batch.protocol, picked);
        all(&mut self.times[0], batch.start, picked);
        all(&mut self.times[1], batch.end, picked);
        all(&mut self.action, batch.action, picked);
        self.packets.push(batch.packets, rows, picked);
        self.bytes.push(batch.bytes, rows, picked);
        self.tcp_flags.push(batch.tcp_flags, rows, picked);
        self.flow_direction.push(batch.flow_direction, rows, picked);
        self.packet_addresses[0].push(batch.pkt_srcaddr, rows, picked);
        self.packet_addresses[1].push(batch.pkt_dstaddr, rows, picked);
        self.reject_reason.push(batch.reject_reason, rows, picked)?;
        self.rows += rows;
        Ok(())
    }

    /// Adds a NODATA or SKIPDATA row.
    pub fn push_coverage(&mut self, row: &CoverageRow, object: u32) {
        let status = match row.status {
            CaptureStatus::Ok => 0,
            CaptureStatus::NoData => 1,
            CaptureStatus::SkipData => 2,
        };
        self.object.push(object.into(), 1);
        self.fields.push(0, 1);
        self.status.push(status, 1);
        let code = self.interface.code(&row.interface);
        self.interface.codes.push(code);
        self.addresses.iter_mut().for_each(|addresses| addresses.push(0));
        self.ports.iter_mut().for_each(|ports| ports.push(0));
        self.protocol.push(0);
        self.times[0].push(row.start);
        self.times[1].push(row.end);
        self.action.push(0);
        self.packets.there.push(false);
        self.bytes.there.push(false);
        self.tcp_flags.there.push(false);
        self.flow_direction.there.push(false);
        self.packet_addresses.iter_mut().for_each(|addresses| addresses.there.push(false));
        self.reject_reason.there.push(false);
        self.rows += 1;
    }

    /// Writes the rows and forgets them.
    pub fn write(&mut self, mut group: OpenGroup<'_>) -> Result<(), StoreError> {
        let (to, into) = (&mut self.target, &mut group);
        // In the order of the schema.
        to.runs(&mut self.object, into)?;
        to.runs(&mut self.fields, into)?;
        to.runs(&mut self.status, into)?;
        target::names(&mut self.interface, Shape::Required, into)?;
        for addresses in &mut self.addresses {
            target::addresses(addresses, Shape::Required, into)?;
        }
        for ports in &mut self.ports {
            to.ports(ports, into)?;
        }
        to.words(&mut self.protocol, Shape::Required, into)?;
        for times in &mut self.times {
            target::times(times, into)?;
        }
        to.words(&mut self.action, Shape::Required, into)?;
        for Sparse { values, there } in [&mut self.packets, &mut self.bytes] {
            to.counts(values, Shape::Optional(Some(there)), into)?;
            there.clear();
        }
        for Sparse { values, there } in [&mut self.tcp_flags, &mut self.flow_direction] {
            to.words(values, Shape::Optional(Some(there)), into)?;
            there.clear();
        }
        for Sparse { values, there } in &mut self.packet_addresses {
            target::addresses(values, Shape::Optional(Some(there)), into)?;
            there.clear();
        }
        let Sparse { values, there } = &mut self.reject_reason;
        target::names(values, Shape::Optional(Some(there)), into)?;
        there.clear();
        self.rows = 0;
        group.end()
    }
}
