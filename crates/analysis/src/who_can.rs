//! Who can do this on that key? Every principal of the estate is asked about, and whoever a policy or a grant lets in
//! from outside is named as a class.

use std::sync::Arc;

use keyward_authz::{
    Attached, Grant, GrantPrincipal, Hanging, KeyFacts, May, Membership, Principal, Proviso, Request, Resource, Subject, Target, Way, may, ways,
};
use keyward_policy::{AccountId, Arn, Effect, Policy, PolicyKind, PrincipalKind};
use serde::{Deserialize, Serialize};

/// Where principals and grants are found. Implemented by whoever holds an estate: a server, a snapshot.
pub trait Estate {
    /// Every root user, user and role, the latter as sessions of any name.
    fn subjects(&self) -> impl Iterator<Item = Subject>;

    /// Whether it holds an account, with all its principals.
    fn holds(&self, account: AccountId) -> bool;

    /// The grants on the key that could concern a principal; others may be among them.
    fn grants_for(&self, key: &KeyFacts, principal: &Principal) -> Vec<Arc<Grant>>;

    /// Every grant on the key.
    fn grants(&self, key: &KeyFacts) -> Vec<Arc<Grant>>;
}

/// A key, and what binds it from above.
#[derive(Clone, Copy)]
pub struct KeySide<'a> {
    /// The key.
    pub key: &'a KeyFacts,
    /// The RCPs above its account.
    pub rcps: &'a [Attached],
    /// There may be RCPs above its account that nobody has shown.
    pub rcps_unknown: bool,
    /// Its account's organization.
    pub organization: Option<&'a Membership>,
}

impl<'a> KeySide<'a> {
    pub(crate) fn target<'t>(&self, grants: &'t [Arc<Grant>]) -> Target<'t>
    where
        'a: 't,
    {
        Target {
            resource: Resource::Key { key: self.key, grants },
            rcps: self.rcps,
            rcps_unknown: self.rcps_unknown,
            organization: self.organization,
        }
    }
}

/// An answer. Complete for the principals of the estate; what lies beyond it is named, not listed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct WhoCan {
    /// `kms:Decrypt`
    pub action: String,
    /// The key's ARN.
    pub key: String,
    /// Its alias names.
    pub aliases: Vec<String>,
    /// Principals of the estate who can, those that always can first.
    pub principals: Vec<Entry>,
    /// Who else is let in.
    pub beyond: Vec<Beyond>,
    /// How many principals were asked about.
    pub asked: usize,
}

/// A principal of the estate who can.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Entry {
    /// The ARN of the user, the role, the session if it alone is named, or the account's root user.
    pub principal: String,
    /// Always, or under conditions.
    pub may: May,
    /// Every way; each is enough.
    pub ways: Vec<Way>,
}

/// A class of callers that the estate does not hold.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Beyond {
    /// In words: `every signed caller of any account whom its own administrators allow`.
    pub who: String,
    /// Always, or under conditions, once those administrators allow it.
    pub may: May,
    /// Every way.
    pub ways: Vec<Way>,
}

/// Answers for one permission on one key. `question` says what is known of the requests; what it does not say is open.
pub fn who_can(estate: &impl Estate, side: KeySide<'_>, question: &Request<'_>) -> WhoCan {
    let key = side.key;
    let all_grants = estate.grants(key);
    let named = named_sessions(key, &all_grants);
    let (mut principals, mut asked) = (Vec::new(), 0);
    for subject in estate.subjects() {
        asked += 1;
        let of_any_name = entry(estate, side, question, &subject, name(&subject.principal));
        // A session that is named by itself may have more than its role's others.
        for session in named.iter().filter(|session| is_session_of(session, &subject.principal)) {
            let found = entry(estate, side, question, &in_session(&subject, session), session.to_string());
            principals.extend(found.filter(|found| of_any_name.as_ref().is_none_or(|any| any.ways != found.ways)));
        }
        principals.extend(of_any_name);
    }
    principals.sort_by(|a, b| b.may.cmp(&a.may).then_with(|| a.principal.cmp(&b.principal)));
    WhoCan {
        action: question.action.to_string(),
        key: key.arn.to_string(),
        aliases: key.aliases.iter().map(ToString::to_string).collect(),
        principals,
        beyond: beyond(estate, side, question, &all_grants),
        asked,
    }
}

