//! GenerateDataKey over HTTP against a server that only speaks HTTP, in the same run on the same cores.
//!
//! `cargo x bench http` builds the release binary and runs this. Printed is the ratio of the rates, for absolute rates say
//! more about the machine than about the server. Every answered call is on disk with its trail record: the data directory is
//! under `target/`, not in memory.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a bench may fail loudly, and measures time"
)]

mod loopback;

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use loopback::{LOAD, LOAD_CORE, Measured, SERVER_CORE, Server, Times, load, measure, runtime, target, this_program};

const CONNECTIONS: [usize; 3] = [1, 16, 64];
const TIMES: Times = Times { warm_up: Duration::from_secs(1), measured: Duration::from_secs(5) };

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("bare") => runtime().block_on(bare_server()),
        Some(LOAD) => load(&arguments[2..]),
        _ => compare(),
    }
}

fn compare() {
    let folder = target().join("bench-http");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let (data, root) = (folder.join("data"), folder.join("root.key"));
    let keyward = Server::keyward(&["--data", &data.to_string_lossy(), "--root-key", &root.to_string_lossy()]);
    let bare = Server::start(&this_program(), &["bare"]);
    let key = keyward.call("CreateKey", &serde_json::json!({})).member("KeyMetadata.Arn");
    let input = serde_json::json!({"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": {"project": "shieldsync-prod"}});
    let request = folder.join("request");
    std::fs::write(&request, keyward.signed("GenerateDataKey", &input)).expect("the request");

    println!("GenerateDataKey, AES_256, on disk with its trail record before the answer; servers on core {SERVER_CORE}, load on core {LOAD_CORE}");
    println!("{:>11}  {:>22}  {:>22}  {:>9}  {:>21}", "connections", "keyward p50/p99 µs", "bare hyper p50/p99 µs", "ratio", "server CPU µs/request");
    for connections in CONNECTIONS {
        let (theirs, ours) = (measure(&bare, &request, connections, TIMES), measure(&keyward, &request, connections, TIMES));
        let latencies = |measured: &Measured| format!("{:.0}/s {}/{}", measured.seen.per_second, measured.seen.p50_us, measured.seen.p99_us);
        println!(
            "{connections:>11}  {:>22}  {:>22}  {:>8.1}%  {:>21}",
            latencies(&ours),
            latencies(&theirs),
            100.0 * ours.seen.per_second / theirs.seen.per_second,
            format!("{:.0} against {:.0}", ours.cpu_us, theirs.cpu_us)
        );
    }
}

/// What hyper alone does: reads the body, answers as many bytes as a data key has.
async fn bare_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("ready on http://{}", listener.local_addr().expect("an address"));
    let body = Bytes::from(vec![b'x'; 516]);
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        let body = body.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let body = body.clone();
            async move {
                let _ = request.into_body().collect().await;
                let mut response = Response::new(Full::new(body));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
                Ok::<_, Infallible>(response)
            }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
