//! Reads everything that a source finds, the way the pipeline does: fetching while listing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flowgate::aws::{Backoff, Connect};
use flowgate::source::{Listing, Object, S3Options, S3Source, S3Url, Selection, Source};
use tokio::sync::{Semaphore, mpsc};

/// Attempts without progress in these tests.
pub const ATTEMPTS: u32 = 6;

/// How the tests connect: impatient, and unsigned.
pub fn connect(endpoint: &str) -> Connect {
    Connect {
        endpoint_url: Some(endpoint.to_owned()),
        region: Some("eu-west-1".to_owned()),
        anonymous: true,
        connect_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_millis(400),
        backoff: Backoff {
            base: Duration::from_millis(2),
            cap: Duration::from_millis(20),
            attempts: ATTEMPTS,
        },
        ..Connect::default()
    }
}

/// A source of these URLs behind an endpoint.
pub fn source(endpoint: &str, urls: &[&str]) -> S3Source {
    let urls: Vec<S3Url> = urls.iter().map(|url| S3Url::parse(url).unwrap().unwrap()).collect();
    S3Source::new(urls, connect(endpoint), S3Options::default())
}

/// What became of everything.
pub struct Outcome {
    /// By name: its bytes, or what was said.
    pub objects: BTreeMap<String, Result<Vec<u8>, String>>,
    /// Names in the order they were found.
    pub order: Vec<String>,
    pub listing: Listing,
}

impl Outcome {
    pub fn errors(&self) -> Vec<String> {
        self.listing.errors.iter().map(ToString::to_string).collect()
    }

    /// The names; every object must have been read.
    pub fn names(&self) -> Vec<String> {
        for (name, object) in &self.objects {
            assert!(object.is_ok(), "{name}: {object:?}");
        }
        self.order.clone()
    }

    /// Names without `s3://bucket/`.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let bucket = format!("s3://{bucket}/");
        self.names().iter().map(|name| name.strip_prefix(&bucket).unwrap().to_owned()).collect()
    }
}

pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Lists and reads everything of a selection, several objects at once.
pub fn read_all(source: S3Source, selection: &Selection) -> Outcome {
    let source = Arc::new(source);
    run(async {
        let (to, mut found) = mpsc::channel(4);
        let walk = {
            let (source, selection) = (Arc::clone(&source), selection.clone());
            tokio::spawn(async move { source.walk(&selection, to).await })
        };
        let permits = Arc::new(Semaphore::new(6));
        let (mut order, mut reads) = (Vec::new(), Vec::new());
        while let Some(object) = found.recv().await {
            let permit = Arc::clone(&permits).acquire_owned().await.unwrap();
            order.push(object.name.clone());
            let source = Arc::clone(&source);
            reads.push(tokio::spawn(async move {
                let read = read(&source, &object).await;
                drop(permit);
                (object.name, read)
            }));
        }
        let mut objects = BTreeMap::new();
        for read in reads {
            let (name, read) = read.await.unwrap();
            assert!(objects.insert(name.clone(), read).is_none(), "{name}: found twice");
        }
        Outcome { objects, order, listing: walk.await.unwrap() }
    })
}

/// Reads one object.
pub async fn read(source: &S3Source, object: &Object) -> Result<Vec<u8>, String> {
    let (to, mut from) = mpsc::channel::<bytes::Bytes>(2);
    let collect = async {
        let mut bytes = Vec::new();
        while let Some(chunk) = from.recv().await {
            bytes.extend_from_slice(&chunk);
        }
        bytes
    };
    let (read, bytes) = tokio::join!(source.fetch(object, to), collect);
    let read = read.map_err(|error| error.to_string())?;
    assert_eq!(read, bytes.len() as u64, "{}: what was counted is what arrived", object.name);
    Ok(bytes)
}

/// Lists everything of a selection.
pub fn list(source: &S3Source, selection: &Selection) -> Listing {
    run(source.list(selection))
}