fn entry(estate: &impl Estate, side: KeySide<'_>, question: &Request<'_>, subject: &Subject, principal: String) -> Option<Entry> {
    let grants = estate.grants_for(side.key, &subject.principal);
    let (may, ways) = answer(side, question, subject, &grants)?;
    Some(Entry { principal, may, ways })
}

fn answer(side: KeySide<'_>, question: &Request<'_>, subject: &Subject, grants: &[Arc<Grant>]) -> Option<(May, Vec<Way>)> {
    let retires = question.action.kms().is_some_and(|permission| permission.name() == "RetireGrant");
    if retires && question.retires.is_none() {
        return retirements(side, question, subject, grants);
    }
    let target = side.target(grants);
    let may = may(subject, &target, question);
    (may > May::Never).then(|| (may, ways(subject, &target, question)))
}

/// (A620) Each grant decides by itself who retires it.
fn retirements(side: KeySide<'_>, question: &Request<'_>, subject: &Subject, grants: &[Arc<Grant>]) -> Option<(May, Vec<Way>)> {
    let one = |grant: &Arc<Grant>| {
        let question = Request { retires: Some(grant), ..question.clone() };
        answer(side, &question, subject, std::slice::from_ref(grant))
    };
    let found: Vec<(May, Vec<Way>)> = grants.iter().filter_map(one).collect();
    let may = found.iter().map(|(may, _)| *may).max()?;
    Some((may, found.into_iter().flat_map(|(_, ways)| ways).collect()))
}

pub(crate) fn name(principal: &Principal) -> String {
    match principal {
        Principal::RoleSession { role, .. } => role.to_string(),
        other => other.caller_arn().into_owned(),
    }
}

/// Session ARNs that the key policy or a grant names.
fn named_sessions(key: &KeyFacts, grants: &[Arc<Grant>]) -> Vec<Arn> {
    let in_policy = policies(key).flat_map(|policy| policy.statements()).filter_map(|statement| statement.principal());
    let in_policy = in_policy.flat_map(|principal| &principal.entries).filter_map(|entry| match &entry.kind {
        PrincipalKind::RoleSession(arn) => Some(arn),
        _ => None,
    });
    let in_grants = grants.iter().filter_map(|grant| match &grant.terms.grantee {
        GrantPrincipal::Aws { arn, .. } if arn.resource_after("assumed-role").is_some() => Some(arn),
        GrantPrincipal::Aws { .. } | GrantPrincipal::Service { .. } => None,
    });
    let mut found: Vec<Arn> = in_policy.chain(in_grants).cloned().collect();
    found.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    found.dedup();
    found
}

fn policies(key: &KeyFacts) -> impl Iterator<Item = &Policy> {
    std::iter::once(&key.policy).chain(&key.ram_policy).map(|policy| &policy.policy)
}

fn is_session_of(session: &Arn, principal: &Principal) -> bool {
    let Principal::RoleSession { role, .. } = principal else { return false };
    let name = session.resource_after("assumed-role").and_then(|rest| rest.split('/').next());
    session.account() == role.account() && name.is_some() && name == role.resource().rsplit('/').next()
}

fn in_session(subject: &Subject, session: &Arn) -> Subject {
    let mut subject = subject.clone();
    if let Principal::RoleSession { session: any, .. } = &mut subject.principal {
        *any = session.clone();
    }
    subject
}

/// Whoever is let in and is not in the estate: named by the key policy's Allows, or grantee of a grant.
fn beyond(estate: &impl Estate, side: KeySide<'_>, question: &Request<'_>, grants: &[Arc<Grant>]) -> Vec<Beyond> {
    let mut strangers: Vec<(String, Subject)> = Vec::new();
    let mut add = |stranger: Option<(String, Subject)>| {
        if let Some((who, subject)) = stranger.filter(|(who, _)| strangers.iter().all(|(other, _)| other != who)) {
            strangers.push((who, subject));
        }
    };
    let allows = policies(side.key).flat_map(|policy| policy.statements()).filter(|statement| statement.effect() == Effect::Allow);
    for entry in allows.filter_map(|statement| statement.principal()).flat_map(|principal| &principal.entries) {
        add(stranger(estate, &entry.kind, &entry.text));
    }
    for grant in grants {
        add(match &grant.terms.grantee {
            GrantPrincipal::Service { name } => Some(service(name)),
            GrantPrincipal::Aws { arn, .. } => stranger(estate, &PrincipalKind::named(arn.as_str()), arn.as_str()),
        });
    }
    let mut found = Vec::new();
    for (who, subject) in strangers {
        if let Some((may, ways)) = answer(side, question, &subject, grants) {
            let ways: Vec<Way> = ways.into_iter().filter(|way| !only_inside(estate, way)).collect();
            if !ways.is_empty() {
                found.push(Beyond { who, may, ways });
            }
        }
    }
    found
}

