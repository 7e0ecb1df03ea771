//! Grants (§6): what they hold, when they serve, and who may retire them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use keyward_policy::{AccountId, Arn, KmsPermission, Presumption};
use serde::{Deserialize, Serialize};

use crate::facts::{Principal, Request, Subject, Unsaid};
use crate::names::{GrantId, KeyArn, UniqueId};
use crate::operation::GrantOperation;

/// A principal named in a grant, bound to the entity that existed then (A606).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum GrantPrincipal {
    /// An account, user, role, session or federated user.
    Aws {
        /// As requested.
        arn: Arn,
        /// The unique id of the user or role when the grant was made.
        #[serde(default)]
        bound: Option<UniqueId>,
    },
    /// A service principal (A607).
    Service {
        /// `dynamodb.us-east-1.amazonaws.com`
        name: Arc<str>,
    },
}

impl GrantPrincipal {
    /// As it was requested.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Aws { arn, .. } => arn.as_str(),
            Self::Service { name } => name,
        }
    }
}

/// What restricts a grant (A610).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct GrantConstraints {
    /// The request's context is exactly this.
    pub encryption_context_equals: Option<BTreeMap<String, String>>,
    /// The request's context holds at least this.
    pub encryption_context_subset: Option<BTreeMap<String, String>>,
    /// The resource on whose behalf a service calls (A613).
    pub source_arn: Option<String>,
}

impl GrantConstraints {
    /// The pairs of whichever context constraint there is (A543).
    pub fn encryption_context(&self) -> Option<&BTreeMap<String, String>> {
        self.encryption_context_equals.as_ref().or(self.encryption_context_subset.as_ref())
    }

    /// The value of `kms:GrantConstraintType` (A552).
    pub fn kind(&self) -> Option<&'static str> {
        match (&self.encryption_context_equals, &self.encryption_context_subset) {
            (Some(_), _) => Some("EncryptionContextEquals"),
            (None, Some(_)) => Some("EncryptionContextSubset"),
            (None, None) => None,
        }
    }
}

/// A grant as asked for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct GrantRequest {
    /// Whom it is for.
    pub grantee: GrantPrincipal,
    /// What it holds.
    pub operations: Vec<GrantOperation>,
    /// What restricts it.
    #[serde(default)]
    pub constraints: GrantConstraints,
    /// Who may retire it.
    pub retiring: Option<GrantPrincipal>,
}

/// A grant on one key (A602).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Grant {
    /// 64 hexadecimal digits.
    pub id: GrantId,
    /// The key.
    pub key: KeyArn,
    /// Whom it is for, what it holds, what restricts it, who may retire it.
    #[serde(flatten)]
    pub terms: GrantRequest,
    /// The caller's account when it was made (A614).
    pub issuing_account: AccountId,
    /// The `Name`, if one was given.
    #[serde(default)]
    pub name: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Why a grant that names the caller does not allow what is asked, for explanations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GrantMiss {
    /// It is for somebody else.
    OtherGrantee,
    /// The grantee was deleted and made anew (A606).
    Recreated,
    /// The operation is not among its operations.
    Operation,
    /// Its context constraint is not met (A611).
    EncryptionContext,
    /// The call is not on behalf of its SourceArn (A613).
    SourceArn,
    /// The grant asked for is wider than its parent (A615).
    WiderChild,
}

/// How a caller answers to a name in a grant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum GranteeMatch {
    /// The user, the session, the service: nothing else is needed.
    Itself,
    /// A session of the named role, a federated session of the named user, the root user of the account: boundary and
    /// session policy may limit it (A608) (A210).
    Limited,
    /// Another principal of the named account: needs its identity policies (A608).
    OfAccount,
}

