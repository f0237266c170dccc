//! Against a simulated FilterLogEvents that does everything the real one may do.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::*;
use crate::source::cloudwatch::window;

/// An event of the simulated log group.
#[derive(Clone, Debug)]
struct Stored {
    at: i64,
    id: String,
    text: String,
}

/// The service, in another mood with each request.
struct Service {
    /// In the order of time.
    events: Vec<Stored>,
    moods: TestRng,
    requests: usize,
    /// What a token stands for: how many events come before it.
    tokens: BTreeMap<String, usize>,
    /// Tokens that were handed out again for once, with the page that they had led to.
    twice: BTreeSet<String>,
}

enum Said {
    Page(Page),
    Refused,
}

impl Service {
    fn mood(&mut self) -> usize {
        self.requests += 1;
        self.moods.random_range(0..2 * 3 * 5 * 7 * 11 * 13)
    }

    fn ask(&mut self, ask: &Ask) -> Said {
        let mood = self.mood();
        let all: Vec<Stored> = self
            .events
            .iter()
            .filter(|event| ask.start <= event.at && event.at <= ask.end)
            .cloned()
            .collect();
        let before = match &ask.token {
            // One token in eleven has expired.
            Some(_) if mood % 11 == 3 => return Said::Refused,
            Some(token) => self.tokens[token],
            None => 0,
        };
        let size = mood % 5;
        let from = if mood % 7 == 2 { before.saturating_sub(1 + mood % 2) } else { before };
        let to = (before + size).min(all.len());
        let events = all[from..to].iter().map(|event| Event {
            id: Some(event.id.clone()),
            timestamp: Some(event.at),
            message: Some(event.text.clone()),
        });
        let again = ask.token.as_ref().filter(|token| mood % 13 == 5 && self.twice.insert((*token).clone()));
        let next = if to < all.len() {
            Some(again.cloned().unwrap_or_else(|| self.token(to)))
        } else {
            // The end: no token, one more that leads to nothing, or the same again.
            match mood % 3 {
                0 => None,
                1 => Some(self.token(to)),
                _ => Some(ask.token.clone().unwrap_or_else(|| self.token(to))),
            }
        };
        Said::Page(Page { events: events.collect(), next })
    }

    fn token(&mut self, before: usize) -> String {
        let token = format!("token {} {before}", self.requests);
        self.tokens.insert(token.clone(), before);
        token
    }
}

/// Reads a slice to its end and returns the lines.
fn read(service: &mut Service, range: Range<i64>) -> Result<String, Stuck> {
    let mut pages = Pages::new(range);
    let mut lines = BytesMut::new();
    while let Some(ask) = pages.ask() {
        match service.ask(&ask) {
            Said::Page(page) => {
                pages.take(page, &mut lines)?;
            }
            Said::Refused => pages.token_refused()?,
        }
        assert!(service.requests < 100_000, "it does not end");
    }
    Ok(String::from_utf8(lines.to_vec()).unwrap())
}

