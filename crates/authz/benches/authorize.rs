//! The cost of a decision. Each bench defends a sentence: a decision is lost in the noise of the call that asks for it.

#![expect(clippy::unwrap_used, reason = "a bench may fail loudly")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use keyward_authz::{
    Attached, CallFacts, Grant, GrantConstraints, GrantOperation, GrantPrincipal, GrantRequest, KeyFacts, Principal, Request, Resource,
    ResourcePolicy, Subject, Target, Via, authorize, explain, reasons,
};
use keyward_policy::{Action, Policy, PolicyKind};

const ARTICLE: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Sid":"KeyAdministrators","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/kms-key-admins"},
     "Action":["kms:Create*","kms:Describe*","kms:Enable*","kms:List*","kms:Put*","kms:Update*","kms:Revoke*","kms:Disable*","kms:Get*",
               "kms:Delete*","kms:TagResource","kms:UntagResource","kms:ScheduleKeyDeletion","kms:CancelKeyDeletion"],"Resource":"*"},
    {"Sid":"KeyUsersViaS3Only","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app-data-plane"},
     "Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey","kms:GenerateDataKey*","kms:DescribeKey"],"Resource":"*",
     "Condition":{"StringEquals":{"kms:ViaService":"s3.ap-south-1.amazonaws.com","kms:EncryptionContext:project":"shieldsync-prod"}}},
    {"Sid":"AllowAWSResourceGrantsOnly","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app-data-plane"},
     "Action":["kms:CreateGrant","kms:ListGrants","kms:RevokeGrant"],"Resource":"*","Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"}}}]}"#;

fn key(policy: &str) -> KeyFacts {
    KeyFacts::new(
        "arn:aws:kms:ap-south-1:111122223333:key/e3a90f16-52c8-4d7b-8f05-7c6b1d2e4a90".parse().unwrap(),
        ResourcePolicy::unbound(Policy::parse(PolicyKind::Key, policy)),
    )
}

fn session(account: &str, role: &str) -> Subject {
    Subject::new(Principal::RoleSession {
        role: format!("arn:aws:iam::{account}:role/{role}").parse().unwrap(),
        id: None,
        session: format!("arn:aws:sts::{account}:assumed-role/{role}/web-1").parse().unwrap(),
    })
}

fn grant(number: usize, key: &KeyFacts) -> Arc<Grant> {
    Arc::new(Grant {
        id: format!("{number:064x}").parse().unwrap(),
        key: key.arn.clone(),
        terms: GrantRequest {
            grantee: GrantPrincipal::Aws { arn: "arn:aws:iam::444455556666:role/reader".parse().unwrap(), bound: None },
            operations: vec![GrantOperation::named("Encrypt").unwrap()],
            constraints: GrantConstraints::default(),
            retiring: None,
        },
        issuing_account: "111122223333".parse().unwrap(),
        name: None,
        created_at: Default::default(),
    })
}

fn benches(criterion: &mut Criterion) {
    let context: BTreeMap<String, String> =
        [("project".to_owned(), "shieldsync-prod".to_owned()), ("aws:s3:arn".to_owned(), "arn:aws:s3:::prod-data/orders.parquet".to_owned())].into();
    let article = key(ARTICLE);
    let app = session("111122223333", "app-data-plane");
    let mut facts = CallFacts::new("ap-south-1".parse().unwrap());
    let direct = facts.clone();
    facts.via = Some(Via::service_door("s3.ap-south-1.amazonaws.com"));
    let decrypt = Action::parse("kms:Decrypt").unwrap();
    let target = Target::new(Resource::Key { key: &article, grants: &[] });
    let mut allowed = Request::new(decrypt.clone(), &facts);
    allowed.encryption_context = Some(&context);
    let mut denied = Request::new(decrypt.clone(), &direct);
    denied.encryption_context = Some(&context);
    assert!(authorize(&app, &target, &allowed).is_allowed() && !authorize(&app, &target, &denied).is_allowed());
    criterion.bench_function("authorize/article_allowed", |bencher| bencher.iter(|| authorize(black_box(&app), &target, &allowed)));
    criterion.bench_function("authorize/article_denied", |bencher| bencher.iter(|| authorize(black_box(&app), &target, &denied)));
    // Which layers, statements and near misses, as ids and spans: what whoever decides can keep.
    criterion.bench_function("reasons/article_denied", |bencher| bencher.iter(|| reasons(black_box(&app), &target, &denied)));
    // The same in words, with fixes that were tried: what a refused call puts into the trail.
    criterion.bench_function("explain/article_denied", |bencher| bencher.iter(|| explain(black_box(&app), &target, &denied)));

    let shared = key(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"kms:Decrypt","Resource":"*"}]}"#,
    );
    let grants: Vec<Arc<Grant>> = (0..12).map(|number| grant(number, &shared)).collect();
    let mut reader = session("444455556666", "reader");
    reader.identity.push(Attached {
        policy: Policy::parse(PolicyKind::Identity, r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}"#),
        name: "read".into(),
        arn: None,
    });
    let target = Target::new(Resource::Key { key: &shared, grants: &grants });
    let request = Request::new(decrypt, &direct);
    assert!(authorize(&reader, &target, &request).is_allowed());
    criterion.bench_function("authorize/cross_account_12_grants", |bencher| bencher.iter(|| authorize(black_box(&reader), &target, &request)));
}

criterion_group!(all, benches);
criterion_main!(all);
