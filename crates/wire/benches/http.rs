//! GenerateDataKey over HTTP against a server that only speaks HTTP, in the same run on the same cores.
//!
//! `cargo x bench http` builds the release binary and runs this. Servers run on one core, the load on another; one
//! signed request is sent over and over, for signatures are good for five minutes. Printed is the ratio of the rates,
//! for absolute rates say more about the machine than about the server. Every answered call is on disk with its trail
//! record: the data directory is under `target/`, not in memory.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a bench may fail loudly, and measures time"
)]

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use keyward_wire::client::Client;
use keyward_wire::sigv4::{Credentials, Payload, SignedParts, sign};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use zeroize::Zeroizing;

const CONNECTIONS: [usize; 3] = [1, 16, 64];
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(5);
/// The cores of servers and of the load; with one core only, they share it and the ratio says little.
const SERVER_CORE: &str = "0";
const LOAD_CORE: &str = "1";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match arguments.get(1).map(String::as_str) {
        Some("bare") => runtime().block_on(bare_server()),
        Some("load") => runtime().block_on(load(&arguments[2], Path::new(&arguments[3]), arguments[4].parse().expect("a number"))),
        _ => compare(),
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

/// Sends one request over and over on so many connections, and prints rate and latencies.
async fn load(authority: &str, request: &Path, connections: usize) {
    let request = Bytes::from(std::fs::read(request).expect("the request"));
    let until = Instant::now() + WARM_UP + MEASURED;
    let from = Instant::now() + WARM_UP;
    let tasks: Vec<_> = (0..connections).map(|_| tokio::spawn(one_connection(authority.to_owned(), request.clone(), from, until))).collect();
    let mut latencies_us: Vec<u32> = Vec::new();
    for task in tasks {
        latencies_us.extend(task.await.expect("a connection"));
    }
    latencies_us.sort_unstable();
    let at = |part: f64| latencies_us[((latencies_us.len() - 1) as f64 * part) as usize];
    println!("{} {} {}", latencies_us.len(), at(0.5), at(0.99));
}

async fn one_connection(authority: String, request: Bytes, from: Instant, until: Instant) -> Vec<u32> {
    let mut stream = TcpStream::connect(authority).await.expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    let (mut latencies_us, mut buffer) = (Vec::new(), Vec::with_capacity(8192));
    loop {
        let started = Instant::now();
        if started >= until {
            return latencies_us;
        }
        stream.write_all(&request).await.expect("sent");
        buffer.clear();
        while !is_whole(&buffer) {
            assert!(stream.read_buf(&mut buffer).await.expect("received") > 0, "the server closed the connection");
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer));
        if started >= from {
            latencies_us.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    answer.len() >= head + 4 + length.trim().parse::<usize>().expect("a number")
}

/// A server on its core, ended with the value.
struct Server {
    process: Child,
    authority: String,
    lines: Vec<String>,
}

impl Server {
    fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut process = Command::new("taskset")
            .args(["-c", SERVER_CORE])
            .arg(program)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("taskset, of the package util-linux");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let mut server = Self { process, authority: String::new(), lines: Vec::new() };
        for line in output.lines() {
            let line = line.expect("a line");
            if let Some((_, authority)) = line.split_once("ready on http://") {
                server.authority = authority.trim().to_owned();
                return server;
            }
            server.lines.push(line);
        }
        panic!("the server did not become ready: {:?}", server.lines);
    }

    /// User and system time so far, in microseconds. `taskset` became the server, so the process is the server's.
    fn cpu_us(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("the process");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // Clock ticks of a hundredth of a second, on every Linux there is.
        (fields[11].parse::<u64>().expect("ticks") + fields[12].parse::<u64>().expect("ticks")) * 10_000
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Measured {
    per_second: f64,
    p50_us: u64,
    p99_us: u64,
    cpu_us: f64,
}

fn measure(server: &Server, request: &Path, connections: usize) -> Measured {
    let me = std::env::current_exe().expect("this program");
    let before = server.cpu_us();
    let output = Command::new("taskset")
        .args(["-c", LOAD_CORE])
        .arg(me)
        .args(["load", &server.authority, &request.to_string_lossy(), &connections.to_string()])
        .output()
        .expect("the load");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let spent = (server.cpu_us() - before) as f64;
    let numbers: Vec<u64> = String::from_utf8_lossy(&output.stdout).split_whitespace().map(|number| number.parse().expect("a number")).collect();
    let per_second = numbers[0] as f64 / MEASURED.as_secs_f64();
    // The warm-up's requests cost CPU as well.
    let all = per_second * (MEASURED + WARM_UP).as_secs_f64();
    Measured { per_second, p50_us: numbers[1], p99_us: numbers[2], cpu_us: spent / all }
}

fn compare() {
    let target = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target"));
    let keyward = target.join("release/keyward");
    assert!(keyward.exists(), "`cargo x bench http` builds the release binary first");
    let folder = target.join("bench-http");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let (data, root) = (folder.join("data"), folder.join("root.key"));
    let (data, root) = (data.to_string_lossy().into_owned(), root.to_string_lossy().into_owned());
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data", &data, "--root-key", &root, "--accounts", "111122223333"];
    let keyward = Server::start(&keyward, &arguments);
    let bare = Server::start(&std::env::current_exe().expect("this program"), &["bare"]);
    let request = folder.join("request");
    std::fs::write(&request, generate_data_key(&keyward)).expect("the request");

    println!("GenerateDataKey, AES_256, on disk with its trail record before the answer; servers on core {SERVER_CORE}, load on core {LOAD_CORE}");
    println!("{:>11}  {:>22}  {:>22}  {:>9}  {:>21}", "connections", "keyward p50/p99 µs", "bare hyper p50/p99 µs", "ratio", "server CPU µs/request");
    for connections in CONNECTIONS {
        let (theirs, ours) = (measure(&bare, &request, connections), measure(&keyward, &request, connections));
        let latencies = |measured: &Measured| format!("{:.0}/s {}/{}", measured.per_second, measured.p50_us, measured.p99_us);
        println!(
            "{connections:>11}  {:>22}  {:>22}  {:>8.1}%  {:>21}",
            latencies(&ours),
            latencies(&theirs),
            100.0 * ours.per_second / theirs.per_second,
            format!("{:.0} against {:.0}", ours.cpu_us, theirs.cpu_us)
        );
    }
}

/// The bytes of a signed request, good for five minutes.
fn generate_data_key(server: &Server) -> Vec<u8> {
    let exported = |name: &str| {
        let prefix = format!("export {name}=");
        server.lines.iter().find_map(|line| line.strip_prefix(&prefix)).expect("credentials").to_owned()
    };
    let credentials = Credentials {
        access_key_id: exported("AWS_ACCESS_KEY_ID"),
        secret_access_key: Zeroizing::new(exported("AWS_SECRET_ACCESS_KEY")),
        session_token: None,
    };
    let now = jiff::Timestamp::now();
    let client = Client { authority: server.authority.clone(), credentials: credentials.clone(), region: "us-east-1".into() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let key = runtime.block_on(client.json("kms", "TrentService.CreateKey", &serde_json::json!({}), now)).expect("a key").member("KeyMetadata.Arn");
    let body = serde_json::json!({"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": {"project": "shieldsync-prod"}}).to_string();
    let mut headers = HeaderMap::new();
    headers.insert(HOST, server.authority.parse().expect("a header"));
    headers.insert("x-amz-target", HeaderValue::from_static("TrentService.GenerateDataKey"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    headers.insert("content-length", body.len().into());
    let parts = SignedParts { method: "POST", path: "/", query: "", headers: &headers, payload: Payload::Body(body.as_bytes()) };
    for (name, value) in sign(&parts, &credentials, "us-east-1", "kms", now) {
        headers.insert(HeaderName::from_static(name), value.parse().expect("a header"));
    }
    let mut request = String::from("POST / HTTP/1.1\r\n");
    for (name, value) in &headers {
        request.push_str(&format!("{name}: {}\r\n", value.to_str().expect("text")));
    }
    format!("{request}\r\n{body}").into_bytes()
}
