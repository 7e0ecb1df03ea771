use std::collections::BTreeMap;

use keyward_policy::{Action, KMS_PERMISSIONS, KmsPermission, Policy, PolicyKind, ResourceKind};

use super::*;
use crate::facts::{CallFacts, ResourcePolicy, Via};

/// Everything that can be known about a request, whatever it is for.
fn values(permission: KmsPermission, asked: &[KeyName]) -> Vec<bool> {
    let mut subject = Subject::new(Principal::Root { account: "111122223333".parse().unwrap(), partition: keyward_policy::Partition::Aws });
    subject.tags = BTreeMap::from([("x".into(), "y".into())]);
    let mut call = CallFacts::new("us-east-1".parse().unwrap());
    call.via = Some(Via::service_door("s3.us-east-1.amazonaws.com"));
    let pairs = BTreeMap::from([("x".to_owned(), "y".to_owned())]);
    let alias = "alias/a".parse().unwrap();
    let key = KeyFacts {
        arn: "arn:aws:kms:us-east-1:111122223333:key/mrk-0123456789abcdef0123456789abcdef".parse().unwrap(),
        policy: ResourcePolicy::unbound(Policy::parse(PolicyKind::Key, "{}")),
        ram_policy: None,
        spec: "SYMMETRIC_DEFAULT".into(),
        usage: "ENCRYPT_DECRYPT".into(),
        origin: "AWS_KMS".into(),
        manager: KeyManager::Customer,
        multi_region: Some(MultiRegionKeyType::Primary),
        aliases: vec!["alias/a".parse().unwrap()],
        tags: pairs.clone(),
    };
    let resource = match permission.resource() {
        ResourceKind::None => Resource::None { pattern: "arn:aws:kms:us-east-1:111122223333:*".into() },
        ResourceKind::Key | ResourceKind::AliasAndKey => Resource::Key { key: &key, grants: &[] },
    };
    let target = Target::new(resource);
    let mut request = Request::new(Action::Kms(permission), &call);
    request.encryption_context = Some(&pairs);
    request.attestation = Some(&pairs);
    request.alias = Some(&alias);
    let context = RequestContext { subject: &subject, target: &target, request: &request, for_key_policy: false };
    let written = |name: &KeyName| ConditionKey::new(&format!("{}{}", name.as_str(), if name.as_str().ends_with([':', '/']) { "x" } else { "" }));
    asked.iter().map(|name| context.values(&written(name)) != Values::Absent).collect()
}

#[test]
fn the_context_has_what_the_table_says() {
    use KeyName as K;
    // What the facts of caller, call and key tell; the rest are parameters of single operations.
    let told = [
        K::CallerAccount,
        K::ViaService,
        K::RequestAlias,
        K::EncryptionContext,
        K::EncryptionContextKeys,
        K::GrantIsForAwsResource,
        K::RecipientAttestation,
    ];
    let of_key = [K::KeySpec, K::CustomerMasterKeyUsage, K::KeyOrigin, K::MultiRegion, K::MultiRegionKeyType, K::ResourceAliases, K::ResourceTag];
    for permission in KMS_PERMISSIONS.iter().filter_map(|name| KmsPermission::named(name)) {
        let carried = |names: &[KeyName]| names.iter().map(|name| permission.carries(*name)).collect::<Vec<_>>();
        assert_eq!(values(permission, &told), carried(&told), "{permission:?}"); // [A504] [A511] [A512] [A540] [A545] [A550] [A566]
        if permission.resource() != ResourceKind::None {
            assert_eq!(values(permission, &of_key), carried(&of_key), "{permission:?}"); // [A504] [A547] [A549]
        }
    }
}

