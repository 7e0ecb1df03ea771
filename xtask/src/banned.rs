//! What the pure crates may not name: the clock, chance, the world outside, threads and async, output and logs.

use crate::source;

/// A path and the way to go instead. A path that ends in `::` counts only as a module, with something before or behind
/// it, so that a variable may be called `log`.
const BANNED: &[(&str, &str)] = &[
    ("SystemTime", CLOCK),
    ("Instant", CLOCK),
    ("Timestamp::now", CLOCK),
    ("Zoned::now", CLOCK),
    ("jiff::tz::TimeZone::system", CLOCK),
    ("rand::", CHANCE),
    ("rand_core", CHANCE),
    ("getrandom", CHANCE),
    ("RandomState", CHANCE),
    ("Uuid::new_v4", CHANCE),
    ("Uuid::now_v7", CHANCE),
    ("std::fs", WORLD),
    ("std::io", WORLD),
    ("std::env", WORLD),
    ("std::os", WORLD),
    ("std::process", WORLD),
    ("std::net::TcpListener", WORLD),
    ("std::net::TcpStream", WORLD),
    ("std::net::UdpSocket", WORLD),
    ("std::net::ToSocketAddrs", WORLD),
    ("rustix", WORLD),
    ("std::thread", PLAIN),
    ("tokio", PLAIN),
    ("futures", PLAIN),
    ("async", PLAIN),
    ("await", PLAIN),
    ("print!", SILENT),
    ("println!", SILENT),
    ("eprint!", SILENT),
    ("eprintln!", SILENT),
    ("dbg!", SILENT),
    ("tracing", SILENT),
    ("log::", SILENT),
];

const CLOCK: &str = "the moment arrives as a value: the clock is in `Env`";
const CHANCE: &str = "random bytes arrive from outside: chance is in `Env`";
const WORLD: &str = "a pure crate does not touch the world: take the value as an argument";
const PLAIN: &str = "a pure crate is plain functions: threads and async belong to the rim";
const SILENT: &str = "a pure crate says nothing on the side: return what there is to say";

/// Where and what `text`, a Rust file of a pure crate, names that it may not: (line, path, way). Tests are left out.
#[must_use]
pub fn banned(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let lines = source::read(text);
    let mut found: Vec<_> = source::paths(&lines)
        .into_iter()
        .filter(|(line, _)| lines.get(*line).is_some_and(|line| !line.in_test))
        .flat_map(|(line, path)| BANNED.iter().filter(move |(banned, _)| names(&path, banned)).map(move |(banned, way)| (line + 1, *banned, *way)))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn names(path: &str, banned: &str) -> bool {
    match banned.strip_suffix("::") {
        Some(module) => format!("::{path}").contains(&format!("::{banned}")) || path.ends_with(&format!("::{module}")),
        None => format!("::{path}::").contains(&format!("::{banned}::")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<_> = banned(text).into_iter().map(|(_, path, _)| path).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn the_scanner_bites() {
        check("let t = std::time::SystemTime::now();", &["SystemTime"]);
        check("use std::{fs, collections::BTreeMap};", &["std::fs"]);
        check("use std::{\n    io::{self, Read},\n};", &["std::io"]);
        check("let now = jiff::Timestamp\n    ::now();", &["Timestamp::now"]);
        check("aws_lc_rs::rand::fill(&mut bytes)", &["rand::"]);
        check("use aws_lc_rs::rand as chance;", &["rand::"]);
        check("use aws_lc_rs::{rand as chance, aead};", &["rand::"]);
        check("async fn decide() {}", &["async"]);
        check("eprintln!(\"{x}\"); log::warn!(\"\");", &["eprintln!", "log::"]);
        check("use std::net::TcpStream;", &["std::net::TcpStream"]);
    }

    #[test]
    fn it_is_not_fooled() {
        check("/// `std::fs` and println!(\"…\")\nfn log(rand: &str) -> bool { print != rand }", &[]);
        check("const WAY: &str = \"std::fs::read\";", &[]);
        check("use std::net::IpAddr; fn at(now: Timestamp) {}", &[]);
        check("fn a() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}", &[]);
    }
}
