//! Rows of a day that wait for their row group, as codes.

use arrow::array::{
    Array, ArrowPrimitiveType, AsArray, DictionaryArray, FixedSizeBinaryArray, PrimitiveArray,
};
use arrow::datatypes::{ArrowNativeType, UInt32Type};
use arrow::error::ArrowError;
use hashbrown::HashMap;

use super::DAY;
use crate::flow::{CaptureStatus, Columns, CoverageRow, address_bytes};
use crate::store::StoreError;
use crate::store::encode::{Bounds, Chunk, Coder, Dictionary, OpenGroup, Shape, Values};

/// Rows of a page: nobody looks for single ones.
const PAGE: usize = 64 * 1024;

/// Which rows of a batch, if not all.
type Picked<'a> = Option<&'a [usize]>;

/// A column that a record may lack.
#[derive(Default)]
struct Sparse<C> {
    values: C,
    there: Vec<bool>,
}

/// Names, each once.
#[derive(Default)]
struct Names {
    numbers: HashMap<String, u32>,
    texts: Vec<String>,
    codes: Vec<u32>,
}

impl Names {
    fn code(&mut self, text: &str) -> u32 {
        if let Some(&code) = self.numbers.get(text) {
            return code;
        }
        let code = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), code);
        code
    }

    fn clear(&mut self) {
        self.numbers.clear();
        self.texts.clear();
        self.codes.clear();
    }
}

/// The rows, column by column.
#[derive(Default)]
pub(super) struct Rows {
    rows: usize,
    /// First second of the day: times are told from there.
    midnight: u64,
    object: Coder<u64>,
    fields: Coder<u64>,
    status: Coder<u64>,
    interface: Names,
    addresses: [Coder<u128>; 2],
    ports: [Coder<u64>; 2],
    protocol: Coder<u64>,
    start: Coder<u64>,
    end: Coder<u64>,
    action: Coder<u64>,
    packets: Sparse<Coder<u64>>,
    bytes: Sparse<Coder<u64>>,
    tcp_flags: Sparse<Coder<u64>>,
    flow_direction: Sparse<Coder<u64>>,
    packet_addresses: [Sparse<Coder<u128>>; 2],
    reject_reason: Sparse<Names>,
}

fn each<T: Copy>(values: &[T], picked: Picked<'_>, mut take: impl FnMut(T)) {
    match picked {
        None => values.iter().for_each(|value| take(*value)),
        Some(rows) => rows.iter().for_each(|row| take(values[*row])),
    }
}

