//! Flow log lines wrapped in something else: JSON documents, and lines with a time in front.
//!
//! Seen in the wild: Firehose (`{"message": "2 1234 …"}`, one after the other with or without newline), answers
//! of `aws logs filter-log-events` and `get-log-events` (`{"events": [{"message": …}]}`), subscriptions
//! (`{"messageType": "DATA_MESSAGE", "logEvents": [{"message": …}]}`) and export tasks, whose lines begin with the
//! time of the event.

use memchr::{memchr, memchr2};

use super::format::is_blank;

/// Deepest nesting followed; the documents known nest 3 deep.
const MAX_DEPTH: usize = 32;
/// Longest key looked at.
const MAX_KEY: usize = 64;

/// What the stream of JSON documents yields.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A message is complete; [`Envelope::message`] has it.
    Message,
    /// Something that should have been a message is none. Counts as one malformed line.
    Broken(String),
}

/// Takes messages out of JSON documents pushed at it in chunks of any size. Keeps one string at a time.
#[derive(Debug)]
pub(super) struct Envelope {
    max_message: usize,
    place: Place,
    frames: Vec<Frame>,
    /// The key read last.
    key: Key,
    /// The string or line being read, as written.
    text: Vec<u8>,
    /// Bytes of `text` to keep; more make it too long.
    keep: usize,
    too_long: bool,
    /// The document said that it is a health check.
    control: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Between documents.
    Outside,
    /// Inside a line that is not JSON.
    Line,
    /// The rest of a line after an error.
    Lost,
    /// A key or the end of an object.
    Key,
    /// The colon after a key.
    Colon,
    /// A value, or the end of an array.
    Value,
    /// A comma or the end of what encloses.
    Comma,
    /// Inside a string.
    Text { is_key: bool, escaped: bool },
    /// Inside a number, `true`, `false` or `null`.
    Scalar,
}

/// Keys that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Message,
    Events,
    MessageType,
    Other,
}

/// An object or array that is open.
#[derive(Clone, Copy, Debug)]
struct Frame {
    array: bool,
    /// An object that has to hold a message, or an array of such objects.
    carries: bool,
    /// The object holds a message or an array of events.
    found: bool,
}

impl Envelope {
    pub(super) fn new(max_message: usize) -> Self {
        Self {
            max_message,
            place: Place::Outside,
            frames: Vec::new(),
            key: Key::Other,
            text: Vec::new(),
            keep: 0,
            too_long: false,
            control: false,
        }
    }

    /// The message that [`Event::Message`] announced.
    pub(super) fn message(&self) -> &[u8] {
        &self.text
    }

    /// Takes bytes up to the next event; returns how many.
    pub(super) fn advance(&mut self, input: &[u8]) -> (usize, Option<Event>) {
        let mut at = 0;
        while at < input.len() {
            let (taken, event) = self.step(&input[at..]);
            at += taken;
            if event.is_some() {
                return (at, event);
            }
        }
        (at, None)
    }

    /// Says that no more bytes come.
    pub(super) fn finish(&mut self) -> Option<Event> {
        let place = self.place;
        let open = !self.frames.is_empty();
        self.place = Place::Outside;
        self.frames.clear();
        match place {
            Place::Line => self.end_of_message(),
            _ if open => Some(Event::Broken("JSON document ends early".to_owned())),
            _ => None,
        }
    }

