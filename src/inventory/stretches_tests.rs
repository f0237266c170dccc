//! Stretches of time against hand-worked ones, and in whatever order observations come.

use super::*;
use crate::inventory::By;

fn anchor(time: i64, state: Option<&'static u8>, by: By) -> Anchor<'static, u8> {
    Anchor { time, confirmed: time, state, trust: Trust::Sure, by }
}

type Told = (u8, [Option<i64>; 4]);

fn told(anchors: &[Anchor<'static, u8>]) -> Vec<Told> {
    let all = stretches(anchors, |_, state| Some(*state), |a, b| a == b);
    let of = |(value, s): (u8, Stretch)| (value, [s.appeared_after, s.seen_from, s.seen_to, s.gone_by]);
    all.into_iter().map(of).collect()
}

#[test]
fn dumps_leave_open_when_a_change_was_made() {
    let seen = |time, state| anchor(time, state, By::Snapshot);
    let all = [
        seen(100, None),
        seen(200, Some(&1)),
        seen(300, Some(&1)),
        seen(400, Some(&2)),
        seen(500, None),
        seen(600, Some(&2)),
    ];
    assert_eq!(
        told(&all),
        [
            (1, [Some(100), Some(200), Some(300), Some(400)]),
            (2, [Some(300), Some(400), Some(400), Some(500)]),
            (2, [Some(500), Some(600), Some(600), None]),
        ]
    );
    // Those that say the same are joined, and tell of it.
    let joined = [Anchor { confirmed: 300, ..seen(200, Some(&1)) }, seen(400, Some(&2))];
    assert_eq!(
        told(&joined),
        [(1, [None, Some(200), Some(300), Some(400)]), (2, [Some(300), Some(400), Some(400), None])]
    );
}

#[test]
fn an_undated_dump_has_no_time() {
    let seen = |time, state| anchor(time, state, By::Snapshot);
    assert_eq!(told(&[seen(i64::MAX, Some(&1))]), [(1, [None; 4])]);
    let kept = [seen(100, Some(&1)), seen(i64::MAX, Some(&1))];
    assert_eq!(told(&kept), [(1, [None, Some(100), Some(100), None])]);
    let changed = [seen(100, Some(&1)), seen(i64::MAX, Some(&2))];
    let undated = Some(Stretch::UNDATED);
    assert_eq!(
        told(&changed),
        [(1, [None, Some(100), Some(100), undated]), (2, [Some(100), None, None, None])]
    );
    let name = chrono::DateTime::from_timestamp(Stretch::UNDATED, 0).unwrap();
    assert_eq!(name.to_rfc3339(), "9999-12-31T23:59:59+00:00");
}

#[test]
fn recorded_changes_are_known_to_the_minute() {
    let item = |time, state| anchor(time, state, By::Item);
    let all = [item(10_000, Some(&1)), item(20_000, Some(&2)), item(30_000, None)];
    // An item is captured seconds to minutes after the change, and records are good to a minute.
    assert_eq!(
        told(&all),
        [
            (1, [None, Some(10_000), Some(19_700), Some(20_000)]),
            (2, [Some(19_700), Some(20_000), Some(29_700), Some(30_000)]),
        ]
    );
    let daily = [item(100_000, Some(&1)), anchor(300_000, Some(&2), By::DailyItem)];
    assert_eq!(told(&daily)[0], (1, [None, Some(100_000), Some(300_000 - 86_400 - 60), Some(300_000)]));
}

#[test]
fn nothing_is_known_while_nothing_was_recorded() {
    let item = |time, state| anchor(time, state, By::Item);
    let stopped = |time, state| Anchor { trust: Trust::Partial, ..item(time, state) };
    // The same before and after: as far as is known it stayed the same.
    let same = [item(10_000, Some(&1)), stopped(20_000, Some(&1)), item(30_000, Some(&1))];
    assert_eq!(told(&same), [(1, [None, Some(10_000), Some(30_000), None])]);
    // Another: changed at any time since it was last seen, not only when recording went on.
    let other = [item(10_000, Some(&1)), stopped(20_000, Some(&1)), item(30_000, Some(&2))];
    assert_eq!(
        told(&other),
        [
            (1, [None, Some(10_000), Some(10_000), Some(30_000)]),
            (2, [Some(10_000), Some(30_000), Some(30_000), None]),
        ]
    );
    assert_eq!(
        told(&[stopped(10_000, None), item(20_000, Some(&1))]),
        [(1, [None, Some(20_000), Some(20_000), None])]
    );
}

#[test]
fn times_come_in_order_whatever_is_known() {
    const STATES: [Option<&u8>; 3] = [None, Some(&1), Some(&2)];
    let mut number: u64 = 5;
    let mut next = |bound: u64| {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number >> 33) % bound
    };
    let mut rows = 0;
    for _ in 0..3000 {
        let mut time = 1_000_000;
        let mut anchors = Vec::new();
        for _ in 0..next(7) {
            let scale = [40, 900, 200_000][next(3) as usize];
            time += 1 + next(scale) as i64;
            let by = [By::Snapshot, By::Item, By::DailyItem][next(3) as usize];
            let mut one = anchor(time, STATES[next(3) as usize], by);
            one.confirmed += next(300) as i64;
            one.trust = [Trust::Sure, Trust::Sure, Trust::Partial][next(3) as usize];
            time = one.confirmed;
            anchors.push(one);
        }
        let all = told(&anchors);
        rows += all.len();
        for (value, times) in &all {
            let known: Vec<i64> = times.iter().flatten().copied().collect();
            assert!(known.is_sorted(), "{times:?} of {anchors:?}");
            // It was so whenever an anchor in between says so, and none says anything else.
            let within = |a: &&Anchor<'_, u8>| times[1] <= Some(a.time) && Some(a.time) <= times[2];
            let sure = anchors.iter().filter(|a| a.trust == Trust::Sure);
            assert!(sure.filter(within).all(|a| a.state == Some(value)), "{times:?} of {anchors:?}");
        }
        // Every sure anchor with a state is in a stretch of that state.
        for one in anchors.iter().filter(|a| a.trust == Trust::Sure) {
            let holds = |(value, times): &&Told| {
                one.state == Some(value) && times[1] <= Some(one.time) && Some(one.confirmed) <= times[2]
            };
            assert_eq!(
                all.iter().filter(holds).count(),
                usize::from(one.state.is_some()),
                "{one:?} of {anchors:?}"
            );
        }
    }
    assert!(rows > 3000);
}
