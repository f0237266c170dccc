//! Walks the folders of a bucket: several listings at once, objects in the order of their keys.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;

use super::client::{Page, Requests, listing_failed};
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
    Wait(Node, Option<String>),
    Asked(Node, JoinHandle<Answer>),
}

/// One page, or why there is none.
type Answer = Result<Answered, SourceError>;

struct Answered {
    /// Objects and folders in the order of keys.
    entries: Vec<Entry>,
    next: Option<String>,
}

enum Entry {
    Object { key: String, size: u64, version: Option<String> },
    Folder(String),
}

/// Lists everything of the selection below one URL. False if nobody listens any more.
pub(super) async fn walk(
    requests: &Arc<Requests>,
    url: &S3Url,
    selection: &Selection,
    sieve: &mut Sieve<'_>,
    to: &Sender<Object>,
) -> bool {
    let mut walk = Walk { requests, url, selection, sieve };
    let mut line: VecDeque<Item> = VecDeque::new();
    match walk.begin().await {
        Ok(items) => line.extend(items),
        Err(error) => walk.sieve.error(error),
    }
    loop {
        walk.ask(&mut line);
        match line.pop_front() {
            None => return true,
            Some(Item::Object(object)) => {
                if let Some(object) = walk.sieve.offer(object)
                    && to.send(object).await.is_err()
                {
                    return false;
                }
            }
            Some(Item::Asked(node, answer)) => {
                let items = match answer.await {
                    Ok(Ok(page)) => walk.unfold(node, page),
                    Ok(Err(error)) => {
                        walk.sieve.error(error);
                        Vec::new()
                    }
                    Err(_) => {
                        walk.sieve.error(SourceError::Interrupted { name: url.to_string() });
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

struct Walk<'a, 's> {
    requests: &'a Arc<Requests>,
    url: &'a S3Url,
    selection: &'a Selection,
    sieve: &'a mut Sieve<'s>,
}

impl Walk<'_, '_> {
    /// What the user's prefix means: an object of this very key; else a folder of this name; else keys that begin
    /// like this, as S3 itself takes it.
    async fn begin(&mut self) -> Result<Vec<Item>, SourceError> {
        let prefix = &self.url.prefix;
        if prefix.is_empty() || prefix.ends_with('/') {
            return Ok(waiting(plan::expand(prefix, 0, self.selection)));
        }
        let node = Node::folder(prefix.clone(), 0);
        let page = ask(self.requests, &self.url.bucket, &node, None).await?;
        let exact = page.entries.iter().find_map(|entry| match entry {
            Entry::Object { key, size, version } if key == prefix => {
                Some(Item::Object(self.object(key, *size, version.clone())))
            }
            _ => None,
        });
        if let Some(object) = exact {
            return Ok(vec![object]);
        }
        let folder = format!("{prefix}/");
        if page.entries.iter().any(|entry| matches!(entry, Entry::Folder(name) if *name == folder)) {
            return Ok(waiting(plan::expand(&folder, 0, self.selection)));
        }
        Ok(self.unfold(node, page))
    }

    /// Keeps listings under way for what comes next.
    fn ask(&self, line: &mut VecDeque<Item>) {
        let mut under_way = 0;
        for item in line.iter_mut() {
            if under_way == AHEAD {
                break;
            }
            if let Item::Wait(node, token) = item {
                let (requests, bucket) = (Arc::clone(self.requests), self.url.bucket.clone());
                let (node, token) = (node.clone(), token.take());
                let asked = node.clone();
                let answer =
                    tokio::spawn(async move { ask(&requests, &bucket, &asked, token.as_deref()).await });
                *item = Item::Asked(node, answer);
            }
            if matches!(item, Item::Asked(..)) {
                under_way += 1;
            }
        }
    }

    /// What a page says comes next, in the order of keys.
    fn unfold(&mut self, mut node: Node, page: Answered) -> Vec<Item> {
        let mut items = Vec::with_capacity(page.entries.len());
        node.empty &= page.entries.is_empty();
        for entry in page.entries {
            match entry {
                Entry::Object { key, size, version } => {
                    if self.takes(&key, size) {
                        items.push(Item::Object(self.object(&key, size, version)));
                    }
                }
                Entry::Folder(folder) => {
                    if plan::wanted(&folder, self.selection) {
                        items.extend(waiting(plan::expand(&folder, node.depth + 1, self.selection)));
                    }
                }
            }
        }
        match page.next {
            Some(token) => items.push(Item::Wait(node, Some(token))),
            None if node.empty => items.extend(waiting(node.or_else)),
            None => {}
        }
        items
    }

    /// Whether an object that nobody named is worth reading, by its key.
    fn takes(&mut self, key: &str, size: u64) -> bool {
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
        self.sieve.skip(Skipped { name: self.url.name_of(key), reason }, TOLD);
        false
    }

    fn object(&self, key: &str, size: u64, version: Option<String>) -> Object {
        Object { version, ..Object::new(self.url.name_of(key), Some(size)) }
    }
}

fn waiting(nodes: Vec<Node>) -> Vec<Item> {
    nodes.into_iter().map(|node| Item::Wait(node, None)).collect()
}

/// Asks for one page.
async fn ask(requests: &Requests, bucket: &str, node: &Node, token: Option<&str>) -> Answer {
    let page = Page { bucket, prefix: &node.prefix, folders: node.folders, token };
    let answer =
        requests.list(&page).await.map_err(|failure| listing_failed(bucket, &node.prefix, failure))?;
    let next = answer.next_continuation_token.clone();
    let broken = |problem: &str| SourceError::Unusable {
        name: format!("s3://{bucket}/{}", node.prefix),
        problem: problem.to_owned(),
        next: "the listing can't be completed: check the endpoint, then run again".to_owned(),
    };
    match (answer.is_truncated, &next) {
        (Some(true), None) => {
            return Err(broken("the service says there are more keys, and not how to get them"));
        }
        (_, Some(next)) if Some(next.as_str()) == token => {
            return Err(broken("the service sends the same page of keys again and again"));
        }
        _ => {}
    }
    let mut entries: Vec<Entry> = Vec::new();
    for object in answer.contents.unwrap_or_default() {
        let Some(key) = object.key else { continue };
        let size = object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
        entries.push(Entry::Object { key, size, version: object.e_tag });
    }
    entries.extend(
        answer.common_prefixes.unwrap_or_default().into_iter().filter_map(|p| p.prefix).map(Entry::Folder),
    );
    entries.sort_by(|a, b| a.key().cmp(b.key()));
    // Pages overlap on some implementations of S3.
    entries.dedup_by(|a, b| a.key() == b.key());
    Ok(Answered { entries, next: next.filter(|_| answer.is_truncated != Some(false)) })
}

impl Entry {
    fn key(&self) -> &str {
        match self {
            Self::Object { key, .. } | Self::Folder(key) => key,
        }
    }
}
