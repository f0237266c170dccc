//! Log groups that misbehave: every way that the service, or the way to it, is known to fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flowgate::source::cloudwatch::{ACTIONS, CloudWatchOptions, CloudWatchSource};
use flowgate::source::{Selection, Source};
use serde_json::{Value, json};

use crate::cloudwatch::{MINUTE, errors, fetch, fetch_all, group};
use crate::run;
use crate::stub::{Reply, Stub};

/// A whole hour, in seconds.
const NOW: i64 = 1_789_999_200;
const NAME: &str = "/vpc/odd";
const RESOURCE: &str = "arn:aws:logs:eu-west-1:123456789012:log-group:/vpc/odd:*";

/// The events of the hour before [`NOW`], in the order of time: the time, the id, and the message.
fn events() -> Vec<(i64, String, String)> {
    let from = NOW * 1000 - 60 * MINUTE;
    let mut times: Vec<i64> = (0..240).map(|n| from + n * 15_000).collect();
    // Many at once, around the edge of two slices.
    times.extend([from + 15 * MINUTE - 1; 9]);
    times.extend([from + 15 * MINUTE; 9]);
    times.sort_unstable();
    let event = |(n, at): (usize, i64)| {
        (
            at,
            format!("id-{n:04}"),
            format!("2 123456789012 eni-1 10.0.0.{} 10.0.1.2 1 2 6 1 40 {at} OK", n % 250),
        )
    };
    times.into_iter().enumerate().map(event).collect()
}

fn described(class: &str) -> Value {
    let group = json!({"logGroupName": NAME, "arn": RESOURCE, "creationTime": 0, "logGroupClass": class});
    json!({"logGroups": [group]})
}

/// What an undisturbed service answers to FilterLogEvents, in pages of this size. Tokens are offsets.
fn answer(body: &Value, size: usize) -> Value {
    let range = body["startTime"].as_i64().unwrap()..=body["endTime"].as_i64().unwrap();
    let all: Vec<_> = events().into_iter().filter(|(at, ..)| range.contains(at)).collect();
    let before: usize = body["nextToken"].as_str().map_or(0, |token| token.parse().unwrap());
    let page = all.iter().skip(before).take(size);
    let page: Vec<Value> =
        page.map(|(at, id, message)| json!({"timestamp": at, "eventId": id, "message": message})).collect();
    let after = before + page.len();
    let mut answer = json!({"events": page, "searchedLogStreams": []});
    if after < all.len() {
        answer["nextToken"] = json!(after.to_string());
    }
    answer
}

