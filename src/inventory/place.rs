//! Facts that names tell: regions, accounts, times of observation, prefix lists.

use std::path::{Component, Path};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

/// What the path of a file says about its content. Used only where the content itself is silent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hints {
    /// When it was observed, Unix seconds: the innermost directory named by a time.
    pub observed_at: Option<i64>,
    /// The innermost path part that is a region.
    pub region: Option<String>,
    /// The path part below `accounts`.
    pub account: Option<String>,
    /// The one prefix list id in the file name, else in the name of its directory.
    pub prefix_list: Option<String>,
}

impl Hints {
    /// Reads a path as it was given: nothing above a relative path is looked at.
    pub fn of(path: &Path) -> Self {
        let parts: Vec<&str> = path
            .components()
            .filter_map(|c| if let Component::Normal(name) = c { name.to_str() } else { None })
            .collect();
        let Some((file, directories)) = parts.split_last() else { return Self::default() };
        let stem = file.split('.').next().unwrap_or(file);
        let region = directories.iter().chain([&stem]).rev().find(|part| is_region(part));
        let account =
            directories.windows(2).rev().find(|w| w[0] == "accounts" && is_account(w[1])).map(|w| w[1]);
        let parent = directories.last().copied().unwrap_or_default();
        Self {
            observed_at: directories.iter().rev().find_map(|part| observation_time(part)),
            region: region.map(|r| (*r).to_owned()),
            account: account.map(str::to_owned),
            prefix_list: prefix_list_in(file).or_else(|| prefix_list_in(parent)),
        }
    }
}

/// The time a directory of snapshots is named by, Unix seconds: RFC 3339
/// (`2026-03-01T00:00:00Z`), the same without the colons file systems dislike
/// (`2026-03-01T000000Z`, `2026-03-01T00-00-00Z`, `20260301T000000Z`), or a date (midnight UTC).
pub(super) fn observation_time(name: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(name) {
        return Some(time.timestamp());
    }
    // Digits only where digits are due: chrono would also accept signs and blanks.
    if !name.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'T' | b'Z')) {
        return None;
    }
    let compact = ["%Y-%m-%dT%H%M%SZ", "%Y-%m-%dT%H-%M-%SZ", "%Y%m%dT%H%M%SZ"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(name, format).ok());
    let day = || NaiveDate::parse_from_str(name, "%Y-%m-%d").ok().filter(|_| name.len() == 10);
    let time = compact.or_else(|| day().map(|d| d.and_time(NaiveTime::MIN)))?;
    Some(time.and_utc().timestamp())
}

/// The region of an availability zone, local zone or wavelength zone: `eu-west-1a` is in
/// `eu-west-1`, `us-west-2-lax-1a` in `us-west-2`.
pub(super) fn region_of_zone(zone: &str) -> Option<String> {
    let mut words = Vec::new();
    for part in zone.split('-') {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            words.push(part);
            continue;
        }
        // The part with the number ends the region. Names of regions end in a compass direction,
        // which tells them from other names such as my-app-1.
        const COMPASS: [&str; 9] =
            ["north", "south", "east", "west", "central", "northeast", "northwest", "southeast", "southwest"];
        let area = words.first().is_some_and(|w| (2..=4).contains(&w.len()));
        let lower = words.iter().all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase()));
        let compass = words.len() > 1 && words.last().is_some_and(|w| COMPASS.contains(w));
        return (area && lower && compass && digits <= 2)
            .then(|| format!("{}-{}", words.join("-"), &part[..digits]));
    }
    None
}

/// True for a name such as `us-gov-west-1`.
pub(super) fn is_region(name: &str) -> bool {
    region_of_zone(name).is_some_and(|region| region == name)
}

/// The region of an ARN, `arn:partition:service:region:account:resource`.
pub(super) fn region_of_arn(arn: &str) -> Option<String> {
    let mut parts = arn.split(':');
    (parts.next() == Some("arn")).then(|| parts.nth(2)).flatten().filter(|r| is_region(r)).map(str::to_owned)
}

