//! How long a connection may take: for headers once they have begun, and for doing nothing (T68).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How long a client may take for its headers, from their first byte.
const HEADER: Duration = Duration::from_secs(5);
/// How long a connection may wait for a request, or a client for the rest of its answer (K9).
const IDLE: Duration = Duration::from_secs(60);

/// What a connection is doing, and since when.
pub(crate) struct Pace(Mutex<(Doing, Instant)>);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Doing {
    /// Nothing: no byte of a request has come.
    Waiting,
    /// A request has begun.
    Reading,
    /// The headers are here; the body has a limit of its own.
    Answering,
}

impl Pace {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new((Doing::Waiting, Instant::now()))))
    }

    /// The headers are here.
    pub(crate) fn called(&self) {
        *self.state() = (Doing::Answering, Instant::now());
    }

    /// The answer is ready.
    pub(crate) fn answered(&self) {
        *self.state() = (Doing::Waiting, Instant::now());
    }

    fn bytes_came(&self) {
        let mut state = self.state();
        if state.0 == Doing::Waiting {
            *state = (Doing::Reading, Instant::now());
        }
    }

    /// Ends when the connection has taken too long. It looks when that could be, so that a request costs no timer; and once in
    /// the time for headers, so that they are not overdue unseen.
    pub(crate) async fn too_long(&self) {
        loop {
            let (doing, since) = *self.state();
            let now = Instant::now();
            let look_at = match doing {
                Doing::Waiting if since + IDLE <= now => return,
                Doing::Reading if since + HEADER <= now => return,
                Doing::Waiting => (since + IDLE).min(now + HEADER),
                Doing::Reading => since + HEADER,
                Doing::Answering => now + HEADER,
            };
            tokio::time::sleep_until(look_at).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, (Doing, Instant)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that notes when bytes come.
pub(crate) struct Paced<S> {
    stream: S,
    pace: Arc<Pace>,
}

impl<S> Paced<S> {
    pub(crate) fn new(stream: S, pace: Arc<Pace>) -> Self {
        Self { stream, pace }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.pace.bytes_came();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use hyper::Response;
    use hyper_util::server::graceful::GracefulShutdown;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::server::connection;

    /// A client whose connection is served as every one is, by a service that says nothing.
    fn client() -> (DuplexStream, GracefulShutdown) {
        let ((client, served), running) = (duplex(4096), GracefulShutdown::new());
        tokio::spawn(connection(served, running.watcher(), |_| async { Response::new(Full::default()) }));
        (client, running)
    }

    async fn asks(client: &mut DuplexStream) -> bool {
        let sent = client.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
        let mut bytes = [0; 512];
        sent.is_ok() && client.read(&mut bytes).await.is_ok_and(|count| bytes[..count].starts_with(b"HTTP/1.1 200"))
    }

    async fn is_hung_up_on(client: &mut DuplexStream) -> bool {
        let mut byte = [0];
        matches!(tokio::time::timeout(Duration::from_millis(1), client.read(&mut byte)).await, Ok(Ok(0)))
    }

    #[tokio::test(start_paused = true)]
    async fn t68_an_idle_connection_lives_for_a_minute_after_each_answer() {
        let (mut client, _running) = client();
        for _ in 0..3 {
            tokio::time::sleep(IDLE - Duration::from_secs(1)).await;
            assert!(asks(&mut client).await);
        }
        tokio::time::sleep(IDLE + Duration::from_secs(1)).await;
        assert!(is_hung_up_on(&mut client).await);
    }

    #[tokio::test(start_paused = true)]
    async fn t68_headers_are_counted_from_their_first_byte() {
        let (mut client, _running) = client();
        tokio::time::sleep(Duration::from_secs(31)).await;
        client.write_all(b"GET / HT").await.unwrap();
        tokio::time::sleep(HEADER - Duration::from_millis(10)).await;
        assert!(!is_hung_up_on(&mut client).await);
        client.write_all(b"TP/1.1").await.unwrap(); // a byte now and then does not help
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(is_hung_up_on(&mut client).await);
    }

    #[tokio::test(start_paused = true)]
    async fn t68_whoever_never_speaks_is_hung_up_on_after_a_minute() {
        let (mut client, _running) = client();
        tokio::time::sleep(IDLE - Duration::from_secs(1)).await;
        assert!(!is_hung_up_on(&mut client).await);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(is_hung_up_on(&mut client).await);
    }
}