    /// Takes at least one byte, or changes place.
    fn step(&mut self, input: &[u8]) -> (usize, Option<Event>) {
        let byte = input[0];
        match self.place {
            Place::Text { is_key, escaped } => self.step_text(input, is_key, escaped),
            Place::Line => match memchr(b'\n', input) {
                Some(end) => {
                    self.collect(&input[..end]);
                    self.place = Place::Outside;
                    (end + 1, self.end_of_message())
                }
                None => {
                    self.collect(input);
                    (input.len(), None)
                }
            },
            Place::Lost => match memchr(b'\n', input) {
                Some(end) => {
                    self.place = Place::Outside;
                    (end + 1, None)
                }
                None => (input.len(), None),
            },
            Place::Scalar => {
                let len =
                    input.iter().take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)).count();
                if len < input.len() {
                    self.place = Place::Comma;
                }
                (len, None)
            }
            Place::Outside if is_blank(byte) || byte == b',' => (1, None),
            Place::Outside if byte == b'{' || byte == b'[' => {
                self.control = false;
                self.key = Key::Other;
                (1, self.open(byte == b'['))
            }
            Place::Outside => {
                self.begin_text(self.max_message);
                self.place = Place::Line;
                (0, None)
            }
            _ if is_blank(byte) => (1, None),
            place => (1, self.structure(place, byte)),
        }
    }

    fn structure(&mut self, place: Place, byte: u8) -> Option<Event> {
        // Inside a document there is always a frame: the last one closing leads outside.
        let in_array = self.frames.last().is_some_and(|frame| frame.array);
        match (place, byte) {
            (Place::Key, b'"') => {
                self.begin_text(MAX_KEY);
                self.place = Place::Text { is_key: true, escaped: false };
            }
            (Place::Colon, b':') => self.place = Place::Value,
            (Place::Value, b'{' | b'[') => return self.open(byte == b'['),
            (Place::Value, b'"') => {
                let keep = match self.key {
                    Key::Message if !in_array => self.max_message,
                    Key::MessageType => MAX_KEY,
                    _ => 0,
                };
                self.begin_text(keep);
                self.place = Place::Text { is_key: false, escaped: false };
            }
            (Place::Value, b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => self.place = Place::Scalar,
            (Place::Comma, b',') => self.place = if in_array { Place::Value } else { Place::Key },
            (Place::Key | Place::Comma, b'}') if !in_array => return self.close(),
            (Place::Value | Place::Comma, b']') if in_array => return self.close(),
            _ => {
                self.frames.clear();
                self.place = if byte == b'\n' { Place::Outside } else { Place::Lost };
                return Some(Event::Broken(format!("not JSON: unexpected {:?}", char::from(byte))));
            }
        }
        None
    }

    fn open(&mut self, array: bool) -> Option<Event> {
        if self.frames.len() >= MAX_DEPTH {
            self.frames.clear();
            self.place = Place::Lost;
            return Some(Event::Broken(format!("JSON nested more than {MAX_DEPTH} deep")));
        }
        let carries = match self.frames.last_mut() {
            None => true,
            Some(parent) if parent.array => parent.carries && !array,
            Some(parent) => {
                let events = array && parent.carries && self.key == Key::Events;
                parent.found |= events;
                events
            }
        };
        self.frames.push(Frame { array, carries, found: false });
        self.key = Key::Other;
        self.place = if array { Place::Value } else { Place::Key };
        None
    }

    fn close(&mut self) -> Option<Event> {
        self.place = Place::Comma;
        let closed = self.frames.pop();
        if self.frames.is_empty() {
            self.place = Place::Outside;
        }
        let lacking = closed.is_some_and(|frame| !frame.array && frame.carries && !frame.found);
        (lacking && !self.control).then(|| Event::Broken("JSON object without a flow log message".to_owned()))
    }

    fn begin_text(&mut self, keep: usize) {
        self.text.clear();
        self.keep = keep;
        self.too_long = false;
    }

    fn collect(&mut self, bytes: &[u8]) {
        let room = self.keep.saturating_sub(self.text.len());
        self.too_long |= bytes.len() > room;
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn step_text(&mut self, input: &[u8], is_key: bool, escaped: bool) -> (usize, Option<Event>) {
        if escaped {
            self.collect(&input[..1]);
            self.place = Place::Text { is_key, escaped: false };
            return (1, None);
        }
        let Some(end) = memchr2(b'"', b'\\', input) else {
            self.collect(input);
            return (input.len(), None);
        };
        if input[end] == b'\\' {
            self.collect(&input[..=end]);
            self.place = Place::Text { is_key, escaped: true };
            return (end + 1, None);
        }
        self.collect(&input[..end]);
        (end + 1, self.end_text(is_key))
    }

    fn end_text(&mut self, is_key: bool) -> Option<Event> {
        if is_key {
            self.key = match self.text.as_slice() {
                _ if self.too_long => Key::Other,
                b"message" => Key::Message,
                b"events" | b"logEvents" => Key::Events,
                b"messageType" => Key::MessageType,
                _ => Key::Other,
            };
            self.place = Place::Colon;
            return None;
        }
        self.place = Place::Comma;
        let top = self.frames.len() == 1;
        let frame = self.frames.last_mut().filter(|frame| frame.carries && !frame.array)?;
        match self.key {
            Key::Message => {
                frame.found = true;
                if self.control || self.text.starts_with(b"CWL CONTROL MESSAGE") {
                    return None;
                }
                if self.text.contains(&b'\\') && !self.too_long {
                    match unescaped(&self.text) {
                        Some(text) => self.text = text,
                        None => return Some(Event::Broken("message with a broken JSON escape".to_owned())),
                    }
                }
                self.end_of_message()
            }
            Key::MessageType if top => {
                self.control = self.text == b"CONTROL_MESSAGE";
                None
            }
            _ => None,
        }
    }

    fn end_of_message(&mut self) -> Option<Event> {
        Some(if self.too_long {
            Event::Broken(format!("line longer than {} bytes", self.max_message))
        } else {
            Event::Message
        })
    }
}

/// A JSON string without its quotes, escapes resolved.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let quoted = [b"\"", text, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).ok().map(String::into_bytes)
}

