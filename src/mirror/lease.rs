//! One writer at a time, told early.
//!
//! The lock is an object that is made under the condition that there is none, and made anew every minute as long as its
//! holder lives. One that has not been made anew for [`EXPIRES`] is that of a run that died: it is taken over, by one
//! alone, since that has a condition, too. A lock that a run on this very machine left is taken over at once: who holds
//! the copy's lock of the operating system knows that nobody else does.
//!
//! Clocks may differ and machines may sleep, so that a living holder may lose its lock. It finds out before it commits;
//! and if it does not, the manifest's condition refuses it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::bucket::{Bucket, Condition, Small};
use super::copy::unique;
use super::error::{Doing, refused};
use crate::aws::{Failure, FailureKind};
use crate::store::{StoreError, holder};

/// The object below the store's prefix.
pub(super) const LOCK: &str = "flowgate-store.lock";

/// How often a holder says that it lives.
const BEAT: Duration = Duration::from_secs(60);

/// Seconds after which a lock is that of a run that died.
const EXPIRES: i64 = 600;

/// Whoever takes a lock may find that another was faster, who is done already.
const ATTEMPTS: usize = 5;

/// What stands in the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Text {
    /// Who it is, for people.
    holder: String,
    /// Which copy it uses.
    copy: String,
    /// Which run it is.
    run: String,
    /// Counts what was written, so that no two versions are the same.
    beat: u64,
}

