//! Tables of the configuration: `rules` and `interfaces`.

use arrow::array::ArrayRef;

use super::columns::{Rows, flag, small, text, texts, time};
use super::manifest::StoredFile;
use super::open::StoreWriter;
use super::{StoreError, Table};

/// When something was so: Unix seconds, as the columns of [`Table::Rules`] say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    /// It was not so yet.
    pub appeared_after: Option<i64>,
    /// It was so: the first that is known.
    pub seen_from: Option<i64>,
    /// It was so: the last that is known.
    pub seen_to: Option<i64>,
    /// It was not so any more.
    pub gone_by: Option<i64>,
}

/// A rule, for as long as it stayed the same. Fields are the columns of [`Table::Rules`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "see `Table::columns`")]
pub struct RuleRow {
    pub rule_id: String,
    pub security_group: String,
    pub group_name: String,
    pub account: Option<String>,
    pub region: Option<String>,
    pub vpc: Option<String>,
    pub direction: &'static str,
    pub protocol: String,
    pub port_range: String,
    pub ports: Option<(u16, u16)>,
    pub peer: String,
    pub description: Option<String>,
    pub period: Period,
}

/// An interface, for as long as it stayed the same. Fields are the columns of [`Table::Interfaces`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "see `Table::columns`")]
pub struct InterfaceRow {
    pub interface: String,
    pub account: Option<String>,
    pub region: Option<String>,
    pub vpc: Option<String>,
    pub subnet: Option<String>,
    pub instance: Option<String>,
    pub kind: Option<String>,
    pub description: Option<String>,
    pub name: Option<String>,
    pub addresses: Vec<String>,
    pub public_addresses: Vec<String>,
    pub security_groups: Vec<String>,
    pub in_inventory: bool,
    pub period: Period,
}

fn periods<T>(rows: &[T], period: impl Fn(&T) -> Period) -> [ArrayRef; 4] {
    [
        time(rows.iter().map(|row| period(row).appeared_after)),
        time(rows.iter().map(|row| period(row).seen_from)),
        time(rows.iter().map(|row| period(row).seen_to)),
        time(rows.iter().map(|row| period(row).gone_by)),
    ]
}

/// In the order of [`Table::columns`].
fn rules(rows: &[RuleRow]) -> Vec<ArrayRef> {
    let mut columns = vec![
        text(rows.iter().map(|row| Some(row.rule_id.as_str()))),
        text(rows.iter().map(|row| Some(row.security_group.as_str()))),
        text(rows.iter().map(|row| Some(row.group_name.as_str()))),
        text(rows.iter().map(|row| row.account.as_deref())),
        text(rows.iter().map(|row| row.region.as_deref())),
        text(rows.iter().map(|row| row.vpc.as_deref())),
        text(rows.iter().map(|row| Some(row.direction))),
        text(rows.iter().map(|row| Some(row.protocol.as_str()))),
        text(rows.iter().map(|row| Some(row.port_range.as_str()))),
        small(rows.iter().map(|row| row.ports.map(|(from, _)| from.into()))),
        small(rows.iter().map(|row| row.ports.map(|(_, to)| to.into()))),
        text(rows.iter().map(|row| Some(row.peer.as_str()))),
        text(rows.iter().map(|row| row.description.as_deref())),
    ];
    columns.extend(periods(rows, |row| row.period));
    columns
}

/// In the order of [`Table::columns`].
fn interfaces(rows: &[InterfaceRow]) -> Vec<ArrayRef> {
    let mut columns = vec![
        text(rows.iter().map(|row| Some(row.interface.as_str()))),
        text(rows.iter().map(|row| row.account.as_deref())),
        text(rows.iter().map(|row| row.region.as_deref())),
        text(rows.iter().map(|row| row.vpc.as_deref())),
        text(rows.iter().map(|row| row.subnet.as_deref())),
        text(rows.iter().map(|row| row.instance.as_deref())),
        text(rows.iter().map(|row| row.kind.as_deref())),
        text(rows.iter().map(|row| row.description.as_deref())),
        text(rows.iter().map(|row| row.name.as_deref())),
        texts(rows.iter().map(|row| row.addresses.as_slice())),
        texts(rows.iter().map(|row| row.public_addresses.as_slice())),
        texts(rows.iter().map(|row| row.security_groups.as_slice())),
        flag(rows.iter().map(|row| row.in_inventory)),
    ];
    columns.extend(periods(rows, |row| row.period));
    columns
}

impl StoreWriter {
    /// Puts these in the place of the tables of the configuration, sorted by id and time. If they are what is there already,
    /// nothing is changed.
    ///
    /// # Errors
    /// When something cannot be written: the store is as it was.
    pub fn commit_configuration(
        &mut self,
        mut of_rules: Vec<RuleRow>,
        mut of_interfaces: Vec<InterfaceRow>,
    ) -> Result<(), StoreError> {
        of_rules.sort_by(|a, b| (&a.rule_id, a.period).cmp(&(&b.rule_id, b.period)));
        of_interfaces.sort_by(|a, b| (&a.interface, a.period).cmp(&(&b.interface, b.period)));
        let files = [
            (Table::Rules, self.write_whole(Table::Rules, of_rules, rules)?),
            (Table::Interfaces, self.write_whole(Table::Interfaces, of_interfaces, interfaces)?),
        ];
        self.replace_tables(files.into())
    }

    /// Writes a table that has one file; none if it has no rows.
    pub(super) fn write_whole<T>(
        &self,
        table: Table,
        rows: Vec<T>,
        columns: impl Fn(&[T]) -> Vec<ArrayRef> + Copy,
    ) -> Result<Option<StoredFile>, StoreError> {
        if rows.is_empty() {
            return Ok(None);
        }
        let mut file = Rows::create(self, table, None)?;
        rows.into_iter().try_for_each(|row| file.push(row, columns))?;
        file.finish(columns).map(Some)
    }
}