/// Whom a name means if the estate does not hold it, as words and as a caller whose own administrators allow everything.
fn stranger(estate: &impl Estate, kind: &PrincipalKind, text: &str) -> Option<(String, Subject)> {
    let not_here = |arn: &Arn| arn.account().is_none_or(|account| !estate.holds(account));
    let allowed = "whom its own administrators allow";
    match kind {
        PrincipalKind::Everyone => {
            let mut subject = administrator(session_in(ANYONE.parse().ok()?)?);
            subject.anyone = true;
            Some((format!("every signed caller of any account {allowed}"), subject))
        }
        PrincipalKind::Account(account) if !estate.holds(*account) => {
            Some((format!("everyone in account {account} {allowed}"), administrator(session_in(*account)?)))
        }
        PrincipalKind::User(arn) if not_here(arn) => {
            Some((format!("{arn}, outside this estate"), administrator(Principal::User { arn: arn.clone(), id: None })))
        }
        PrincipalKind::Role(arn) if not_here(arn) => {
            let name = arn.resource().rsplit('/').next()?;
            let session = format!("arn:{}:sts::{}:assumed-role/{name}/any", arn.partition(), arn.account()?).parse().ok()?;
            Some((format!("{arn}, outside this estate"), administrator(Principal::RoleSession { role: arn.clone(), id: None, session })))
        }
        PrincipalKind::RoleSession(arn) if not_here(arn) => {
            let role = arn.resource_after("assumed-role")?.split('/').next()?;
            let role = format!("arn:{}:iam::{}:role/{role}", arn.partition(), arn.account()?).parse().ok()?;
            Some((format!("{arn}, outside this estate"), administrator(Principal::RoleSession { role, id: None, session: arn.clone() })))
        }
        // Sessions of federated users are never listed: anybody with GetFederationToken makes one of this name.
        PrincipalKind::FederatedUser(arn) => {
            let subject = administrator(Principal::FederatedUser { arn: arn.clone(), user: None, user_id: None });
            Some((format!("{arn}, made by GetFederationToken"), subject))
        }
        PrincipalKind::Service => Some(service(text)),
        // Within an account of the estate: nobody bears the name now, and whoever is given it later is somebody else (A206).
        PrincipalKind::User(_) | PrincipalKind::Role(_) | PrincipalKind::RoleSession(_) | PrincipalKind::UniqueId => None,
        PrincipalKind::Account(_) | PrincipalKind::Federated | PrincipalKind::CanonicalUser | PrincipalKind::Invalid => None,
    }
}

/// An account number that nobody has.
const ANYONE: &str = "000000000000";

fn session_in(account: AccountId) -> Option<Principal> {
    let role = format!("arn:aws:iam::{account}:role/any").parse().ok()?;
    let session = format!("arn:aws:sts::{account}:assumed-role/any/any").parse().ok()?;
    Some(Principal::RoleSession { role, id: None, session })
}

fn administrator(principal: Principal) -> Subject {
    let mut subject = Subject::new(principal);
    let everything = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    subject.identity.push(Attached { policy: Policy::parse(PolicyKind::Identity, everything), name: "its own administrators".into(), arn: None });
    subject
}

fn service(name: &str) -> (String, Subject) {
    (format!("the service {name}, calling for itself"), Subject::new(Principal::Service { name: name.into() }))
}