pub(crate) fn grantee_match(grantee: &GrantPrincipal, principal: &Principal) -> Result<GranteeMatch, GrantMiss> {
    let other = Err(GrantMiss::OtherGrantee);
    let GrantPrincipal::Aws { arn, bound } = grantee else {
        let serves = matches!((grantee, principal), (GrantPrincipal::Service { name }, Principal::Service { name: caller }) if name == caller);
        return if serves { Ok(GranteeMatch::Itself) } else { other };
    };
    let same_entity = |id: &Option<UniqueId>| bound.is_none() || bound == id;
    let (found, id) = match principal {
        Principal::User { arn: caller, id } if caller == arn => (GranteeMatch::Itself, id),
        Principal::RoleSession { role, id, .. } if role == arn => (GranteeMatch::Limited, id),
        Principal::RoleSession { session, .. } if session == arn => (GranteeMatch::Itself, &None),
        Principal::FederatedUser { arn: caller, .. } if caller == arn => (GranteeMatch::Itself, &None),
        Principal::FederatedUser { user: Some(user), user_id, .. } if user == arn => (GranteeMatch::Limited, user_id),
        // [A624] Grants that services made in the old way name the service as an ARN would stand.
        _ if arn.resource() == "root" && arn.service() == "iam" && principal.account().is_some_and(|account| arn.account() == Some(account)) => {
            // [A210] The task policy of an assumed root limits it; nothing limits another root user.
            let root = matches!(principal, Principal::Root { .. });
            return Ok(if root { GranteeMatch::Limited } else { GranteeMatch::OfAccount });
        }
        _ => return other,
    };
    // [A606] Bound to the entity that existed.
    if same_entity(id) { Ok(found) } else { Err(GrantMiss::Recreated) }
}

/// Whether the grant allows the permission to this caller, constraints included.
pub(crate) fn serves(grant: &Grant, permission: KmsPermission, subject: &Subject, request: &Request<'_>) -> Result<GranteeMatch, GrantMiss> {
    let terms = &grant.terms;
    let who = grantee_match(&terms.grantee, &subject.principal)?;
    if !terms.operations.iter().any(|operation| operation.permission() == permission) {
        return Err(GrantMiss::Operation);
    }
    let constraints = &terms.constraints;
    // [A613] Fail closed: a direct call has no SourceArn. Not asked of RetireGrant.
    if permission.name() != "RetireGrant" && constraints.source_arn.is_some() && !source_arn_met(constraints, subject, request) {
        return Err(GrantMiss::SourceArn);
    }
    match permission.name() {
        // [A612] No encryption context, nothing to compare.
        "DescribeKey" | "RetireGrant" | "GetPublicKey" => {}
        // [A612] [A615] For CreateGrant the constraint binds the child.
        "CreateGrant" if !child_met(terms, request) => return Err(GrantMiss::WiderChild),
        "CreateGrant" => {}
        _ if !encryption_context_met(constraints, request) => return Err(GrantMiss::EncryptionContext),
        _ => {}
    }
    Ok(who)
}

/// Of a question that leaves it open: whether it serves is as presumed.
fn presumed(request: &Request<'_>) -> bool {
    request.unsaid == Unsaid::Open(Presumption::Favourable)
}

fn source_arn_met(constraints: &GrantConstraints, subject: &Subject, request: &Request<'_>) -> bool {
    let key = keyward_policy::ConditionKey::new("aws:SourceArn");
    let verbatim = request.verbatim.map(|context| keyward_policy::Context::values(context, &key));
    let given = verbatim.as_ref().and_then(|values| values.iter().next()).or(request.call.source_arn.as_deref());
    match given {
        Some(given) => Some(given) == constraints.source_arn.as_deref(),
        // [A530] Only services' own calls are on behalf of a resource.
        None => presumed(request) && matches!(subject.principal, Principal::Service { .. }),
    }
}

/// (A611) Names ignore case, values do not.
fn encryption_context_met(constraints: &GrantConstraints, request: &Request<'_>) -> bool {
    let empty = BTreeMap::new();
    if request.encryption_context.is_none() && request.unsaid != Unsaid::Absent {
        return constraints.encryption_context().is_none() || presumed(request);
    }
    let context = request.encryption_context.unwrap_or(&empty);
    let subset = |wanted: &BTreeMap<String, String>, of: &BTreeMap<String, String>| {
        wanted.iter().all(|(name, value)| of.iter().any(|(other, found)| other.eq_ignore_ascii_case(name) && found == value))
    };
    let equals = constraints.encryption_context_equals.as_ref();
    let at_least = constraints.encryption_context_subset.as_ref();
    equals.is_none_or(|wanted| wanted.len() == context.len() && subset(wanted, context) && subset(context, wanted))
        && at_least.is_none_or(|wanted| subset(wanted, context))
}

