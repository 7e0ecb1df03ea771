//! What a refused caller reads: AWS's own sentence (§9).

use keyward_policy::Action;

use crate::authorize::{Decision, Layer, Refusal, attached};
use crate::facts::{Request, Resource, Subject, Target};

/// (A906) What stands for anything on the side of a key in another account.
const HIDDEN: &str = "because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access";

/// (A907) The older of the two texts, with which recorded suites compare.
const HIDDEN_CIPHERTEXT_KEY: &str =
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.";

/// Whether a policy that denies is named at the end of the sentence, as newer messages have it (A905).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PolicyArns {
    /// Managed and organization policies are named.
    #[default]
    Named,
    /// None is.
    Omitted,
}

/// AWS's AccessDenied sentence for a refused request; empty for an allowed one.
pub fn sentence(subject: &Subject, target: &Target<'_>, request: &Request<'_>, decision: &Decision) -> String {
    sentence_with(subject, target, request, decision, PolicyArns::Named)
}

/// The same, in either form of (A905).
pub fn sentence_with(subject: &Subject, target: &Target<'_>, request: &Request<'_>, decision: &Decision, arns: PolicyArns) -> String {
    let Some(refusal) = decision.refusal() else { return String::new() };
    let caller = subject.principal.caller_arn();
    let action = &request.action;
    if is_hidden(subject, target, decision) {
        return hidden_sentence(&caller, action, request.from_ciphertext);
    }
    let resource = match &target.resource {
        _ if request.from_ciphertext => " on the resource associated with this ciphertext".to_owned(), // [A903]
        // [A406] The tags of a key that has no id yet: no resource to name.
        Resource::None { pattern } if pattern.ends_with(":key/*") => String::new(),
        Resource::None { .. } => " on resource: *".to_owned(),
        _ => format!(" on resource: {}", target.arn()),
    };
    let because = match (refusal, decision.layer()) {
        (Refusal::Denied, layer) => {
            let arn = policy_arn(subject, target, decision).filter(|_| arns == PolicyArns::Named);
            format!("with an explicit deny in {}{}", with_article(layer), arn.map(|arn| format!(": {arn}")).unwrap_or_default())
        }
        (Refusal::Silent, layer) => format!("because no {} allows the {action} action", type_name(layer)),
    };
    format!("User: {caller} is not authorized to perform: {action}{resource} {because}")
}

/// The sentence for a key of another account that is missing or refuses: the same for both (A906) (A907) (A908).
pub fn hidden_sentence(caller: &str, action: &Action, from_ciphertext: bool) -> String {
    if from_ciphertext {
        return HIDDEN_CIPHERTEXT_KEY.to_owned();
    }
    format!("User: {caller} is not authorized to perform: {action} on this resource {HIDDEN}")
}

/// Whether the refusal comes from the far side of an account boundary, of which the caller may learn nothing.
pub(crate) fn is_hidden(subject: &Subject, target: &Target<'_>, decision: &Decision) -> bool {
    let foreign_key = matches!(target.resource, Resource::Key { .. })
        && subject.principal.account().is_some_and(|account| target.owner().is_some_and(|owner| owner != account));
    foreign_key && matches!(decision.layer(), Layer::KeyPolicy | Layer::Rcp | Layer::Operation | Layer::Grant)
}

/// (A904)
fn type_name(layer: Layer) -> &'static str {
    match layer {
        Layer::Rcp => "resource control policy",
        Layer::Scp => "service control policy",
        Layer::Endpoint => "VPC endpoint policy",
        // [A910] Grants are never mentioned.
        Layer::KeyPolicy | Layer::Grant | Layer::Operation => "resource-based policy",
        Layer::Identity => "identity-based policy",
        Layer::Boundary => "permissions boundary",
        Layer::Session => "session policy",
    }
}

fn with_article(layer: Layer) -> String {
    let article = if layer == Layer::Identity { "an" } else { "a" };
    format!("{article} {}", type_name(layer))
}

/// (A905) Managed and organization policies are named to whoever is of their account or organization, inline ones never.
fn policy_arn<'a>(subject: &'a Subject, target: &'a Target<'_>, decision: &Decision) -> Option<&'a str> {
    let organization = |membership: Option<&'a crate::facts::Membership>| membership.map(|membership| &membership.id);
    let same_organization = target.organization.is_some() && organization(target.organization) == organization(subject.organization.as_ref());
    let same_account = subject.principal.account().is_some() && subject.principal.account() == target.owner();
    // Everything but an RCP hangs on the caller's own side.
    let theirs = decision.layer() == Layer::Rcp && !same_organization && !same_account;
    let statement = decision.statements().first().filter(|_| !theirs)?;
    attached(subject, target, statement.origin)?.arn.as_deref()
}

