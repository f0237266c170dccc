//! The source room: what it finds, what it passes over and why, and how it fails.

mod key;
mod local;
mod memory;
mod select;
mod tree;

use flowgate::source::{Listing, Object, Selection, Source, SourceError};
use tokio::sync::mpsc;

/// Runs a future to its end the way the pipeline does.
fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(future)
}

fn list(source: &dyn Source, selection: &Selection) -> Listing {
    run(source.list(selection))
}

/// What a fetch returned, and the chunks that had arrived by then.
struct Fetched {
    result: Result<u64, SourceError>,
    chunks: Vec<usize>,
    bytes: Vec<u8>,
}

fn fetch(source: &dyn Source, object: &Object) -> Fetched {
    run(async {
        let (to, mut from) = mpsc::channel::<bytes::Bytes>(1);
        // Both at once: with room for one chunk only, neither could run first.
        let receive = async {
            let (mut chunks, mut bytes) = (Vec::new(), Vec::new());
            while let Some(chunk) = from.recv().await {
                chunks.push(chunk.len());
                bytes.extend_from_slice(&chunk);
            }
            (chunks, bytes)
        };
        let (result, (chunks, bytes)) = both(source.fetch(object, to), receive).await;
        Fetched { result, chunks, bytes }
    })
}

/// Runs two futures together to the end of both.
async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let (mut a_is, mut b_is) = (None, None);
    std::future::poll_fn(move |context| {
        use std::task::Poll;
        if a_is.is_none()
            && let Poll::Ready(is) = a.as_mut().poll(context)
        {
            a_is = Some(is);
        }
        if b_is.is_none()
            && let Poll::Ready(is) = b.as_mut().poll(context)
        {
            b_is = Some(is);
        }
        if a_is.is_some() && b_is.is_some() {
            return Poll::Ready((a_is.take().unwrap(), b_is.take().unwrap()));
        }
        Poll::Pending
    })
    .await
}

fn names(listing: &Listing) -> Vec<&str> {
    listing.objects.iter().map(|object| object.name.as_str()).collect()
}

/// `name: reason code`, as a report would count them.
fn skipped(listing: &Listing) -> Vec<String> {
    listing.skipped.iter().map(|skipped| format!("{}: {}", skipped.name, skipped.reason.code())).collect()
}

fn errors(listing: &Listing) -> Vec<String> {
    listing.errors.iter().map(ToString::to_string).collect()
}
