//! One page of a listing, checked against the page before it.
//!
//! A page may come twice or overlap the one before; what is repeated is dropped. A listing that goes in circles, or
//! whose keys are out of order, is an error: what it left out can't be known.

use std::sync::Arc;

use super::client::{Page, Requests, listing_failed};
use super::plan::Node;
use crate::source::SourceError;

/// Pages in a row that only repeat what the page before had, before that is taken for a circle.
const REPEATED: u32 = 3;

/// Empty pages in a row, likewise: S3 sends some while it passes over deleted versions.
const EMPTY: u32 = 1000;

/// Where a listing goes on.
#[derive(Clone)]
pub(super) struct Cursor {
    token: String,
    /// Keys of the page before, in order.
    before: Arc<[String]>,
    /// The last key so far.
    last: String,
    /// Pages in a row that had nothing new.
    stale: u32,
}

/// A page.
pub(super) struct Answered {
    /// Objects and folders in the order of keys, none of them on an earlier page.
    pub entries: Vec<Entry>,
    /// Where to go on, if this is not the last page.
    pub next: Option<Cursor>,
    /// Why the listing ends here although it is not complete.
    pub broken: Option<SourceError>,
}

/// What a page has.
pub(super) enum Entry {
    Object { key: String, size: u64, version: Option<String> },
    Folder(String),
}

impl Entry {
    pub fn key(&self) -> &str {
        match self {
            Self::Object { key, .. } | Self::Folder(key) => key,
        }
    }
}

/// Asks for one page.
pub(super) async fn ask(
    requests: &Requests,
    bucket: &str,
    node: &Node,
    cursor: Option<&Cursor>,
) -> Result<Answered, SourceError> {
    let page = Page {
        bucket,
        prefix: &node.prefix,
        folders: node.folders,
        after: node.after.as_deref().filter(|_| cursor.is_none()),
        token: cursor.map(|cursor| cursor.token.as_str()),
    };
    let answer =
        requests.list(&page).await.map_err(|failure| listing_failed(bucket, &node.prefix, failure))?;
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
    entries.dedup_by(|a, b| a.key() == b.key());
    let token = answer.next_continuation_token.filter(|_| answer.is_truncated != Some(false));
    let unanswered = token.is_none() && answer.is_truncated == Some(true);
    let mut page = follow(entries, token, cursor);
    if unanswered {
        page.problem = Some("the service says there are more keys, and not how to get them");
    }
    let broken = page.problem.map(|problem| SourceError::Unusable {
        name: format!("s3://{bucket}/{}", node.prefix),
        problem: problem.to_owned(),
        next: "the listing can't be completed: check the endpoint, then run again".to_owned(),
    });
    Ok(Answered { entries: page.entries, next: page.next.filter(|_| broken.is_none()), broken })
}

/// A page in its place behind the page before.
struct Followed {
    entries: Vec<Entry>,
    next: Option<Cursor>,
    problem: Option<&'static str>,
}

fn follow(mut entries: Vec<Entry>, token: Option<String>, cursor: Option<&Cursor>) -> Followed {
    let keys: Vec<String> = entries.iter().map(|entry| entry.key().to_owned()).collect();
    let mut problem = None;
    let (mut last, mut stale) = (String::new(), 0);
    if let Some(before) = cursor {
        let known = |key: &str| before.before.binary_search_by(|k| k.as_str().cmp(key)).is_ok();
        entries.retain(|entry| !known(entry.key()));
        let new = entries.len();
        entries.retain(|entry| before.last.as_str() < entry.key());
        if entries.len() < new {
            problem = Some("the service sends keys out of order");
        }
        last.clone_from(&before.last);
        if entries.is_empty() {
            stale = before.stale + 1;
            let most = if keys.is_empty() { EMPTY } else { REPEATED };
            if token.is_some() && (stale >= most || token.as_deref() == Some(before.token.as_str())) {
                problem = Some("the service sends the same page of keys again and again");
            }
        } else if token.as_deref() == Some(before.token.as_str()) {
            problem = Some("the service sends the same page of keys again and again");
        }
    }
    if let Some(entry) = entries.last() {
        last = entry.key().to_owned();
    }
    let next = token.map(|token| Cursor { token, before: keys.into(), last, stale });
    Followed { entries, next, problem }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, EMPTY, Entry, Followed, REPEATED, follow};

    fn page(keys: &[&str], token: &str, cursor: Option<&Cursor>) -> Followed {
        let entries = keys.iter().map(|key| Entry::Folder((*key).to_owned())).collect();
        follow(entries, (!token.is_empty()).then(|| token.to_owned()), cursor)
    }

    fn keys(page: &Followed) -> Vec<&str> {
        page.entries.iter().map(Entry::key).collect()
    }

    #[test]
    fn what_the_page_before_had_is_dropped() {
        let first = page(&["a", "b", "c"], "1", None);
        assert_eq!(keys(&first), ["a", "b", "c"]);
        let overlapping = page(&["b", "c", "d"], "2", first.next.as_ref());
        assert_eq!((keys(&overlapping), overlapping.problem), (vec!["d"], None));
        let again = page(&["a", "b", "c"], "2", first.next.as_ref());
        assert_eq!((keys(&again), again.problem), (vec![], None));
        let on = page(&["d"], "", again.next.as_ref());
        assert_eq!((keys(&on), on.problem, on.next.is_none()), (vec!["d"], None, true));
    }

    #[test]
    fn keys_out_of_order_and_circles_are_told() {
        let first = page(&["b", "c"], "1", None);
        let back = page(&["a", "d"], "2", first.next.as_ref());
        assert_eq!((keys(&back), back.problem.is_some()), (vec!["d"], true));
        let same_token = page(&["d"], "1", first.next.as_ref());
        assert!(same_token.problem.is_some());

        // Two pages that lead to each other.
        let second = page(&["d", "e"], "2", first.next.as_ref());
        assert!(page(&["b", "c"], "1", second.next.as_ref()).problem.is_some());
    }

    #[test]
    fn pages_without_anything_new_end() {
        for (keys, most) in [(&["a"][..], REPEATED), (&[], EMPTY)] {
            let mut at = page(&["a"], "0", None);
            for n in 1..most {
                at = page(keys, &n.to_string(), at.next.as_ref());
                assert_eq!(at.problem, None, "{n}");
            }
            assert!(page(keys, "last", at.next.as_ref()).problem.is_some());
            assert!(page(keys, "", at.next.as_ref()).problem.is_none(), "the end is no circle");
        }
    }
}
