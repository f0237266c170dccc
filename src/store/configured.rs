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

/// A network interface, for as long as it stayed the same: a row of [`Table::Interfaces`], whether the store or an inventory
/// tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfaceRow {
    /// `eni-…`.
    pub id: String,
    /// When it was so.
    pub period: Period,
    /// Its owner.
    pub account: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Its VPC.
    pub vpc: Option<String>,
    /// Its subnet.
    pub subnet: Option<String>,
    /// That it is attached to.
    pub instance: Option<String>,
    /// `interface`, `nat_gateway`, …
    pub kind: Option<String>,
    /// As the inventory says.
    pub description: Option<String>,
    /// Its tag `Name`.
    pub name: Option<String>,
    /// Private addresses.
    pub addresses: Vec<String>,
    /// Public addresses.
    pub public_addresses: Vec<String>,
    /// Ids of its security groups.
    pub groups: Vec<String>,
    /// False if only records tell of it.
    pub in_inventory: bool,
}

/// A rule of a security group, for as long as it stayed the same: a row of [`Table::Rules`], likewise.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleRow {
    /// `sgr-…`, or an id of ours.
    pub id: String,
    /// When it was so.
    pub period: Period,
    /// Its group.
    pub group: String,
    /// The name of its group; an empty text in the table if it has none.
    pub group_name: Option<String>,
    /// Owner of the group.
    pub account: Option<String>,
    /// Region of the group.
    pub region: Option<String>,
    /// VPC of the group.
    pub vpc: Option<String>,
    /// `inbound` or `outbound`.
    pub direction: String,
    /// `tcp`, …, `all`.
    pub protocol: String,
    /// As in `rules.jsonl`.
    pub port_range: String,
    /// First and last port; `None` where the protocol has none.
    pub ports: Option<(u16, u16)>,
    /// A CIDR, `pl-…` or `sg-…`.
    pub peer: String,
    /// Its description.
    pub description: Option<String>,
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
        text(rows.iter().map(|row| Some(row.id.as_str()))),
        text(rows.iter().map(|row| Some(row.group.as_str()))),
        text(rows.iter().map(|row| Some(row.group_name.as_deref().unwrap_or_default()))),
        text(rows.iter().map(|row| row.account.as_deref())),
        text(rows.iter().map(|row| row.region.as_deref())),
        text(rows.iter().map(|row| row.vpc.as_deref())),
        text(rows.iter().map(|row| Some(row.direction.as_str()))),
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
        text(rows.iter().map(|row| Some(row.id.as_str()))),
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
        texts(rows.iter().map(|row| row.groups.as_slice())),
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
        of_rules.sort_by(|a, b| (&a.id, a.period).cmp(&(&b.id, b.period)));
        of_interfaces.sort_by(|a, b| (&a.id, a.period).cmp(&(&b.id, b.period)));
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
