//! An EC2 endpoint of our own: answers as it is told, or hands on to another one, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// `DescribeVpcs`.
    pub action: String,
    /// The parameters of the form, `Action` and `Version` among them.
    pub parameters: BTreeMap<String, String>,
    /// The region that the signature names.
    pub region: String,
    raw: Vec<u8>,
}

/// What to do about it.
pub enum Answer {
    /// A status and an XML document.
    Xml(u16, String),
    /// Close the connection in the middle of the answer.
    Break,
}

pub struct Stub {
    pub endpoint: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Stub {
    /// Serves until the process ends. `answer` gets each request, and how often its action was asked before.
    pub fn start(answer: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (answer, all) = (Arc::new(answer), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, all) = (Arc::clone(&answer), Arc::clone(&all));
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Some(request) = read(&mut stream) else { return };
                    let before = {
                        let mut all = all.lock().unwrap();
                        all.push(request.clone());
                        all.iter().filter(|other| other.action == request.action).count() - 1
                    };
                    // Whoever gave up waiting is no concern of ours.
                    _ = match answer(&request, before) {
                        Answer::Xml(status, body) => write!(
                            stream,
                            "HTTP/1.1 {status} X\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                            body.len()
                        ),
                        Answer::Break => {
                            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n<Describe")
                        }
                    };
                });
            }
        });
        Self { endpoint, seen }
    }

    /// Everything asked so far.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut raw = Vec::new();
    let mut chunk = [0; 4096];
    let head = loop {
        if let Some(end) = find(&raw, b"\r\n\r\n") {
            break end + 4;
        }
        let n = stream.read(&mut chunk).ok().filter(|n| *n > 0)?;
        raw.extend_from_slice(&chunk[..n]);
    };
    let headers = String::from_utf8(raw[..head].to_vec()).unwrap();
    let header = |name: &str| {
        let lines = headers.lines().filter_map(|line| line.split_once(':'));
        lines
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
            .next()
    };
    let length: usize = header("content-length").map_or(0, |text| text.parse().unwrap());
    while raw.len() < head + length {
        let n = stream.read(&mut chunk).ok().filter(|n| *n > 0)?;
        raw.extend_from_slice(&chunk[..n]);
    }
    let body = std::str::from_utf8(&raw[head..]).unwrap();
    let parameters: BTreeMap<String, String> = body
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(k, v)| (decoded(k), decoded(v)))
        .collect();
    // Credential=KEY/DATE/REGION/SERVICE/aws4_request
    let region = header("authorization").and_then(|text| text.split('/').nth(2).map(str::to_owned));
    Some(Request {
        action: parameters.get("Action").cloned().unwrap_or_default(),
        parameters,
        region: region.unwrap_or_default(),
        raw,
    })
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            out.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
            at += 3;
        } else {
            out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
            at += 1;
        }
    }
    String::from_utf8(out).unwrap()
}

impl Request {
    /// Asks another endpoint the same, and returns its status and document.
    pub fn hand_on(&self, endpoint: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(endpoint.trim_start_matches("http://")).unwrap();
        // It must close, because we read to the end.
        let end = find(&self.raw, b"\r\n").unwrap();
        stream.write_all(&self.raw[..end]).unwrap();
        stream.write_all(b"\r\nConnection: close").unwrap();
        stream.write_all(&self.raw[end..]).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let head = find(&answer, b"\r\n\r\n").unwrap();
        let status = String::from_utf8_lossy(&answer[..head]);
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        (status, String::from_utf8(answer[head + 4..].to_vec()).unwrap())
    }
}

/// A refusal in the words of EC2.
pub fn refusal(status: u16, code: &str, message: &str) -> Answer {
    Answer::Xml(
        status,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code><Message>{message}\
             </Message></Error></Errors><RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>"
        ),
    )
}

/// An answer in the words of EC2: `content` is everything inside.
pub fn response(action: &str, content: &str) -> Answer {
    Answer::Xml(
        200,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
             <requestId>00000000-0000-0000-0000-000000000000</requestId>{content}</{action}Response>"
        ),
    )
}

/// Cuts the one list of an answer into pages of `size` elements: the page that `token` names.
pub fn page(xml: &str, size: usize, token: Option<&str>) -> String {
    let (first, mut items, mut depth, mut begin) = (xml.find("<item>"), Vec::new(), 0_i32, 0);
    let Some(first) = first else { return xml.to_owned() };
    let mut at = first;
    let mut last = first;
    loop {
        let rest = &xml[at..];
        if rest.starts_with("<item>") {
            if depth == 0 {
                begin = at;
            }
            depth += 1;
        } else if rest.starts_with("</item>") {
            depth -= 1;
            if depth == 0 {
                last = at + "</item>".len();
                items.push(&xml[begin..last]);
            }
        } else if depth == 0 && rest.starts_with("</") {
            break;
        }
        at += 1 + rest[1..].find('<').unwrap();
    }
    let start: usize = token.map_or(0, |token| token.strip_prefix("from-").unwrap().parse().unwrap());
    let end = (start + size).min(items.len());
    // The list ends here; what follows is its closing tag and that of the answer.
    let tail = xml[last..].trim_start();
    let (closing, rest) = tail.split_at(tail.find('>').unwrap() + 1);
    let next = if end < items.len() { format!("<nextToken>from-{end}</nextToken>") } else { String::new() };
    format!("{}{}{closing}{next}{rest}", &xml[..first], items[start..end].concat())
}
