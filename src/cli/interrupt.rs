//! Ctrl-C, and being asked to end.

use std::thread;

use super::Exit;
use crate::pipeline::Cancel;

/// Cancels at the first signal and ends the process at the second.
#[expect(
    clippy::disallowed_methods,
    reason = "the user asks for the second time: nothing may hold the end up"
)]
pub(super) fn watch(cancel: &Cancel) {
    let cancel = cancel.clone();
    // Without it the signal ends the process as it always did: no reason not to run.
    _ = thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            signal().await;
            cancel.cancel();
            signal().await;
            std::process::exit(Exit::Interrupted.code().into());
        });
    });
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    _ = tokio::signal::ctrl_c().await;
}