/// Whether a way is open only to callers of accounts that the estate holds, who are listed by name.
fn only_inside(estate: &impl Estate, way: &Way) -> bool {
    let inside = |hanging: &Hanging| {
        hanging.conditions.iter().any(|condition| {
            let about_account = ["kms:CallerAccount", "aws:PrincipalAccount"].iter().any(|key| condition.key.eq_ignore_ascii_case(key));
            let equal = matches!(condition.operator.as_str(), "StringEquals" | "StringEqualsIgnoreCase" | "ForAnyValue:StringEquals");
            let held = |account: &String| account.parse::<AccountId>().is_ok_and(|account| estate.holds(account));
            about_account && equal && condition.wanted.iter().all(held)
        })
    };
    way.provisos.iter().any(|proviso| match proviso {
        Proviso::If(hanging) => hanging.iter().all(inside),
        Proviso::Unless(_) => false,
    })
}

#[cfg(test)]
mod tests {

    use keyward_authz::{CallFacts, GrantConstraints, GrantOperation, GrantRequest, ResourcePolicy};
    use keyward_policy::Action;

    use super::*;

    const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    struct Small {
        subjects: Vec<Subject>,
        grants: Vec<Arc<Grant>>,
    }

    impl Estate for Small {
        fn subjects(&self) -> impl Iterator<Item = Subject> {
            self.subjects.iter().cloned()
        }

        fn holds(&self, account: AccountId) -> bool {
            ["111122223333", "444455556666"].contains(&account.as_str())
        }

        fn grants_for(&self, _: &KeyFacts, _: &Principal) -> Vec<Arc<Grant>> {
            self.grants.clone()
        }

        fn grants(&self, _: &KeyFacts) -> Vec<Arc<Grant>> {
            self.grants.clone()
        }
    }

