//! The configuration as it is now, asked of the EC2 API.
//!
//! What is asked is in [`CALLS`], once for the program and for the script that [`super::commands`] prints: both make
//! the same directory, `DIR/2026-11-22T12-00-00Z/ACCOUNT/REGION/describe-security-groups.json` and so on, in the
//! JSON that the AWS CLI prints. A directory named by a time is a dated observation to [`load`](super::load()), so
//! that fetching every day builds a timeline.
//!
//! `fetch` itself needs the cargo feature `live-inventory`, because aws-sdk-ec2 takes minutes to build.

mod calls;
#[cfg(feature = "live-inventory")]
mod client;
#[cfg(feature = "live-inventory")]
mod error;
#[cfg(feature = "live-inventory")]
mod fetch;
#[cfg(feature = "live-inventory")]
mod shape;
#[cfg(feature = "live-inventory")]
mod snapshot;

use std::path::PathBuf;

use chrono::DateTime;

use crate::aws::Connect;

pub use calls::{ACTIONS, CALLS, Call, ENTRIES, Need};
#[cfg(feature = "live-inventory")]
pub use error::{CallFailure, FetchError};
#[cfg(feature = "live-inventory")]
pub use fetch::{Fetched, FetchedRegion, Lack, fetch};

/// What to fetch, and where to put it.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// How to reach AWS. Its region is the one to ask if `regions` is empty.
    pub connect: Connect,
    /// Regions to ask; if empty, the one of the connection.
    pub regions: Vec<String>,
    /// The directory below which the snapshot goes. Made if it is not there.
    pub out: PathBuf,
    /// Unix seconds that name the snapshot: now, or the same for several accounts that are one observation.
    pub at: i64,
}

/// The name of a snapshot's directory: `2026-11-22T12-00-00Z`. Without colons, which some file systems refuse.
/// `None` for times that a calendar with four digits does not have.
#[must_use]
pub fn snapshot_name(at: i64) -> Option<String> {
    let name = DateTime::from_timestamp(at, 0)?.format("%Y-%m-%dT%H-%M-%SZ").to_string();
    (name.len() == 20).then_some(name)
}

/// True for what may be a region: `eu-west-1`. It becomes a part of host names and paths, so that nothing else
/// must get through; whether it exists is the service's business.
#[must_use]
pub fn may_be_region(name: &str) -> bool {
    let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    letters && (1..=40).contains(&name.len()) && !name.starts_with('-') && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::place::observation_time;

    #[test]
    fn snapshots_are_named_as_the_loader_reads_it() {
        for at in [0, 1_772_323_199, 1_795_348_800, 253_402_300_799] {
            assert_eq!(snapshot_name(at).as_deref().and_then(observation_time), Some(at));
        }
        assert_eq!(snapshot_name(1_772_323_199).as_deref(), Some("2026-02-28T23-59-59Z"));
        assert_eq!(
            [i64::MAX, i64::MIN, 253_402_300_800, -70_000_000_000].map(snapshot_name),
            [const { None }; 4]
        );
    }

    #[test]
    fn regions_are_nothing_that_a_path_or_a_host_could_be_made_of() {
        assert!(["eu-west-1", "us-gov-east-1", "eusc-de-east-1"].into_iter().all(may_be_region));
        for wrong in
            ["", "..", "eu-west-1/..", "evil.example", "-x", "EU-WEST-1", "eu west", "a@b", "eu-west-1\n"]
        {
            assert!(!may_be_region(wrong), "{wrong:?}");
        }
    }
}
