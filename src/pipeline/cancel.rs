//! How a run is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Tells a run, from any thread, that nobody wants its result any more. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<State>);

#[derive(Debug, Default)]
struct State {
    cancelled: AtomicBool,
    told: Notify,
}

impl Cancel {
    /// Stops the run as soon as it looks.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        self.0.told.notify_waiters();
    }

    /// True after [`cancel`](Self::cancel).
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Returns when it is cancelled.
    pub(super) async fn cancelled(&self) {
        let told = self.0.told.notified();
        tokio::pin!(told);
        // From here on no call is missed, so that the flag is looked at afterwards.
        told.as_mut().enable();
        if !self.is_cancelled() {
            told.await;
        }
    }
}
