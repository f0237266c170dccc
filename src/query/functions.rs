//! Functions that questions may use beside those of Polars.

use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use polars::lazy::dsl::{AnonymousColumnsUdf, ColumnsUdf, LazySerde, UserDefinedFunction};
use polars::prelude::*;
use polars::sql::{FunctionOptions, FunctionRegistry};

use crate::flow::{Protocol, address_bits, is_private};

/// A function of ours: of each row by itself; null of null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    InNetwork,
    IsPrivate,
    ProtocolName,
    Has,
    Items,
    Seconds,
    Epoch,
}

/// How a function is called, and what it says.
pub struct FunctionManual {
    /// `name(arguments)`.
    pub call: &'static str,
    /// What it says.
    pub meaning: &'static str,
}

/// The functions that questions may use beside those of Polars SQL.
#[must_use]
pub fn functions() -> Vec<FunctionManual> {
    Function::ALL.into_iter().map(|f| FunctionManual { call: f.call(), meaning: f.meaning() }).collect()
}

impl Function {
    const ALL: [Self; 7] = [
        Self::InNetwork,
        Self::IsPrivate,
        Self::ProtocolName,
        Self::Has,
        Self::Items,
        Self::Seconds,
        Self::Epoch,
    ];

    fn call(self) -> &'static str {
        match self {
            Self::InNetwork => "in_network(address, 'network,network')",
            Self::IsPrivate => "is_private(address)",
            Self::ProtocolName => "protocol_name(protocol)",
            Self::Has => "has(list, 'text')",
            Self::Items => "items(list)",
            Self::Seconds => "seconds(time - time)",
            Self::Epoch => "epoch(time)",
        }
    }

    pub fn name(self) -> &'static str {
        self.call().split('(').next().unwrap_or_default()
    }

    /// The function of this name, whatever the case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name().eq_ignore_ascii_case(name))
    }

    /// The function that an expression calls.
    pub fn of(expression: &Expr) -> Option<Self> {
        let Expr::AnonymousFunction { function: LazySerde::Deserialized(function), .. } = expression else {
            return None;
        };
        // Asked of the function itself, not of the pointer to it.
        (***function).as_any().downcast_ref::<Self>().copied()
    }

    /// As Polars calls it.
    pub fn udf(self) -> UserDefinedFunction {
        let mut udf = UserDefinedFunction::new(PlSmallStr::from_static(self.name()), self);
        udf.options = FunctionOptions::elementwise();
        udf
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::InNetwork => "whether an address is in one of these networks (CIDR), with commas between",
            Self::IsPrivate => {
                "whether an address is of no public network: RFC 1918, shared (RFC 6598), loopback, link local, unique local (IPv6)"
            }
            Self::ProtocolName => "tcp, udp, icmp, icmpv6, or the number",
            Self::Has => "whether a list of texts has this text",
            Self::Items => "the texts of a list as one, with a comma and a blank between",
            Self::Seconds => "whole seconds of a difference of times, cut towards zero",
            Self::Epoch => "seconds since 1970 of a time, cut to the second before",
        }
    }

    fn arguments(self) -> usize {
        if matches!(self, Self::InNetwork | Self::Has) { 2 } else { 1 }
    }

    fn returns(self) -> DataType {
        match self {
            Self::InNetwork | Self::IsPrivate | Self::Has => DataType::Boolean,
            Self::ProtocolName | Self::Items => DataType::String,
            Self::Seconds | Self::Epoch => DataType::Int64,
        }
    }

    fn takes(self, at: usize, data_type: &DataType) -> bool {
        // An untyped NULL is of every type.
        let text =
            matches!(data_type, DataType::String | DataType::Null | DataType::Unknown(UnknownKind::Str));
        match (self, at) {
            (Self::ProtocolName, _) => {
                data_type.is_integer() || *data_type == DataType::Null || data_type.is_unknown()
            }
            (Self::Has | Self::Items, 0) => {
                matches!(data_type, DataType::Null)
                    || matches!(data_type, DataType::List(item) if **item == DataType::String)
            }
            (Self::Seconds, _) => matches!(data_type, DataType::Duration(_) | DataType::Null),
            (Self::Epoch, _) => matches!(data_type, DataType::Datetime(..) | DataType::Date | DataType::Null),
            _ => text,
        }
    }
}