#[cfg(test)]
mod tests {
    use keyward_policy::PolicyKind;

    use super::*;
    use crate::authorize::authorize;
    use crate::facts::{Attached, Membership, Principal, Via, VpcEndpoint};
    use crate::scene::{FOREIGN, KEY, OWN, ROLE, Scene, attached, grant, session};

    const ALLOW: &str = r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}"#;
    const DENY: &str = r#"{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"}"#;
    const DELEGATION: &str = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}"#;
    /// A key policy that names the role, so that boundary and session policy bind.
    const NAMED: &str = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"Action":"kms:*","Resource":"*"}"#;
    const OWN_ALLOW: &str = r#"{"Effect":"Allow","Action":"kms:*","Resource":"*"}"#;
    const OWN_DENY: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*"}"#;
    const NOTHING: &str = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
    const CALLER: &str = "arn:aws:sts::111122223333:assumed-role/app/x";
    const FOREIGNER: &str = "arn:aws:sts::444455556666:assumed-role/app/x";

    #[track_caller]
    fn check(scene: &Scene, expected: &str) {
        assert_eq!(scene.ask(|s, t, r| sentence(s, t, r, &authorize(s, t, r))), expected);
    }

    /// The caller's own sentence about the key of the scene.
    #[track_caller]
    fn check_own(scene: &Scene, because: &str) {
        check(scene, &format!("User: {CALLER} is not authorized to perform: kms:Decrypt on resource: {KEY} {because}"));
    }

    fn managed(kind: PolicyKind, arn: &str, statements: &str) -> Attached {
        Attached { arn: Some(arn.into()), ..attached(kind, "p", statements) }
    }

    fn endpoint(statements: &str) -> Option<VpcEndpoint> {
        Some(VpcEndpoint {
            id: "vpce-1".into(),
            vpc: "vpc-1".into(),
            policy: Some(attached(PolicyKind::Endpoint, "e", statements).policy),
            account: None,
            organization: None,
        })
    }

    #[test]
    fn whoever_is_allowed_reads_nothing() {
        check(&Scene::new(ALLOW), "");
    }

    #[test]
    fn each_type_of_policy_has_its_words_for_silence() {
        // [A903] [A904]
        check_own(&Scene::new(""), "because no resource-based policy allows the kms:Decrypt action");
        check_own(&Scene::new(DELEGATION), "because no identity-based policy allows the kms:Decrypt action");
        let mut scene = Scene::new(NAMED);
        scene.subject.boundary = Some(managed(PolicyKind::Identity, "arn:aws:iam::111122223333:policy/b", NOTHING));
        check_own(&scene, "because no permissions boundary allows the kms:Decrypt action");
        let mut scene = Scene::new(NAMED);
        scene.subject.session = Some(vec![attached(PolicyKind::Identity, "s", NOTHING)]);
        check_own(&scene, "because no session policy allows the kms:Decrypt action");
        let mut scene = Scene::new(ALLOW);
        scene.subject.scps = Some(vec![vec![attached(PolicyKind::Scp, "s", NOTHING)]]);
        check_own(&scene, "because no service control policy allows the kms:Decrypt action");
        let mut scene = Scene::new(ALLOW);
        scene.call.endpoint = endpoint(r#"{"Effect":"Allow","Principal":"*","Action":"kms:Encrypt","Resource":"*"}"#);
        check_own(&scene, "because no VPC endpoint policy allows the kms:Decrypt action");
    }

    #[test]
    fn each_type_of_policy_has_its_words_for_a_deny_and_managed_ones_are_named() {
        // [A904] [A905] Key policies and inline policies are never named.
        check_own(&Scene::new(&format!("{ALLOW},{DENY}")), "with an explicit deny in a resource-based policy");
        check_own(&Scene::new(ALLOW).identity(OWN_DENY), "with an explicit deny in an identity-based policy");
        let mut scene = Scene::new(ALLOW);
        scene.call.endpoint = endpoint(DENY);
        check_own(&scene, "with an explicit deny in a VPC endpoint policy");
        let mut scene = Scene::new(ALLOW);
        scene.subject.session = Some(vec![attached(PolicyKind::Identity, "s", OWN_DENY)]);
        check_own(&scene, "with an explicit deny in a session policy");

        let policy = "arn:aws:iam::111122223333:policy/deny";
        let named = |change: &dyn Fn(&mut Subject), what: &str, arn: &str| {
            let mut scene = Scene::new(ALLOW);
            change(&mut scene.subject);
            check_own(&scene, &format!("with an explicit deny in {what}: {arn}"));
            // Older messages end before the ARN.
            let older = scene.ask(|s, t, r| sentence_with(s, t, r, &authorize(s, t, r), PolicyArns::Omitted));
            assert!(older.ends_with(&format!("with an explicit deny in {what}")), "{older}");
        };
        let deny = || managed(PolicyKind::Identity, policy, OWN_DENY);
        named(&|subject| subject.identity.push(deny()), "an identity-based policy", policy);
        named(&|subject| subject.boundary = Some(deny()), "a permissions boundary", policy);
        named(&|subject| subject.session = Some(vec![deny()]), "a session policy", policy);
        let scp = "arn:aws:organizations::999988887777:policy/o-1/service_control_policy/p-1";
        named(&|subject| subject.scps = Some(vec![vec![managed(PolicyKind::Scp, scp, OWN_DENY)]]), "a service control policy", scp);

        let rcp = "arn:aws:organizations::999988887777:policy/o-1/resource_control_policy/p-2";
        let mut scene = Scene { rcps: vec![managed(PolicyKind::Rcp, rcp, DENY)], ..Scene::new(ALLOW) };
        check_own(&scene, &format!("with an explicit deny in a resource control policy: {rcp}"));
        // A service is of no organization.
        scene.subject = Subject::new(Principal::Service { name: "logs.us-east-1.amazonaws.com".into() });
        let service = format!("User: logs.us-east-1.amazonaws.com is not authorized to perform: kms:Decrypt on resource: {KEY} ");
        check(&scene, &format!("{service}with an explicit deny in a resource control policy"));
    }

    #[test]
    fn the_first_policy_type_that_fits_is_named() {
        // [A904] [A340] RCP, SCP, endpoint, key policy, identity policy, boundary, session policy.
        let mut scene = Scene::new(&format!("{ALLOW},{DENY}")).identity(OWN_DENY);
        check_own(&scene, "with an explicit deny in a resource-based policy");
        scene.call.endpoint = endpoint(DENY);
        check_own(&scene, "with an explicit deny in a VPC endpoint policy");
        scene.subject.scps = Some(vec![vec![attached(PolicyKind::Scp, "s", OWN_DENY)]]);
        check_own(&scene, "with an explicit deny in a service control policy");
        scene.rcps = vec![attached(PolicyKind::Rcp, "r", DENY)];
        check_own(&scene, "with an explicit deny in a resource control policy");
        // A Deny comes before any silence.
        let mut scene = Scene::new(&format!("{ALLOW},{DENY}"));
        scene.subject.scps = Some(vec![vec![]]);
        check_own(&scene, "with an explicit deny in a resource-based policy");
    }

    #[test]
    fn across_accounts_the_far_side_is_hidden() {
        let hidden = format!("User: {FOREIGNER} is not authorized to perform: kms:Decrypt on this resource {HIDDEN}");
        let foreign = |statements: &str| Scene { subject: session(FOREIGN), ..Scene::new(statements) };
        // [A906] Silent, denying, or under an RCP that denies: all the same, and the same as a key that is not there [A908].
        check(&foreign("").identity(OWN_ALLOW), &hidden);
        check(&foreign(&format!("{ALLOW},{DENY}")).identity(OWN_ALLOW), &hidden);
        let rcp = vec![managed(PolicyKind::Rcp, "arn:aws:organizations::999988887777:policy/o-1/resource_control_policy/p-2", DENY)];
        check(&Scene { rcps: rcp, ..foreign(ALLOW) }.identity(OWN_ALLOW), &hidden);
        assert_eq!(hidden_sentence(FOREIGNER, &Action::parse("kms:Decrypt").unwrap(), false), hidden);
        // [A313] An operation that does not cross accounts tells no more.
        let enable = Scene { action: "kms:EnableKey", ..foreign(ALLOW) }.identity(OWN_ALLOW);
        check(&enable, &hidden.replace("kms:Decrypt", "kms:EnableKey"));
        // The own side is told first, and plainly.
        let plain = format!("User: {FOREIGNER} is not authorized to perform: kms:Decrypt on resource: {KEY}");
        check(&foreign(""), &format!("{plain} because no identity-based policy allows the kms:Decrypt action"));
        let denied = foreign(&format!("{ALLOW},{DENY}")).identity(OWN_DENY);
        check(&denied, &format!("{plain} with an explicit deny in an identity-based policy"));
        let mut scp = foreign("");
        scp.subject.organization = Some(Membership { id: "o-2".into(), path: None });
        scp.subject.scps = Some(vec![vec![attached(PolicyKind::Scp, "s", NOTHING)]]);
        check(&scp, &format!("{plain} because no service control policy allows the kms:Decrypt action"));
    }

    #[test]
    fn a_key_that_the_ciphertext_told_is_not_named() {
        // [A903] Of the own account, in both forms; [A907] of another account.
        let of_ciphertext = |scene: &Scene| {
            scene.ask(|subject, target, request| {
                let request = Request { from_ciphertext: true, ..request.clone() };
                sentence(subject, target, &request, &authorize(subject, target, &request))
            })
        };
        let own = format!("User: {CALLER} is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext");
        let silent = format!("{own} because no resource-based policy allows the kms:Decrypt action");
        assert_eq!(of_ciphertext(&Scene::new("")), silent);
        let denied = of_ciphertext(&Scene::new(&format!("{ALLOW},{DENY}")));
        assert_eq!(denied, format!("{own} with an explicit deny in a resource-based policy"));
        let foreign = Scene { subject: session(FOREIGN), ..Scene::new("") }.identity(OWN_ALLOW);
        assert_eq!(of_ciphertext(&foreign), HIDDEN_CIPHERTEXT_KEY);
        let unarmed = of_ciphertext(&Scene { subject: session(FOREIGN), ..Scene::new("") });
        assert!(unarmed.ends_with("associated with this ciphertext because no identity-based policy allows the kms:Decrypt action"), "{unarmed}");
    }

    #[test]
    fn what_has_no_key_is_named_as_it_is() {
        let scene = Scene::new("");
        let on = |resource: Resource<'_>, action: &str| {
            let request = Request::new(Action::parse(action).unwrap(), &scene.call);
            let target = Target::new(resource);
            sentence(&scene.subject, &target, &request, &authorize(&scene.subject, &target, &request))
        };
        let own = format!("User: {CALLER} is not authorized to perform:");
        // [A903] "None" operations, the alias half, the tags of a key that is being made [A406].
        let listed = on(Resource::None { pattern: "arn:aws:kms:us-east-1:111122223333:*".into() }, "kms:ListKeys");
        assert_eq!(listed, format!("{own} kms:ListKeys on resource: * because no identity-based policy allows the kms:ListKeys action"));
        let arn = "arn:aws:kms:us-east-1:111122223333:alias/orders";
        let alias = on(Resource::Alias { arn, account: OWN.parse().unwrap() }, "kms:CreateAlias");
        assert_eq!(alias, format!("{own} kms:CreateAlias on resource: {arn} because no identity-based policy allows the kms:CreateAlias action"));
        let tags = on(Resource::None { pattern: "arn:aws:kms:us-east-1:111122223333:key/*".into() }, "kms:TagResource");
        assert_eq!(tags, format!("{own} kms:TagResource because no identity-based policy allows the kms:TagResource action"));
    }

    #[test]
    fn grants_are_never_mentioned() {
        // [A910] A grant that does not serve reads as a policy that is missing.
        let grants = vec![std::sync::Arc::new(grant(ROLE, &["Encrypt"]))];
        check_own(&Scene { grants, ..Scene::new("") }, "because no resource-based policy allows the kms:Decrypt action");
        let other = grant("arn:aws:iam::111122223333:role/b", &["Decrypt"]);
        let mut stranger = Scene { action: "kms:RetireGrant", ..Scene::new("") };
        stranger.subject = session("777788889999");
        let retired = stranger.ask(|subject, target, request| {
            let request = Request { retires: Some(&other), ..request.clone() };
            sentence(subject, target, &request, &authorize(subject, target, &request))
        });
        assert!(retired.ends_with(HIDDEN) && !retired.contains("grant "), "{retired}");
    }

    #[test]
    fn every_kind_of_caller_is_named_by_its_arn() {
        let named = |principal: Principal, name: &str| {
            let scene = Scene { subject: Subject::new(principal), ..Scene::new("") };
            let told = scene.ask(|s, t, r| sentence(s, t, r, &authorize(s, t, r)));
            assert!(told.starts_with(&format!("User: {name} is not authorized to perform: kms:Decrypt on resource: ")), "{told}");
        };
        let user = "arn:aws:iam::111122223333:user/team/ann";
        named(Principal::User { arn: user.parse().unwrap(), id: None }, user);
        named(Principal::Root { account: OWN.parse().unwrap(), partition: keyward_policy::Partition::Aws }, "arn:aws:iam::111122223333:root");
        let federated = "arn:aws:sts::111122223333:federated-user/bob";
        named(Principal::FederatedUser { arn: federated.parse().unwrap(), user: None, user_id: None }, federated);
        named(Principal::Service { name: "logs.us-east-1.amazonaws.com".into() }, "logs.us-east-1.amazonaws.com");
        // [A912] Through a service it is the end caller.
        let mut scene = Scene::new("");
        scene.call.via = Some(Via::service_door("s3.us-east-1.amazonaws.com"));
        check_own(&scene, "because no resource-based policy allows the kms:Decrypt action");
    }
}
