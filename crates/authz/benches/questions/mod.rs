//! What the benches decide: the article's calls, and a call across accounts among grants of others.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyward_authz::{
    Attached, CallFacts, Grant, GrantConstraints, GrantOperation, GrantPrincipal, GrantRequest, KeyFacts, Principal, Request, Resource,
    ResourcePolicy, Subject, Target, Via, authorize,
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

/// Everything that one decision reads.
pub(crate) struct Asked {
    subject: Subject,
    key: KeyFacts,
    grants: Vec<Arc<Grant>>,
    call: CallFacts,
    context: Option<BTreeMap<String, String>>,
    action: Action,
}

impl Asked {
    fn new(subject: Subject, key: KeyFacts) -> Self {
        let (call, action) = (CallFacts::new("ap-south-1".parse().unwrap()), Action::parse("kms:Decrypt").unwrap());
        Self { subject, key, grants: Vec::new(), call, context: None, action }
    }

    /// Lets one see subject, target and request.
    pub(crate) fn ask<T>(&self, see: impl FnOnce(&Subject, &Target<'_>, &Request<'_>) -> T) -> T {
        let mut request = Request::new(self.action.clone(), &self.call);
        request.encryption_context = self.context.as_ref();
        see(&self.subject, &Target::new(Resource::Key { key: &self.key, grants: &self.grants }), &request)
    }
}

/// The article's application decrypts, through S3 as it should.
pub(crate) fn article_allowed() -> Asked {
    let mut asked = article_denied();
    asked.call.via = Some(Via::service_door("s3.ap-south-1.amazonaws.com"));
    assert!(asked.ask(|s, t, r| authorize(s, t, r).is_allowed()));
    asked
}

/// The same call, made directly.
pub(crate) fn article_denied() -> Asked {
    let pairs = [("project", "shieldsync-prod"), ("aws:s3:arn", "arn:aws:s3:::prod-data/orders.parquet")];
    let mut asked = Asked::new(session("111122223333", "app-data-plane"), key(ARTICLE));
    asked.context = Some(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert!(!asked.ask(|s, t, r| authorize(s, t, r).is_allowed()));
    asked
}

/// Both halves, and twelve grants of the caller that hold another operation.
pub(crate) fn across_accounts() -> Asked {
    let shared = key(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"kms:Decrypt","Resource":"*"}]}"#,
    );
    let mut reader = session("444455556666", "reader");
    reader.identity.push(Attached {
        policy: Policy::parse(PolicyKind::Identity, r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}"#),
        name: "read".into(),
        arn: None,
    });
    let mut asked = Asked::new(reader, shared);
    asked.grants = (0..12).map(|number| grant(number, &asked.key)).collect();
    assert!(asked.ask(|s, t, r| authorize(s, t, r).is_allowed()));
    asked
}

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
