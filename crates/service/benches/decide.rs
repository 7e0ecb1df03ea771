//! A decision as a served call makes it: the grants that could concern the caller are looked up, then decided on. The cost must
//! not grow with the grants of others, nor hurt with long identity policies.

#![expect(clippy::unwrap_used, reason = "a bench may fail loudly")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use keyward_authz::{
    Attached, CallFacts, Grant, GrantConstraints, GrantOperation, GrantPrincipal, GrantRequest, KeyArn, KeyFacts, Principal, Request, Resource,
    ResourcePolicy, Subject, Target, authorize,
};
use keyward_policy::{Action, Policy, PolicyKind};
use keyward_service::{Entity, State};

const KEY: &str = "arn:aws:kms:ap-south-1:111122223333:key/e3a90f16-52c8-4d7b-8f05-7c6b1d2e4a90";
const DELEGATION: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}]}"#;

fn key() -> KeyFacts {
    KeyFacts::new(KEY.parse().unwrap(), ResourcePolicy::unbound(Policy::parse(PolicyKind::Key, DELEGATION)))
}

fn session() -> Subject {
    Subject::new(Principal::RoleSession {
        role: "arn:aws:iam::111122223333:role/app".parse().unwrap(),
        id: None,
        session: "arn:aws:sts::111122223333:assumed-role/app/web-1".parse().unwrap(),
    })
}

/// So many grants to others, and one to the caller.
fn state_with_grants(others: usize) -> State {
    let key: KeyArn = KEY.parse().unwrap();
    let grant = |number: usize| {
        let grantee = if number == others { "app".to_owned() } else { format!("other-{number}") };
        Entity::Grant(Arc::new(Grant {
            id: format!("{number:064x}").parse().unwrap(),
            key: key.clone(),
            terms: GrantRequest {
                grantee: GrantPrincipal::Aws { arn: format!("arn:aws:iam::111122223333:role/{grantee}").parse().unwrap(), bound: None },
                operations: vec![GrantOperation::named("Decrypt").unwrap()],
                constraints: GrantConstraints::default(),
                retiring: None,
            },
            issuing_account: "111122223333".parse().unwrap(),
            name: None,
            created_at: Default::default(),
        }))
    };
    State::load(0, (0..=others).map(grant))
}

fn benches(criterion: &mut Criterion) {
    let (key, call) = (key(), CallFacts::new("ap-south-1".parse().unwrap()));
    let request = Request::new(Action::parse("kms:Decrypt").unwrap(), &call);
    for others in [10, 50_000] {
        let (state, subject) = (state_with_grants(others), session());
        let decide = || {
            let grants = state.grants_for(&key.arn, &subject.principal);
            authorize(&subject, &Target::new(Resource::Key { key: &key, grants: &grants }), &request)
        };
        assert!(decide().is_allowed());
        criterion.bench_function(&format!("decide/by_grant_among_{others}_of_others"), |bencher| bencher.iter(|| black_box(decide())));
    }

    let mut subject = session();
    let statements: Vec<String> = (0..300)
        .map(|number| format!(r#"{{"Effect":"Allow","Action":["kms:Encrypt","kms:Decrypt"],"Resource":"arn:aws:kms:*:111122223333:key/{number:08}-0000-0000-0000-000000000000"}}"#))
        .chain([format!(r#"{{"Effect":"Allow","Action":"kms:Decrypt","Resource":"{KEY}"}}"#)])
        .collect();
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
    subject.identity.push(Attached { policy: Policy::parse(PolicyKind::Identity, policy), name: "long".into(), arn: None });
    let target = Target::new(Resource::Key { key: &key, grants: &[] });
    assert!(authorize(&subject, &target, &request).is_allowed());
    criterion
        .bench_function("decide/by_identity_policy_of_301_statements", |bencher| bencher.iter(|| authorize(black_box(&subject), &target, &request)));
}

criterion_group!(all, benches);
criterion_main!(all);
