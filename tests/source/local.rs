//! Files, directories, patterns and standard input.

use std::io::{self, Read};

use flowgate::source::{CHUNK_BYTES, ContentHint, LocalSource, Object, STDIN, Selection, SourceError};
use tokio::sync::mpsc;

use super::tree::Tree;
use super::{fetch, list, names, run};

const NONE: [&str; 0] = [];

#[test]
fn a_walk_takes_logs_in_order_and_says_what_it_passed_over() {
    let tree = Tree::new(&[
        "logs/b/2.log.gz",
        "logs/b/10.log",
        "logs/a/x.parquet",
        "logs/export/000000.gz",
        "logs/events.jsonl",
        "logs/groups.json",
        "logs/t.TXT",
        "logs/z.log.zst",
        "logs/MANIFEST.toml",
        "logs/README",
        "logs/notes.md",
        "logs/picture.png",
        "logs/.hidden.log",
        "logs/.git/x.log",
        "other/x.log",
    ]);
    let seen = tree.all(&["logs"]);
    assert_eq!(
        seen.names,
        [
            "logs/a/x.parquet",
            "logs/b/10.log",
            "logs/b/2.log.gz",
            "logs/events.jsonl",
            "logs/export/000000.gz",
            "logs/groups.json",
            "logs/t.TXT",
            "logs/z.log.zst"
        ]
    );
    assert_eq!(
        seen.skipped,
        [
            "logs/.git: hidden",
            "logs/.hidden.log: hidden",
            "logs/MANIFEST.toml: not-a-log",
            "logs/README: not-a-log",
            "logs/notes.md: not-a-log",
            "logs/picture.png: not-a-log"
        ]
    );
    assert_eq!(seen.errors, NONE);
    let hints: Vec<_> = seen.listing.objects.iter().map(|object| object.content).collect();
    use ContentHint::{Json, Parquet, Text};
    assert_eq!(hints, [Parquet, Text, Text, Json, Text, Json, Text, Text]);
    assert_eq!(seen.listing.objects[1].size, Some("logs/b/10.log".len() as u64));
}

#[test]
fn a_file_named_by_the_user_is_taken_whatever_its_name() {
    let tree = Tree::new(&["README.md", ".hidden", "picture.png", "[1].log"]);
    let seen = tree.all(&["picture.png", "README.md", ".hidden", "[1].log"]);
    assert_eq!(seen.names, [".hidden", "README.md", "[1].log", "picture.png"]);
    assert_eq!((seen.skipped.len(), seen.errors.len()), (0, 0));
}

#[test]
fn patterns_stay_within_a_directory_unless_told() {
    let tree = Tree::new(&[
        "l/1.log",
        "l/2.log",
        "l/README.md",
        "l/stream-2026-01-01",
        "l/.hidden.log",
        "l/d/1.log",
        "l/d/README.md",
        "l/d/e/3.log",
        "l/d/e/plain",
        "m/d/1.log",
    ]);
    let found = |pattern: &str| {
        let seen = tree.all(&[pattern]);
        assert_eq!(seen.errors, NONE, "{pattern}");
        seen.names
    };
    assert_eq!(found("l/*.log"), ["l/1.log", "l/2.log"]);
    assert_eq!(found("l/[2-9].lo?"), ["l/2.log"]);
    assert_eq!(found("{l,m}/d/1.log"), ["l/d/1.log", "m/d/1.log"]);
    assert_eq!(found("*/d"), ["l/d/1.log", "l/d/e/3.log", "m/d/1.log"]);
    assert_eq!(found("l/**/1.log"), ["l/1.log", "l/d/1.log"]);
    assert_eq!(found("l/**"), ["l/1.log", "l/2.log", "l/d/1.log", "l/d/e/3.log"]);
    assert_eq!(found("l/.*"), ["l/.hidden.log"]);
    assert_eq!(found("l/stream-*"), ["l/stream-2026-01-01"]);
    assert_eq!(
        found("l/**/*"),
        ["l/1.log", "l/2.log", "l/d/1.log", "l/d/e/3.log", "l/d/e/plain", "l/stream-2026-01-01"]
    );
    assert_eq!(
        tree.all(&["l/*"]).skipped,
        ["l/README.md: not-a-log", "l/d/README.md: not-a-log", "l/d/e/plain: not-a-log"]
    );
}