/// A service that is well but for FilterLogEvents, which is up to the script.
fn service(filter: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Stub {
    Stub::start(Duration::ZERO, move |operation, body| match operation {
        "DescribeLogGroups" => Reply::Answer(described("STANDARD")),
        "DescribeLogStreams" => Reply::Answer(json!({"logStreams": [{"logStreamName": "eni-1-all"}]})),
        "FilterLogEvents" => filter(body),
        other => panic!("{other}"),
    })
}

fn options() -> CloudWatchOptions {
    CloudWatchOptions { max_requests_per_second: Some(100_000.0), ..CloudWatchOptions::new(NOW) }
}

fn hour() -> Selection {
    // With the padding, from a quarter of an hour before.
    Selection { from: Some(NOW - 3600), ..Selection::default() }
}

fn open(stub: &Stub, options: CloudWatchOptions) -> Arc<CloudWatchSource> {
    Arc::new(CloudWatchSource::new([group(NAME)], stub.connect(), options))
}

type Read = BTreeMap<String, (String, Result<u64, String>)>;

fn read(stub: &Stub) -> Read {
    run(async {
        let source = open(stub, options());
        let listing = source.list(&hour()).await;
        assert_eq!(errors(&listing), [""; 0]);
        fetch_all(&source, &listing).await
    })
}

/// The text of each slice as it should be.
fn expected() -> Vec<String> {
    let edges: Vec<i64> = (0..5).map(|n| NOW * 1000 - (4 - n) * 15 * MINUTE).collect();
    let mut slices = vec![String::new()];
    for pair in edges.windows(2) {
        let of = events().into_iter().filter(|(at, ..)| (pair[0]..pair[1]).contains(at));
        slices.push(of.map(|(.., message)| message + "\n").collect());
    }
    slices
}

fn assert_whole(read: &Read, case: &str) {
    for (name, (_, result)) in read {
        assert!(result.is_ok(), "{case}: {name}: {result:?}");
    }
    let texts: Vec<&String> = read.values().map(|(text, _)| text).collect();
    assert!(texts.iter().copied().eq(expected().iter()), "{case}: not the same bytes");
}

/// The one error that all slices fail with, with the name of the slice cut off.
fn the_error(read: &Read) -> String {
    let said: BTreeSet<String> = read
        .iter()
        .map(|(name, (_, result))| {
            result.clone().unwrap_err().strip_prefix(name.as_str()).unwrap().to_owned()
        })
        .collect();
    assert_eq!(said.len(), 1, "{said:?}");
    said.into_iter().next().unwrap()
}

/// SplitMix64: a sequence that depends on nothing else.
fn random(seed: &AtomicUsize) -> usize {
    let mut z = (seed.fetch_add(0x9e37_79b9, Ordering::SeqCst) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((z ^ (z >> 31)) % 1_000_003).unwrap()
}

#[test]
fn the_same_bytes_whatever_the_pages_and_faults() {
    let calm = service(|body| Reply::Answer(answer(body, 10_000)));
    assert_whole(&read(&calm), "calm");
    let asked: Vec<(i64, i64)> = calm
        .of("FilterLogEvents")
        .iter()
        .map(|body| (body["startTime"].as_i64().unwrap(), body["endTime"].as_i64().unwrap()))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    assert_eq!(asked.len(), 5);
    assert!(asked.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "disjoint and without a gap: {asked:?}");
    assert_eq!((asked[0].0, asked[4].1), ((NOW - 3600 - 660) * 1000, NOW * 1000 - 1));

    for seed in 0..60 {
        let moods = AtomicUsize::new(seed * 1000);
        // A slice bears three faults in a row, and as many expired tokens.
        let rows = Mutex::new(BTreeMap::<i64, (u32, u32)>::new());
        let stub = service(move |body| {
            let mood = random(&moods);
            let size = [3, 10, 7, 40, 1000][mood % 5];
            let mut rows = rows.lock().unwrap();
            let (row, expired) = rows.entry(body["endTime"].as_i64().unwrap()).or_default();
            if mood % 7 >= 3 || *row == 3 {
                *row = 0;
                return Reply::Answer(answer(body, size));
            }
            *row += 1;
            match mood % 6 {
                0 => Reply::Refuse("ThrottlingException", "Rate exceeded".to_owned()),
                1 => Reply::Refuse("ServiceUnavailableException", "later".to_owned()),
                2 => Reply::Hang,
                3 => Reply::Cut(answer(body, size)),
                4 if body["nextToken"].is_string() && *expired < 3 => {
                    *expired += 1;
                    let said = "The specified nextToken has expired.";
                    Reply::Refuse("InvalidParameterException", said.to_owned())
                }
                // A page that is empty, and leads to the same place.
                _ => {
                    let before = body["nextToken"].as_str().unwrap_or("0").to_owned();
                    Reply::Answer(json!({"events": [], "nextToken": format!("0{before}")}))
                }
            }
        });
        assert_whole(&read(&stub), &format!("seed {seed}"));
    }
}

#[test]
fn a_storm_of_throttling_is_weathered_and_an_endless_one_is_an_error() {
    let refused = Mutex::new(BTreeMap::<String, u32>::new());
    let stub = service(move |body| {
        let mut refused = refused.lock().unwrap();
        let times = refused.entry(body.to_string()).or_default();
        *times += 1;
        if *times <= 3 {
            return Reply::Refuse("ThrottlingException", "Rate exceeded".to_owned());
        }
        Reply::Answer(answer(body, 10))
    });
    assert_whole(&read(&stub), "each page is refused three times");

    let stub = service(|_| Reply::Refuse("ThrottlingException", "Rate exceeded".to_owned()));
    let said = the_error(&read(&stub));
    assert!(
        said.contains("ThrottlingException: Rate exceeded") && said.contains("--max-requests-per-second"),
        "{said}"
    );
    let mut attempts = BTreeMap::<i64, u32>::new();
    for body in stub.of("FilterLogEvents") {
        *attempts.entry(body["startTime"].as_i64().unwrap()).or_default() += 1;
    }
    assert!(
        attempts.len() == 5 && attempts.values().all(|n| *n == 4),
        "as patient as asked for: {attempts:?}"
    );
}

#[test]
fn the_end_is_no_token_or_the_same_token_and_a_circle_is_an_error() {
    let stub = service(|body| {
        let mut answer = answer(body, 10);
        if answer["nextToken"].is_null() {
            // The end: the token that was sent comes back, for ever.
            answer["nextToken"] = body["nextToken"].as_str().map_or(json!("999999"), |token| json!(token));
        }
        Reply::Answer(answer)
    });
    assert_whole(&read(&stub), "the same token at the end");

    let stub = service(|body| {
        let next = if body["nextToken"] == "a" { "b" } else { "a" };
        Reply::Answer(json!({"events": [], "nextToken": next}))
    });
    let said = the_error(&read(&stub));
    assert!(said.contains("the same pages again and again"), "{said}");
}

#[test]
fn expired_tokens_go_on_where_they_were_and_never_for_ever() {
    // Each token works for nothing: keyset paging all the way, pages larger than any millisecond's events.
    let stub = service(|body| {
        if body["nextToken"].is_string() {
            return Reply::Refuse(
                "InvalidParameterException",
                "The specified nextToken is invalid.".to_owned(),
            );
        }
        Reply::Answer(answer(body, 20))
    });
    assert_whole(&read(&stub), "no token works");

    // More events of one millisecond than a page holds, and no token: nothing can be done.
    let stub = service(|body| {
        if body["nextToken"].is_string() {
            return Reply::Refuse(
                "InvalidParameterException",
                "The specified nextToken is invalid.".to_owned(),
            );
        }
        Reply::Answer(answer(body, 5))
    });
    let failed = read(&stub).values().filter(|(_, result)| result.is_err()).count();
    assert_eq!(failed, 2, "the slices with nine events at once");
}

#[test]
fn refusals_name_the_action_and_the_resource() {
    let stub = service(|_| {
        let said =
            "User: arn:aws:iam::123456789012:user/x is not authorized to perform: logs:FilterLogEvents";
        Reply::Refuse("AccessDeniedException", said.to_owned())
    });
    let said = the_error(&read(&stub));
    assert!(said.ends_with(&format!("; allow logs:FilterLogEvents on {RESOURCE}")), "{said}");
    assert_eq!(stub.of("FilterLogEvents").len(), 5, "and are not tried again");

    for (code, says) in [
        ("ExpiredTokenException", "aws sso login"),
        ("UnrecognizedClientException", "aws sso login"),
        ("ResourceNotFoundException", "the log group is gone"),
        ("InvalidParameterException", "check the log group"),
    ] {
        let stub = service(move |_| Reply::Refuse(code, "said the service".to_owned()));
        let said = the_error(&read(&stub));
        assert!(said.contains(&format!("{code}: said the service")) && said.contains(says), "{said}");
    }
    let stub = service(|_| Reply::Hang);
    let said = the_error(&read(&stub));
    assert!(said.contains("check the network"), "{said}");
}

#[test]
fn looking_up_may_be_refused() {
    let denied = || Reply::Refuse("AccessDeniedException", "not authorized".to_owned());
    let refusing = move |operation: &'static str| {
        Stub::start(Duration::ZERO, move |asked, body| match asked {
            _ if asked == operation => denied(),
            "DescribeLogGroups" => Reply::Answer(described("STANDARD")),
            "DescribeLogStreams" => Reply::Answer(json!({"logStreams": [{"logStreamName": "eni-1-all"}]})),
            _ => Reply::Answer(answer(body, 100)),
        })
    };
    let stub = refusing("DescribeLogGroups");
    assert_whole(&read(&stub), "without knowing the group");
    run(async {
        let listing = open(&stub, options()).list(&hour()).await;
        assert!(listing.notes[0].contains("logs:DescribeLogGroups is not allowed"), "{:?}", listing.notes);

        let stub = refusing("DescribeLogStreams");
        let selection = Selection { interfaces: vec!["eni-1".to_owned()], ..hour() };
        let listing = open(&stub, options()).list(&selection).await;
        let said = errors(&listing);
        assert!(said.len() == 1 && listing.objects.is_empty(), "{said:?}");
        assert!(said[0].ends_with(&format!("allow logs:DescribeLogStreams on {RESOURCE}")), "{said:?}");
    });
    // Whose group it is is not known then.
    let stub = Stub::start(Duration::ZERO, move |_, _| denied());
    let said = the_error(&read(&stub));
    assert!(
        said.ends_with("allow logs:FilterLogEvents on arn:aws:logs:eu-west-1:*:log-group:/vpc/odd:*"),
        "{said}"
    );
}

#[test]
fn infrequent_access_is_told_before_and_while_reading() {
    let advice = "aws logs create-export-task --region eu-west-1 --log-group-name '/vpc/odd'";
    let stub = Stub::start(Duration::ZERO, |operation, _| match operation {
        "DescribeLogGroups" => Reply::Answer(described("INFREQUENT_ACCESS")),
        other => panic!("{other}"),
    });
    run(async {
        let listing = open(&stub, options()).list(&hour()).await;
        let said = errors(&listing);
        assert!(said.len() == 1 && listing.objects.is_empty(), "{said:?}");
        assert!(said[0].contains(advice) && said[0].contains("flowgate analyze s3://"), "{said:?}");
    });
    let stub = service(|_| {
        let said = "This operation is not supported for log groups of the Infrequent Access log class";
        Reply::Refuse("InvalidParameterException", said.to_owned())
    });
    assert!(the_error(&read(&stub)).contains(advice));
}

#[test]
fn every_action_is_declared() {
    let stub = service(|body| {
        assert_eq!(body["logStreamNames"], json!(["eni-1-all"]));
        Reply::Answer(answer(body, 100))
    });
    run(async {
        let source = open(&stub, options());
        let selection = Selection { interfaces: vec!["eni-1".to_owned()], ..hour() };
        let listing = source.list(&selection).await;
        fetch_all(&source, &listing).await;
    });
    assert_eq!(stub.actions(), ACTIONS.iter().map(ToString::to_string).collect());
}

#[test]
fn requests_are_bounded_in_number_and_in_rate() {
    run(async {
        let stub = Stub::start(Duration::from_millis(20), |operation, body| match operation {
            "DescribeLogGroups" => Reply::Answer(described("STANDARD")),
            _ => Reply::Answer(answer(body, 10)),
        });
        let source =
            open(&stub, CloudWatchOptions { max_requests: 3, slice: Duration::from_secs(60), ..options() });
        let listing = source.list(&hour()).await;
        assert_eq!(listing.objects.len(), 71);
        fetch_all(&source, &listing).await;
        assert_eq!(stub.most.load(Ordering::SeqCst), 3);

        let source = open(&stub, CloudWatchOptions { max_requests_per_second: Some(50.0), ..options() });
        let listing = source.list(&hour()).await;
        let before = stub.of("FilterLogEvents").len();
        let began = Instant::now();
        fetch_all(&source, &listing).await;
        let asked = stub.of("FilterLogEvents").len() - before;
        let least = Duration::from_secs_f64((asked - 1) as f64 / 50.0);
        assert!(asked > 25 && began.elapsed() >= least, "{asked} in {:?}", began.elapsed());
    });
}

#[test]
fn throttling_slows_all_requests_down() {
    let took = |throttled: bool| {
        let first = AtomicUsize::new(usize::from(!throttled));
        let stub = service(move |body| match first.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::Refuse("ThrottlingException", "Rate exceeded".to_owned()),
            _ => Reply::Answer(answer(body, 15)),
        });
        run(async {
            let source = open(&stub, CloudWatchOptions { max_requests_per_second: Some(20.0), ..options() });
            let listing = source.list(&hour()).await;
            let began = Instant::now();
            fetch_all(&source, &listing).await;
            (stub.of("FilterLogEvents").len(), began.elapsed())
        })
    };
    // One refusal, and the 18 or so requests after it take longer than 20 a second would.
    let (calm, _) = took(false);
    let (asked, elapsed) = took(true);
    assert_eq!(asked, calm + 1);
    let usual = Duration::from_secs_f64(calm as f64 / 20.0);
    assert!(elapsed > usual.mul_f64(1.4), "{asked} in {elapsed:?}, usually {usual:?}");
}

