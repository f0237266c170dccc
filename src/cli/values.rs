//! Values of flags that people write in their own way.

use chrono::{DateTime, NaiveDate, NaiveTime};

/// `2026-03-01T12:00:00Z`, any offset, or `2026-03-01` for its midnight UTC. Unix seconds.
pub(super) fn time(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp());
    }
    // chrono would also take `+2026-3-1`.
    let strict = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| strict)?;
    Some(date.and_time(NaiveTime::MIN).and_utc().timestamp())
}

/// As [`time()`], or Unix seconds. Unix seconds.
pub(super) fn moment(text: &str) -> Option<i64> {
    let plain = (9..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { time(text) }
}

/// `45s`, `15m`, `2h`, `1d` or `2w`, up to ten years. Seconds.
pub(super) fn span(text: &str) -> Option<i64> {
    let unit = text.chars().next_back()?;
    let (number, seconds) = match (text.strip_suffix(unit)?, unit) {
        (number, 's') => (number, 1),
        (number, 'm') => (number, 60),
        (number, 'h') => (number, 3_600),
        (number, 'd') => (number, 86_400),
        (number, 'w') => (number, 604_800),
        _ => return None,
    };
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let span = number.parse::<i64>().ok().filter(|_| plain)?.checked_mul(seconds)?;
    (1..=3_653 * 86_400).contains(&span).then_some(span)
}

/// `1000`, `512M`, `4GiB`: K, M, G, T are powers of 1024, as in `ls -h`. Bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let shift = match unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(&unit) {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0)
}

/// `90d` or `13w`. Days.
pub(super) fn days(text: &str) -> Option<u32> {
    let (number, days) = match text.strip_suffix('d') {
        Some(number) => (number, 1),
        None => (text.strip_suffix('w')?, 7),
    };
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    number.parse::<u32>().ok().filter(|_| plain)?.checked_mul(days)
}

/// `arn:aws:iam::123456789012:role/path/name`, of any partition.
pub(super) fn is_role(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = parts[..] else { return false };
    arn == "arn"
        && partition.starts_with("aws")
        && service == "iam"
        && region.is_empty()
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(time("2026-03-01"), Some(1_772_323_200));
        assert_eq!(time("2026-03-01T01:00:00+01:00"), Some(1_772_323_200));
        assert_eq!(time("2026-03-01T00:00:00.5Z"), Some(1_772_323_200));
        for wrong in ["", "yesterday", "2026-3-1", "2026-02-30", "2026-03-01T00:00:00", "+202603-01"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn roles() {
        assert!(is_role("arn:aws:iam::123456789012:role/Reader"));
        assert!(is_role("arn:aws-us-gov:iam::123456789012:role/a/b/Reader"));
        for wrong in ["", "Reader", "arn:aws:iam::1234:role/R", "arn:aws:iam::123456789012:user/R"] {
            assert!(!is_role(wrong), "{wrong}");
        }
    }

    #[test]
    fn ages() {
        assert_eq!(["90d", "0d", "2w"].map(days), [Some(90), Some(0), Some(14)]);
        for wrong in ["", "d", "90", "+9d", "-1d", "1.5d", "90 d", "9y", "4294967295w"] {
            assert_eq!(days(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn moments_and_spans() {
        assert_eq!(moment("1772323200"), Some(1_772_323_200));
        assert_eq!(moment("2026-03-01"), Some(1_772_323_200));
        assert_eq!(["45s", "15m", "2h", "1d", "1w"].map(span), [45, 900, 7_200, 86_400, 604_800].map(Some));
        for wrong in ["", "h", "0h", "-1h", "1.5h", "2", "2y", "9999999w", "h2", "ü"] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
        for wrong in ["17723232001", "12", "-1772323200", "noon"] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("1000"), Some(1000));
        assert_eq!(["4K", "4kb", "4 KiB"].map(size), [Some(4096); 3]);
        assert_eq!(size("2G"), Some(2 << 30));
        for wrong in ["", "G", "0", "0M", "-1", "1.5G", "4X", "99999999999T"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }
}
