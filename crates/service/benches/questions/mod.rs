//! What the benches decide: by a grant among grants of others, and by an identity policy of many statements.

use std::sync::Arc;

use keyward_authz::{
    Attached, CallFacts, Decision, Grant, GrantConstraints, GrantOperation, GrantPrincipal, GrantRequest, KeyArn, KeyFacts, Principal, Request,
    Resource, ResourcePolicy, Subject, Target, authorize,
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

/// Everything that one decision reads.
pub(crate) struct Asked {
    state: State,
    subject: Subject,
    key: KeyFacts,
    call: CallFacts,
    action: Action,
}

impl Asked {
    /// The grants that could concern the caller are looked up, then decided on.
    pub(crate) fn decide(&self) -> Decision {
        let grants = self.state.grants_for(&self.key.arn, &self.subject.principal);
        authorize(&self.subject, &Target::new(Resource::Key { key: &self.key, grants: &grants }), &Request::new(self.action.clone(), &self.call))
    }
}

/// By a grant among so many to others.
pub(crate) fn by_grant(others: usize) -> Asked {
    let (call, action) = (CallFacts::new("ap-south-1".parse().unwrap()), Action::parse("kms:Decrypt").unwrap());
    let asked = Asked { state: state_with_grants(others), subject: session(), key: key(), call, action };
    assert!(asked.decide().is_allowed());
    asked
}

/// By the last of 301 statements.
pub(crate) fn by_identity_policy() -> Asked {
    let mut asked = Asked { state: State::load(0, []), ..by_grant(0) };
    let other = |number: usize| {
        format!(
            r#"{{"Effect":"Allow","Action":["kms:Encrypt","kms:Decrypt"],"Resource":"arn:aws:kms:*:111122223333:key/{number:08}-0000-0000-0000-000000000000"}}"#
        )
    };
    let own = format!(r#"{{"Effect":"Allow","Action":"kms:Decrypt","Resource":"{KEY}"}}"#);
    let statements: Vec<String> = (0..300).map(other).chain([own]).collect();
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
    asked.subject.identity.push(Attached { policy: Policy::parse(PolicyKind::Identity, policy), name: "long".into(), arn: None });
    assert!(asked.decide().is_allowed());
    asked
}