#[test]
fn what_the_user_got_wrong_is_named_with_the_next_step() {
    let tree = Tree::new(&["l/1.log", "docs/README.md"]);
    let seen = tree.all(&["l", "nowhere", "l/*.parquet", "l/[.log", "{l/1,m}.log"]);
    assert_eq!(seen.names, ["l/1.log"], "the others go on");
    assert_eq!(
        seen.errors,
        [
            "l/*.parquet: no file matches this pattern; `*` stays within a directory, `**` goes below it",
            "l/[.log: not a valid pattern (unclosed character class; missing ']'); correct it, or name the directory instead",
            "nowhere: no such file or directory; check the spelling and the current directory",
            "{l/1,m}.log: not a valid pattern (unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)); correct it, or name the directory instead",
        ]
    );
    assert_eq!(
        tree.all(&["docs"]).errors,
        ["no flow logs in docs: looked for *.log, *.txt, *.parquet, *.json, *.jsonl, *.gz and *.zst, \
          passed over 1 of other names; name a file itself to read it whatever its name"]
    );
    let nothing = list(&LocalSource::new(NONE), &Selection::default());
    assert!(matches!(nothing.errors[..], [SourceError::NoInput]));
}

#[test]
fn overlapping_inputs_are_read_once() {
    let tree = Tree::new(&["l/d/1.log", "l/2.log"]);
    let seen = tree.all(&["l", "l/d", "l/./2.log", "l"]);
    assert_eq!(seen.names, ["l/2.log", "l/d/1.log"]);
    assert_eq!(seen.errors, NONE);
    assert_eq!(seen.skipped, ["l/./2.log: seen-before"], "the same name again is no news");
    let turned = tree.all(&["l/./2.log", "l/d", "l"]);
    assert_eq!((turned.names, turned.skipped), (seen.names, seen.skipped), "their order does not matter");
}

#[cfg(unix)]
#[test]
fn symbolic_links_are_followed_but_not_in_circles() {
    let tree = Tree::new(&["l/a/1.log", "elsewhere/2.log", "far/3.log"]);
    tree.link("l/a/loop", "../../l");
    tree.link("l/b", "a");
    tree.link("l/c.log", "../elsewhere/2.log");
    tree.link("l/d", "../far");
    tree.link("l/gone.log", "missing/target");
    tree.link("l/round.log", "round.log");
    let seen = tree.all(&["l"]);
    assert_eq!(seen.names, ["l/a/1.log", "l/c.log", "l/d/3.log"]);
    assert_eq!(seen.skipped, ["l/a/loop: seen-before", "l/b: seen-before"]);
    assert_eq!(seen.errors.len(), 2);
    assert_eq!(
        seen.errors[0],
        "l/gone.log: the symbolic link points to missing/target, which does not exist; restore it or remove the link"
    );
    assert!(seen.errors[1].starts_with("l/round.log: can't be read: "), "{}", seen.errors[1]);
    assert_eq!(tree.all(&["l/gone.log"]).errors, seen.errors[..1], "named directly it is the same");
}

#[cfg(unix)]
#[test]
fn sockets_are_no_logs_and_odd_names_are_errors() {
    use std::os::unix::ffi::OsStringExt;
    let tree = Tree::new(&["l/1.log"]);
    let _socket = std::os::unix::net::UnixListener::bind(tree.path("l/2.log")).unwrap();
    let odd = std::ffi::OsString::from_vec(b"\xff.log".to_vec());
    std::fs::write(tree.path("l").join(odd), "x").unwrap();
    let seen = tree.all(&["l"]);
    assert_eq!(seen.names, ["l/1.log"]);
    assert_eq!(seen.skipped, ["l/2.log: not-a-file"]);
    assert_eq!(seen.errors, ["l/\u{fffd}.log: the name is not UTF-8; rename it"]);
    assert_eq!(tree.all(&["l/*"]).skipped, ["l/2.log: not-a-file"]);
}

#[test]
fn one_copy_of_a_delivered_object_is_read() {
    let key = "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log";
    let other = key.replace("fe123456", "fe123457");
    let tree = Tree::new(&[
        &format!("b/{key}.gz"),
        &format!("a/{key}"),
        &format!("a/{other}.gz"),
        "a/x.log",
        "b/x.log",
    ]);
    tree.write(&format!("a/{key}"), b"as long");
    tree.write(&format!("b/{key}.gz"), b"the one");
    let seen = tree.all(&[""]);
    assert_eq!(seen.names, [format!("a/{key}"), format!("a/{other}.gz"), "a/x.log".into(), "b/x.log".into()]);
    assert_eq!(seen.skipped, [format!("b/{key}.gz: same-object")]);
    let why = seen.listing.skipped[0].reason.to_string();
    assert_eq!(why, format!("same object as {}", tree.path(&format!("a/{key}")).display()));
    // One of another size may be the whole of it, or only a part.
    tree.write(&format!("a/{key}"), b"");
    let seen = tree.all(&[""]);
    assert_eq!((seen.names.len(), seen.skipped.len()), (5, 0));
}

