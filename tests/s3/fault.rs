//! What can be done to an answer.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::proxy::{Request, Response};

/// Where a connection is broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Reset before anything is answered.
    BeforeHead,
    /// Ended in the middle of the head.
    InHead,
    /// Ended after so many bytes of the body, although more were announced.
    InBody(usize),
    /// Nothing more after so many bytes of the body.
    Stall(usize),
    /// No answer at all.
    Silence,
}

impl Cut {
    /// Within a body of this length: none of it can be sent whole, or the client would take the connection for a good one.
    pub fn within(self, length: usize) -> Option<Self> {
        match self {
            Self::InBody(_) | Self::Stall(_) if length == 0 => None,
            Self::InBody(at) => Some(Self::InBody(at.min(length - 1))),
            Self::Stall(at) => Some(Self::Stall(at.min(length - 1))),
            other => Some(other),
        }
    }
}

/// Something that goes wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Wait(Duration),
    Cut(Cut),
    /// Another answer altogether.
    Refuse(Refusal),
    /// Only so many bytes of the body, and announced as if these were all.
    Truncate(usize),
    /// The announced length is wrong by so much.
    Announce(i64),
    /// So many bytes behind the body, announced with it.
    Append(usize),
    /// One byte of the body is another.
    Corrupt(usize),
    /// The checksum in the head is of something else.
    WrongChecksum,
    /// The head has no checksum.
    NoChecksum,
    /// The head has no ETag.
    NoTag,
    /// The whole object in place of a range.
    IgnoreRange,
    /// The object whatever its version, written whatever is there.
    IgnoreMatch,
    /// The connection is closed behind the answer, as the head says.
    Close,
    /// The page before, again, before this one.
    RepeatPage,
    /// So many keys of the page before, again, on this one.
    OverlapPage(usize),
    /// There is more, and no word of how to get it.
    NoToken,
    /// Every page leads to itself.
    SameToken,
    /// This page again and again, with another token each time.
    Circle,
    /// An empty page before this one.
    EmptyPage,
}

/// An error of the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub code: String,
    pub message: String,
    pub headers: Vec<(String, String)>,
}

impl Fault {
    pub fn refuse(status: u16, code: &str, message: &str) -> Self {
        let (code, message) = (code.to_owned(), message.to_owned());
        Self::Refuse(Refusal { status, code, message, headers: Vec::new() })
    }

    pub fn slow_down() -> Self {
        Self::refuse(503, "SlowDown", "Please reduce your request rate.")
    }

    /// The bucket is in another region, and S3 says which.
    pub fn elsewhere(status: u16, code: &str, region: &str) -> Self {
        Self::Refuse(Refusal {
            status,
            code: code.to_owned(),
            message: "The bucket you are attempting to access must be addressed elsewhere.".to_owned(),
            headers: vec![("x-amz-bucket-region".to_owned(), region.to_owned())],
        })
    }

    /// Changes an answer.
    pub fn apply(&self, response: &mut Response) {
        match self {
            Self::Refuse(refusal) => {
                response.status = refusal.status;
                response.headers.clone_from(&refusal.headers);
                response.header("content-type", "application/xml");
                let (code, message) = (&refusal.code, &refusal.message);
                response.body = if code.is_empty() {
                    message.clone().into_bytes()
                } else {
                    format!(
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}\
                         </Message><RequestId>4442587FB7D0A2F9</RequestId></Error>"
                    )
                    .into_bytes()
                };
            }
            Self::Truncate(at) => response.body.truncate(*at),
            Self::Append(n) => response.body.extend(std::iter::repeat_n(b'!', *n)),
            Self::Corrupt(at) => {
                let length = response.body.len();
                if length > 0 {
                    response.body[at % length] ^= 0x55;
                }
            }
            Self::WrongChecksum => {
                for (name, value) in &mut response.headers {
                    if name.starts_with("x-amz-checksum-") && name != "x-amz-checksum-type" {
                        let first = if value.starts_with('A') { "B" } else { "A" };
                        value.replace_range(..1, first);
                    }
                }
            }
            Self::NoChecksum => response.headers.retain(|(name, _)| !name.starts_with("x-amz-checksum-")),
            Self::NoTag => response.headers.retain(|(name, _)| name != "etag"),
            _ => {}
        }
    }
}

