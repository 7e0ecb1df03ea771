//! All that a principal may do on a key, at once: the grid of an inventory without a decision for every cell.
//!
//! Most of the permissions are decided alike: those that stand in the same statements and grants, and whose requests
//! carry the same of the condition keys that are asked for. Each such class is decided once, for its first permission.

use std::sync::LazyLock;

use keyward_policy::{Action, Effect, PermissionSet, Policy, ResourceKind, Statement};

use crate::facts::{Attached, Request, Resource, ResourcePolicy, Subject, Target};
use crate::operation::{GrantOperation, across_accounts};
use crate::principals::{admission, concerns};
use crate::ways::{May, may};

/// What a principal may do on a key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reach {
    /// Whatever the request says besides.
    pub always: PermissionSet,
    /// If the request says the right things: under conditions.
    pub sometimes: PermissionSet,
}

/// The [`May`] of every permission on a key, save RetireGrant, which each grant decides by itself (A620). `question` says what is
/// known of the requests; its action does not matter. Empty for what is no key.
pub fn reach(subject: &Subject, target: &Target<'_>, question: &Request<'_>) -> Reach {
    let mut found = Reach::default();
    let mut request = question.clone();
    for class in classes(subject, target, question) {
        let Some(first) = class.first() else { continue };
        request.action = Action::Kms(first);
        match may(subject, target, &request) {
            May::Always => found.always = found.always.or(class),
            May::Sometimes => found.sometimes = found.sometimes.or(class),
            May::Never => {}
        }
    }
    found
}

/// Permissions on keys, in classes that every layer treats alike.
fn classes(subject: &Subject, target: &Target<'_>, question: &Request<'_>) -> Vec<PermissionSet> {
    let Resource::Key { key, grants } = &target.resource else { return Vec::new() };
    // A caller whom no Allow of the key and no grant admits gets nothing, however its own policies are cut.
    if grants.is_empty() && !std::iter::once(&key.policy).chain(&key.ram_policy).any(|policy| admits_somewhere(policy, subject)) {
        return Vec::new();
    }
    let mut classes = Classes(vec![on_keys()]);
    classes.split(across_accounts()); // [A313]
    for policy in std::iter::once(&key.policy).chain(&key.ram_policy) {
        for statement in policy.policy.statements().iter().filter(|statement| means(statement, policy, subject)) {
            classes.split_by(statement);
        }
    }
    for grant in grants.iter() {
        classes.split(grant.terms.operations.iter().map(|operation| operation.permission()).collect());
        classes.split_singly(&["CreateGrant"]); // [A615]
        if grant.terms.constraints != Default::default() {
            classes.split_singly(&["DescribeKey", "GetPublicKey"]); // [A612]
        }
    }
    let attached = subject.identity.iter().chain(&subject.boundary).chain(subject.session.iter().flatten());
    let attached = attached.chain(subject.scps.iter().flatten().flatten()).chain(target.rcps);
    let policies =
        attached.map(|attached: &Attached| &attached.policy).chain(question.call.endpoint.iter().filter_map(|endpoint| endpoint.policy.as_ref()));
    policies.for_each(|policy: &Policy| policy.statements().iter().for_each(|s| classes.split_by(s)));
    classes.0
}

/// Whether a statement of the key policy concerns the caller at all.
fn means(statement: &Statement, policy: &ResourcePolicy, subject: &Subject) -> bool {
    statement.principal().is_some_and(|principal| match statement.effect() {
        Effect::Allow => admission(principal, policy, subject).is_some(),
        Effect::Deny => concerns(principal, policy, subject),
    })
}

fn admits_somewhere(policy: &ResourcePolicy, subject: &Subject) -> bool {
    policy.policy.statements().iter().any(|statement| statement.effect() == Effect::Allow && means(statement, policy, subject))
}

fn on_keys() -> PermissionSet {
    static ON_KEYS: LazyLock<PermissionSet> = LazyLock::new(|| {
        let decided_on_keys = PermissionSet::ALL.iter().filter(|permission| permission.resource() != ResourceKind::None);
        decided_on_keys.filter(|permission| permission.name() != "RetireGrant").collect()
    });
    *ON_KEYS
}

struct Classes(Vec<PermissionSet>);

impl Classes {
    fn split(&mut self, mask: PermissionSet) {
        for at in 0..self.0.len() {
            let Some(class) = self.0.get_mut(at) else { return };
            let (inside, outside) = (class.and(mask), class.without(mask));
            if !inside.is_empty() && !outside.is_empty() {
                *class = inside;
                self.0.push(outside);
            }
        }
    }

    fn split_by(&mut self, statement: &Statement) {
        self.split(statement.permissions());
        for key in statement.keys().filter(|key| key.name().is_about_kms()) {
            self.split(key.name().carried_by());
        }
    }

