//! Walks the folders of buckets: several listings at once, objects in the order of their names.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc::Sender;
use tokio::task::{JoinError, JoinHandle};

use super::client::Requests;
use super::page::{Answered, Cursor, Entry, ask};
use super::plan::{self, Node};
use super::url::S3Url;
use crate::source::listing::Sieve;
use crate::source::name::{Promise, is_hidden, promise};
use crate::source::{Object, Selection, SkipReason, Skipped, SourceError};

/// Listings that are under way at once. Each page holds up to 1,000 keys, and what was listed ahead waits in memory.
const AHEAD: usize = 8;

/// Passed over by name and told one by one; beyond that only counted, because a bucket may hold millions.
const TOLD: usize = 1000;

/// What is known of a stretch of keys, in their order.
enum Item {
    Object(Object),
    Wait(Node, Option<Cursor>),
    Asked(Node, Task<Answer>),
}

/// One page, or why there is none.
type Answer = Result<Answered, SourceError>;

/// Ends with whoever waits for it.
struct Task<T>(JoinHandle<T>);

impl<T> Task<T> {
    async fn done(mut self) -> Result<T, JoinError> {
        (&mut self.0).await
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a URL turned out to mean.
enum Begun {
    /// The object of this very key: read whatever its name.
    Object(Object),
    /// All keys that begin like this, and what of them was listed on the way.
    Keys { prefix: String, listed: Option<(Node, Answered)> },
}

/// Lists everything of the selection below some URLs. False if nobody listens any more.
pub(super) async fn walk(
    requests: &Arc<Requests>,
    urls: &[S3Url],
    selection: &Selection,
    sieve: &mut Sieve<'_>,
    to: &Sender<Object>,
) -> bool {
    let begun: Vec<_> = urls
        .iter()
        .map(|url| {
            let (requests, url) = (Arc::clone(requests), url.clone());
            Task(tokio::spawn(async move { begin(&requests, &url).await }))
        })
        .collect();
    let (mut named, mut places) = (Vec::new(), Vec::new());
    for (url, task) in urls.iter().zip(begun) {
        match task.done().await {
            Ok(Ok(Begun::Object(object))) => named.push(object),
            Ok(Ok(Begun::Keys { prefix, listed })) => {
                places.push((S3Url { bucket: url.bucket.clone(), prefix }, listed));
            }
            Ok(Err(error)) => sieve.error(error),
            Err(_) => sieve.error(SourceError::Interrupted { name: url.to_string() }),
        }
    }
    named.sort();
    // By what the names begin with, so that names come in order; a place within another is in it already.
    places.sort_by_cached_key(|(url, _)| url.to_string());
    let mut walk = Walk { requests, selection, sieve, to, named: named.into() };
    let mut walked: Vec<&S3Url> = Vec::new();
    let several = urls.len() > 1;
    for (url, listed) in &mut places {
        if walked.iter().any(|w| w.bucket == url.bucket && url.prefix.starts_with(&w.prefix)) {
            continue;
        }
        let items = match listed.take() {
            Some((node, page)) => walk.unfold(url, node, page),
            None => waiting(plan::expand(&url.prefix, 0, selection)),
        };
        let before = walk.sieve.seen();
        if !walk.below(url, items.into()).await {
            return false;
        }
        // If nothing is found at all, that is told in one.
        if walk.sieve.seen() == before && several {
            walk.sieve.empty(url.to_string());
        }
        walked.push(url);
    }
    walk.send_named(None).await
}

/// What a user's prefix means: an object of this very key; else a folder of this name; else keys that begin like this,
/// as S3 itself takes it.
async fn begin(requests: &Requests, url: &S3Url) -> Result<Begun, SourceError> {
    let prefix = url.prefix.clone();
    if prefix.is_empty() || prefix.ends_with('/') {
        return Ok(Begun::Keys { prefix, listed: None });
    }
    let node = Node::folder(prefix.clone(), 0);
    let page = ask(requests, &url.bucket, &node, None).await?;
    if let Some(Entry::Object { key, size, version }) = page.entries.first()
        && *key == prefix
    {
        return Ok(Begun::Object(object(url, key, *size, version.clone())));
    }
    let folder = format!("{prefix}/");
    let mut is_folder = page.entries.iter().any(|entry| entry.key() == folder);
    if !is_folder
        && page.next.is_some()
        && page.entries.last().is_some_and(|last| last.key() < folder.as_str())
    {
        // Behind a thousand others that begin alike.
        let page = ask(requests, &url.bucket, &Node::folder(folder.clone(), 0), None).await?;
        is_folder = !page.entries.is_empty();
    }
    if is_folder {
        return Ok(Begun::Keys { prefix: folder, listed: None });
    }
    Ok(Begun::Keys { prefix, listed: Some((node, page)) })
}

struct Walk<'a, 's> {
    requests: &'a Arc<Requests>,
    selection: &'a Selection,
    sieve: &'a mut Sieve<'s>,
    to: &'a Sender<Object>,
    /// Objects that the user named themselves, in the order of their names.
    named: VecDeque<Object>,
}

impl Walk<'_, '_> {
    /// Lists one place. False if nobody listens any more.
    async fn below(&mut self, url: &S3Url, mut line: VecDeque<Item>) -> bool {
        loop {
            self.ask(url, &mut line);
            match line.pop_front() {
                None => return true,
                Some(Item::Object(object)) => {
                    if !self.send_named(Some(&object.name)).await || !self.send(object).await {
                        return false;
                    }
                }
                Some(Item::Asked(node, answer)) => {
                    let items = match answer.done().await {
                        Ok(Ok(page)) => self.unfold(url, node, page),
                        Ok(Err(error)) => {
                            self.sieve.error(error);
                            Vec::new()
                        }
                        Err(_) => {
                            self.sieve.error(SourceError::Interrupted { name: url.to_string() });
                            return false;
                        }
                    };
                    for item in items.into_iter().rev() {
                        line.push_front(item);
                    }
                }
                // `ask` has asked for the first that waits.
                Some(waiting @ Item::Wait(..)) => line.push_front(waiting),
            }
        }
    }

    async fn send(&mut self, object: Object) -> bool {
        match self.sieve.offer(object) {
            Some(object) => self.to.send(object).await.is_ok(),
            None => true,
        }
    }

    /// Sends the named objects up to a name, or all that are left.
    async fn send_named(&mut self, up_to: Option<&str>) -> bool {
        while let Some(first) = self.named.front() {
            if up_to.is_some_and(|name| first.name.as_str() > name) {
                break;
            }
            if let Some(object) = self.named.pop_front()
                && !self.send(object).await
            {
                return false;
            }
        }
        true
    }

    /// Keeps listings under way for what comes next.
    fn ask(&self, url: &S3Url, line: &mut VecDeque<Item>) {
        let mut under_way = 0;
        for item in line.iter_mut() {
            if under_way == AHEAD {
                break;
            }
            if let Item::Wait(node, cursor) = item {
                let (requests, bucket) = (Arc::clone(self.requests), url.bucket.clone());
                let (node, cursor) = (node.clone(), cursor.take());
                let asked = node.clone();
                let answer =
                    tokio::spawn(async move { ask(&requests, &bucket, &asked, cursor.as_ref()).await });
                *item = Item::Asked(node, Task(answer));
            }
            if matches!(item, Item::Asked(..)) {
                under_way += 1;
            }
        }
    }

    /// What a page says comes next, in the order of keys.
    fn unfold(&mut self, url: &S3Url, node: Node, page: Answered) -> Vec<Item> {
        let mut items = Vec::with_capacity(page.entries.len());
        // More files than fit a page: only those of the wanted flow logs are asked for.
        let narrower = node.files.as_deref().filter(|files| {
            page.next.is_some() && page.entries.last().is_some_and(|last| last.key().starts_with(*files))
        });
        for entry in page.entries {
            if narrower.is_some_and(|files| entry.key().starts_with(files)) {
                continue;
            }
            match entry {
                Entry::Object { key, size, version } => {
                    if self.takes(url, &key, size) {
                        items.push(Item::Object(object(url, &key, size, version)));
                    }
                }
                Entry::Folder(folder) => {
                    if plan::wanted(&folder, self.selection) {
                        items.extend(waiting(plan::expand(&folder, node.depth + 1, self.selection)));
                    }
                }
            }
        }
        match (narrower, page.next) {
            (Some(files), _) => items.extend(waiting(plan::narrower(&node, files, self.selection))),
            (None, Some(cursor)) => items.push(Item::Wait(node, Some(cursor))),
            (None, None) => {}
        }
        if let Some(error) = page.broken {
            self.sieve.error(error);
        }
        items
    }

    /// Whether an object that nobody named is worth reading, by its key.
    fn takes(&mut self, url: &S3Url, key: &str, size: u64) -> bool {
        let file = key.rsplit('/').next().unwrap_or(key);
        // The console makes empty objects for folders.
        if file.is_empty() || (size == 0 && key.ends_with("_$folder$")) {
            return false;
        }
        let folder = &key[..key.len() - file.len()];
        // Of another service of AWS.
        if !plan::wanted(folder, &Selection::default()) {
            return false;
        }
        let reason = if is_hidden(file) {
            SkipReason::Hidden
        } else if promise(file) == Promise::Log {
            return true;
        } else {
            SkipReason::NotALog
        };
        let name = url.name_of(key);
        if self.named.iter().all(|named| named.name != name) {
            self.sieve.skip(Skipped { name, reason }, TOLD);
        }
        false
    }
}

fn object(url: &S3Url, key: &str, size: u64, version: Option<String>) -> Object {
    Object { version, ..Object::new(url.name_of(key), Some(size)) }
}

fn waiting(nodes: Vec<Node>) -> Vec<Item> {
    nodes.into_iter().map(|node| Item::Wait(node, None)).collect()
}
