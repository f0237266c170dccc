//! Numbers and times the way people read them.

use chrono::{DateTime, SecondsFormat, Utc};

/// `1,234,567`.
pub(crate) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 object`, `1,234 objects`. Number and word stay on one line.
pub(crate) fn count(n: u64, word: &str) -> String {
    let ending = if n == 1 { "" } else { "s" };
    format!("{}\u{a0}{word}{ending}", number(n))
}

/// `3.4 MB`: decimal units, as AWS bills them.
pub(super) fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if n < 1000 {
        return format!("{n}\u{a0}B");
    }
    let (mut value, mut unit) = (n as f64 / 1000.0, 0);
    // 999.95 would be shown as 1000.0.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1}\u{a0}{}", UNITS[unit])
}

/// `96.2%`. Only nothing is shown as 0% and only everything as 100%.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0%".to_owned();
    }
    if part >= whole {
        return "100%".to_owned();
    }
    let value = part as f64 * 100.0 / whole as f64;
    if value < 0.1 {
        "<0.1%".to_owned()
    } else if value > 99.9 {
        ">99.9%".to_owned()
    } else {
        format!("{value:.1}%")
    }
}

/// `45 s`, `10 min`, `26 h`, `7 d 3 h`.
pub(super) fn duration(seconds: i64) -> String {
    let seconds = seconds.clamp(0, i64::MAX / 2);
    // Rounded: a window of two hours ends in its last second, not in the one after.
    let (minutes, hours) = ((seconds + 30) / 60, (seconds + 1800) / 3600);
    match (seconds, minutes, hours) {
        (0..=119, ..) => format!("{seconds}\u{a0}s"),
        (_, 0..=119, _) => format!("{minutes}\u{a0}min"),
        (.., 0..=48) => format!("{hours}\u{a0}h"),
        _ if hours % 24 == 0 => format!("{}\u{a0}d", hours / 24),
        _ => format!("{}\u{a0}d\u{a0}{}\u{a0}h", hours / 24, hours % 24),
    }
}

/// RFC 3339 in UTC, `2026-03-01T00:00:00Z`; `None` for what no calendar has.
pub(crate) fn rfc3339(seconds: i64) -> Option<String> {
    let time: DateTime<Utc> = DateTime::from_timestamp(seconds, 0)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// A time for people, who can copy it into `--from`.
pub(super) fn time(seconds: i64) -> String {
    rfc3339(seconds).unwrap_or_else(|| seconds.to_string())
}

/// `…Z to …Z`, as far as known.
pub(super) fn period(start: Option<i64>, end: Option<i64>) -> Option<String> {
    match (start, end) {
        (Some(start), Some(end)) if start == end => Some(time(start)),
        (Some(start), Some(end)) => Some(format!("{} to {}", time(start), time(end))),
        (Some(start), None) => Some(format!("from {}", time(start))),
        (None, Some(end)) => Some(format!("until {}", time(end))),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(number),
            ["0", "999", "1,000", "1,234,567"].map(str::to_owned)
        );
        assert_eq!(
            [0, 1, 2000].map(|n| count(n, "rule")),
            ["0\u{a0}rules", "1\u{a0}rule", "2,000\u{a0}rules"]
        );
        assert_eq!(
            [999, 1000, 999_949, 999_950, u64::MAX].map(bytes),
            ["999 B", "1.0 kB", "999.9 kB", "1.0 MB", "18.4 EB"].map(|s| s.replace(' ', "\u{a0}"))
        );
    }

    #[test]
    fn percent_never_rounds_something_to_nothing() {
        assert_eq!(percent(0, 10), "0%");
        assert_eq!(percent(1, 1_000_000), "<0.1%");
        assert_eq!(percent(999_999, 1_000_000), ">99.9%");
        assert_eq!(percent(5, 5), "100%");
        assert_eq!(percent(1, 3), "33.3%");
        assert_eq!(percent(0, 0), "0%");
    }

    #[test]
    fn times() {
        assert_eq!(
            [59, 600, 7199, 86_399, 604_799, 615_600].map(duration),
            ["59 s", "10 min", "2 h", "24 h", "7 d", "7 d 3 h"].map(|s| s.replace(' ', "\u{a0}"))
        );
        assert_eq!(rfc3339(1_772_323_200).as_deref(), Some("2026-03-01T00:00:00Z"));
        assert_eq!(rfc3339(i64::MAX), None);
        assert_eq!(period(Some(0), Some(60)).unwrap(), "1970-01-01T00:00:00Z to 1970-01-01T00:01:00Z");
        assert_eq!(period(Some(0), Some(0)).unwrap(), "1970-01-01T00:00:00Z");
    }
}