    fn split_singly(&mut self, names: &[&str]) {
        for permission in names.iter().filter_map(|name| GrantOperation::named(name)) {
            self.split(PermissionSet::from_iter([permission.permission()]));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyward_policy::{KmsPermission, PolicyKind};

    use super::*;
    use crate::facts::{CallFacts, KeyFacts, Principal};
    use crate::grant::{Grant, GrantConstraints, GrantPrincipal, GrantRequest};

    const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    const ROLE: &str = "arn:aws:iam::111122223333:role/app";

    fn key(statements: &str) -> KeyFacts {
        KeyFacts::new(
            KEY.parse().unwrap(),
            ResourcePolicy::unbound(Policy::parse(PolicyKind::Key, format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#))),
        )
    }

    fn session(account: &str, identity: &[&str]) -> Subject {
        let mut subject = Subject::new(Principal::RoleSession {
            role: format!("arn:aws:iam::{account}:role/app").parse().unwrap(),
            id: None,
            session: format!("arn:aws:sts::{account}:assumed-role/app/x").parse().unwrap(),
        });
        subject.identity = identity.iter().map(|statement| attached(statement)).collect();
        subject
    }

    fn attached(statement: &str) -> Attached {
        let policy = Policy::parse(PolicyKind::Identity, format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#));
        Attached { policy, name: "p".into(), arn: None }
    }

    fn grant(operations: &[&str], constraints: GrantConstraints) -> Arc<Grant> {
        Arc::new(Grant {
            id: "0".repeat(64).parse().unwrap(),
            key: KEY.parse().unwrap(),
            terms: GrantRequest {
                grantee: GrantPrincipal::Aws { arn: ROLE.parse().unwrap(), bound: None },
                operations: operations.iter().map(|name| GrantOperation::named(name).unwrap()).collect(),
                constraints,
                retiring: None,
            },
            issuing_account: "111122223333".parse().unwrap(),
            name: None,
            created_at: Default::default(),
        })
    }

    /// Holds the classes against a decision for every permission.
    fn check(subject: &Subject, key: &KeyFacts, grants: &[Arc<Grant>], always: &[&str], sometimes: &[&str]) {
        let call = CallFacts::new("us-east-1".parse().unwrap());
        let target = Target::new(Resource::Key { key, grants });
        let mut question = Request::new(Action::parse("kms:Decrypt").unwrap(), &call);
        let found = reach(subject, &target, &question);
        for permission in on_keys().iter() {
            question.action = Action::Kms(permission);
            let expected = may(subject, &target, &question);
            let reached = match (found.always.contains(permission), found.sometimes.contains(permission)) {
                (true, false) => May::Always,
                (false, true) => May::Sometimes,
                (false, false) => May::Never,
                (true, true) => panic!("{permission:?} is always and sometimes"),
            };
            assert_eq!(reached, expected, "{permission:?}");
        }
        let set = |names: &[&str]| names.iter().map(|name| KmsPermission::named(name).unwrap()).collect::<PermissionSet>();
        assert_eq!((found.always, found.sometimes), (set(always), set(sometimes)));
    }

    const ROOT: &str = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}"#;

    #[test]
    fn conditions_that_the_question_leaves_open_make_it_sometimes() {
        let policy = key(r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"Resource":"*",
            "Action":["kms:Decrypt","kms:DescribeKey"],"Condition":{"StringEquals":{"kms:EncryptionContext:tenant":"a"}}}"#);
        // [A542] DescribeKey carries no encryption context, so the statement never allows it.
        check(&session("111122223333", &[]), &policy, &[], &[], &["Decrypt"]);
    }

    #[test]
    fn delegation_meets_identity_policies() {
        let allow = r#"{"Effect":"Allow","Action":["kms:Sign*","kms:Encrypt"],"Resource":"*"}"#;
        let deny = r#"{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*","Condition":{"Bool":{"kms:GrantIsForAWSResource":"false"}}}"#;
        check(&session("111122223333", &[allow, deny]), &key(ROOT), &[], &["Encrypt", "Sign"], &[]);
        let unless =
            r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}}"#;
        check(&session("111122223333", &[allow, unless]), &key(ROOT), &[], &[], &["Encrypt", "Sign"]);
    }

    #[test]
    fn variables_are_asked_for_too() {
        let own = r#"{"Effect":"Allow","Action":["kms:Decrypt","kms:DescribeKey"],"Resource":"arn:aws:kms:*:*:key/${kms:EncryptionContext:key}"}"#;
        check(&session("111122223333", &[own]), &key(ROOT), &[], &[], &["Decrypt"]);
    }

    #[test]
    fn grants_serve_what_they_hold() {
        let equals = GrantConstraints { encryption_context_equals: Some([("a".into(), "b".into())].into()), ..Default::default() };
        let held = ["Decrypt", "DescribeKey", "CreateGrant"];
        check(&session("111122223333", &[]), &key(""), &[grant(&held, Default::default())], &["Decrypt", "DescribeKey"], &["CreateGrant"]);
        check(&session("111122223333", &[]), &key(""), &[grant(&held, equals)], &["DescribeKey"], &["CreateGrant", "Decrypt"]); // [A612]
    }

    #[test]
    fn across_accounts_only_what_crosses() {
        let open = key(r#"{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"kms:*","Resource":"*"}"#);
        let allow = r#"{"Effect":"Allow","Action":["kms:Decrypt","kms:PutKeyPolicy"],"Resource":"*"}"#;
        check(&session("444455556666", &[allow]), &open, &[], &["Decrypt"], &[]); // [A313]
        check(&session("444455556666", &[allow]), &key(ROOT), &[], &[], &[]);
    }

    #[test]
    fn limits_cut() {
        let mut subject = session("111122223333", &[r#"{"Effect":"Allow","NotAction":"kms:P*","Resource":"*"}"#]);
        subject.boundary = Some(attached(r#"{"Effect":"Allow","Action":["kms:Encrypt","kms:PutKeyPolicy"],"Resource":"*"}"#));
        subject.scps =
            Some(vec![vec![attached(r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}"#)]]);
        check(&subject, &key(ROOT), &[], &[], &["Encrypt"]);
    }
}
