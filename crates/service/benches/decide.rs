//! A decision as a served call makes it: the grants that could concern the caller are looked up, then decided on. The cost must
//! not grow with the grants of others, nor hurt with long identity policies.

#![expect(clippy::unwrap_used, reason = "a bench may fail loudly")]

mod questions;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use questions::{by_grant, by_identity_policy};

fn benches(criterion: &mut Criterion) {
    let mut bench = |name: &str, asked: questions::Asked| {
        criterion.bench_function(name, |bencher| bencher.iter(|| black_box(&asked).decide()));
    };
    bench("decide/by_grant_among_10_of_others", by_grant(10));
    bench("decide/by_grant_among_50000_of_others", by_grant(50_000));
    bench("decide/by_identity_policy_of_301_statements", by_identity_policy());
}

criterion_group!(all, benches);
criterion_main!(all);
