//! What records say about their interfaces beside the id: table `contexts`.
//!
//! Told once for each origin (account, region and flow log of the object's name) of a commit and not with every record.
//! Where two mentions disagree it does not matter which is told first, so nothing is lost by that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};

use super::StoreError;
use super::files::{FileWriter, Place, properties, read};
use super::manifest::StoredFile;
use crate::flow::InterfaceContext;

/// Account, region and flow log, as the names of objects tell them.
pub type Origin = [Option<String>; 3];

/// Contexts by origin and interface.
#[derive(Clone, Debug, Default)]
pub struct Contexts(BTreeMap<Origin, BTreeMap<String, BTreeSet<InterfaceContext>>>);

/// More different mentions of one interface and origin are not kept: the least is what counts, and an
/// interface has one or two.
const MOST: usize = 16;

impl Contexts {
    /// Notes what a batch says.
    pub fn note(&mut self, origin: &Origin, interface: &str, context: &InterfaceContext) {
        if *context == InterfaceContext::default() {
            return;
        }
        let of_origin = match self.0.get_mut(origin) {
            Some(known) => known,
            None => self.0.entry(origin.clone()).or_default(),
        };
        match of_origin.get_mut(interface) {
            Some(known) if known.contains(context) => {}
            Some(known) => {
                known.insert(context.clone());
                if known.len() > MOST {
                    let least = known.iter().cloned().reduce(least).unwrap_or_default();
                    *known = BTreeSet::from([least]);
                }
            }
            None => {
                of_origin.insert(interface.to_owned(), BTreeSet::from([context.clone()]));
            }
        }
    }

    /// Adds another's.
    pub fn merge(&mut self, other: Self) {
        for (origin, interfaces) in other.0 {
            for (interface, contexts) in interfaces {
                for context in contexts {
                    self.note(&origin, &interface, &context);
                }
            }
        }
    }

    /// True if nothing is told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For each interface what is known of it, of the origins that are wanted.
    #[must_use]
    pub fn by_interface(self, wanted: impl Fn(&Origin) -> bool) -> BTreeMap<String, InterfaceContext> {
        let mut all: BTreeMap<String, InterfaceContext> = BTreeMap::new();
        for (_, interfaces) in self.0.into_iter().filter(|(origin, _)| wanted(origin)) {
            for (interface, contexts) in interfaces {
                let into = all.entry(interface).or_default();
                *into = contexts.into_iter().fold(std::mem::take(into), least);
            }
        }
        all
    }
}

/// Of each field what is told, the smaller text of two: as interfaces are completed while records are read.
fn least(one: InterfaceContext, other: InterfaceContext) -> InterfaceContext {
    let pick = |a: Option<String>, b: Option<String>| match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    InterfaceContext {
        account: pick(one.account, other.account),
        vpc: pick(one.vpc, other.vpc),
        subnet: pick(one.subnet, other.subnet),
        instance: pick(one.instance, other.instance),
        region: pick(one.region, other.region),
    }
}

const NAMES: [&str; 9] = [
    "object_account",
    "object_region",
    "object_flow_log",
    "interface",
    "account",
    "vpc",
    "subnet",
    "instance",
    "region",
];

/// Writes the contexts of one commit.
pub(super) fn write(place: &Place, path: &str, contexts: &Contexts) -> Result<StoredFile, StoreError> {
    let mut columns: [Vec<Option<&str>>; 9] = Default::default();
    for (origin, interfaces) in &contexts.0 {
        for (interface, contexts) in interfaces {
            for InterfaceContext { account, vpc, subnet, instance, region } in contexts {
                let [a, b, c] = origin.each_ref().map(Option::as_deref);
                let [d, e, f, g, h] = [account, vpc, subnet, instance, region].map(Option::as_deref);
                let values = [a, b, c, Some(interface.as_str()), d, e, f, g, h];
                columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
            }
        }
    }
    let failed =
        |e: arrow::error::ArrowError| StoreError::Io { path: path.to_owned(), message: e.to_string() };
    let arrays = columns.into_iter().map(|column| Arc::new(StringArray::from(column)) as ArrayRef);
    let named = NAMES.into_iter().zip(arrays).map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(named).map_err(failed)?;
    let mut writer =
        FileWriter::create(place, path.to_owned(), None, batch.schema(), properties("contexts").build())?;
    writer.write(&batch)?;
    writer.finish()
}

/// Adds the contexts of a file.
pub(super) fn add(place: &Place, file: &StoredFile, into: &mut Contexts) -> Result<(), StoreError> {
    let path = place.path(file);
    for batch in read(place, file)? {
        let batch = batch.map_err(|e| StoreError::damaged(&path, e.to_string()))?;
        let columns: Option<Vec<&StringArray>> =
            NAMES.iter().map(|name| batch.column_by_name(name)?.as_string_opt::<i32>()).collect();
        let columns =
            columns.ok_or_else(|| StoreError::damaged(&path, "its columns are not as they were written"))?;
        for row in 0..batch.num_rows() {
            let value = |at: usize| columns[at].is_valid(row).then(|| columns[at].value(row).to_owned());
            let context = InterfaceContext {
                account: value(4),
                vpc: value(5),
                subnet: value(6),
                instance: value(7),
                region: value(8),
            };
            into.note(&[value(0), value(1), value(2)], &value(3).unwrap_or_default(), &context);
        }
    }
    Ok(())
}
