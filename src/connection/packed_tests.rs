//! Both layouts say the same of a record, and narrow ones sort as their parts do.

use proptest::prelude::*;

use super::*;
use crate::connection::record::RejectReason;
use crate::flow::Action;

fn end(last: u8, port: u16) -> Endpoint {
    let address = MAPPED | 0x0a00_0000 | u128::from(last);
    Endpoint { address, packet: address, port }
}

fn pack(lane: u32, source: Endpoint, destination: Endpoint, body: Body) -> (Option<Narrow>, Wide) {
    let (low, high, flipped) = ordered(source, destination);
    let wide = Wide::pack(lane, low, high, flipped, body);
    let Some((source, destination)) = PlainEnd::of(&source).zip(PlainEnd::of(&destination)) else {
        return (None, wide);
    };
    let (low, high, flipped) = PlainEnd::ordered(source, destination);
    (Narrow::pack(lane, low, high, flipped, &body), wide)
}

fn through_words<T: Packed>(record: &T) -> T {
    let words: Vec<u64> = (0..T::WORDS).map(|at| record.word(at)).collect();
    T::from_words(|at| words[at])
}

fn check<T: Packed + std::fmt::Debug>(out: T, back: T, other: T) {
    assert!(out.same_tuple(&back), "both directions share a key");
    assert!(!out.same_tuple(&other));
    assert_ne!(out.body().flipped(), back.body().flipped());
    assert_eq!(out.endpoints(), (end(1, 40000), end(2, 443)));
    assert_eq!(out.with_lane(9).lane(), 9);
    assert_eq!(out.with_lane(9).endpoints(), out.endpoints());
    assert_eq!(through_words(&out), out);
}

#[test]
fn both_layouts_pair_directions() {
    let body = Body::new(6, 100, 160, 3, 180);
    let (out, wide_out) = pack(7, end(1, 40000), end(2, 443), body);
    let (back, wide_back) = pack(7, end(2, 443), end(1, 40000), body);
    let (other, wide_other) = pack(7, end(1, 40001), end(2, 443), body);
    check(out.unwrap(), back.unwrap(), other.unwrap());
    check(wide_out, wide_back, wide_other);
    assert_eq!(wide_out.narrow_key(), Some(out.unwrap().key()));
    assert_eq!(size_of::<Narrow>(), 32);
}

#[test]
fn what_does_not_fit_is_refused() {
    let v6 = Endpoint { address: 1, packet: 1, port: 1 };
    let behind = Endpoint { packet: MAPPED | 9, ..end(1, 1) };
    let fits = |lane, low: &Endpoint, body: Body| pack(lane, *low, end(9, 1), body).0.is_some();
    let body = Body::new(6, 100, 160, 3, 180);
    assert!(fits(NARROW_LANES - 1, &end(1, 1), body));
    assert!(!fits(NARROW_LANES, &end(1, 1), body));
    assert!(!fits(0, &v6, body));
    assert!(!fits(0, &behind, body));
    assert!(!fits(0, &end(1, 1), Body { end: 100 + DURATION, ..body }));
    assert!(!fits(0, &end(1, 1), Body { packets: PACKETS, ..body }));
    assert!(!fits(0, &end(1, 1), Body { bytes: BYTES, ..body }));
    let most = Body { end: 99 + DURATION, packets: PACKETS - 1, bytes: BYTES - 1, ..body };
    assert_eq!(pack(0, end(1, 1), end(9, 1), most).0.unwrap().body(), most);
}

prop_compose! {
    fn bodies()(
        protocol in prop::sample::select(vec![1_u8, 6, 17, 255]),
        start in 0_u32..3,
        duration in prop::sample::select(vec![0, 1, DURATION - 1]),
        packets in prop::sample::select(vec![0, 1, 1 << 27, PACKETS - 1]),
        bytes in prop::sample::select(vec![0, 1, BYTES - 1]),
        rejected in any::<bool>(),
        flags in prop::option::of(prop::sample::select(vec![0_u8, 1, 2, 3, 16, 18, 19, 255])),
        direction in prop::option::of(0_u8..2),
        reason in 0_u8..3,
    ) -> Body {
        let mut body = Body::new(protocol, start, start + duration, packets, bytes);
        body.set_action(if rejected { Action::Reject } else { Action::Accept });
        if let Some(flags) = flags {
            body.set_flags(flags);
        }
        if let Some(direction) = direction {
            body.set_direction_code(direction);
        }
        let reasons = [RejectReason::None, RejectReason::BlockPublicAccess, RejectReason::EncryptionControls];
        body.set_reason(reasons[usize::from(reason)]);
        body
    }
}

proptest! {
    #[test]
    fn layouts_agree(a in bodies(), b in bodies(), flip_a: bool, flip_b: bool) {
        let both = |body: Body, flip: bool| {
            let (from, to) = if flip { (end(2, 443), end(1, 40000)) } else { (end(1, 40000), end(2, 443)) };
            pack(7, from, to, body)
        };
        let ((narrow_a, wide_a), (narrow_b, wide_b)) = (both(a, flip_a), both(b, flip_b));
        let (narrow_a, narrow_b) = (narrow_a.unwrap(), narrow_b.unwrap());
        prop_assert_eq!(narrow_a.body(), wide_a.body());
        prop_assert_eq!(narrow_a.widen(), wide_a);
        prop_assert_eq!(through_words(&narrow_a), narrow_a);
        prop_assert_eq!(through_words(&wide_a), wide_a);
        prop_assert_eq!(narrow_a.cmp(&narrow_b), wide_a.cmp(&wide_b));
        prop_assert_eq!(narrow_a == narrow_b, wide_a == wide_b);
    }
}
