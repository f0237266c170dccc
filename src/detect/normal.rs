//! What is usual: helpers of the detectors that compare with a baseline.

use std::collections::BTreeSet;

use crate::flow::{Direction, Protocol, address_from_bits};
use crate::rollup::{Contact, InterfaceRow, Rollups, ServiceKey};

use super::unexpected_accept::is_public;

/// Makes the median absolute deviation of a normal distribution its standard deviation.
pub(super) const MAD_SCALE: f64 = 1.4826;

/// The median of sorted values, 0 of none.
pub(super) fn median(sorted: &[f64]) -> f64 {
    quantile(sorted, 0.5)
}

/// A quantile of sorted values, between neighbours in proportion (type 7 of Hyndman and Fan 1996).
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    if sorted.is_empty() {
        return 0.0;
    }
    let place = (sorted.len() - 1) as f64 * share;
    let low = sorted[place.floor() as usize];
    low + (sorted[place.ceil() as usize] - low) * place.fract()
}

/// Median and median absolute deviation; sorts the values.
pub(super) fn spread(values: &mut [f64]) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let center = median(values);
    let mut deviations: Vec<f64> = values.iter().map(|v| (v - center).abs()).collect();
    deviations.sort_by(f64::total_cmp);
    (center, median(&deviations))
}

/// Buckets of so many seconds in which an interface was watched and capture lost nothing.
pub(super) fn watched(row: &InterfaceRow, seconds: u64) -> BTreeSet<u32> {
    let coverage = &row.coverage;
    let of = |bucket: u32| (u64::from(bucket) * 600 / seconds.max(1)) as u32;
    let lost: BTreeSet<u32> = coverage.skipped.iter().map(of).collect();
    coverage.buckets.iter().map(of).filter(|bucket| !lost.contains(bucket)).collect()
}

/// `812 bytes`, `4.2 GB`: powers of 1000, as AWS bills.
pub(super) fn amount(bytes: u64) -> String {
    let units = [(1_000_000_000_000_u64, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    // Nobody wants to read 1000.0 MB.
    match units.into_iter().find(|(unit, _)| bytes >= unit - unit / 20_000) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => super::counted(bytes, "byte"),
    }
}

/// `45 s`, `5 min`, `1.5 h`, `2 d`.
pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..3_570 => format!("{} min", (seconds + 30) / 60),
        3_570..36_000 => {
            let tenths = (seconds + 180) / 360;
            if tenths.is_multiple_of(10) {
                format!("{} h", tenths / 10)
            } else {
                format!("{}.{} h", tenths / 10, tenths % 10)
            }
        }
        36_000..172_800 => format!("{} h", (seconds + 1_800) / 3_600),
        _ => format!("{} d", (seconds + 43_200) / 86_400),
    }
}

/// True if a remote address (IPv4 mapped) is outside.
pub(super) fn outside(rollups: &Rollups, remote: u128) -> bool {
    is_public(rollups, address_from_bits(remote))
}

/// The contact that an outbound connection belongs to.
pub(super) fn contact(
    rollups: &Rollups,
    interface: u32,
    (protocol, port): (Protocol, u16),
    remote: u128,
) -> Option<&Contact> {
    let public = outside(rollups, remote);
    let key = ServiceKey {
        local: rollups.sides.known(interface)?,
        direction: Direction::Outbound,
        protocol,
        port,
        public,
    };
    rollups.contacts.services.contact(&key, rollups.sides.peer(remote, public))
}

/// The interfaces of the same group, itself included, that were watched at some time between these.
pub(super) fn companions(rollups: &Rollups, interface: u32, first: u32, last: u32) -> Vec<u32> {
    let Some(group) = rollups.sides.group_of(interface) else { return vec![interface] };
    let there = |member: &&u32| {
        let coverage = &rollups.interfaces[**member as usize].coverage;
        coverage.first.is_some_and(|f| f <= last) && coverage.last.is_some_and(|l| l >= first)
    };
    group.members.iter().filter(there).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_well() {
        assert_eq!(amount(812), "812 bytes");
        assert_eq!(amount(4_249_000_000), "4.2 GB");
        assert_eq!([999_949_999, 999_950_000, 999].map(amount), ["999.9 MB", "1.0 GB", "999 bytes"]);
        let told = [45, 60, 300, 3_599, 5_400, 7_200, 90_000, 400_000].map(duration);
        assert_eq!(told, ["45 s", "60 s", "5 min", "1 h", "1.5 h", "2 h", "25 h", "5 d"]);
    }

    #[test]
    fn quantiles_and_spread() {
        assert!((quantile(&[1.0, 2.0, 3.0, 4.0], 0.25) - 1.75).abs() < 1e-12);
        assert_eq!(spread(&mut [9.0, 1.0, 2.0, 3.0, 4.0]), (3.0, 1.0));
        assert_eq!(spread(&mut []), (0.0, 0.0));
    }
}
