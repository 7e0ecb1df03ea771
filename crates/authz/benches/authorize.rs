//! The cost of a decision. Each bench defends a sentence: a decision is lost in the noise of the call that asks for it.

#![expect(clippy::unwrap_used, reason = "a bench may fail loudly")]

mod questions;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use keyward_authz::{authorize, explain, reasons};
use questions::{across_accounts, article_allowed, article_denied};

fn benches(criterion: &mut Criterion) {
    let mut bench = |name: &str, asked: &questions::Asked| {
        asked.ask(|s, t, r| {
            criterion.bench_function(name, |bencher| bencher.iter(|| authorize(black_box(s), t, r)));
        });
    };
    bench("authorize/article_allowed", &article_allowed());
    bench("authorize/article_denied", &article_denied());
    bench("authorize/cross_account_12_grants", &across_accounts());
    // Which layers, statements and near misses, as ids and spans: what whoever decides can keep.
    article_denied().ask(|s, t, r| {
        criterion.bench_function("reasons/article_denied", |bencher| bencher.iter(|| reasons(black_box(s), t, r)));
        // The same in words, with fixes that were tried: what a refused call puts into the trail.
        criterion.bench_function("explain/article_denied", |bencher| bencher.iter(|| explain(black_box(s), t, r)));
    });
}

criterion_group!(all, benches);
criterion_main!(all);