#[test]
fn who_stops_listening_is_asked_no_more_and_chunks_are_bounded() {
    run(async {
        // Pages of a megabyte, without end.
        let pages = AtomicUsize::new(0);
        let message = "x".repeat(10_000);
        let stub = service(move |body| {
            let page = pages.fetch_add(1, Ordering::SeqCst);
            let at = body["startTime"].as_i64().unwrap() + i64::try_from(page).unwrap();
            let event =
                |n: usize| json!({"timestamp": at, "eventId": format!("{page} {n}"), "message": message});
            let events: Vec<Value> = (0..100).map(event).collect();
            Reply::Answer(json!({"events": events, "nextToken": format!("after {page}")}))
        });
        let source = open(&stub, options());
        let listing = source.list(&hour()).await;
        let (to, mut from) = tokio::sync::mpsc::channel(1);
        let listen = async {
            let chunk: bytes::Bytes = from.recv().await.unwrap();
            drop(from);
            chunk.len()
        };
        let (sent, chunk) = tokio::join!(source.fetch(&listing.objects[1], to), listen);
        assert_eq!(chunk, flowgate::source::CHUNK_BYTES);
        assert!(sent.unwrap() <= 3 * chunk as u64);
        assert!(stub.of("FilterLogEvents").len() <= 3);
    });
}

#[test]
fn a_message_of_two_lines_is_not_two_records() {
    let stub = service(|body| {
        let event = |id: &str, message: &str| json!({"timestamp": body["startTime"], "eventId": id, "message": message});
        Reply::Answer(json!({"events": [event("1", "2 a b\n2 c d\n"), event("2", "2 e f")]}))
    });
    run(async {
        let source = open(&stub, options());
        let listing = source.list(&hour()).await;
        let (text, result) = fetch(&source, &listing.objects[0]).await;
        assert_eq!((text.as_str(), result), ("2 a b\\n2 c d\n2 e f\n", Ok(19)));
    });
}
