//! Stands between the program and the server, writes down every request, and spoils answers as a script says.
//!
//! Plain threads and sockets, so that nothing of it is shared with what is tested.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::fault::{Cut, Fault, Pages};

/// One request, as the proxy saw it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// Decoded; empty for listings.
    pub key: String,
    pub query: BTreeMap<String, String>,
    pub range: Option<String>,
    pub if_match: Option<String>,
    pub is_signed: bool,
    /// How many requests for the same object, or the same page of the same listing, came before.
    pub attempt: usize,
    target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    pub fn is_list(&self) -> bool {
        self.query.contains_key("list-type")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn prefix(&self) -> &str {
        self.query.get("prefix").map_or("", String::as_str)
    }

    pub fn token(&self) -> Option<&str> {
        self.query.get("continuation-token").map(String::as_str)
    }

    /// What it is about, so that a script can be the same whatever comes first.
    pub fn about(&self) -> String {
        if self.is_list() {
            let after = self.query.get("start-after").map_or("", String::as_str);
            format!("list {} after {after} from {}", self.prefix(), self.token().unwrap_or_default())
        } else if self.method == "GET" {
            self.key.clone()
        } else {
            let part = self.query.get("partNumber").map_or("", String::as_str);
            format!("{} {} {part}", self.method, self.key)
        }
    }
}

/// An answer of the server, whole.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&mut self, name: &str, value: impl Into<String>) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
    }
}

/// Says what to do to the answer of a request.
pub type Script = Box<dyn FnMut(&Request) -> Vec<Fault> + Send>;

struct Shared {
    server: SocketAddr,
    script: Mutex<Script>,
    requests: Mutex<Vec<Request>>,
    attempts: Mutex<BTreeMap<String, usize>>,
    pages: Mutex<Pages>,
    connections: AtomicUsize,
    stop: AtomicBool,
}