fn is_account(name: &str) -> bool {
    name.len() == 12 && name.bytes().all(|b| b.is_ascii_digit())
}

/// The prefix list id in a file name. None if there are two different ones.
fn prefix_list_in(name: &str) -> Option<String> {
    let mut found: Option<&str> = None;
    for (start, _) in name.match_indices("pl-") {
        let inside_a_word = name[..start].ends_with(|c: char| c.is_ascii_alphanumeric());
        let tail = &name[start + 3..];
        let digits = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_hexdigit()).len();
        let ends = !tail[digits..].starts_with(|c: char| c.is_ascii_alphanumeric());
        // Ids have 8 or 17 hexadecimal digits; a shorter run is a word, as in pl-ace.json.
        if inside_a_word || digits < 8 || !ends {
            continue;
        }
        let id = &name[start..start + 3 + digits];
        if found.is_some_and(|other| other != id) {
            return None;
        }
        found = Some(id);
    }
    found.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_and_arns_tell_the_region() {
        for (zone, region) in [
            ("eu-west-1a", Some("eu-west-1")),
            ("us-west-2-lax-1a", Some("us-west-2")),
            ("us-east-1-wl1-bos-wlz-1", Some("us-east-1")),
            ("us-gov-west-1b", Some("us-gov-west-1")),
            ("ap-southeast-12c", Some("ap-southeast-12")),
            ("eusc-de-east-1a", Some("eusc-de-east-1")),
            ("use1-az1", None),
            ("my-app-1", None),
            ("west-1", None),
            ("", None),
        ] {
            assert_eq!(region_of_zone(zone).as_deref(), region, "{zone}");
        }
        assert!(is_region("il-central-1") && !is_region("il-central-1a"));
        let arn = "arn:aws:ec2:us-west-2:123456789012:security-group/sg-1";
        assert_eq!(region_of_arn(arn).as_deref(), Some("us-west-2"));
        assert_eq!(region_of_arn("SubnetArn:34"), None);
    }

    #[test]
    fn directories_named_by_a_time() {
        let midnight = Some(1_772_323_200);
        for name in [
            "2026-03-01T00:00:00Z",
            "2026-03-01T01:00:00+01:00",
            "2026-03-01T000000Z",
            "2026-03-01T00-00-00Z",
            "20260301T000000Z",
            "2026-03-01",
        ] {
            assert_eq!(observation_time(name), midnight, "{name}");
        }
        for name in
            ["2026-3-1", "2026-02-30", "20260301", "2026", "us-east-1", "2026-03-01-old", "123456789012"]
        {
            assert_eq!(observation_time(name), None, "{name}");
        }
    }

    #[test]
    fn paths_tell_what_the_content_does_not() {
        let hints =
            Hints::of(Path::new("inv/accounts/123456789012/eu-west-1/2026-03-01/pl-0123456789abcdef0.json"));
        assert_eq!(hints.observed_at, Some(1_772_323_200));
        assert_eq!(hints.region.as_deref(), Some("eu-west-1"));
        assert_eq!(hints.account.as_deref(), Some("123456789012"));
        assert_eq!(hints.prefix_list.as_deref(), Some("pl-0123456789abcdef0"));
        assert_eq!(Hints::of(Path::new("us-east-2.json")).region.as_deref(), Some("us-east-2"));
        assert_eq!(
            Hints::of(Path::new("pl-63a5400a/entries.json")).prefix_list.as_deref(),
            Some("pl-63a5400a")
        );
        for name in
            ["pl-entries.json", "cpl-63a5400a.json", "pl-63a5400a-pl-63a5400b.json", "pl-63a5400ax.json"]
        {
            assert_eq!(Hints::of(Path::new(name)).prefix_list, None, "{name}");
        }
    }
}