impl Text {
    fn bytes(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

/// The store is ours until this is released.
#[derive(Debug)]
pub(super) struct Lease {
    state: Arc<State>,
    beating: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    bucket: Arc<Bucket>,
    text: Mutex<Text>,
    tag: Mutex<String>,
    lost: AtomicBool,
}

impl Lease {
    /// Takes the lock. `copy` names the copy, of which we hold the lock of the operating system.
    pub async fn take(bucket: &Arc<Bucket>, copy: &str) -> Result<Self, StoreError> {
        let text = Text { holder: holder(), copy: copy.to_owned(), run: unique(), beat: 0 };
        let state = Arc::new(State {
            bucket: Arc::clone(bucket),
            text: Mutex::new(text.clone()),
            tag: Mutex::default(),
            lost: AtomicBool::new(false),
        });
        let mut holder = String::new();
        for _ in 0..ATTEMPTS {
            if state.write(&Condition::Absent).await? {
                return Self::checked(state).await;
            }
            let Some(there) = bucket.get(LOCK).await? else { continue };
            match state.judge(&there) {
                Judged::Held(by) => holder = by,
                Judged::Left => {
                    if state.write(&Condition::Is(there.tag)).await? {
                        return Self::checked(state).await;
                    }
                    continue;
                }
            }
            break;
        }
        Err(StoreError::Busy { directory: bucket.address.to_string(), holder })
    }

    /// A service that takes no notice of conditions would let two runs destroy each other's work.
    async fn checked(state: Arc<State>) -> Result<Self, StoreError> {
        let bucket = Arc::clone(&state.bucket);
        let bytes = lock(&state.text).bytes();
        match bucket.put(LOCK, &bytes, &Condition::Absent).await? {
            Err(failure) if failure.kind == FailureKind::Changed => {}
            Err(failure) => {
                _ = bucket.remove(LOCK).await;
                return Err(refused(&bucket.address, LOCK, Doing::Writing, &failure));
            }
            Ok(_) => {
                bucket.remove(LOCK).await?;
                return Err(unconditional(&bucket));
            }
        }
        let for_task = Arc::clone(&state);
        let beating = tokio::spawn(async move {
            loop {
                tokio::time::sleep(BEAT).await;
                // What fails now may work in a minute.
                _ = for_task.beat().await;
            }
        });
        Ok(Self { state, beating })
    }

    /// Fails if somebody else took the lock over.
    pub async fn assert_held(&self) -> Result<(), StoreError> {
        self.state.beat().await?;
        match self.state.lost.load(Ordering::SeqCst) {
            true => Err(super::write::taken_over(&self.state.bucket.address)),
            false => Ok(()),
        }
    }

    /// Lets go of it. What can't be removed expires.
    pub async fn release(&mut self) {
        self.beating.abort();
        _ = (&mut self.beating).await;
        if !self.state.lost.load(Ordering::SeqCst) && self.state.is_ours().await {
            _ = self.state.bucket.remove(LOCK).await;
        }
    }
}

fn unconditional(bucket: &Bucket) -> StoreError {
    StoreError::Elsewhere {
        message: format!(
            "{}: the service takes no notice of conditions of writes (If-None-Match): two runs at once could destroy \
             each other's work",
            bucket.address
        ),
        help: "ingest into a directory, and copy it: `aws s3 sync --exclude lock DIR s3://…`".to_owned(),
    }
}

enum Judged {
    /// By whom, for the message.
    Held(String),
    /// Its holder died.
    Left,
}

impl State {
    /// Writes the lock; false if the condition does not hold.
    async fn write(&self, condition: &Condition) -> Result<bool, StoreError> {
        let bytes = lock(&self.text).bytes();
        let answer = self.bucket.put(LOCK, &bytes, condition).await?;
        let tag = match answer {
            Ok(tag) => tag,
            // Of an attempt whose answer was lost.
            Err(failure) if failure.kind == FailureKind::Changed => match self.bucket.get(LOCK).await? {
                Some(there) if there.bytes == bytes => there.tag,
                _ => return Ok(false),
            },
            Err(failure) => return Err(self.unwritten(&failure)),
        };
        *lock(&self.tag) = tag;
        Ok(true)
    }

    fn unwritten(&self, failure: &Failure) -> StoreError {
        match failure.code.as_deref() {
            Some("NotImplemented") => unconditional(&self.bucket),
            _ => refused(&self.bucket.address, LOCK, Doing::Writing, failure),
        }
    }

    /// Whose lock it is.
    fn judge(&self, there: &Small) -> Judged {
        let age = there.modified.map(|modified| self.bucket.options().now - modified);
        let who = serde_json::from_slice::<Text>(&there.bytes).ok();
        let of_our_copy = who.as_ref().is_some_and(|who| who.copy == lock(&self.text).copy);
        if of_our_copy || age.is_some_and(|age| age > EXPIRES) {
            return Judged::Left;
        }
        let name: String = match who {
            Some(who) => who.holder.chars().take(200).collect(),
            None => "somebody".to_owned(),
        };
        Judged::Held(format!(" ({name}; if it died, its lock expires after {} minutes)", EXPIRES / 60))
    }

    /// Says that we live, and finds out whether the lock is still ours.
    async fn beat(&self) -> Result<(), StoreError> {
        if self.lost.load(Ordering::SeqCst) {
            return Ok(());
        }
        lock(&self.text).beat += 1;
        let tag = lock(&self.tag).clone();
        if !self.write(&Condition::Is(tag)).await? && !self.adopt().await? {
            self.lost.store(true, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Of two of our own beats one may have been late.
    async fn adopt(&self) -> Result<bool, StoreError> {
        let Some(there) = self.bucket.get(LOCK).await? else { return Ok(false) };
        let ours = self.is_of_this_run(&there);
        if ours {
            *lock(&self.tag) = there.tag;
        }
        Ok(ours)
    }

    async fn is_ours(&self) -> bool {
        self.bucket.get(LOCK).await.is_ok_and(|there| there.is_some_and(|there| self.is_of_this_run(&there)))
    }

    fn is_of_this_run(&self, there: &Small) -> bool {
        let run = lock(&self.text).run.clone();
        serde_json::from_slice::<Text>(&there.bytes).is_ok_and(|text| text.run == run)
    }
}

/// Only whole assignments happen under these locks.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
