//! An inventory's grid: what each of 1,000 roles may do on each of 100 keys, all permissions, grants among the ways.

#![expect(clippy::unwrap_used, reason = "a bench may fail loudly")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use keyward_authz::{
    Attached, CallFacts, Grant, GrantConstraints, GrantOperation, GrantPrincipal, GrantRequest, KeyFacts, Principal, Request, Resource,
    ResourcePolicy, Subject, Target, reach,
};
use keyward_policy::{Action, Policy, PolicyKind};

const ROLES: usize = 1000;
const KEYS: usize = 100;
const GRANTS_PER_KEY: usize = 20;

/// Nine keys of ten delegate to their account and name some roles; one in ten names roles only, as the article advises.
fn key(number: usize) -> KeyFacts {
    let named = |offset: usize| format!(r#""arn:aws:iam::111122223333:role/role-{}""#, (number * 37 + offset) % ROLES);
    let delegation = r#"{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"},"#;
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{}
        {{"Sid":"Admins","Effect":"Allow","Principal":{{"AWS":[{},{}]}},"Action":["kms:Create*","kms:Describe*","kms:Put*","kms:Get*","kms:List*","kms:ScheduleKeyDeletion"],"Resource":"*"}},
        {{"Sid":"Users","Effect":"Allow","Principal":{{"AWS":[{},{},{}]}},"Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*","kms:DescribeKey"],"Resource":"*",
          "Condition":{{"StringEquals":{{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}}}}},
        {{"Sid":"Fence","Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{{"StringNotEquals":{{"aws:PrincipalAccount":"111122223333"}}}}}}]}}"#,
        if number.is_multiple_of(10) { "" } else { delegation },
        named(0),
        named(1),
        named(2),
        named(3),
        named(4),
    );
    KeyFacts::new(
        format!("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-{number:012}").parse().unwrap(),
        ResourcePolicy::unbound(Policy::parse(PolicyKind::Key, policy)),
    )
}

/// A service's role with two policies of its own, one of which now and then speaks of KMS; a few administrators; SCPs.
fn role(number: usize, scps: &[Vec<Attached>]) -> Subject {
    let mut subject = Subject::new(Principal::RoleSession {
        role: format!("arn:aws:iam::111122223333:role/role-{number}").parse().unwrap(),
        id: None,
        session: format!("arn:aws:sts::111122223333:assumed-role/role-{number}/any").parse().unwrap(),
    });
    let own = match number % 20 {
        0 => r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#.to_owned(),
        1..5 => format!(
            r#"{{"Effect":"Allow","Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-{:012}"}}"#,
            number % KEYS
        ),
        5 => r#"{"Effect":"Allow","Action":["kms:Describe*","kms:List*","kms:Get*"],"Resource":"*"}"#.to_owned(),
        _ => r#"{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::bucket/*"}"#.to_owned(),
    };
    let logs = r#"{"Effect":"Allow","Action":["logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}"#;
    for (name, statement) in [("own", own.as_str()), ("logs", logs)] {
        let policy = Policy::parse(PolicyKind::Identity, format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#));
        subject.identity.push(Attached { policy, name: name.into(), arn: None });
    }
    subject.scps = Some(scps.to_vec());
    subject
}

fn scps() -> Vec<Vec<Attached>> {
    let attach = |text: &str| Attached { policy: Policy::parse(PolicyKind::Scp, text), name: "scp".into(), arn: None };
    let full = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let guard = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["kms:ScheduleKeyDeletion","kms:DisableKey"],"Resource":"*",
        "Condition":{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/role-1*"}}}]}"#;
    vec![vec![attach(full)], vec![attach(full), attach(guard)]]
}

fn grant(key: &KeyFacts, number: usize) -> (String, Arc<Grant>) {
    let grantee = format!("arn:aws:iam::111122223333:role/role-{}", number * 13 % ROLES);
    let grant = Grant {
        id: format!("{number:064x}").parse().unwrap(),
        key: key.arn.clone(),
        terms: GrantRequest {
            grantee: GrantPrincipal::Aws { arn: grantee.parse().unwrap(), bound: None },
            operations: ["Encrypt", "Decrypt", "CreateGrant"].iter().map(|name| GrantOperation::named(name).unwrap()).collect(),
            constraints: GrantConstraints::default(),
            retiring: None,
        },
        issuing_account: "111122223333".parse().unwrap(),
        name: None,
        created_at: Default::default(),
    };
    (grantee, Arc::new(grant))
}

type GrantsByGrantee = HashMap<String, Vec<Arc<Grant>>>;

fn benches(criterion: &mut Criterion) {
    let scps = scps();
    let roles: Vec<(String, Subject)> =
        (0..ROLES).map(|number| (format!("arn:aws:iam::111122223333:role/role-{number}"), role(number, &scps))).collect();
    let keys: Vec<(KeyFacts, GrantsByGrantee)> = (0..KEYS)
        .map(|number| {
            let key = key(number);
            let mut grants = GrantsByGrantee::new();
            for at in 0..GRANTS_PER_KEY {
                let (grantee, grant) = grant(&key, number * GRANTS_PER_KEY + at);
                grants.entry(grantee).or_default().push(grant);
            }
            (key, grants)
        })
        .collect();
    let call = CallFacts::new("us-east-1".parse().unwrap());
    let question = Request::new(Action::parse("kms:Decrypt").unwrap(), &call);
    let grid = || {
        let mut cells = 0;
        for (key, by_grantee) in &keys {
            for (arn, subject) in &roles {
                let grants = by_grantee.get(arn).map_or(&[][..], Vec::as_slice);
                let found = reach(subject, &Target::new(Resource::Key { key, grants }), &question);
                cells += found.always.len() + found.sometimes.len();
            }
        }
        cells
    };
    println!("{ROLES} roles x {KEYS} keys, {} grants: {} cells of {} are allowed", KEYS * GRANTS_PER_KEY, grid(), ROLES * KEYS * 56);
    let mut group = criterion.benchmark_group("reach");
    group.sample_size(10);
    group.bench_function("grid_of_1000_roles_100_keys_all_permissions", |bencher| bencher.iter(|| black_box(grid())));
}

criterion_group!(all, benches);
criterion_main!(all);