fn child_met(parent: &GrantRequest, request: &Request<'_>) -> bool {
    request.child.map_or_else(|| presumed(request), |child| child_fits(parent, child))
}

/// (A615) A child made under nothing but a grant is no wider than its parent.
fn child_fits(parent: &GrantRequest, child: &GrantRequest) -> bool {
    let operations = child.operations.iter().all(|operation| parent.operations.contains(operation));
    let constraints = &child.constraints;
    let context = match (&parent.constraints.encryption_context_equals, &parent.constraints.encryption_context_subset) {
        (Some(wanted), _) => constraints.encryption_context_equals.as_ref() == Some(wanted),
        (None, Some(wanted)) => {
            constraints.encryption_context().is_some_and(|pairs| wanted.iter().all(|(name, value)| pairs.get(name) == Some(value)))
        }
        (None, None) => true,
    };
    let source_arn = parent.constraints.source_arn.is_none() || parent.constraints.source_arn == constraints.source_arn;
    operations && context && source_arn
}

/// How a caller comes to retire a grant (A620).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Retirement {
    /// (1) The retiring principal: nothing else is needed.
    RetiringPrincipal,
    /// (2) The grantee of a grant that holds RetireGrant: boundary and session policy may limit a role.
    Grantee(GranteeMatch),
    /// (3)–(5) The issuing, owner or named account: the root user, or whoever its identity policies allow.
    Account,
}

