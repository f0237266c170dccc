//! The key layouts that AWS delivers flow logs in.
//!
//! ```text
//! default      {prefix}/AWSLogs/{account}/vpcflowlogs/{region}/{yyyy}/{MM}/{dd}/
//! hourly       …/{dd}/{HH}/
//! hive         {prefix}/AWSLogs/aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/year={yyyy}/month={MM}/day={dd}/
//! hive hourly  …/day={dd}/hour={HH}/
//! file         {account}_vpcflowlogs_{region}_{fl-id}_{YYYYMMDD}T{HHmm}Z_{hash}.log.gz
//! ```
//!
//! Sources: VPC User Guide "Flow log files" and "Amazon S3 path"; the Transit Gateway guide, whose Hive
//! layout says `service=` in place of `aws-service=`; public Parquet samples for `.log.parquet`.

use std::path::MAIN_SEPARATOR;

use chrono::NaiveDate;

/// Endings of the files AWS writes (`.log.gz`, `.log.parquet`) and of what people make of them.
const ENDINGS: [&str; 4] = [".log.gz", ".log.parquet", ".log", ".log.zst"];

/// What the key of a delivered object says about its content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyParts {
    /// The account that created the flow log: in a shared VPC not always that of the interfaces.
    pub account: String,
    /// The monitored region.
    pub region: String,
    /// The flow log's id (`fl-…`), if the file still has its delivered name.
    pub flow_log: Option<String>,
    /// The time in the file's name, seconds since 1970 in UTC: when the file was begun. An index hint,
    /// see [`super::PADDING_BEFORE`]. Folders only tell the day and so give no stamp.
    pub stamp: Option<i64>,
}

impl KeyParts {
    /// Reads a key or path. The file's own name counts more than the folders it lies in, because it
    /// travels with the file when people copy it about.
    ///
    /// `None` for everything that is not laid out exactly the way AWS does it: a wrong guess would prune
    /// a file that was wanted.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts: Vec<&str> = name.split(['/', MAIN_SEPARATOR]).collect();
        let file = parts.pop()?;
        from_file(file).or_else(|| if file.is_empty() { None } else { from_folders(&parts) })
    }
}

/// The part of a delivered file's name that is the same in every copy of the object, however it was
/// compressed since: account, region, flow log, stamp and hash.
pub(crate) fn identity(name: &str) -> Option<&str> {
    let file = name.rsplit(['/', MAIN_SEPARATOR]).next()?;
    from_file(file)?;
    stem(file)
}

fn stem(file: &str) -> Option<&str> {
    ENDINGS.iter().find_map(|ending| file.strip_suffix(ending))
}

/// `{account}_vpcflowlogs_{region}_{fl-id}_{YYYYMMDD}T{HHmm}Z_{hash}` and one of the endings.
fn from_file(file: &str) -> Option<KeyParts> {
    let mut parts = stem(file)?.split('_');
    let (account, service, region) = (parts.next()?, parts.next()?, parts.next()?);
    let (flow_log, stamp, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let id = flow_log.strip_prefix("fl-")?;
    let fits = parts.next().is_none()
        && is_account(account)
        && service == "vpcflowlogs"
        && is_region(region)
        && is_alphanumeric(id)
        && is_alphanumeric(hash);
    let stamp = parse_stamp(stamp)?;
    fits.then(|| KeyParts {
        account: account.to_owned(),
        region: region.to_owned(),
        flow_log: Some(flow_log.to_owned()),
        stamp: Some(stamp),
    })
}

/// The folders right above a file whose own name says nothing.
fn from_folders(folders: &[&str]) -> Option<KeyParts> {
    // The day is the last or, with hourly partitions, the last but one.
    [6, 7].into_iter().find_map(|depth| {
        let tail = &folders[folders.len().checked_sub(depth)?..];
        let values = plain(tail).or_else(|| hive(tail))?;
        let (account, region, date) = (values[0], values[2], &values[3..]);
        (is_account(account) && values[1] == "vpcflowlogs" && is_region(region) && is_date(date)).then(|| {
            KeyParts { account: account.to_owned(), region: region.to_owned(), flow_log: None, stamp: None }
        })
    })
}

fn plain<'a>(folders: &[&'a str]) -> Option<Vec<&'a str>> {
    folders.iter().all(|folder| !folder.contains('=')).then(|| folders.to_vec())
}

fn hive<'a>(folders: &[&'a str]) -> Option<Vec<&'a str>> {
    const NAMES: [&[&str]; 7] = [
        &["aws-account-id"],
        &["aws-service", "service"],
        &["aws-region"],
        &["year"],
        &["month"],
        &["day"],
        &["hour"],
    ];
    folders
        .iter()
        .zip(NAMES)
        .map(|(folder, names)| {
            let (name, value) = folder.split_once('=')?;
            names.contains(&name).then_some(value)
        })
        .collect()
}

/// `[yyyy, MM, dd]` and perhaps `HH`.
fn is_date(parts: &[&str]) -> bool {
    let hour = match parts.get(3) {
        Some(hour) => number(hour, 2),
        None => Some(0),
    };
    let day =
        || NaiveDate::from_ymd_opt(number(parts[0], 4)? as i32, number(parts[1], 2)?, number(parts[2], 2)?);
    hour.is_some_and(|hour| hour < 24) && day().is_some()
}

/// `20180620T1620Z` as seconds since 1970.
fn parse_stamp(stamp: &str) -> Option<i64> {
    let (date, time) = stamp.strip_suffix('Z')?.split_once('T')?;
    let (date, time) = (number(date, 8)?, number(time, 4)?);
    let day = NaiveDate::from_ymd_opt((date / 10_000) as i32, date / 100 % 100, date % 100)?;
    Some(day.and_hms_opt(time / 100, time % 100, 0)?.and_utc().timestamp())
}

/// A number of exactly this many ASCII digits.
fn number(text: &str, digits: usize) -> Option<u32> {
    (text.len() == digits && is_digits(text)).then(|| text.parse().ok())?
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && is_digits(text)
}

/// `us-east-1`, `us-gov-west-1`: lower-case words and a number, so that partitions to come fit too.
fn is_region(text: &str) -> bool {
    let words: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = words.split_last() else { return false };
    words.len() >= 2
        && is_digits(number)
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
}

fn is_alphanumeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests;
