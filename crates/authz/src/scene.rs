//! A small estate and one request, to be changed by a test and then decided, told or worded.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyward_policy::{Action, Policy, PolicyKind};

use crate::facts::{Attached, CallFacts, KeyFacts, Principal, Request, Resource, ResourcePolicy, Subject, Target};
use crate::grant::{Grant, GrantConstraints, GrantPrincipal, GrantRequest};
use crate::names::{GrantId, UniqueId};
use crate::operation::GrantOperation;

pub(crate) const OWN: &str = "111122223333";
pub(crate) const FOREIGN: &str = "444455556666";
pub(crate) const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
pub(crate) const ROLE: &str = "arn:aws:iam::111122223333:role/app";

/// Everything that a decision reads, to be changed by a test and then explained.
pub(crate) struct Scene {
    pub(crate) subject: Subject,
    pub(crate) key: KeyFacts,
    pub(crate) grants: Vec<Arc<Grant>>,
    pub(crate) rcps: Vec<Attached>,
    pub(crate) rcps_unknown: bool,
    pub(crate) call: CallFacts,
    pub(crate) context: Option<BTreeMap<String, String>>,
    pub(crate) tokens: Vec<GrantId>,
    pub(crate) child: Option<GrantRequest>,
    pub(crate) retires: Option<Grant>,
    pub(crate) action: &'static str,
}

impl Scene {
    /// A session of role/app of the owner's account decrypts; the key policy is these statements.
    pub(crate) fn new(statements: &str) -> Self {
        Self {
            subject: session(OWN),
            key: key(&document(statements)),
            grants: Vec::new(),
            rcps: Vec::new(),
            rcps_unknown: false,
            call: CallFacts::new("us-east-1".parse().unwrap()),
            context: None,
            tokens: Vec::new(),
            child: None,
            retires: None,
            action: "kms:Decrypt",
        }
    }

    pub(crate) fn identity(mut self, statement: &str) -> Self {
        self.subject.identity.push(attached(PolicyKind::Identity, "p", statement));
        self
    }

    pub(crate) fn context(mut self, pairs: &[(&str, &str)]) -> Self {
        self.context = Some(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
        self
    }

    pub(crate) fn ask<T>(&self, see: impl FnOnce(&Subject, &Target<'_>, &Request<'_>) -> T) -> T {
        let mut target = Target::new(Resource::Key { key: &self.key, grants: &self.grants });
        target.rcps = &self.rcps;
        target.rcps_unknown = self.rcps_unknown;
        let mut request = Request::new(Action::parse(self.action).unwrap(), &self.call);
        request.encryption_context = self.context.as_ref();
        request.tokens = &self.tokens;
        request.child = self.child.as_ref();
        request.retires = self.retires.as_ref();
        see(&self.subject, &target, &request)
    }
}

pub(crate) fn document(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

pub(crate) fn attached(kind: PolicyKind, name: &str, statements: &str) -> Attached {
    Attached { policy: Policy::parse(kind, document(statements)), name: name.into(), arn: None }
}

pub(crate) fn session(account: &str) -> Subject {
    Subject::new(Principal::RoleSession {
        role: format!("arn:aws:iam::{account}:role/app").parse().unwrap(),
        id: Some(UniqueId("AROANEWNEWNEWNEWNEW01".into())),
        session: format!("arn:aws:sts::{account}:assumed-role/app/x").parse().unwrap(),
    })
}

pub(crate) fn key(policy: &str) -> KeyFacts {
    KeyFacts::new(KEY.parse().unwrap(), ResourcePolicy::unbound(Policy::parse(PolicyKind::Key, policy)))
}

pub(crate) fn grant(grantee: &str, operations: &[&str]) -> Grant {
    Grant {
        id: "7".repeat(64).parse().unwrap(),
        key: KEY.parse().unwrap(),
        terms: GrantRequest {
            grantee: GrantPrincipal::Aws { arn: grantee.parse().unwrap(), bound: None },
            operations: operations.iter().map(|name| GrantOperation::named(name).unwrap()).collect(),
            constraints: GrantConstraints::default(),
            retiring: None,
        },
        issuing_account: OWN.parse().unwrap(),
        name: None,
        created_at: Default::default(),
    }
}