/// Events on a raster, so that many are on the edges of slices, several at the same time.
fn events() -> impl Strategy<Value = Vec<Stored>> {
    let at = prop_oneof![3 => (0i64..40).prop_map(|n| n * 10), 1 => (0i64..40).prop_map(|n| n * 10 - 1), 1 => 0i64..400];
    prop::collection::vec(at, 0..80).prop_map(|mut times| {
        times.sort_unstable();
        let stored = |(n, at)| Stored { at, id: format!("id {n}"), text: format!("event {n} at {at}") };
        times.into_iter().enumerate().map(stored).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_event_of_the_window_comes_once(
        events in events(),
        window in (0i64..400, 0i64..400),
        length in prop_oneof![Just(10i64), Just(1), Just(20), 1i64..100],
        most in 1usize..60,
        seed in any::<[u8; 32]>(),
    ) {
        let range = window.0.min(window.1)..window.0.max(window.1);
        let mut service = Service { events: events.clone(), moods: TestRng::from_seed(RngAlgorithm::ChaCha, &seed), requests: 0, tokens: BTreeMap::new(), twice: BTreeSet::new() };
        let mut all = String::new();
        let mut before = range.start;
        for slice in window::slices(&range, length, most) {
            prop_assert_eq!(slice.start, before);
            prop_assert!(slice.start < slice.end);
            before = slice.end;
            let lines = read(&mut service, slice.clone()).unwrap();
            // The same bytes, whatever the pages were like.
            let expected: String =
                events.iter().filter(|e| slice.contains(&e.at)).map(|e| format!("{}\n", e.text)).collect();
            prop_assert_eq!(&lines, &expected);
            all.push_str(&lines);
        }
        prop_assert_eq!(before, range.end);
        let expected: String =
            events.iter().filter(|e| range.contains(&e.at)).map(|e| format!("{}\n", e.text)).collect();
        prop_assert_eq!(all, expected);
    }
}

fn event(id: &str, at: i64) -> Event {
    Event { id: Some(id.to_owned()), timestamp: Some(at), message: Some(format!("record {id}")) }
}

fn page(events: &[(&str, i64)], next: Option<&str>) -> Page {
    Page { events: events.iter().map(|(id, at)| event(id, *at)).collect(), next: next.map(str::to_owned) }
}

fn ask(start: i64, token: Option<&str>) -> Option<Ask> {
    Some(Ask { start, end: 99, token: token.map(str::to_owned) })
}

#[test]
fn pages_end_where_no_token_comes_and_empty_ones_are_normal() {
    let mut pages = Pages::new(0..100);
    let mut lines = BytesMut::new();
    assert_eq!(pages.ask(), ask(0, None));
    assert_eq!(pages.take(page(&[], Some("a")), &mut lines), Ok(0));
    assert_eq!(pages.take(page(&[("1", 5), ("2", 5)], Some("b")), &mut lines), Ok(2));
    assert_eq!(pages.ask(), ask(0, Some("b")));
    assert_eq!(pages.take(page(&[("2", 5), ("3", 6)], Some("c")), &mut lines), Ok(1), "one is repeated");
    assert_eq!(pages.take(page(&[], None), &mut lines), Ok(0));
    assert_eq!(pages.ask(), None);
    assert_eq!(&lines[..], b"record 1\nrecord 2\nrecord 3\n");
    assert_eq!(Pages::new(7..7).ask(), None);
}

#[test]
fn the_same_token_again_is_the_end_and_a_circle_is_an_error() {
    let mut pages = Pages::new(0..100);
    let mut lines = BytesMut::new();
    pages.take(page(&[("1", 5)], Some("a")), &mut lines).unwrap();
    pages.take(page(&[("2", 6)], Some("a")), &mut lines).unwrap();
    assert_eq!(pages.ask(), ask(0, Some("a")), "asked once more");
    pages.take(page(&[("2", 6)], Some("a")), &mut lines).unwrap();
    assert_eq!(pages.ask(), None);
    assert_eq!(&lines[..], b"record 1\nrecord 2\n");

    let mut pages = Pages::new(0..100);
    pages.take(page(&[], Some("a")), &mut lines).unwrap();
    pages.take(page(&[], Some("b")), &mut lines).unwrap();
    assert_eq!(pages.take(page(&[], Some("a")), &mut lines), Err(Stuck::Circle));
}

#[test]
fn ever_new_tokens_without_an_event_end_in_an_error() {
    let mut pages = Pages { most_barren: 3, ..Pages::new(0..100) };
    let mut lines = BytesMut::new();
    pages.take(page(&[], Some("a")), &mut lines).unwrap();
    pages.take(page(&[], Some("b")), &mut lines).unwrap();
    pages.take(page(&[("1", 5)], Some("c")), &mut lines).unwrap();
    pages.take(page(&[("1", 5)], Some("d")), &mut lines).unwrap();
    pages.take(page(&[], Some("e")), &mut lines).unwrap();
    assert_eq!(pages.take(page(&[], Some("f")), &mut lines), Err(Stuck::Barren));
}

#[test]
fn an_expired_token_means_to_begin_anew_at_the_last_millisecond() {
    let mut pages = Pages::new(0..100);
    let mut lines = BytesMut::new();
    pages.take(page(&[("1", 5), ("2", 7)], Some("a")), &mut lines).unwrap();
    pages.take(page(&[("3", 7)], Some("b")), &mut lines).unwrap();
    pages.token_refused().unwrap();
    assert_eq!(pages.ask(), ask(7, None));
    // A token from before is no circle now.
    pages.take(page(&[("2", 7), ("3", 7), ("4", 7)], Some("a")), &mut lines).unwrap();
    pages.take(page(&[("5", 8)], None), &mut lines).unwrap();
    assert_eq!(&lines[..], b"record 1\nrecord 2\nrecord 3\nrecord 4\nrecord 5\n");

    let mut fresh = Pages::new(10..100);
    fresh.take(page(&[], Some("a")), &mut lines).unwrap();
    fresh.token_refused().unwrap();
    assert_eq!(fresh.ask(), ask(10, None));
}

#[test]
fn a_millisecond_may_hold_any_number_of_events() {
    let mut pages = Pages::new(0..100);
    let mut lines = BytesMut::new();
    let all: Vec<Event> = (0..REMEMBERED + 5).map(|n| event(&n.to_string(), 7)).collect();
    pages.take(Page { events: all.clone(), next: Some("a".to_owned()) }, &mut lines).unwrap();
    pages.token_refused().unwrap();
    let written = lines.len();
    assert_eq!(pages.take(Page { events: all, next: None }, &mut lines), Ok(0));
    assert_eq!(lines.len(), written);
}

#[test]
fn nobody_begins_anew_where_that_could_lose_or_repeat_an_event() {
    let without_id = Event { id: None, ..event("1", 5) };
    let without_time = Event { timestamp: None, ..event("1", 5) };
    for events in [vec![event("1", 5), event("2", 4)], vec![without_id], vec![without_time]] {
        let mut pages = Pages::new(0..100);
        let mut lines = BytesMut::new();
        let read = events.len() as u64;
        assert_eq!(pages.take(Page { events, next: Some("a".to_owned()) }, &mut lines), Ok(read));
        assert_eq!(pages.token_refused(), Err(Stuck::Unordered));
    }
}

#[test]
fn what_is_outside_of_the_slice_is_left_to_the_others() {
    let mut pages = Pages::new(10..20);
    let mut lines = BytesMut::new();
    pages.take(page(&[("1", 9), ("2", 10), ("3", 19), ("4", 20)], None), &mut lines).unwrap();
    assert_eq!(&lines[..], b"record 2\nrecord 3\n");
}

#[test]
fn a_message_is_one_line_whatever_is_in_it() {
    let written = |message: Option<&str>| {
        let mut lines = BytesMut::new();
        line(message, &mut lines);
        String::from_utf8(lines.to_vec()).unwrap()
    };
    assert_eq!(written(Some("a b c")), "a b c\n");
    assert_eq!(written(Some("a b c\r\n\n")), "a b c\n");
    assert_eq!(written(Some("2 OK\n2 OK\r\nx")), "2 OK\\n2 OK\\r\\nx\n");
    for blank in [None, Some(""), Some("\n"), Some(" \r\n")] {
        assert_eq!(written(blank), "-\n", "a malformed line, which is counted");
    }
}