pub(crate) fn retirement(grant: &Grant, subject: &Subject) -> Option<Retirement> {
    let principal = &subject.principal;
    let retiring = grant.terms.retiring.as_ref().and_then(|retiring| grantee_match(retiring, principal).ok());
    let root = matches!(principal, Principal::Root { .. });
    if !root && matches!(retiring, Some(GranteeMatch::Itself | GranteeMatch::Limited)) {
        return Some(Retirement::RetiringPrincipal);
    }
    let holds_retire = grant.terms.operations.iter().any(|operation| operation.name() == "RetireGrant");
    if holds_retire && let Ok(who) = grantee_match(&grant.terms.grantee, principal) {
        return Some(Retirement::Grantee(who));
    }
    let account = principal.account()?;
    let concerned = account == grant.issuing_account || account == grant.key.account() || retiring.is_some();
    concerned.then_some(Retirement::Account)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::grant;

    const USER: &str = "arn:aws:iam::111122223333:user/ann";
    const ROLE: &str = "arn:aws:iam::111122223333:role/app";
    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/app/x";
    const FEDERATED: &str = "arn:aws:sts::111122223333:federated-user/bob";
    const ROOT: &str = "arn:aws:iam::111122223333:root";
    const OTHERS: [&str; 5] = [
        "arn:aws:iam::111122223333:user/other",
        "arn:aws:iam::111122223333:role/other",
        "arn:aws:sts::111122223333:assumed-role/app/other",
        "arn:aws:sts::111122223333:federated-user/other",
        "arn:aws:iam::444455556666:root",
    ];

    fn user(id: &str) -> Principal {
        Principal::User { arn: USER.parse().unwrap(), id: Some(UniqueId(id.into())) }
    }

    fn session(id: &str) -> Principal {
        Principal::RoleSession { role: ROLE.parse().unwrap(), id: Some(UniqueId(id.into())), session: SESSION.parse().unwrap() }
    }

    fn federated(id: &str) -> Principal {
        Principal::FederatedUser { arn: FEDERATED.parse().unwrap(), user: Some(USER.parse().unwrap()), user_id: Some(UniqueId(id.into())) }
    }

    fn root() -> Principal {
        Principal::Root { account: "111122223333".parse().unwrap(), partition: keyward_policy::Partition::Aws }
    }

    fn named(arn: &str, bound: Option<&str>) -> GrantPrincipal {
        GrantPrincipal::Aws { arn: arn.parse().unwrap(), bound: bound.map(|id| UniqueId(id.into())) }
    }

    #[test]
    fn who_answers_to_which_name() {
        use GranteeMatch::{Itself, Limited, OfAccount};
        // [A608] [A210]
        let expected: [(Principal, &[(&str, GranteeMatch)]); 4] = [
            (user("AIDA1"), &[(USER, Itself), (ROOT, OfAccount)]),
            (session("AROA1"), &[(SESSION, Itself), (ROLE, Limited), (ROOT, OfAccount)]),
            (federated("AIDA1"), &[(FEDERATED, Itself), (USER, Limited), (ROOT, OfAccount)]),
            (root(), &[(ROOT, Limited)]),
        ];
        for (principal, names) in expected {
            for name in [USER, ROLE, SESSION, FEDERATED, ROOT].into_iter().chain(OTHERS) {
                let found = grantee_match(&named(name, None), &principal);
                let wanted = names.iter().find(|(known, _)| *known == name).map_or(Err(GrantMiss::OtherGrantee), |(_, who)| Ok(*who));
                assert_eq!(found, wanted, "{} as {name}", principal.caller_arn());
            }
        }
        let service = |name: &str| Principal::Service { name: name.into() };
        let grantee = GrantPrincipal::Service { name: "s3.amazonaws.com".into() };
        assert_eq!(grantee_match(&grantee, &service("s3.amazonaws.com")), Ok(Itself)); // [A607]
        assert_eq!(grantee_match(&grantee, &service("ec2.amazonaws.com")), Err(GrantMiss::OtherGrantee));
        assert_eq!(grantee_match(&grantee, &root()), Err(GrantMiss::OtherGrantee));
        assert_eq!(grantee_match(&named(ROOT, None), &service("s3.amazonaws.com")), Err(GrantMiss::OtherGrantee));
    }

    #[test]
    fn a_name_means_whoever_bore_it_then() {
        // [A606] Sessions and federated users are bound to nobody.
        let cases: [(Principal, &str); 3] = [(user("AIDA1"), USER), (session("AIDA1"), ROLE), (federated("AIDA1"), USER)];
        for (principal, name) in cases {
            assert!(grantee_match(&named(name, Some("AIDA1")), &principal).is_ok(), "{name}");
            assert_eq!(grantee_match(&named(name, Some("AIDA2")), &principal), Err(GrantMiss::Recreated), "{name}");
        }
    }

    #[test]
    fn the_context_that_a_constraint_wants() {
        // [A611] Names ignore case, values do not; Equals wants all of it.
        let pairs = |text: &str| -> BTreeMap<String, String> {
            text.split_whitespace().map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap()).collect()
        };
        let call = crate::facts::CallFacts::new("us-east-1".parse().unwrap());
        let met = |equals: bool, wanted: &str, context: Option<&str>| {
            let wanted = Some(pairs(wanted));
            let constraints = match equals {
                true => GrantConstraints { encryption_context_equals: wanted, ..GrantConstraints::default() },
                false => GrantConstraints { encryption_context_subset: wanted, ..GrantConstraints::default() },
            };
            let context = context.map(pairs);
            let mut request = Request::new(keyward_policy::Action::parse("kms:Decrypt").unwrap(), &call);
            request.encryption_context = context.as_ref();
            encryption_context_met(&constraints, &request)
        };
        for (wanted, context, equals, subset) in [
            ("a=1 b=2", Some("a=1 b=2"), true, true),
            ("a=1 b=2", Some("A=1 B=2"), true, true),
            ("a=1", Some("a=1 b=2"), false, true),
            ("a=1 b=2", Some("a=1"), false, false),
            ("a=1", Some("a=2"), false, false),
            ("a=x", Some("a=X"), false, false),
            ("a=1", Some(""), false, false),
            ("a=1", None, false, false),
            // Two names that are one without their case: not what was wanted, though as many.
            ("a=1 b=2", Some("a=1 A=1"), false, false),
        ] {
            assert_eq!((met(true, wanted, context), met(false, wanted, context)), (equals, subset), "{wanted} {context:?}");
        }
    }

    #[test]
    fn a_source_arn_is_met_by_a_service_that_says_it_and_by_nobody_else() {
        // [A613] [A530]
        let service = Subject::new(Principal::Service { name: "s3.amazonaws.com".into() });
        let constraints = GrantConstraints { source_arn: Some("arn:aws:s3:::a".to_owned()), ..GrantConstraints::default() };
        let met = |subject: &Subject, said: Option<&str>, unsaid: Unsaid| {
            let mut call = crate::facts::CallFacts::new("us-east-1".parse().unwrap());
            call.source_arn = said.map(str::to_owned);
            let request = Request { unsaid, ..Request::new(keyward_policy::Action::parse("kms:Decrypt").unwrap(), &call) };
            source_arn_met(&constraints, subject, &request)
        };
        let (favourable, adverse) = (Unsaid::Open(Presumption::Favourable), Unsaid::Open(Presumption::Adverse));
        for unsaid in [Unsaid::Absent, favourable, adverse] {
            assert!(met(&service, Some("arn:aws:s3:::a"), unsaid));
            assert!(!met(&service, Some("arn:aws:s3:::b"), unsaid));
            // Only a question leaves it open, and only for a service.
            assert_eq!(met(&service, None, unsaid), unsaid == favourable);
            assert!(!met(&Subject::new(root()), None, unsaid));
        }
    }

    #[test]
    fn a_child_is_no_wider_than_its_parent() {
        // [A615]
        let pairs = |text: &str| Some(BTreeMap::from([("a".to_owned(), text.to_owned())]));
        let more = Some(BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]));
        let parent = |constraints: GrantConstraints| GrantRequest { constraints, ..grant(ROLE, &["Decrypt", "CreateGrant"]).terms };
        let child = |operations: &[&str], constraints: GrantConstraints| GrantRequest { constraints, ..grant(USER, operations).terms };
        let none = GrantConstraints::default;
        let equals = |wanted: &Option<BTreeMap<String, String>>| GrantConstraints { encryption_context_equals: wanted.clone(), ..none() };
        let subset = |wanted: &Option<BTreeMap<String, String>>| GrantConstraints { encryption_context_subset: wanted.clone(), ..none() };
        let source = |arn: &str| GrantConstraints { source_arn: Some(arn.to_owned()), ..none() };
        let fits = |parent: &GrantRequest, constraints: GrantConstraints| child_fits(parent, &child(&["Decrypt"], constraints));
        assert!(child_fits(&parent(none()), &child(&["Decrypt"], none())));
        assert!(child_fits(&parent(none()), &child(&["Decrypt", "CreateGrant"], equals(&more))));
        assert!(!child_fits(&parent(none()), &child(&["Decrypt", "Encrypt"], none())));
        let (one, two) = (pairs("1"), pairs("2"));
        let of_equals = parent(equals(&one));
        assert!(fits(&of_equals, equals(&one)));
        for wider in [none(), equals(&two), equals(&more), subset(&one)] {
            assert!(!fits(&of_equals, wider));
        }
        let of_subset = parent(subset(&one));
        for narrow in [subset(&one), subset(&more), equals(&one), equals(&more)] {
            assert!(fits(&of_subset, narrow));
        }
        for wider in [none(), subset(&two), equals(&two)] {
            assert!(!fits(&of_subset, wider));
        }
        let of_source = parent(source("arn:aws:s3:::a"));
        assert!(fits(&of_source, source("arn:aws:s3:::a")));
        assert!(!fits(&of_source, source("arn:aws:s3:::b")) && !fits(&of_source, none()));
        assert!(fits(&parent(none()), source("arn:aws:s3:::a")));
    }
}
