//! Servers on one core, a load of signed requests on another, and what came of it.
//!
//! One signed request is sent over and over, for signatures are good for five minutes. A bench program is its own load: it
//! starts itself with [`LOAD`] as first argument.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use keyward_wire::client::{Answer, Client};
use keyward_wire::sigv4::{Credentials, Payload, SignedParts, sign};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

/// The cores of servers and of the load; with one core only, they share it and the ratio says little.
pub(crate) const SERVER_CORE: &str = "0";
pub(crate) const LOAD_CORE: &str = "1";

/// The first argument of a load, before those that [`load`] reads.
pub(crate) const LOAD: &str = "load";

/// How long requests are sent: first without counting, then with it.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

pub(crate) struct Measured {
    /// User and system time of the server for each request, in microseconds.
    pub(crate) cpu_us: f64,
    pub(crate) seen: Seen,
}

/// What a load saw of the calls that it began while they counted.
#[derive(Deserialize, Serialize)]
pub(crate) struct Seen {
    /// All calls, for those that do not count cost CPU as well.
    all: usize,
    pub(crate) per_second: f64,
    pub(crate) p50_us: u32,
    pub(crate) p99_us: u32,
}

/// Sends a request over and over to a server on so many connections at once.
pub(crate) fn measure(server: &Server, request: &Path, connections: usize, times: Times) -> Measured {
    let before = server.cpu_us();
    let output = pinned(LOAD_CORE, &this_program())
        .args([LOAD, &server.authority, &request.to_string_lossy(), &connections.to_string()])
        .args([times.warm_up, times.measured].map(|time| time.as_millis().to_string()))
        .output()
        .expect("the load");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let spent = (server.cpu_us() - before) as f64;
    let seen: Seen = serde_json::from_slice(&output.stdout).expect("what the load saw");
    Measured { cpu_us: spent / seen.all as f64, seen }
}

/// The other side of [`measure`]: authority, file with the request, connections and times.
pub(crate) fn load(arguments: &[String]) {
    let [authority, request, connections, warm_up, measured] = arguments else { panic!("five arguments, not {arguments:?}") };
    let request = Bytes::from(std::fs::read(request).expect("the request"));
    let connections: usize = connections.parse().expect("a number");
    let [warm_up, measured] = [warm_up, measured].map(|time| Duration::from_millis(time.parse().expect("milliseconds")));
    let (mut all, mut latencies_us): (usize, Vec<u32>) = (0, Vec::new());
    runtime().block_on(async {
        let from = Instant::now() + warm_up;
        let until = from + measured;
        let tasks: Vec<_> = (0..connections).map(|_| tokio::spawn(one_connection(authority.clone(), request.clone(), from, until))).collect();
        for task in tasks {
            let (calls, counted_us) = task.await.expect("a connection");
            all += calls;
            latencies_us.extend(counted_us);
        }
    });
    latencies_us.sort_unstable();
    let at = |part: f64| latencies_us.get((latencies_us.len().saturating_sub(1) as f64 * part) as usize).copied().unwrap_or_default();
    let per_second = latencies_us.len() as f64 / measured.as_secs_f64();
    let seen = Seen { all, per_second, p50_us: at(0.5), p99_us: at(0.99) };
    println!("{}", serde_json::to_string(&seen).expect("JSON"));
}

/// How many calls there were, and how long those took that count.
async fn one_connection(authority: String, request: Bytes, from: Instant, until: Instant) -> (usize, Vec<u32>) {
    let mut stream = TcpStream::connect(authority).await.expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    let (mut calls, mut latencies_us, mut buffer) = (0, Vec::new(), Vec::with_capacity(8192));
    loop {
        let started = Instant::now();
        if started >= until {
            return (calls, latencies_us);
        }
        stream.write_all(&request).await.expect("sent");
        buffer.clear();
        while !is_whole(&buffer) {
            assert!(stream.read_buf(&mut buffer).await.expect("received") > 0, "the server closed the connection");
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer));
        calls += 1;
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
pub(crate) struct Server {
    process: Child,
    authority: String,
    lines: Vec<String>,
}

impl Server {
    /// The release binary's `keyward serve` with one account.
    pub(crate) fn keyward(store: &[&str]) -> Self {
        let program = target().join("release/keyward");
        assert!(program.exists(), "`cargo x bench` builds the release binary first");
        let mut arguments = vec!["serve", "--listen", "127.0.0.1:0", "--accounts", "111122223333"];
        arguments.extend(store);
        Self::start(&program, &arguments)
    }

    /// Any program that says where it is ready.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut process = pinned(SERVER_CORE, program).args(arguments).stdout(Stdio::piped()).spawn().expect("taskset, of the package util-linux");
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

    /// A call to KMS as the account's root user, to be answered with success.
    pub(crate) fn call(&self, operation: &str, input: &Value) -> Answer {
        let client = Client { authority: self.authority.clone(), credentials: self.credentials(), region: REGION.into() };
        let answer = runtime().block_on(client.json("kms", &target_of(operation), input, jiff::Timestamp::now())).expect("an answer");
        assert!(answer.is_success(), "{operation}: {}", answer.body);
        answer
    }

    /// The bytes of such a call, signed and good for five minutes.
    pub(crate) fn signed(&self, operation: &str, input: &Value) -> Vec<u8> {
        let body = input.to_string();
        let mut headers = HeaderMap::new();
        headers.insert(HOST, self.authority.parse().expect("a header"));
        headers.insert("x-amz-target", target_of(operation).parse().expect("a header"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
        headers.insert("content-length", body.len().into());
        let parts = SignedParts { method: "POST", path: "/", query: "", headers: &headers, payload: Payload::Body(body.as_bytes()) };
        for (name, value) in sign(&parts, &self.credentials(), REGION, "kms", jiff::Timestamp::now()) {
            headers.insert(HeaderName::from_static(name), value.parse().expect("a header"));
        }
        let mut request = String::from("POST / HTTP/1.1\r\n");
        for (name, value) in &headers {
            request.push_str(&format!("{name}: {}\r\n", value.to_str().expect("text")));
        }
        format!("{request}\r\n{body}").into_bytes()
    }

    /// What Keyward says at its first start.
    fn credentials(&self) -> Credentials {
        let exported = |name: &str| {
            let prefix = format!("export {name}=");
            self.lines.iter().find_map(|line| line.strip_prefix(&prefix)).expect("credentials").to_owned()
        };
        Credentials {
            access_key_id: exported("AWS_ACCESS_KEY_ID"),
            secret_access_key: Zeroizing::new(exported("AWS_SECRET_ACCESS_KEY")),
            session_token: None,
        }
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

const REGION: &str = "us-east-1";

fn target_of(operation: &str) -> String {
    format!("TrentService.{operation}")
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

pub(crate) fn this_program() -> PathBuf {
    std::env::current_exe().expect("this program")
}

/// Where cargo builds: benches keep their files there.
pub(crate) fn target() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target"))
}

/// A program on one core.
pub(crate) fn pinned(core: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(program);
    command
}