/// Every condition key in every kind of open question: `=` it has a value, `?` it may have any or none, `·` no such request
/// carries it. Reviewed as a picture.
#[test]
fn what_a_question_leaves_open() {
    use crate::scene::{Scene, session};
    let role = Scene::new("").subject;
    let mut anyone = session("111122223333");
    anyone.anyone = true;
    let root = Subject::new(Principal::Root { account: "111122223333".parse().unwrap(), partition: Default::default() });
    let service = Subject::new(Principal::Service { name: "s3.amazonaws.com".into() });
    let user = Subject::new(Principal::User { arn: "arn:aws:iam::111122223333:user/ann".parse().unwrap(), id: None });
    let key = Scene::new("").key;
    let on_key = || Resource::Key { key: &key, grants: &[] };
    let alias = || Resource::Alias { arn: "arn:aws:kms:us-east-1:111122223333:alias/a", account: "111122223333".parse().unwrap() };
    let other = || Resource::Other { arn: "arn:aws:iam::111122223333:role/app", account: None, policy: None, tags: None };
    let none = || Resource::None { pattern: "arn:aws:kms:us-east-1:111122223333:*".into() };
    let (direct, mut via) = (CallFacts::new("us-east-1".parse().unwrap()), CallFacts::new("us-east-1".parse().unwrap()));
    via.via = Some(Via::service_door("s3.us-east-1.amazonaws.com"));
    let columns: [(&str, &Subject, Resource<'_>, &CallFacts, &str); 11] = [
        ("role Decrypt", &role, on_key(), &direct, "kms:Decrypt"),
        ("role Decrypt via S3", &role, on_key(), &via, "kms:Decrypt"),
        ("user Decrypt", &user, on_key(), &direct, "kms:Decrypt"),
        ("root CreateGrant", &root, on_key(), &direct, "kms:CreateGrant"),
        ("any signed caller Decrypt", &anyone, on_key(), &direct, "kms:Decrypt"),
        ("service Decrypt", &service, on_key(), &direct, "kms:Decrypt"),
        ("role TagResource", &role, on_key(), &direct, "kms:TagResource"),
        ("role CreateKey", &role, none(), &direct, "kms:CreateKey"),
        ("role GenerateRandom", &role, none(), &direct, "kms:GenerateRandom"),
        ("role CreateAlias, alias half", &role, alias(), &direct, "kms:CreateAlias"),
        ("role AssumeRole", &role, other(), &direct, "sts:AssumeRole"),
    ];
    let mut drawn = String::new();
    for (at, (name, ..)) in columns.iter().enumerate() {
        drawn.push_str(&format!("{}{name}\n", "│ ".repeat(at)));
    }
    let known = KeyName::ALL.iter().filter(|name| **name != KeyName::Other).map(|name| {
        let family = name.as_str().ends_with([':', '/']);
        format!("{}{}", name.as_str(), if family { "x" } else { "" })
    });
    for written in known.chain(["kms:NoSuchKey".to_owned(), "s3:prefix".to_owned()]) {
        let key = ConditionKey::new(&written);
        let mark = |(_, subject, resource, call, action): &(&str, &Subject, Resource<'_>, &CallFacts, &str)| {
            let target = Target::new(resource.clone());
            let mut request = Request::new(Action::parse(action).unwrap(), call);
            request.unsaid = Unsaid::Open(Presumption::Favourable);
            let context = RequestContext { subject, target: &target, request: &request, for_key_policy: false };
            match context.values(&key) {
                Values::Unknown => "?",
                Values::Absent => "·",
                Values::One(_) | Values::Many(_) | Values::Clash(_) => "=",
            }
        };
        let marks: Vec<&str> = columns.iter().map(mark).collect();
        drawn.push_str(&format!("{}  {written}\n", marks.join(" ")));
    }
    insta::assert_snapshot!(drawn);
}

/// Every condition value from the fact that makes it, for five kinds of calls. Reviewed as a picture.
#[test]
fn every_value_comes_from_its_fact() {
    use crate::facts::{Membership, SessionFacts, VpcEndpoint};
    use crate::scene::{key, session};

    let membership = |path: &str| Some(Membership { id: "o-callers".into(), path: Some(path.into()) });
    let mut role = session("111122223333");
    role.tags = BTreeMap::from([("team".into(), "blue".into()), ("Team".into(), "red".into()), ("env".into(), "prod".into())]);
    role.organization = membership("o-callers/r-1/");
    role.facts = SessionFacts {
        issued_at: Some("2026-01-02T03:04:05Z".parse().unwrap()),
        mfa_present: Some(true),
        mfa_age_s: Some(60),
        source_identity: Some("ann".into()),
        assumed_root: false,
    };
    let mut root = Subject::new(Principal::Root { account: "111122223333".parse().unwrap(), partition: Default::default() });
    root.facts.assumed_root = true;
    let user = Principal::User { arn: "arn:aws:iam::111122223333:user/dev/ann".parse().unwrap(), id: Some(crate::UniqueId("AIDAANN".into())) };
    let arn = "arn:aws:sts::111122223333:federated-user/bob".parse().unwrap();
    let federated = Subject::new(Principal::FederatedUser { arn, user: None, user_id: None });
    let service = Subject::new(Principal::Service { name: "s3.amazonaws.com".into() });

    let mut plain = CallFacts::new("us-east-1".parse().unwrap());
    plain.time = Some("2026-01-02T03:04:06Z".parse().unwrap());
    plain.source_ip = Some("203.0.113.9".parse().unwrap());
    plain.user_agent = Some("cli".into());
    let mut through_endpoint = plain.clone();
    through_endpoint.endpoint = Some(VpcEndpoint {
        id: "vpce-1".into(),
        vpc: "vpc-1".into(),
        policy: None,
        account: Some("222222222222".parse().unwrap()),
        organization: Some(Membership { id: "o-networks".into(), path: Some("o-networks/r-2/".into()) }),
    });
    let mut via_service = through_endpoint.clone();
    via_service.via = Some(Via::service_door("s3.us-east-1.amazonaws.com"));
    via_service.secure_transport = false;
    let mut by_service = through_endpoint.clone();
    by_service.source_arn = Some("arn:aws:s3:::bucket".into());
    by_service.source_account = Some("111122223333".parse().unwrap());

    let mut facts = key("");
    facts.aliases = vec!["alias/a".parse().unwrap(), "alias/b".parse().unwrap()];
    facts.tags = BTreeMap::from([("stage".into(), "live".into())]);
    let owner = Membership { id: "o-owners".into(), path: Some("o-owners/r-3/".into()) };
    let pairs = BTreeMap::from([("tenant".to_owned(), "a".to_owned()), ("x".to_owned(), "y".to_owned())]);
    let tags = BTreeMap::from([("cost".to_owned(), "7".to_owned())]);
    let measured = BTreeMap::from([("ImageSha384".to_owned(), "ab".repeat(48)), ("PCR8".to_owned(), "cd".repeat(48))]);
    let alias = "alias/a".parse().unwrap();

    let user = Subject::new(user);
    let columns: [(&str, &Subject, &CallFacts, &str, bool); 8] = [
        ("a role decrypts, and identity policies ask", &role, &plain, "kms:Decrypt", false),
        ("the same, and the key policy asks", &role, &plain, "kms:Decrypt", true),
        ("a role encrypts through an endpoint", &role, &through_endpoint, "kms:Encrypt", false),
        ("a role makes a grant through S3", &role, &via_service, "kms:CreateGrant", false),
        ("an assumed root tags", &root, &plain, "kms:TagResource", false),
        ("a user describes", &user, &plain, "kms:DescribeKey", false),
        ("a federated user lists keys", &federated, &plain, "kms:ListKeys", false),
        ("a service decrypts", &service, &by_service, "kms:Decrypt", false),
    ];
    let mut drawn = String::new();
    for (name, subject, call, action, for_key_policy) in columns {
        drawn.push_str(&format!("{name}\n"));
        let resource = if action == "kms:ListKeys" { Resource::None { pattern: "*".into() } } else { Resource::Key { key: &facts, grants: &[] } };
        let mut target = Target::new(resource);
        target.organization = Some(&owner);
        let mut request = Request::new(Action::parse(action).unwrap(), call);
        request.encryption_context = Some(&pairs);
        request.request_tags = Some(&tags).filter(|_| action == "kms:TagResource");
        request.attestation = Some(&measured);
        request.alias = Some(&alias);
        let context = RequestContext { subject, target: &target, request: &request, for_key_policy };
        for name in KeyName::ALL.iter().filter(|name| **name != KeyName::Other) {
            let parts: &[&str] = match name {
                KeyName::PrincipalTag => &["team", "env", "none"],
                KeyName::ResourceTag => &["Stage", "none"],
                KeyName::RequestTag => &["COST", "none"],
                KeyName::EncryptionContext => &["Tenant", "none"],
                KeyName::RecipientAttestation => &["imagesha384", "PCR8", "PCR0"],
                name if name.as_str().ends_with([':', '/']) => &["none"],
                _ => &[""],
            };
            for part in parts {
                let written = format!("{}{part}", name.as_str());
                match context.values(&ConditionKey::new(&written)) {
                    Values::Absent => {}
                    Values::One(value) => drawn.push_str(&format!("  {written} = {value}\n")),
                    other => drawn.push_str(&format!("  {written} = {other:?}\n")),
                }
            }
        }
    }
    insta::assert_snapshot!(drawn);
}

#[test]
fn a_key_over_its_quota_of_aliases_leaves_their_condition_in_doubt() {
    // [A546]
    let call = CallFacts::new("us-east-1".parse().unwrap());
    let subject = crate::scene::session("111122223333");
    let asked = |count: usize| {
        let mut key = crate::scene::key("");
        key.aliases = (0..count).map(|number| format!("alias/{number}").parse().unwrap()).collect();
        let target = Target::new(Resource::Key { key: &key, grants: &[] });
        let request = Request::new(Action::parse("kms:Decrypt").unwrap(), &call);
        let context = RequestContext { subject: &subject, target: &target, request: &request, for_key_policy: false };
        match context.values(&ConditionKey::new("kms:ResourceAliases")) {
            Values::Absent => 0,
            Values::Many(names) => names.len(),
            Values::Clash(_) => usize::MAX,
            Values::One(_) | Values::Unknown => panic!("aliases are many or in doubt"),
        }
    };
    assert_eq!([0, 1, 50, 51].map(asked), [0, 1, 50, usize::MAX]);
}