    fn role(account: &str, name: &str, identity: &[&str]) -> Subject {
        let mut subject = Subject::new(Principal::RoleSession {
            role: format!("arn:aws:iam::{account}:role/{name}").parse().unwrap(),
            id: None,
            session: format!("arn:aws:sts::{account}:assumed-role/{name}/any").parse().unwrap(),
        });
        subject.identity = identity
            .iter()
            .map(|statement| Attached {
                policy: Policy::parse(PolicyKind::Identity, format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)),
                name: format!("p on role/{name}").into(),
                arn: None,
            })
            .collect();
        subject
    }

    fn grant(grantee: &str, operations: &[&str], constraints: GrantConstraints) -> Arc<Grant> {
        let grantee = match grantee.ends_with(".amazonaws.com") {
            true => GrantPrincipal::Service { name: grantee.into() },
            false => GrantPrincipal::Aws { arn: grantee.parse().unwrap(), bound: None },
        };
        let operations = operations.iter().map(|name| GrantOperation::named(name).unwrap()).collect();
        Arc::new(Grant {
            id: "a".repeat(64).parse().unwrap(),
            key: KEY.parse().unwrap(),
            terms: GrantRequest { grantee, operations, constraints, retiring: None },
            issuing_account: "111122223333".parse().unwrap(),
            name: None,
            created_at: Default::default(),
        })
    }

    /// One line a principal or class: who, whether always, by what, under which provisos.
    fn check(action: &str, statements: &str, subjects: &[Subject], grants: &[Arc<Grant>], expected: &[&str]) {
        let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        let key = KeyFacts::new(KEY.parse().unwrap(), ResourcePolicy::unbound(Policy::parse(PolicyKind::Key, policy)));
        let estate = Small { subjects: subjects.to_vec(), grants: grants.to_vec() };
        let call = CallFacts::new("us-east-1".parse().unwrap());
        let request = Request::new(Action::parse(action).unwrap(), &call);
        let found = who_can(&estate, KeySide { key: &key, rcps: &[], rcps_unknown: false, organization: None }, &request);
        let line = |who: &str, may: May, ways: &[Way]| {
            let ways: Vec<String> = ways
                .iter()
                .map(|way| way.through.join(" with ") + &way.provisos.iter().map(|proviso| format!(", {proviso}")).collect::<String>())
                .collect();
            format!("{may:?}: {} by {}", who.replace("arn:aws:iam::", ""), ways.join("; by "))
        };
        let mut lines: Vec<String> = found.principals.iter().map(|entry| line(&entry.principal, entry.may, &entry.ways)).collect();
        lines.extend(found.beyond.iter().map(|beyond| line(&beyond.who, beyond.may, &beyond.ways)));
        assert_eq!(lines, expected);
    }

    const ROOT: &str = r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}"#;
    const ADMINISTRATOR: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;

    #[test]
    fn a_delegation_lets_in_whoever_identity_policies_let_in() {
        let root = Subject::new(Principal::Root { account: "111122223333".parse().unwrap(), partition: keyward_policy::Partition::Aws });
        let subjects = [role("111122223333", "ops", &[ADMINISTRATOR]), role("111122223333", "none", &[]), root];
        let expected = [
            "Always: 111122223333:role/ops by key policy statement 1 with p on role/ops statement 1",
            "Always: 111122223333:root by key policy statement 1",
        ];
        check("kms:Decrypt", ROOT, &subjects, &[], &expected);
    }

    #[test]
    fn what_the_question_leaves_open_is_told() {
        let mfa = r#"{"Effect":"Deny","Action":"kms:*","Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}"#;
        let team = r#"{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:team":"a"}}}"#;
        let expected = ["Sometimes: 111122223333:role/app by key policy statement 1 with p on role/app statement 1, \
             if kms:EncryptionContext:team StringEquals a, unless aws:MultiFactorAuthPresent BoolIfExists false (p on role/app statement 1)"];
        check("kms:Decrypt", ROOT, &[role("111122223333", "app", &[team, mfa])], &[], &expected);
    }

    #[test]
    fn both_halves_across_accounts_and_whole_accounts_beyond() {
        let shared = r#"{"Effect":"Allow","Principal":{"AWS":["444455556666","777788889999","arn:aws:iam::777788889999:role/x"]},
            "Action":"kms:Decrypt","Resource":"*"}"#;
        let subjects = [role("444455556666", "reader", &[ADMINISTRATOR]), role("444455556666", "half", &[])];
        let expected = [
            "Always: 444455556666:role/reader by key policy statement 1 with p on role/reader statement 1",
            "Always: everyone in account 777788889999 whom its own administrators allow by key policy statement 1 with its own administrators statement 1",
            "Always: 777788889999:role/x, outside this estate by key policy statement 1 with its own administrators statement 1",
        ];
        check("kms:Decrypt", shared, &subjects, &[], &expected);
        check("kms:PutKeyPolicy", shared, &subjects, &[], &[]); // [A313]
    }

    #[test]
    fn everyone_is_a_class_unless_the_accounts_are_listed_here() {
        let open =
            r#"{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}}"#;
        let expected = ["Sometimes: every signed caller of any account whom its own administrators allow by key policy statement 1 \
             with its own administrators statement 1, if aws:PrincipalOrgID StringEquals o-1"];
        check("kms:Decrypt", open, &[role("111122223333", "app", &[])], &[], &expected);
        let own = r#"{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"111122223333"}}}"#;
        // [A309]
        check("kms:Decrypt", own, &[role("111122223333", "app", &[])], &[], &["Always: 111122223333:role/app by key policy statement 1"]);
    }

    #[test]
    fn grants_are_ways_too() {
        let equals = GrantConstraints { encryption_context_equals: Some([("a".into(), "b".into())].into()), ..Default::default() };
        let grants = [
            grant("arn:aws:iam::111122223333:role/app", &["Decrypt", "RetireGrant"], equals),
            grant("dynamodb.us-east-1.amazonaws.com", &["Decrypt"], Default::default()),
            grant("arn:aws:iam::777788889999:role/auto", &["Decrypt"], Default::default()),
        ];
        let expected = [
            "Sometimes: 111122223333:role/app by grant aaaaaaaa…, if encryption context EncryptionContextEquals a=b",
            "Always: the service dynamodb.us-east-1.amazonaws.com, calling for itself by grant aaaaaaaa…",
            "Always: 777788889999:role/auto, outside this estate by grant aaaaaaaa…",
        ];
        check("kms:Decrypt", "", &[role("111122223333", "app", &[])], &grants, &expected);
        // [A620] The key policy is not asked; the grantee of a grant that holds RetireGrant needs nothing else.
        check("kms:RetireGrant", "", &[role("111122223333", "app", &[])], &grants[..1], &["Always: 111122223333:role/app by grant aaaaaaaa…"]);
    }

    #[test]
    fn a_session_that_is_named_alone_is_listed_alone() {
        let named = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/app/night"},"Action":"kms:*","Resource":"*"}"#;
        let expected = ["Always: arn:aws:sts::111122223333:assumed-role/app/night by key policy statement 1"]; // [A205]
        check("kms:Decrypt", named, &[role("111122223333", "app", &[])], &[], &expected);
    }
}
