//! A scripted CloudWatch Logs on the loopback, for what moto can't do: refusals, odd tokens, broken connections.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use flowgate::aws::{Backoff, Connect};
use serde_json::{Value, json};

use crate::moto;

/// What the service does with a request.
pub enum Reply {
    Answer(Value),
    /// An error of this code, with a message.
    Refuse(&'static str, String),
    /// Closes the connection without a word.
    Hang,
    /// Begins this answer and closes the connection in the middle.
    Cut(Value),
}

pub struct Stub {
    pub endpoint: String,
    /// Every request: the operation and its parameters.
    pub calls: Arc<Mutex<Vec<(String, Value)>>>,
    /// Most requests that were under way at once.
    pub most: Arc<AtomicUsize>,
}

impl Stub {
    /// Serves until the test binary ends. An answer takes `latency`.
    pub fn start(latency: Duration, script: impl Fn(&str, &Value) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let calls: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let most: Arc<AtomicUsize> = Arc::default();
        let stub = Self { endpoint, calls: Arc::clone(&calls), most: Arc::clone(&most) };
        let (script, now) = (Arc::new(script), Arc::new(AtomicUsize::new(0)));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, calls) = (Arc::clone(&script), Arc::clone(&calls));
                let (most, now) = (Arc::clone(&most), Arc::clone(&now));
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    // A client may open a connection and not use it.
                    let Some((operation, body)) = request(&stream) else { return };
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    calls.lock().unwrap().push((operation.clone(), body.clone()));
                    thread::sleep(latency);
                    let reply = script(&operation, &body);
                    now.fetch_sub(1, Ordering::SeqCst);
                    send(&mut stream, &reply);
                });
            }
        });
        stub
    }

    /// How to reach it: quick to try again, three times.
    pub fn connect(&self) -> Connect {
        Connect {
            endpoint_url: Some(self.endpoint.clone()),
            backoff: Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(5), attempts: 4 },
            read_timeout: Duration::from_secs(5),
            ..moto::with_test_credentials("eu-west-1")
        }
    }

    /// The requests of one operation.
    pub fn of(&self, operation: &str) -> Vec<Value> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|(of, _)| of == operation).map(|(_, body)| body.clone()).collect()
    }

    /// As a policy would name them.
    pub fn actions(&self) -> BTreeSet<String> {
        self.calls.lock().unwrap().iter().map(|(operation, _)| format!("logs:{operation}")).collect()
    }
}

fn request(stream: &TcpStream) -> Option<(String, Value)> {
    let mut reader = BufReader::new(stream);
    let (mut operation, mut length) = (String::new(), 0);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "x-amz-target" => operation = value.strip_prefix("Logs_20140328.").unwrap().to_owned(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((operation, serde_json::from_slice(&body).unwrap()))
}

fn send(stream: &mut TcpStream, reply: &Reply) {
    let (status, body) = match reply {
        Reply::Answer(body) | Reply::Cut(body) => ("200 OK", body.clone()),
        Reply::Refuse(code, message) => {
            ("400 Bad Request", json!({"__type": format!("com.amazonaws.logs#{code}"), "message": message}))
        }
        Reply::Hang => {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let sent = if matches!(reply, Reply::Cut(_)) { body.len() * 2 / 3 } else { body.len() };
    // A client that gave up is none of the service's business.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&body.as_bytes()[..sent]);
    let _ = stream.shutdown(Shutdown::Write);
}