/// Pages as the server sent them, for the faults that need the one before.
#[derive(Default)]
pub struct Pages {
    /// By prefix and delimiter: the last.
    last: BTreeMap<String, Response>,
    circle: usize,
}

impl Pages {
    /// Takes back what an earlier fault did to the token, or finds the page to repeat.
    pub fn prepare(
        &self,
        query: &mut BTreeMap<String, String>,
        request: &Request,
        faults: &[Fault],
        repeated: &mut Option<Response>,
    ) {
        let Some(token) = request.token() else { return };
        if let Some(token) = token.strip_prefix("again:") {
            query.insert("continuation-token".to_owned(), token.to_owned());
        } else if token == "stuck" || token.starts_with("circle:") || faults.contains(&Fault::RepeatPage) {
            *repeated = self.last.get(&place(request)).cloned();
        }
    }

    /// Changes a page, and keeps the page that it was.
    pub fn spoil(&mut self, request: &Request, faults: &[Fault], response: &mut Response) {
        if !request.is_list() || response.status != 200 {
            return;
        }
        let before = self.last.insert(place(request), response.clone());
        let token = request.token().unwrap_or_default();
        let mut text = String::from_utf8_lossy(&response.body).into_owned();
        for fault in faults {
            match fault {
                Fault::RepeatPage if !token.is_empty() && !token.starts_with("again:") => {
                    set_token(&mut text, &format!("again:{token}"));
                }
                Fault::OverlapPage(n) => {
                    let before = before.iter().map(|page| String::from_utf8_lossy(&page.body).into_owned());
                    let keys: String = before.flat_map(|page| last_keys(&page, *n)).collect();
                    let at = text.find("<Contents>").or_else(|| text.find("</ListBucketResult>")).unwrap();
                    text.insert_str(at, &keys);
                }
                Fault::NoToken => {
                    set_token(&mut text, "");
                }
                Fault::SameToken => set_token(&mut text, "stuck"),
                Fault::Circle => {
                    self.circle += 1;
                    set_token(&mut text, &format!("circle:{}", self.circle));
                }
                Fault::EmptyPage if !token.is_empty() && !token.starts_with("again:") => {
                    while let Some((from, to)) = element(&text, "Contents") {
                        text.replace_range(from..to, "");
                    }
                    while let Some((from, to)) = element(&text, "CommonPrefixes") {
                        text.replace_range(from..to, "");
                    }
                    text = text.replace("<IsTruncated>false", "<IsTruncated>true");
                    if !text.contains("<NextContinuationToken>") {
                        text = text.replace(
                            "</ListBucketResult>",
                            "<NextContinuationToken>x</NextContinuationToken></ListBucketResult>",
                        );
                    }
                    set_token(&mut text, &format!("again:{token}"));
                }
                _ => {}
            }
        }
        response.body = text.into_bytes();
    }
}

fn place(request: &Request) -> String {
    format!("{}|{}", request.prefix(), request.query.get("delimiter").map_or("", String::as_str))
}

/// Where the first element of this name is, its tags included.
fn element(text: &str, name: &str) -> Option<(usize, usize)> {
    let from = text.find(&format!("<{name}>"))?;
    let end = format!("</{name}>");
    let to = from + text[from..].find(&end)? + end.len();
    Some((from, to))
}

/// Puts another token in the place of that of a page that has one; none if it is empty.
fn set_token(text: &mut String, token: &str) {
    if let Some((from, to)) = element(text, "NextContinuationToken") {
        let new = format!("<NextContinuationToken>{token}</NextContinuationToken>");
        text.replace_range(from..to, if token.is_empty() { "" } else { &new });
    }
}

fn last_keys(page: &str, n: usize) -> Vec<String> {
    let mut keys = Vec::new();
    let mut rest = page;
    while let Some((from, to)) = element(rest, "Contents") {
        keys.push(rest[from..to].to_owned());
        rest = &rest[to..];
    }
    keys.split_off(keys.len().saturating_sub(n))
}