#[test]
fn files_arrive_whole_in_chunks_of_the_agreed_size() {
    let tree = Tree::new(&["empty.log"]);
    tree.write("empty.log", b"");
    let body: Vec<u8> = (0..CHUNK_BYTES * 2 + 7).map(|i| (i % 251) as u8).collect();
    tree.write("big.log", &body);
    tree.write("exact.log", &body[..CHUNK_BYTES]);
    let source = tree.source(&[""]);
    let objects = list(&source, &Selection::default()).objects;
    let [big, empty, exact] = &objects[..] else { panic!("{objects:?}") };
    let fetched = fetch(&source, big);
    assert_eq!(fetched.result.unwrap(), body.len() as u64);
    assert_eq!(fetched.chunks, [CHUNK_BYTES, CHUNK_BYTES, 7]);
    assert!(fetched.bytes == body);
    assert_eq!(fetch(&source, exact).chunks, [CHUNK_BYTES]);
    let nothing = fetch(&source, empty);
    assert_eq!((nothing.result.unwrap(), nothing.chunks.len()), (0, 0));
}

#[test]
fn a_receiver_that_leaves_stops_the_reading_quietly() {
    let tree = Tree::new(&[]);
    tree.write("big.log", &vec![b'x'; CHUNK_BYTES * 8]);
    let source = tree.source(&["big.log"]);
    let object = list(&source, &Selection::default()).objects.remove(0);
    let sent = run(async {
        use flowgate::source::Source;
        let (to, mut from) = mpsc::channel(1);
        let leave = async move {
            from.recv().await.unwrap();
        };
        super::both(source.fetch(&object, to), leave).await.0
    });
    let sent = sent.unwrap();
    assert!(sent >= CHUNK_BYTES as u64 && sent < 8 * CHUNK_BYTES as u64, "{sent}");
}

#[test]
fn files_that_change_after_the_listing_are_noticed() {
    let tree = Tree::new(&["gone.log", "grown.log", "shrunk.log"]);
    let source = tree.source(&[""]);
    let objects = list(&source, &Selection::default()).objects;
    std::fs::remove_file(tree.path("gone.log")).unwrap();
    tree.write("grown.log", b"longer than its own name");
    tree.write("shrunk.log", b"short");
    let gone = fetch(&source, &objects[0]).result.unwrap_err().to_string();
    assert!(
        gone.ends_with(
            "gone.log: disappeared after it was listed; run again when nothing moves or deletes logs"
        ),
        "{gone}"
    );
    assert_eq!(fetch(&source, &objects[1]).result.unwrap(), 24);
    let shrunk = fetch(&source, &objects[2]);
    assert_eq!(shrunk.bytes, b"short");
    let shrunk = shrunk.result.unwrap_err().to_string();
    assert!(
        shrunk.ends_with("shrunk.log: ended after 5 of 10 bytes; run again, or fetch a whole copy of it"),
        "{shrunk}"
    );
}

#[cfg(unix)]
#[test]
fn a_failure_while_reading_is_an_error() {
    // A directory can be opened and not read.
    let tree = Tree::new(&["d/1.log"]);
    let directory = Object::new(tree.path("d").to_str().unwrap(), None);
    assert!(matches!(fetch(&tree.source(&["d"]), &directory).result, Err(SourceError::Unreadable { .. })));
}

#[test]
fn standard_input_is_read_once() {
    let source = LocalSource::new([STDIN, STDIN]).with_stdin(&b"2 - eni-1"[..]);
    let listing =
        list(&source, &Selection { from: Some(0), accounts: vec!["1".into()], ..Selection::default() });
    assert_eq!(names(&listing), ["-"], "nothing is known of it, so nothing prunes it");
    assert_eq!((listing.objects[0].size, listing.objects[0].content), (None, ContentHint::Unknown));
    let fetched = fetch(&source, &listing.objects[0]);
    assert_eq!((fetched.result.unwrap(), &fetched.bytes[..]), (9, &b"2 - eni-1"[..]));
    let again = fetch(&source, &listing.objects[0]).result.unwrap_err();
    assert_eq!(
        again.to_string(),
        "-: standard input can be read only once; save it to a file to read it again"
    );
}

#[test]
fn standard_input_that_dribbles_is_gathered_and_its_failure_told() {
    /// One byte at a time, then a failure.
    struct Dribble(usize);
    impl Read for Dribble {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.0 -= 1;
            buffer[0] = b'x';
            Ok(1)
        }
    }
    let stdin = Object::new(STDIN, None);
    let whole = LocalSource::new([STDIN]).with_stdin(Dribble(1000).take(1000));
    assert_eq!(fetch(&whole, &stdin).chunks, [1000]);
    let broken = LocalSource::new([STDIN]).with_stdin(Dribble(1000));
    assert!(
        matches!(fetch(&broken, &stdin).result, Err(SourceError::Unreadable { name, .. }) if name == "-")
    );
}
