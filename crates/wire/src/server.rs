//! The listener: HTTP/1.1, one endpoint, one answer a request.
//!
//! What a request means and who signed it is `dispatch`'s; here are sockets, sizes, times and headers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use keyward_service::{AwsError, Host};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::dispatch::{Answered, Dispatcher};
use crate::pace::{Pace, Paced};

/// Largest body (K7).
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long a client may take for its body, in seconds (T68).
pub(crate) const BODY_S_MAX: u64 = 10;
/// Most connections at a time (T68). Whoever comes then waits in the listener's queue until one ends.
const CONNECTIONS_MAX: usize = 10_000;
/// How long no connection is accepted after one could not be: what is short, such as file descriptors, is not short for less.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long open calls are waited for when the server stops, in seconds.
const STOP_S_MAX: u64 = 10;

/// Serves until `stop` ends, then lets open calls finish.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, host: Arc<Host>, stop: impl Future<Output = ()>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Handle::current();
    host.deliver_by(move |answers| drop(runtime.spawn(async { answers() })));
    run(listener, Dispatcher::new(host), stop).await
}

/// The same, for calls that come through a VPC endpoint: that they arrive at this listener says so, and nothing that a
/// client sends can (A330) (T18).
///
/// # Errors
/// When the listener fails.
pub async fn serve_endpoint(listener: TcpListener, host: Arc<Host>, endpoint: String, stop: impl Future<Output = ()>) -> std::io::Result<()> {
    run(listener, Dispatcher::of_endpoint(host, endpoint), stop).await
}

async fn run(listener: TcpListener, dispatcher: Dispatcher, stop: impl Future<Output = ()>) -> std::io::Result<()> {
    let dispatcher = Arc::new(dispatcher);
    listen(listener, stop, move |stream, peer, watcher| {
        let dispatcher = dispatcher.clone();
        async move { connection(stream, watcher, |request| answer(&dispatcher, peer, request)).await }
    })
    .await;
    Ok(())
}

/// Accepts connections until `stop` ends, and has each served; then lets open calls finish.
pub(crate) async fn listen<F>(listener: TcpListener, stop: impl Future<Output = ()>, serve: impl Fn(TcpStream, SocketAddr, Watcher) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, peer, place) = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            () = &mut stop => break,
        };
        let _ = stream.set_nodelay(true);
        let serving = serve(stream, peer, graceful.watcher());
        tokio::spawn(async move {
            serving.await;
            drop(place);
        });
    }
    let _ = tokio::time::timeout(Duration::from_secs(STOP_S_MAX), graceful.shutdown()).await;
}

/// The next connection, and its place among those that there may be.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // INVARIANT: nobody closes the semaphore.
    let place = room.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            // One connection that failed before it was ours is no reason to stop serving the others.
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection to its end: by itself, or because it takes too long.
pub(crate) async fn connection<F>(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, watcher: Watcher, answer: impl Fn(Request<Incoming>) -> F)
where
    F: Future<Output = Response<Full<Bytes>>>,
{
    let pace = Pace::new();
    let service = service_fn(|request| {
        pace.called();
        let answering = answer(request);
        let pace = pace.clone();
        async move {
            let response = answering.await;
            pace.answered();
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let stream = TokioIo::new(Paced::new(stream, pace.clone()));
    // Its own limit for headers counts what comes before them too.
    let served = hyper::server::conn::http1::Builder::new().header_read_timeout(None).serve_connection(stream, service);
    tokio::select! {
        biased;
        ended = watcher.watch(served) => if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        },
        () = pace.too_long() => tracing::debug!("a connection took too long"),
    }
}

async fn answer(dispatcher: &Dispatcher, peer: SocketAddr, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let request_id = dispatcher.new_request_id();
    let answered = match (request.method(), request.uri().path()) {
        (&Method::GET, "/_keyward/health") => dispatcher.health(),
        _ => read_and_call(dispatcher, peer, request, &request_id).await,
    };
    let mut response = Response::new(Full::new(Bytes::from(answered.body)));
    *response.status_mut() = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answered.content_type));
    // [K11]
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate, private"));
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), value);
    }
    response
}

async fn read_and_call(dispatcher: &Dispatcher, peer: SocketAddr, request: Request<Incoming>, request_id: &str) -> Answered {
    let (parts, body) = request.into_parts();
    // [T65] Whatever the reason why a body is not read, the request is recorded.
    let turn_away = |error| dispatcher.turn_away(peer, &parts, request_id, error);
    let unread = |code, status| AwsError { status, ..AwsError::bare(code) };
    if parts.headers.contains_key(CONTENT_ENCODING) {
        return turn_away(AwsError::bare("SerializationException")).await; // T71
    }
    let collected = tokio::time::timeout(Duration::from_secs(BODY_S_MAX), Limited::new(body, BODY_BYTES_MAX).collect()).await;
    match collected {
        Ok(Ok(body)) => dispatcher.call(peer, &parts, &body.to_bytes(), request_id).await,
        Ok(Err(error)) if error.is::<LengthLimitError>() => turn_away(unread("RequestEntityTooLarge", 413)).await,
        Ok(Err(_)) => turn_away(unread("IncompleteBody", 400)).await,
        Err(_) => turn_away(unread("RequestTimeout", 408)).await,
    }
}