fn numbers<P: ArrowPrimitiveType>(into: &mut Coder<u64>, array: &PrimitiveArray<P>, picked: Picked<'_>)
where
    P::Native: ArrowNativeType,
{
    each(array.values(), picked, |value| into.push(value.as_usize() as u64));
}

/// Of these rows of a column which have a value; without a column none.
fn there(array: Option<&dyn Array>, rows: usize, picked: Picked<'_>, into: &mut Vec<bool>) {
    let Some(array) = array else { return into.resize(into.len() + rows, false) };
    match (array.nulls(), picked) {
        (None, _) => into.resize(into.len() + rows, true),
        (Some(nulls), None) => into.extend(nulls.iter()),
        (Some(nulls), Some(picked)) => into.extend(picked.iter().map(|row| nulls.is_valid(*row))),
    }
}

impl Sparse<Coder<u64>> {
    fn push<P: ArrowPrimitiveType>(
        &mut self,
        array: Option<&PrimitiveArray<P>>,
        rows: usize,
        picked: Picked<'_>,
    ) {
        let from = self.there.len();
        there(array.map(|array| array as &dyn Array), rows, picked, &mut self.there);
        let Some(array) = array else { return };
        let mut there = self.there[from..].iter();
        each(array.values(), picked, |value| {
            if there.next() == Some(&true) {
                self.values.push(value.as_usize() as u64);
            }
        });
    }
}

impl Sparse<Coder<u128>> {
    fn push(&mut self, array: Option<&FixedSizeBinaryArray>, rows: usize, picked: Picked<'_>) {
        let from = self.there.len();
        there(array.map(|array| array as &dyn Array), rows, picked, &mut self.there);
        let Some(array) = array else { return };
        let mut there = self.there[from..].iter();
        each(address_bytes(array), picked, |value| {
            if there.next() == Some(&true) {
                self.values.push(u128::from_be_bytes(value));
            }
        });
    }
}

/// The codes of a batch's dictionary here.
fn renumbered(into: &mut Names, array: &DictionaryArray<UInt32Type>) -> Result<Vec<u32>, ArrowError> {
    let names = array.values().as_string_opt::<i32>();
    let names = names.ok_or_else(|| ArrowError::SchemaError("a dictionary is not of texts".to_owned()))?;
    Ok(names.iter().map(|name| into.code(name.unwrap_or_default())).collect())
}

impl Rows {
    /// Makes ready for the first rows of a day.
    pub fn begin(&mut self, day: u32) {
        self.midnight = u64::from(day) * DAY as u64;
    }

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
        self.object.push_many(object.into(), rows);
        self.fields.push_many(fields, rows);
        self.status.push_many(0, rows);
        let codes = renumbered(&mut self.interface, batch.interface)?;
        each(batch.interface.keys().values(), picked, |key| self.interface.codes.push(codes[key as usize]));
        for (into, array) in self.addresses.iter_mut().zip([batch.srcaddr, batch.dstaddr]) {
            each(address_bytes(array), picked, |value| into.push(u128::from_be_bytes(value)));
        }
        numbers(&mut self.ports[0], batch.srcport, picked);
        numbers(&mut self.ports[1], batch.dstport, picked);
        numbers(&mut self.protocol, batch.protocol, picked);
        let midnight = self.midnight;
        each(batch.start.values(), picked, |time| self.start.push((time as u64).wrapping_sub(midnight)));
        each(batch.end.values(), picked, |time| self.end.push((time as u64).wrapping_sub(midnight)));
        numbers(&mut self.action, batch.action, picked);
        self.packets.push(batch.packets, rows, picked);
        self.bytes.push(batch.bytes, rows, picked);
        self.tcp_flags.push(batch.tcp_flags, rows, picked);
        self.flow_direction.push(batch.flow_direction, rows, picked);
        self.packet_addresses[0].push(batch.pkt_srcaddr, rows, picked);
        self.packet_addresses[1].push(batch.pkt_dstaddr, rows, picked);
        let Sparse { values, there: is_there } = &mut self.reject_reason;
        there(batch.reject_reason.map(|array| array as &dyn Array), rows, picked, is_there);
        if let Some(array) = batch.reject_reason {
            let codes = renumbered(values, array)?;
            let mut there = is_there[is_there.len() - rows..].iter();
            each(array.keys().values(), picked, |key| {
                if there.next() == Some(&true) {
                    values.codes.push(codes[key as usize]);
                }
            });
        }
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
        self.object.push(object.into());
        self.fields.push(0);
        self.status.push(status);
        let code = self.interface.code(&row.interface);
        self.interface.codes.push(code);
        self.addresses.iter_mut().for_each(|addresses| addresses.push(0));
        self.ports.iter_mut().for_each(|ports| ports.push(0));
        self.protocol.push(0);
        self.start.push((row.start as u64).wrapping_sub(self.midnight));
        self.end.push((row.end as u64).wrapping_sub(self.midnight));
        self.action.push(0);
        for column in [&mut self.packets, &mut self.bytes, &mut self.tcp_flags, &mut self.flow_direction] {
            column.there.push(false);
        }
        self.packet_addresses.iter_mut().for_each(|addresses| addresses.there.push(false));
        self.reject_reason.there.push(false);
        self.rows += 1;
    }

    /// Writes the rows and forgets them.
    pub fn write(&mut self, group: OpenGroup<'_>) -> Result<(), StoreError> {
        let mut to = Target { group };
        let midnight = self.midnight;
        // In the order of the schema.
        to.numbers(&mut self.object, 4)?;
        to.numbers(&mut self.fields, 4)?;
        to.numbers(&mut self.status, 4)?;
        to.names(&mut self.interface, Shape::Required)?;
        for addresses in &mut self.addresses {
            to.addresses(addresses, Shape::Required)?;
        }
        for ports in &mut self.ports {
            to.numbers(ports, 4)?;
        }
        to.numbers(&mut self.protocol, 4)?;
        to.times(&mut self.start, midnight)?;
        to.times(&mut self.end, midnight)?;
        to.numbers(&mut self.action, 4)?;
        to.sparse(&mut self.packets, 8)?;
        to.sparse(&mut self.bytes, 8)?;
        to.sparse(&mut self.tcp_flags, 4)?;
        to.sparse(&mut self.flow_direction, 4)?;
        for Sparse { values, there } in &mut self.packet_addresses {
            to.addresses(values, Shape::Optional(Some(there)))?;
            there.clear();
        }
        let Sparse { values, there } = &mut self.reject_reason;
        to.names(values, Shape::Optional(Some(there)))?;
        there.clear();
        self.rows = 0;
        to.group.end()
    }
}