/// A proxy on a free port of this machine; it stops when dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    pub fn start(server: SocketAddr, script: impl FnMut(&Request) -> Vec<Fault> + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server,
            script: Mutex::new(Box::new(script)),
            requests: Mutex::default(),
            attempts: Mutex::default(),
            pages: Mutex::default(),
            connections: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for client in listener.incoming() {
                if for_thread.stop.load(Ordering::SeqCst) {
                    break;
                }
                for_thread.connections.fetch_add(1, Ordering::SeqCst);
                let (Ok(client), shared) = (client, Arc::clone(&for_thread)) else { continue };
                std::thread::spawn(move || shared.serve(client));
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    /// One that only writes down.
    pub fn plain(server: SocketAddr) -> Self {
        Self::start(server, |_| Vec::new())
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections made so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The prefixes listed so far, sorted.
    pub fn listed(&self) -> Vec<String> {
        let mut listed: Vec<String> =
            self.requests().iter().filter(|r| r.is_list()).map(|r| r.prefix().to_owned()).collect();
        listed.sort();
        listed
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) {
        let _ = client.set_nodelay(true);
        let _ = client.set_read_timeout(Some(Duration::from_millis(200)));
        while let Some(mut request) = self.read(&client) {
            {
                let mut attempts = self.attempts.lock().unwrap();
                let seen = attempts.entry(request.about()).or_insert(0);
                request.attempt = *seen;
                *seen += 1;
            }
            let faults = self.script.lock().unwrap()(&request);
            self.requests.lock().unwrap().push(request.clone());
            if !self.answer(&mut client, &request, &faults) {
                break;
            }
        }
    }

    /// The head of the next request but for its last byte: a connection that is closed with something unread in it is
    /// reset, not ended.
    fn read(&self, client: &TcpStream) -> Option<Request> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            if self.stop.load(Ordering::SeqCst) {
                return None;
            }
            let length = match client.peek(&mut buffer) {
                Ok(0) => return None,
                Ok(length) => length,
                Err(error) if is_wait(&error) => continue,
                Err(_) => return None,
            };
            if let Some(end) = find(&buffer[..length], b"\r\n\r\n") {
                let mut head = vec![0; end + 3];
                let mut client = client;
                client.read_exact(&mut head).ok()?;
                return parse(&String::from_utf8_lossy(&head));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Answers a request; false if the connection is over.
    fn answer(&self, client: &mut TcpStream, request: &Request, faults: &[Fault]) -> bool {
        if faults.iter().any(|fault| matches!(fault, Fault::Cut(Cut::BeforeHead))) {
            return false;
        }
        if client.read_exact(&mut [0]).is_err() {
            return false;
        }
        let Some(body) = self.body(client, request) else { return false };
        let mut sent = request.clone();
        let mut repeated = None;
        self.pages.lock().unwrap().prepare(&mut sent.query, request, faults, &mut repeated);
        if faults.contains(&Fault::IgnoreRange) {
            sent.headers.retain(|(name, _)| name != "range");
        }
        if faults.contains(&Fault::IgnoreMatch) {
            sent.headers.retain(|(name, _)| name != "if-match" && name != "if-none-match");
        }
        for fault in faults {
            if let Fault::Wait(time) = fault {
                std::thread::sleep(*time);
            }
        }
        let mut response = match repeated {
            Some(page) => page,
            None => match self.forward(&sent, &body) {
                Some(response) => response,
                None => return false,
            },
        };
        self.pages.lock().unwrap().spoil(request, faults, &mut response);
        let mut cut = None;
        let mut announced = None;
        let mut close = false;
        for fault in faults {
            fault.apply(&mut response);
            match fault {
                Fault::Cut(at) => cut = at.within(response.body.len()),
                Fault::Announce(more) => announced = Some(response.body.len() as i64 + more),
                Fault::Close => close = true,
                _ => {}
            }
        }
        let announced = announced.map_or(response.body.len() as i64, |length| length.max(0));
        if announced > response.body.len() as i64 {
            close = true;
        }
        response.header("content-length", announced.to_string());
        if faults.contains(&Fault::Close) {
            response.header("connection", "close");
        }
        let head = head(&response);
        match cut {
            Some(Cut::InHead) => {
                let _ = client.write_all(&head[..head.len() / 2]);
                let _ = client.flush();
                std::thread::sleep(Duration::from_millis(5));
                return false;
            }
            Some(Cut::InBody(at)) => {
                let _ = client.write_all(&head);
                let _ = client.write_all(&response.body[..at]);
                let _ = client.flush();
                return false;
            }
            Some(Cut::Stall(at)) => {
                let _ = client.write_all(&head);
                let _ = client.write_all(&response.body[..at]);
                let _ = client.flush();
                self.wait_for_end(client);
                return false;
            }
            Some(Cut::Silence) => {
                self.wait_for_end(client);
                return false;
            }
            Some(Cut::BeforeHead) | None => {}
        }
        // A surplus that was not announced goes out, too: it spoils the connection.
        if client.write_all(&head).is_err() || client.write_all(&response.body).is_err() {
            return false;
        }
        let _ = client.flush();
        if close {
            let _ = client.shutdown(Shutdown::Write);
        }
        !close
    }

    fn wait_for_end(&self, client: &mut TcpStream) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) && !self.stop.load(Ordering::SeqCst) {
            match client.read(&mut [0; 64]) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if is_wait(&error) => {}
                Err(_) => return,
            }
        }
    }

    /// The body of a request, for which a client may wait to be asked.
    fn body(&self, client: &mut TcpStream, request: &Request) -> Option<Vec<u8>> {
        let length = request.header("content-length").map_or(Ok(0), str::parse).ok()?;
        if length > 0 && request.header("expect").is_some() {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
        }
        let (mut body, mut got) = (vec![0; length], 0);
        while got < length && !self.stop.load(Ordering::SeqCst) {
            match client.read(&mut body[got..]) {
                Ok(0) => return None,
                Ok(more) => got += more,
                Err(error) if is_wait(&error) => {}
                Err(_) => return None,
            }
        }
        (got == length).then_some(body)
    }

    fn forward(&self, request: &Request, body: &[u8]) -> Option<Response> {
        let mut server = TcpStream::connect(self.server).ok()?;
        let target = if request.is_list() {
            let query: Vec<String> =
                request.query.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
            format!("{}?{}", request.target.split('?').next()?, query.join("&"))
        } else {
            request.target.clone()
        };
        // Signed requests must arrive as they were signed.
        let target = if request.is_signed { request.target.clone() } else { target };
        let mut head = format!("{} {target} HTTP/1.1\r\n", request.method);
        for (name, value) in &request.headers {
            if name != "connection" && name != "expect" {
                head += &format!("{name}: {value}\r\n");
            }
        }
        head += "connection: close\r\n\r\n";
        server.write_all(head.as_bytes()).ok()?;
        server.write_all(body).ok()?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).ok()?;
        let end = find(&answer, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        let body = if chunked { unchunk(&answer[end + 4..])? } else { answer[end + 4..].to_vec() };
        let dropped = ["transfer-encoding", "connection", "content-length"];
        let headers = headers.into_iter().filter(|(name, _)| !dropped.contains(&name.as_str())).collect();
        Some(Response { status, headers, body })
    }
}

fn head(response: &Response) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} Answer\r\n", response.status);
    for (name, value) in &response.headers {
        head += &format!("{name}: {value}\r\n");
    }
    (head + "\r\n").into_bytes()
}

fn parse(head: &str) -> Option<Request> {
    let mut lines = head.trim_end().split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (_bucket, key) = path.strip_prefix('/')?.split_once('/').unwrap_or_default();
    let query = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect();
    Some(Request {
        method,
        key: decode(key),
        query,
        range: header("range"),
        if_match: header("if-match"),
        is_signed: header("authorization").is_some(),
        attempt: 0,
        target,
        headers,
    })
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let two = || u8::from_str_radix(text.get(at + 1..at + 3)?, 16).ok();
        if bytes[at] == b'%'
            && let Some(byte) = two()
        {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn unchunk(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = find(body, b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).ok()?.trim(), 16).ok()?;
        body = &body[end + 2..];
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(body.get(..size)?);
        body = body.get(size + 2..)?;
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn is_wait(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}