/// The line without a leading RFC 3339 time such as `2024-01-01T00:00:00.000Z`, which export tasks of
/// CloudWatch Logs put there. No field of a flow log looks like that.
pub(super) fn without_time(line: &[u8]) -> &[u8] {
    let len = line.iter().position(|&byte| is_blank(byte)).unwrap_or(line.len());
    let pattern = b"dddd-dd-ddTdd:dd:dd";
    let fits = (pattern.len() + 1..=35).contains(&len)
        && line[pattern.len()..len].iter().all(|byte| byte.is_ascii_digit() || b".:+-Z".contains(byte))
        && pattern.iter().zip(line).all(|(want, byte)| match want {
            b'd' => byte.is_ascii_digit(),
            _ => want == byte,
        });
    if fits { line[len..].trim_ascii_start() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(input: &[u8], chunk: usize) -> Vec<Result<String, String>> {
        let mut envelope = Envelope::new(100);
        let mut out = Vec::new();
        for mut piece in input.chunks(chunk) {
            while !piece.is_empty() {
                let (taken, event) = envelope.advance(piece);
                piece = &piece[taken..];
                out.extend(event.map(|event| shown(&envelope, event)));
            }
        }
        out.extend(envelope.finish().map(|event| shown(&envelope, event)));
        out
    }

    fn shown(envelope: &Envelope, event: Event) -> Result<String, String> {
        match event {
            Event::Message => Ok(String::from_utf8(envelope.message().to_vec()).unwrap()),
            Event::Broken(reason) => Err(reason),
        }
    }

    fn check(input: &str, expected: &[Result<&str, &str>]) {
        let expected: Vec<_> = expected.iter().map(|e| e.map(str::to_owned).map_err(str::to_owned)).collect();
        for chunk in [1, 2, 3, 7, input.len()] {
            assert_eq!(events(input.as_bytes(), chunk), expected, "{input} in chunks of {chunk}");
        }
    }

    #[test]
    fn firehose_objects_with_or_without_newline() {
        check(r#"{"message":"a"}{"message":"b"}"#, &[Ok("a"), Ok("b")]);
        check(
            "{\"message\": \"a\\u0020\\\"b\"}\n\n{\"x\":[1,{}],\"message\":\"c\"}\n",
            &[Ok("a \"b"), Ok("c")],
        );
    }

    #[test]
    fn answers_of_the_command_line_pretty_or_not() {
        let pretty = r#"{
            "events": [
                {"logStreamName": "eni-1-all", "timestamp": 1, "message": "a", "ok": true},
                {"message": "b", "extra": {"message": "not this"}}
            ],
            "searchedLogStreams": [], "nextToken": null
        }"#;
        check(pretty, &[Ok("a"), Ok("b")]);
        check(r#"{"events":[]}"#, &[]);
        check(r#"[{"message":"a"},{"message":"b"}]"#, &[Ok("a"), Ok("b")]);
    }

    #[test]
    fn subscriptions_without_their_health_checks() {
        check(
            r#"{"messageType":"DATA_MESSAGE","subscriptionFilters":["f"],"logEvents":[{"id":"1","message":"a"}]}
               {"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"","message":"CWL CONTROL MESSAGE: hi"}]}
               {"logEvents":[{"message":"CWL CONTROL MESSAGE: hi"}],"messageType":"CONTROL_MESSAGE"}"#,
            &[Ok("a")],
        );
    }

    #[test]
    fn what_is_no_message_is_said() {
        let lacking = "JSON object without a flow log message";
        check(r#"{"log":"a"}"#, &[Err(lacking)]);
        check(
            r#"{"events":[{"timestamp":1},{"message":"b"},{"message":{}}]}"#,
            &[Err(lacking), Ok("b"), Err(lacking)],
        );
        check(r#"{"nested":{"message":"a"}}"#, &[Err(lacking)]);
        check("{\"message\":\"a\"}\nplain line\n", &[Ok("a"), Ok("plain line")]);
        check("{\"message\" 1}\n{\"message\":\"b\"}", &[Err("not JSON: unexpected '1'"), Ok("b")]);
        check(r#"{"message":"a","#, &[Ok("a"), Err("JSON document ends early")]);
        check(r#"{"message":"a"#, &[Err("JSON document ends early")]);
        check(r#"{"message":"\ud800"}"#, &[Err("message with a broken JSON escape")]);
        let long = format!(r#"{{"message":"{}"}}{{"message":"b"}}"#, "x".repeat(101));
        check(&long, &[Err("line longer than 100 bytes"), Ok("b")]);
        check(&"[".repeat(33), &[Err("JSON nested more than 32 deep")]);
    }

    #[test]
    fn times_in_front() {
        assert_eq!(without_time(b"2024-01-01T00:00:00.000Z 2 123"), b"2 123");
        assert_eq!(without_time(b"2024-01-01T00:00:00+02:00\t2"), b"2");
        assert_eq!(without_time(b"2024-01-01T00:00:00.000Z"), b"");
        assert_eq!(without_time(b"2 2024-01-01T00:00:00.000Z"), b"2 2024-01-01T00:00:00.000Z");
        assert_eq!(without_time(b"2024-01-01 2"), b"2024-01-01 2");
    }
}