impl ColumnsUdf for Function {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn call_udf(&self, columns: &mut [Column]) -> PolarsResult<Column> {
        let first = columns.first().cloned();
        let first = first.ok_or_else(|| polars_err!(SQLInterface: "{} needs an argument", self.name()))?;
        let name = first.name().clone();
        if *first.dtype() == DataType::Null {
            return Ok(Column::full_null(name, first.len(), &self.returns()));
        }
        let column = match self {
            Self::InNetwork => {
                let Some(networks) = single_text(columns, "networks", self.name())? else {
                    return Ok(Column::full_null(name, first.len(), &DataType::Boolean));
                };
                let networks = parse_networks(&networks)?;
                let within = |text: &str| {
                    let address = text.parse::<IpAddr>().ok();
                    address.is_some_and(|address| networks.iter().any(|net| net.contains(&address)))
                };
                first.str()?.iter().map(|text| text.map(within)).collect::<BooleanChunked>().into_column()
            }
            Self::IsPrivate => {
                let private =
                    |text: &str| text.parse::<IpAddr>().ok().map(|address| is_private(address_bits(address)));
                first
                    .str()?
                    .iter()
                    .map(|text| text.and_then(private))
                    .collect::<BooleanChunked>()
                    .into_column()
            }
            Self::ProtocolName => {
                let numbers = first.strict_cast(&DataType::Int64)?;
                let name_of = |number: i64| match u8::try_from(number) {
                    Ok(number) => Protocol(number).to_string(),
                    Err(_) => number.to_string(),
                };
                let names = numbers.i64()?.iter().map(|number| number.map(name_of));
                names.collect::<StringChunked>().into_column()
            }
            Self::Has => {
                let Some(wanted) = single_text(columns, "text", self.name())? else {
                    return Ok(Column::full_null(name, first.len(), &DataType::Boolean));
                };
                let has = |items: Series| -> PolarsResult<bool> {
                    Ok(items.str()?.iter().any(|item| item == Some(&wanted)))
                };
                each_list(&first, has)?.into_iter().collect::<BooleanChunked>().into_column()
            }
            Self::Items => {
                let join = |items: Series| -> PolarsResult<String> {
                    Ok(items.str()?.iter().flatten().collect::<Vec<_>>().join(", "))
                };
                each_list(&first, join)?.into_iter().collect::<StringChunked>().into_column()
            }
            Self::Seconds => {
                let micros = first.cast(&DataType::Duration(TimeUnit::Microseconds))?.to_physical_repr();
                let seconds = micros.i64()?.iter().map(|value| value.map(|value| value / 1_000_000));
                seconds.collect::<Int64Chunked>().into_column()
            }
            Self::Epoch => {
                let micros =
                    first.cast(&DataType::Datetime(TimeUnit::Microseconds, None))?.to_physical_repr();
                let seconds =
                    micros.i64()?.iter().map(|value| value.map(|value| value.div_euclid(1_000_000)));
                seconds.collect::<Int64Chunked>().into_column()
            }
        };
        Ok(column.with_name(name))
    }
}

impl AnonymousColumnsUdf for Function {
    fn as_column_udf(self: Arc<Self>) -> Arc<dyn ColumnsUdf> {
        self
    }

    fn deep_clone(self: Arc<Self>) -> Arc<dyn AnonymousColumnsUdf> {
        self
    }

    fn get_field(&self, _: &Schema, fields: &[Field]) -> PolarsResult<Field> {
        let name = self.name();
        if fields.len() != self.arguments() {
            polars_bail!(SQLInterface: "{name} has {} arguments: {}", self.arguments(), self.call());
        }
        if let Some(at) = (0..fields.len()).find(|&at| !self.takes(at, fields[at].dtype())) {
            polars_bail!(
                SQLInterface: "argument {} of {name} can't be {}: {}", at + 1, fields[at].dtype(), self.call()
            );
        }
        Ok(Field::new(fields[0].name().clone(), self.returns()))
    }
}

/// The second argument, which is the same for all rows; `None` if it is null.
fn single_text(columns: &[Column], what: &str, function: &str) -> PolarsResult<Option<String>> {
    let column = columns.get(1);
    let column = column.ok_or_else(|| polars_err!(SQLInterface: "{function} needs {what}"))?;
    if *column.dtype() == DataType::Null || column.is_empty() {
        return Ok(None);
    }
    let texts = column.str()?;
    let first = texts.get(0);
    if texts.len() > 1 && texts.iter().any(|text| text != first) {
        polars_bail!(SQLInterface: "{function} takes the same {what} for all rows: write it in quotes");
    }
    Ok(first.map(str::to_owned))
}

/// Networks of a text, as in `10.0.0.0/8,192.0.2.1`.
pub(super) fn parse_networks(text: &str) -> PolarsResult<Vec<IpNet>> {
    let parse = |part: &str| {
        let part = part.trim();
        let address = || part.parse::<IpAddr>().ok().map(IpNet::from);
        part.parse::<IpNet>().ok().or_else(address).ok_or_else(
            || polars_err!(SQLInterface: "'{part}' is no network: write it like 10.0.0.0/8, several with commas between"),
        )
    };
    text.split(',').map(parse).collect()
}

fn each_list<T>(column: &Column, f: impl Fn(Series) -> PolarsResult<T>) -> PolarsResult<Vec<Option<T>>> {
    let lists = column.list()?;
    (0..lists.len()).map(|row| lists.get_as_series(row).map(&f).transpose()).collect()
}

/// Finds them by name, whatever the case.
pub(super) struct Functions;

impl FunctionRegistry for Functions {
    fn register(&mut self, name: &str, _: UserDefinedFunction) -> PolarsResult<()> {
        polars_bail!(SQLInterface: "{name} can't be registered")
    }

    fn get_udf(&self, name: &str) -> PolarsResult<Option<UserDefinedFunction>> {
        Ok(Function::from_name(name).map(Function::udf))
    }

    fn contains(&self, name: &str) -> bool {
        Function::from_name(name).is_some()
    }
}