/// Where columns go.
struct Target<'f> {
    group: OpenGroup<'f>,
}

impl Target<'_> {
    fn chunk(
        &mut self,
        shape: Shape<'_>,
        dictionary: &Dictionary,
        codes: &[u32],
        bounds: Bounds<'_>,
    ) -> Result<(), StoreError> {
        let values = Values::Coded(dictionary, codes);
        let (indexed, bloom, pressed) = (false, false, true);
        self.group.column(&Chunk { shape, values, bounds, page: PAGE, indexed, bloom, pressed })
    }

    fn numbers(&mut self, coder: &mut Coder<u64>, width: usize) -> Result<(), StoreError> {
        let dictionary = coder.dictionary(width, |value| value);
        self.chunk(Shape::Required, &dictionary, &coder.codes, Bounds::None)?;
        coder.clear();
        Ok(())
    }

    /// Whole row groups are passed over by their times.
    fn times(&mut self, coder: &mut Coder<u64>, midnight: u64) -> Result<(), StoreError> {
        let time = |value: u64| value.wrapping_add(midnight);
        let all = || coder.values().iter().map(|value| time(*value) as i64);
        let bounds = match (all().min(), all().max()) {
            (Some(least), Some(most)) => Bounds::Between(least, most),
            _ => Bounds::None,
        };
        self.chunk(Shape::Required, &coder.dictionary(8, time), &coder.codes, bounds)?;
        coder.clear();
        Ok(())
    }

    fn sparse(&mut self, column: &mut Sparse<Coder<u64>>, width: usize) -> Result<(), StoreError> {
        let Sparse { values, there } = column;
        let dictionary = values.dictionary(width, |value| value);
        self.chunk(Shape::Optional(Some(there)), &dictionary, &values.codes, Bounds::None)?;
        values.clear();
        there.clear();
        Ok(())
    }

    fn addresses(&mut self, coder: &mut Coder<u128>, shape: Shape<'_>) -> Result<(), StoreError> {
        self.chunk(shape, &coder.dictionary(), &coder.codes, Bounds::None)?;
        coder.clear();
        Ok(())
    }

    fn names(&mut self, names: &mut Names, shape: Shape<'_>) -> Result<(), StoreError> {
        let dictionary = Dictionary::of(names.texts.iter().map(String::as_str));
        self.chunk(shape, &dictionary, &names.codes, Bounds::None)?;
        names.clear();
        Ok(())
    }
}
