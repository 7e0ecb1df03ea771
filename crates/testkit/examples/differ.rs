//! Holds the engine against the reference on cases made by chance: `cargo x differ`.
//!
//! `differ --cases N --seed S`, `differ --exhaustive`, `differ FILE…` to replay. Exit status 1 when they differ.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use keyward_testkit::differ::{Comparison, case_file, compare, shrink};
use keyward_testkit::generate::{small, small_count, typed, wild};
use serde_json::Value;

const USAGE: &str = "differ [--cases N] [--seed S] [--only typed|wild] [--mix] | --exhaustive [--every N] | FILE…";

/// How many differences are made small and written; all are counted.
const WRITTEN_MAX: usize = 12;

struct Wanted {
    cases: u64,
    seed: u64,
    only: Option<String>,
    mix: bool,
    exhaustive: bool,
    every: u64,
    files: Vec<String>,
}

fn main() -> ExitCode {
    let wanted = match wanted() {
        Ok(wanted) => wanted,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let fine = if wanted.files.is_empty() { campaign(&wanted) } else { wanted.files.iter().filter(|file| !replay(file)).count() == 0 };
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn wanted() -> Result<Wanted, String> {
    let mut wanted = Wanted { cases: 1_000_000, seed: 1, only: None, mix: false, exhaustive: false, every: 1, files: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
        let number = |text: String| text.replace('_', "").parse::<u64>().map_err(|_| format!("`{text}` is no number"));
        match argument.as_str() {
            "--cases" => wanted.cases = number(value()?)?,
            "--seed" => wanted.seed = number(value()?)?,
            "--only" => wanted.only = Some(value()?).filter(|only| only == "typed" || only == "wild"),
            "--every" => wanted.every = number(value()?)?.max(1),
            "--mix" => wanted.mix = true,
            "--exhaustive" => wanted.exhaustive = true,
            flag if flag.starts_with('-') => return Err(format!("there is no {flag}")),
            file => wanted.files.push(file.to_owned()),
        }
    }
    Ok(wanted)
}

/// What the threads found.
#[derive(Default)]
struct Found {
    different: Vec<(u64, Value)>,
    differences: u64,
    unreadable: BTreeMap<String, u64>,
    mix: BTreeMap<String, u64>,
}

fn campaign(wanted: &Wanted) -> bool {
    let count = if wanted.exhaustive { small_count().div_ceil(wanted.every) } else { wanted.cases };
    #[expect(clippy::disallowed_methods, reason = "a campaign's duration is told, nothing depends on it")]
    let started = Instant::now();
    let (next, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let found = Mutex::new(Found::default());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // A panic of the engine is a difference like others; its words are in the case.
    std::panic::set_hook(Box::new(|_| {}));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(wanted, count, &next, &found))).collect();
        if std::io::stderr().is_terminal() {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    eprint!("\r{} of {count} cases, {} s ", next.load(Ordering::Relaxed).min(count), started.elapsed().as_secs());
                    std::thread::sleep(Duration::from_millis(300));
                }
                eprint!("\r");
            });
        }
        for worker in workers {
            let _finished = worker.join();
        }
        done.store(true, Ordering::Relaxed);
    });
    let Ok(mut found) = found.into_inner() else { return false };
    found.different.sort_by_key(|(index, _)| *index);
    for (_, case) in found.different.iter().take(WRITTEN_MAX) {
        write(case);
    }
    if wanted.mix {
        let total: u64 = found.mix.iter().filter(|(name, _)| name.starts_with("decision ")).map(|(_, count)| count).sum();
        for (name, count) in &found.mix {
            println!("{:7.3} %  {name}", 100.0 * *count as f64 / total.max(1) as f64);
        }
    }
    for (why, count) in &found.unreadable {
        println!("{count} unreadable: {why}");
    }
    let what = if wanted.exhaustive { "the small universe".to_owned() } else { format!("seed {}", wanted.seed) };
    let unreadable: u64 = found.unreadable.values().sum();
    println!("{count} cases, {what}, {} s, {} differences, {unreadable} unreadable", started.elapsed().as_secs(), found.differences);
    found.differences == 0
}

