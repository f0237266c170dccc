//! One line of text into the columns of its format.

use super::assemble::{Assembler, MILLISECONDS_FROM, Step};
use super::extra::ExtraValue;
use super::fault::Fault;
use super::format::{FormatColumn, LogFormat, Separator, is_blank, tokens, unquote};
use super::row::{Op, Row};
use super::token;
use crate::flow::CaptureStatus;

/// Reads one line, which is not blank, into the columns.
#[inline]
pub(super) fn take_row(
    rows: &mut Assembler,
    separator: Separator,
    line: &[u8],
) -> Result<CaptureStatus, Fault> {
    let taken = match separator {
        Separator::Space if rows.has_extras() => wide_row(rows, line),
        Separator::Space => spaced_row(rows, line),
        Separator::Comma => comma_row(rows, line),
    };
    taken.or_else(|fault| faulty_row(rows, separator, line, fault))
}

/// The hot loop: each step takes its value and says how long it was, so every byte is looked at once.
#[inline]
fn spaced_row(rows: &mut Assembler, line: &[u8]) -> Result<CaptureStatus, Fault> {
    let row = spaced_values(rows.steps(), line)?;
    rows.settle(&row)
}

#[inline(always)]
fn spaced_values<'a>(steps: &[Step], line: &'a [u8]) -> Result<Row<'a>, Fault> {
    let mut row = Row::default();
    let mut rest = line;
    for &Step { op, .. } in steps {
        if rest.is_empty() {
            return Err(Fault::COUNT);
        }
        let len = row.read(op, rest).ok_or(Fault::Value { field: op.field() })?;
        rest = after(rest, len);
    }
    if rest.is_empty() { Ok(row) } else { Err(Fault::COUNT) }
}

/// True for every line that the short way would take, and perhaps for others: a record that has all that the
/// engine asks of one.
pub(super) fn is_sound_record(rows: &Assembler, line: &[u8]) -> bool {
    use Op::{Action, DstAddr, DstPort, End, Interface, Protocol, SrcAddr, SrcPort, Start};
    let Ok(row) = spaced_values(rows.steps(), line) else { return false };
    let all = [Interface, SrcAddr, DstAddr, SrcPort, DstPort, Protocol, Start, End, Action];
    let has_status = rows.steps().iter().any(|step| step.op == Op::Status);
    all.into_iter().all(|op| row.has(op))
        && row.status == has_status.then_some(CaptureStatus::Ok)
        && row.start <= row.end
        && row.end <= MILLISECONDS_FROM
}

/// As [`spaced_row`], with columns beyond the engine's.
#[inline(never)]
fn wide_row(rows: &mut Assembler, line: &[u8]) -> Result<CaptureStatus, Fault> {
    let mut row = Row::default();
    let mut rest = line;
    for index in 0..rows.steps().len() {
        let Step { op, extra } = rows.steps()[index];
        if rest.is_empty() {
            return Err(Fault::COUNT);
        }
        let value = &rest[..token::length(rest)];
        // With what follows it, a value is read faster than alone.
        if op != Op::Skip && row.read_first(op, rest) != Some(value.len()) {
            return Err(Fault::Value { field: op.field() });
        }
        if let Some(extra) = extra {
            rows.push_extra(extra, ExtraValue::Text(value))?;
        }
        rest = after(rest, value.len());
    }
    if !rest.is_empty() {
        return Err(Fault::COUNT);
    }
    rows.settle(&row)
}

/// What follows a value of length `len` and the blanks after it.
#[inline(always)]
fn after(rest: &[u8], len: usize) -> &[u8] {
    // One blank is the rule.
    let mut rest = rest.get(len + 1..).unwrap_or_default();
    while let Some((&byte, tail)) = rest.split_first()
        && is_blank(byte)
    {
        rest = tail;
    }
    rest
}

fn comma_row(rows: &mut Assembler, line: &[u8]) -> Result<CaptureStatus, Fault> {
    let mut row = Row::default();
    let mut values = line.split(|&byte| byte == b',').map(unquote);
    for index in 0..rows.steps().len() {
        let step = rows.steps()[index];
        let value = values.next().ok_or(Fault::COUNT)?;
        // Text that nobody reads may hold blanks; other values are read to their end.
        if !value.is_empty() && step.op != Op::Skip && !row.read_whole(step.op, value) {
            return Err(Fault::Value { field: step.op.field() });
        }
        if let Some(extra) = step.extra {
            let value = if value.is_empty() { ExtraValue::Missing } else { ExtraValue::Text(value) };
            rows.push_extra(extra, value)?;
        }
    }
    if values.next().is_some() {
        return Err(Fault::COUNT);
    }
    rows.settle(&row)
}

/// A second look at a line with a fault. If it has another number of values than the format, that is the
/// more useful thing to say than which value went wrong first.
#[cold]
fn faulty_row(
    rows: &mut Assembler,
    separator: Separator,
    line: &[u8],
    fault: Fault,
) -> Result<CaptureStatus, Fault> {
    rows.forget_row();
    let expected = rows.steps().len();
    let found = tokens(line, separator).count();
    if expected != found {
        return Err(Fault::Count { expected, found });
    }
    rows.settle_faulty(fault, tokens(line, separator), |row, op, value| {
        value.is_empty() || row.read_whole(op, value)
    })
}

/// What stands in the field at fault.
pub(super) fn fault_value<'a>(fault: Fault, format: &LogFormat, line: &'a [u8]) -> &'a [u8] {
    let field = fault.quoted_field();
    let at = format.columns().iter().position(|column| match column {
        FormatColumn::Known(known) => Some(known.name) == field,
        FormatColumn::Unknown(_) => false,
    });
    at.and_then(|index| tokens(line, format.separator()).nth(index)).unwrap_or_default()
}
