//! The listener: HTTP/1.1, one endpoint, one answer a request.
//!
//! What a request means and who signed it is `dispatch`'s; here are sockets, sizes, times and headers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use keyward_service::{AwsError, Host};
use tokio::net::TcpListener;

use crate::dispatch::{Answered, Dispatcher};

/// Largest body (K7).
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long a client may take for its headers, in seconds (T68).
const HEADER_S_MAX: u64 = 5;
/// How long a client may take for its body, in seconds (T68).
const BODY_S_MAX: u64 = 10;
/// How long open calls are waited for when the server stops, in seconds.
const STOP_S_MAX: u64 = 10;

/// Serves until `stop` ends, then lets open calls finish.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, host: Arc<Host>, stop: impl Future<Output = ()>) -> std::io::Result<()> {
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
    let graceful = hyper_util::server::graceful::GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // One connection that failed before it was ours is no reason to stop serving the others.
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let _ = stream.set_nodelay(true);
        let dispatcher = dispatcher.clone();
        let service = service_fn(move |request| {
            let dispatcher = dispatcher.clone();
            async move { Ok::<_, std::convert::Infallible>(answer(&dispatcher, peer, request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(HEADER_S_MAX))
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    let _ = tokio::time::timeout(Duration::from_secs(STOP_S_MAX), graceful.shutdown()).await;
    Ok(())
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
    headers.insert("cache-control", HeaderValue::from_static("no-cache, no-store, must-revalidate, private"));
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert("x-amzn-requestid", value);
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
