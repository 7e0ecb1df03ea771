//! The same decisions counted in instructions: flat in the grants of others, to the instruction.

#![expect(clippy::unwrap_used, reason = "a bench may fail loudly")]
#![expect(missing_docs, reason = "the macros make items that nobody reads")]

mod questions;

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use questions::{Asked, by_grant, by_identity_policy};

#[library_benchmark]
#[bench::by_grant_among_10_of_others(by_grant(10))]
#[bench::by_grant_among_50000_of_others(by_grant(50_000))]
#[bench::by_identity_policy_of_301_statements(by_identity_policy())]
fn decide(asked: Asked) -> Asked {
    black_box(asked.decide());
    asked
}

library_benchmark_group!(name = decisions; benchmarks = decide);
main!(library_benchmark_groups = decisions);