fn work(wanted: &Wanted, count: u64, next: &AtomicU64, found: &Mutex<Found>) {
    const BATCH: u64 = 256;
    let mut ours = Found::default();
    loop {
        let start = next.fetch_add(BATCH, Ordering::Relaxed);
        if start >= count {
            break;
        }
        for index in start..(start + BATCH).min(count) {
            look(wanted, index, &mut ours);
        }
    }
    if let Ok(mut found) = found.lock() {
        found.different.append(&mut ours.different);
        found.differences += ours.differences;
        ours.unreadable.into_iter().for_each(|(name, count)| *found.unreadable.entry(name).or_default() += count);
        ours.mix.into_iter().for_each(|(name, count)| *found.mix.entry(name).or_default() += count);
    }
}

fn look(wanted: &Wanted, index: u64, found: &mut Found) {
    let case = if wanted.exhaustive {
        small(index * wanted.every)
    } else {
        let seed = wanted.seed.wrapping_mul(1 << 32).wrapping_add(index);
        match wanted.only.as_deref() {
            Some("typed") => typed(seed),
            Some(_) => wild(seed),
            // Half and half.
            None if index.is_multiple_of(2) => typed(seed),
            None => wild(seed),
        }
    };
    match compare(&case) {
        Comparison::Same(answer) => {
            if wanted.mix {
                let layers = format!("layer {} ({})", answer.layer, if answer.decision == "allow" { "allow" } else { "refused" });
                let rules = answer.rules.iter().map(|rule| format!("rule {rule}"));
                for name in [format!("decision {}", answer.decision), layers].into_iter().chain(rules) {
                    *found.mix.entry(name).or_default() += 1;
                }
            }
        }
        Comparison::Unreadable(why) => *found.unreadable.entry(why).or_default() += 1,
        Comparison::Different(_) => {
            found.differences += 1;
            if found.different.len() < WRITTEN_MAX {
                found.different.push((index, case));
            }
        }
    }
}

/// Writes the smallest case that still differs, and how to run it again.
fn write(case: &Value) {
    let id = case.get("id").and_then(Value::as_str).unwrap_or("case").to_owned();
    let small = shrink(case.clone());
    let Comparison::Different(difference) = compare(&small) else { return };
    println!("{id}: engine {:?}\n  reference {:?}", difference.engine, difference.reference);
    let path = Path::new("target/differ").join(format!("{id}.json"));
    let text = serde_json::to_string_pretty(&case_file(small, &difference)).unwrap_or_default();
    match std::fs::create_dir_all("target/differ").and_then(|()| std::fs::write(&path, text)) {
        Ok(()) => println!("  again: cargo x differ {}", path.display()),
        Err(error) => println!("  {} cannot be written: {error}", path.display()),
    }
}

fn replay(file: &str) -> bool {
    let read = std::fs::read_to_string(file).map_err(|error| error.to_string());
    let cases = read.and_then(|text| serde_json::from_str::<Value>(&text).map_err(|error| error.to_string()));
    let cases = match cases.map(|file| file.get("cases").and_then(Value::as_array).cloned()) {
        Ok(Some(cases)) => cases,
        Ok(None) => return say(file, "no cases in it"),
        Err(error) => return say(file, &error),
    };
    let mut fine = true;
    for case in cases {
        let id = case.get("id").and_then(Value::as_str).unwrap_or("?");
        match compare(&case) {
            Comparison::Same(answer) => println!("{id}: both {} by {}", answer.decision, answer.layer),
            Comparison::Unreadable(error) => fine = say(id, &error),
            Comparison::Different(difference) => {
                fine = say(id, &format!("\n  engine    {:?}\n  reference {:?}", difference.engine, difference.reference));
            }
        }
    }
    fine
}

fn say(of: &str, what: &str) -> bool {
    println!("{of}: {what}");
    false
}
