//! Each situation, with the words that people read and the fix that they are offered.

use std::sync::Arc;

use keyward_policy::{Policy, PolicyKind};

use super::*;
use crate::authorize::authorize;
use crate::facts::{KeyManager, Membership, Principal, Unsaid, Via, VpcEndpoint};
use crate::grant::{Grant, GrantPrincipal};
use crate::names::UniqueId;
use crate::operation::GrantOperation;
use crate::scene::{FOREIGN, KEY, OWN, ROLE, Scene, attached, grant, key, session};

impl Scene {
    fn told(&self) -> Explanation {
        self.ask(explain)
    }

    /// The situation by name, what its words contain, and the first fix.
    #[track_caller]
    fn check(&self, situation: &str, words: &str, fix: &str) -> Explanation {
        let told = self.told();
        assert_eq!(told.situation.as_deref(), Some(situation), "{told}");
        assert!(told.summary.contains(words), "{told}");
        let offered =
            told.fix.as_ref().map(|fix| fix.parts.iter().map(|part| format!("{}|{}|{}", part.account, part.place, part.change)).collect::<Vec<_>>());
        assert_eq!(offered.unwrap_or_default().join("\n"), fix, "{told}");
        told
    }

    #[track_caller]
    fn layer(&self, name: &str) -> LayerReport {
        let told = self.told();
        told.layers.iter().find(|layer| layer.layer == name).cloned().unwrap_or_else(|| panic!("no {name} in:\n{told}"))
    }
}

const ADMIN: &str = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/adm"},"Action":"kms:*","Resource":"*"}"#;
const DELEGATION: &str = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}"#;
const EVERYTHING: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;

/// An Allow for role/app to decrypt, under a condition.
fn app(condition: &str) -> String {
    format!(r#"{{"Sid":"App","Effect":"Allow","Principal":{{"AWS":"{ROLE}"}},"Action":"kms:Decrypt","Resource":"*"{condition}}}"#)
}

fn when(condition: &str) -> String {
    app(&format!(r#","Condition":{condition}"#))
}

/// What the key policy would have to say.
fn key_policy_fix(rest: &str) -> String {
    format!(r#"111122223333|the key policy|{{"Effect":"Allow","Principal":{{"AWS":"{ROLE}"}},"Action":"kms:Decrypt","Resource":"*"{rest}}}"#)
}

#[test]
fn an_administrator_whom_the_key_policy_does_not_know() {
    let administrator = Scene::new(ADMIN).identity(EVERYTHING);
    let words = "neither names this caller nor delegates to its account: your administrator policy counts for nothing here"; // [A306]
    administrator.check("administrator-counts-for-nothing", words, &key_policy_fix(""));
    let user = Scene::new(ADMIN).identity(r#"{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}"#);
    user.check("identity-counts-for-nothing", "your identity policies count for nothing here", &key_policy_fix(""));
    Scene::new(ADMIN).check("nothing-allows", "Nothing is allowed by default", &key_policy_fix("")); // [A302]
}

#[test]
fn either_half_that_is_missing_is_for_its_own_account_to_add() {
    let half = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/app"},"Action":"kms:Decrypt","Resource":"*"}"#;
    let own = r#"{"Effect":"Allow","Action":"kms:Decrypt","Resource":"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}"#;
    let in_foreign = format!("444455556666|an identity policy of role/app|{own}");
    let in_own = format!("111122223333|the key policy|{half}");
    let foreign = |statements: &str| Scene { subject: session(FOREIGN), ..Scene::new(statements) };
    // [A310]
    foreign(half).check("own-half-missing", "the key policy (present) and its own identity policy (missing)", &in_foreign);
    foreign(ADMIN).identity(EVERYTHING).check("key-half-missing", "the key policy (missing) and its own identity policy (present)", &in_own);
    let both = foreign(ADMIN).check("both-halves-missing", "the key policy (missing)", &format!("{in_foreign}\n{in_own}"));
    // [A314] One grant stands in for both.
    assert!(both.alternatives.iter().any(|fix| matches!(&fix.parts[..], [FixPart { change: FixChange::Grant(_), .. }])), "{both}");
    // [A313]
    let enable = Scene { action: "kms:EnableKey", ..foreign(half) };
    enable.check("not-across-accounts", "does not work on keys of other accounts", "");
}

#[test]
fn an_alias_in_a_resource_element_is_not_the_key() {
    let alias = r#"{"Effect":"Allow","Action":"kms:Decrypt","Resource":"arn:aws:kms:us-east-1:111122223333:alias/orders"}"#;
    let fix = format!(r#"111122223333|an identity policy of role/app|{{"Effect":"Allow","Action":"kms:Decrypt","Resource":"{KEY}"}}"#);
    Scene::new(DELEGATION).identity(alias).check("alias-in-resource", &format!("name the key by its key ARN, {KEY}"), &fix); // [A136]
}

#[test]
fn a_direct_call_where_a_service_is_wanted_is_changed_before_the_policy() {
    let via = "let s3.us-east-1.amazonaws.com call for you, not directly: only a service's own calls carry kms:ViaService";
    for wanted in ["s3.us-east-1.amazonaws.com", "s3.*.amazonaws.com"] {
        let scene = Scene::new(&when(&format!(r#"{{"StringLike":{{"kms:ViaService":"{wanted}"}}}}"#)));
        let told = scene.check("via-service-absent", "The call is direct", &format!("111122223333|the request|{via}")); // [A512]
        assert!(matches!(&told.alternatives[0].parts[..], [FixPart { change: FixChange::Statement(_), .. }]), "{told}");
    }
    // A Deny of direct calls as well.
    let deny = r#"{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringNotEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}}"#;
    let scene = Scene::new(&format!("{},{deny}", app("")));
    scene.check("explicit-deny", "The call is direct, so it carries no kms:ViaService.", &format!("111122223333|the request|{via}"));
    // Another service is what somebody meant: the statement pins it.
    let mut scene = Scene::new(&when(r#"{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}"#));
    scene.call.via = Some(Via::service_door("sqs.us-east-1.amazonaws.com"));
    let pinned = key_policy_fix(r#","Condition":{"StringEquals":{"kms:ViaService":"sqs.us-east-1.amazonaws.com"}}"#);
    scene.check("condition-not-met", "kms:ViaService is sqs.us-east-1.amazonaws.com", &pinned);
}

#[test]
fn an_encryption_context_that_is_misspelt_is_mended_in_the_request() {
    let wants = |condition: &str, pairs: &[(&str, &str)]| Scene::new(&when(condition)).context(pairs);
    let project = r#"{"StringEquals":{"kms:EncryptionContext:project":"prod"}}"#;
    let request = |words: &str| format!("111122223333|the request|{words}");
    // [A540] The value obeys the operator, the name ignores case.
    wants(project, &[("Project", "Prod")]).check(
        "context-value-case",
        "is Prod, where statement 1 \"App\" wants prod",
        &request("send the encryption context Project=prod, not Project=Prod: letter case counts"),
    );
    wants(project, &[("projekt", "prod")]).check(
        "context-name",
        "has prod under projekt, where statement 1 \"App\" wants it under project",
        &request("send the encryption context project=prod, not projekt=prod"),
    );
    wants(project, &[]).check("condition-not-met", "project is absent", &request("send the encryption context project=prod as well"));
    // [A541] Names in EncryptionContextKeys count by case.
    wants(r#"{"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"project"}}"#, &[("Project", "prod")]).check(
        "context-name-case",
        "has the names Project, where statement 1 \"App\" wants project",
        &request("send the encryption context project=prod, not Project=prod: letter case counts"),
    );
    // Somebody else's data is not called one's own: the statement opens that context, and no other.
    let other = key_policy_fix(r#","Condition":{"StringEquals":{"kms:EncryptionContext:project":"test"}}"#);
    wants(project, &[("project", "test")]).check("condition-not-met", "project is test", &other);
}

#[test]
fn a_grant_that_names_the_caller_and_does_not_serve() {
    let scene = |change: &dyn Fn(&mut Grant)| {
        let mut grant = grant(ROLE, &["Decrypt"]);
        change(&mut grant);
        Scene { grants: vec![Arc::new(grant)], ..Scene::new(ADMIN) }
    };
    let operation = |grant: &mut Grant| grant.terms.operations = vec![GrantOperation::named("Encrypt").unwrap()];
    scene(&operation).check("grant-operation", "it holds Encrypt, not kms:Decrypt", &key_policy_fix("")); // [A601]
    let subset = |grant: &mut Grant| grant.terms.constraints.encryption_context_subset = Some([("tenant".to_owned(), "a".to_owned())].into());
    let wants = "its constraint EncryptionContextSubset wants tenant=a"; // [A611]
    scene(&subset).check("grant-context", wants, "111122223333|the request|send the encryption context tenant=a as well");
    scene(&subset).context(&[("tenant", "b")]).check("grant-context", wants, &key_policy_fix(""));
    let nearest = scene(&subset).context(&[("tenant", "b")]).layer("grants").nearest.unwrap();
    assert_eq!(nearest.conditions[0].to_string(), "encryption context = tenant=b, wanted EncryptionContextSubset tenant=a  ✗");
    let serving = scene(&subset).context(&[("tenant", "a"), ("x", "y")]).layer("grants");
    assert_eq!(serving.statements[0].conditions[0].to_string(), "encryption context = tenant=a, x=y  ✓");
    // [A612] DescribeKey has no context to compare.
    let describes = |grant: &mut Grant| {
        grant.terms.operations = vec![GrantOperation::named("DescribeKey").unwrap()];
        subset(grant);
    };
    let described = Scene { action: "kms:DescribeKey", ..scene(&describes) }.layer("grants");
    assert_eq!((described.verdict.as_str(), described.statements[0].conditions.len()), ("allows", 0));
    let source = |grant: &mut Grant| grant.terms.constraints.source_arn = Some("arn:aws:sqs:us-east-1:111122223333:q".to_owned());
    scene(&source).check("grant-source-arn", "on behalf of arn:aws:sqs:us-east-1:111122223333:q only", &key_policy_fix("")); // [A613]
    let recreated = |grant: &mut Grant| {
        grant.terms.grantee = GrantPrincipal::Aws { arn: ROLE.parse().unwrap(), bound: Some(UniqueId("AROAOLDOLDOLDOLDOLD01".into())) };
    };
    scene(&recreated).check("grant-recreated-grantee", "bears the same name but is another", &key_policy_fix("")); // [A606]
    let other =
        |grant: &mut Grant| grant.terms.grantee = GrantPrincipal::Aws { arn: "arn:aws:iam::111122223333:role/b".parse().unwrap(), bound: None };
    scene(&other).check("grant-for-another", "it is for arn:aws:iam::111122223333:role/b", &key_policy_fix(""));
    // [A619] The token of such a grant does not help.
    let token = Scene { tokens: vec!["7".repeat(64).parse().unwrap()], ..scene(&other) };
    token.check("token-of-another", "a token gives nothing to anyone but the grantee", &key_policy_fix(""));
}

#[test]
fn a_grant_wider_than_its_parent() {
    let child = grant(ROLE, &["Decrypt", "Encrypt"]).terms;
    let grants = vec![Arc::new(grant(ROLE, &["Decrypt", "CreateGrant"]))];
    let scene = Scene { grants, child: Some(child), action: "kms:CreateGrant", ..Scene::new(ADMIN) };
    let told = scene.told();
    assert_eq!(told.situation.as_deref(), Some("grant-wider-child"), "{told}"); // [A615]
}

#[test]
fn a_service_linked_role_takes_no_policies() {
    let mut own = Scene { action: "kms:CreateGrant", ..Scene::new(ADMIN) };
    own.subject.service_linked = true;
    assert!(own.told().summary.contains("it needs kms:CreateGrant"), "{}", own.told());
    // [A641] Of another account: a grant is all there is.
    let mut foreign = Scene { subject: session(FOREIGN), ..Scene::new(ADMIN) };
    foreign.subject.service_linked = true;
    let parameters = format!(r#"{{"KeyId":"{KEY}","GranteePrincipal":"arn:aws:iam::444455556666:role/app","Operations":["Decrypt"]}}"#);
    let fix = format!("111122223333|a grant on the key|CreateGrant {parameters}");
    foreign.check("foreign-service-linked-role", "the way is a grant to the role", &fix);
}

#[test]
fn a_key_that_aws_manages_has_no_other_users() {
    let policy = r#"{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*",
        "Condition":{"StringEquals":{"kms:CallerAccount":"111122223333","kms:ViaService":"s3.us-east-1.amazonaws.com"}}}"#;
    let mut own = Scene::new(policy);
    own.key.manager = KeyManager::Aws;
    let told = own.told();
    assert_eq!(told.situation.as_deref(), Some("aws-managed-key"), "{told}"); // [A803]
    assert!(matches!(&told.fix.unwrap().parts[..], [FixPart { change: FixChange::Request(words), .. }] if words.contains("s3.us-east-1")));
    assert!(told.alternatives.is_empty());
    let mut foreign = Scene { subject: session(FOREIGN), ..Scene::new(policy) }.identity(EVERYTHING);
    foreign.key.manager = KeyManager::Aws;
    foreign.call.via = Some(Via::service_door("s3.us-east-1.amazonaws.com"));
    foreign.check("aws-managed-key", "no other account can ever use it", "");
}

#[test]
fn a_role_made_anew_is_another() {
    // [A206] By what the policy was bound to, and by the id that is left of it.
    let mut bound = Scene::new(&app(""));
    bound.key.policy.bound = [(ROLE.to_owned(), UniqueId("AROAOLDOLDOLDOLDOLD01".into()))].into();
    bound.check("recreated-principal", "Save the policy again with the ARN", &key_policy_fix(""));
    let bare = Scene::new(r#"{"Effect":"Allow","Principal":{"AWS":"AROAOLDOLDOLDOLDOLD01"},"Action":"kms:Decrypt","Resource":"*"}"#);
    bare.check("recreated-principal", "names AROAOLDOLDOLDOLDOLD01, which is what is left of a principal that was deleted", &key_policy_fix(""));
}

#[test]
fn scps_that_nobody_has_shown_leave_an_answer_as_far_as_known() {
    let mut scene = Scene::new(&app(""));
    scene.subject.scps_unknown = true;
    let told = scene.check("limit-unknown", "Allowed as far as known; the organization's SCPs are not in this estate.", "");
    assert_eq!(told.decision, "ALLOW");
    assert_eq!(scene.layer("SCP").verdict, "unknown");
    // It is no proof, and a question that presumes the worst is refused.
    assert!(scene.ask(|s, t, r| authorize(s, t, r).permit()).is_none());
    assert!(Scene::new(&app("")).ask(|s, t, r| authorize(s, t, r).permit()).is_some());
    let adverse = Unsaid::Open(keyward_policy::Presumption::Adverse);
    assert!(!scene.ask(|s, t, r| authorize(s, t, &Request { unsaid: adverse, ..r.clone() }).is_allowed()));
    let ways = scene.ask(crate::ways::ways);
    assert_eq!(ways[0].provisos[0].to_string(), "if every SCP level above the caller allows kms:Decrypt");
    assert_eq!(scene.ask(crate::ways::may), crate::ways::May::Sometimes);
    // [A322] [A321] Whom SCPs do not bind, unknown ones do not either.
    let favourable = Unsaid::Open(keyward_policy::Presumption::Favourable);
    assert!(scene.ask(|s, t, r| authorize(s, t, &Request { unsaid: favourable, ..r.clone() }).is_allowed()));
    scene.subject.service_linked = true;
    assert_eq!(scene.told().situation.as_deref(), Some("allowed"));
    scene.subject.service_linked = false;
    scene.subject.in_management_account = true;
    assert!(scene.ask(|s, t, r| authorize(s, t, r).unknown()).is_none());
    scene.subject.in_management_account = false;
    scene.subject.principal = Principal::Service { name: "s3.amazonaws.com".into() };
    scene.key.policy =
        Scene::new(r#"{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"kms:Decrypt","Resource":"*"}"#).key.policy;
    assert!(scene.ask(|s, t, r| authorize(s, t, r).permit()).is_some());
}

#[test]
fn rcps_that_nobody_has_shown_leave_an_answer_as_far_as_known() {
    let mut scene = Scene::new(&app(""));
    scene.rcps_unknown = true;
    let told = scene.check("limit-unknown", "Allowed as far as known; the organization's RCPs are not in this estate.", "");
    assert_eq!(told.decision, "ALLOW");
    assert_eq!(scene.layer("RCP").verdict, "unknown");
    assert!(scene.ask(|s, t, r| authorize(s, t, r).permit()).is_none());
    let adverse = Unsaid::Open(keyward_policy::Presumption::Adverse);
    assert_eq!(scene.ask(|s, t, r| authorize(s, t, &Request { unsaid: adverse, ..r.clone() }).layer()), crate::authorize::Layer::Rcp);
    let ways = scene.ask(crate::ways::ways);
    assert_eq!(ways[0].provisos[0].to_string(), "if no RCP above the owner denies kms:Decrypt");
    assert_eq!(scene.ask(crate::ways::may), crate::ways::May::Sometimes);
    // [A324] What RCPs do not bind, unknown ones do not either.
    scene.key.manager = KeyManager::Aws;
    assert!(scene.ask(|s, t, r| authorize(s, t, r).unknown()).is_none());
}

#[test]
fn a_federated_user_without_session_policy_has_nothing() {
    let mut scene = Scene::new(DELEGATION);
    let user: keyward_policy::Arn = "arn:aws:iam::111122223333:user/ann".parse().unwrap();
    let arn = "arn:aws:sts::111122223333:federated-user/bob".parse().unwrap();
    scene.subject = Subject::new(Principal::FederatedUser { arn, user: Some(user), user_id: None });
    let scene = scene.identity(EVERYTHING);
    let fix =
        format!(r#"111122223333|the session policy given when the session is made|{{"Effect":"Allow","Action":"kms:Decrypt","Resource":"{KEY}"}}"#);
    scene.check("federated-without-session-policy", "made without a session policy", &fix); // [A219]
    assert_eq!(scene.layer("session policy").verdict, "silent");
}

#[test]
fn root_is_locked_out_like_everybody_else() {
    let mut scene = Scene::new(ADMIN);
    scene.subject = Subject::new(Principal::Root { account: OWN.parse().unwrap(), partition: keyward_policy::Partition::Aws });
    let root = "arn:aws:iam::111122223333:root";
    let statement = format!(
        r#"{{"Effect":"Allow","Principal":{{"AWS":"{root}"}},"Action":"kms:Decrypt","Resource":"*","Condition":{{"ArnEquals":{{"aws:PrincipalArn":"{root}"}}}}}}"#
    );
    let words = "The key policy never names account 111122223333, so its root user is locked out"; // [A302]
    scene.check("root-locked-out", words, &format!("111122223333|the key policy|{statement}"));
}

#[test]
fn faults_of_the_document_are_told_as_such() {
    // [A164]
    let many = Scene::new(&when(r#"{"StringEquals":{"kms:EncryptionContextKeys":"tenant"}}"#)).context(&[("tenant", "a")]);
    let mended = key_policy_fix(r#","Condition":{"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"tenant"}}"#);
    many.check("multivalued-without-set-operator", "needs ForAnyValue: or ForAllValues: before it", &mended);
    // [A102]
    let statement = when(r#"{"StringEquals":{"kms:EncryptionContext:tenant":"${aws:PrincipalTag/tenant}"}}"#);
    let mut old = Scene { key: key(&format!(r#"{{"Statement":[{statement}]}}"#)), ..Scene::new("") }.context(&[("tenant", "a")]);
    old.subject.tags = [("tenant".to_owned(), "a".to_owned())].into();
    assert_eq!(old.told().situation.as_deref(), Some("variable-in-old-version"), "{}", old.told());
    // [A135]
    let statement = format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{ROLE}"}},"Action":"kms:Decrypt"}}"#);
    Scene::new(&statement).check("statement-without-resource", "it has no Resource element", &key_policy_fix(""));
}

#[test]
fn not_principal_never_spares_who_has_a_boundary() {
    let ann = "arn:aws:iam::111122223333:user/ann";
    let deny = format!(r#"{{"Effect":"Deny","NotPrincipal":{{"AWS":["{ann}","{OWN}"]}},"Action":"kms:*","Resource":"*"}}"#);
    let allow = format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{ann}"}},"Action":"kms:Decrypt","Resource":"*"}}"#);
    let mut scene = Scene::new(&format!("{allow},{deny}"));
    scene.subject = Subject::new(Principal::User { arn: ann.parse().unwrap(), id: None });
    assert_eq!(scene.told().decision, "ALLOW");
    scene.subject.boundary = Some(attached(PolicyKind::Identity, "b", EVERYTHING));
    let condition = format!(r#"{{"ArnNotEquals":{{"aws:PrincipalArn":"{ann}"}}}}"#);
    let fix = format!("111122223333|the key policy|exempt this caller from statement 2: to its Condition add {condition}");
    scene.check("not-principal-with-boundary", "which always means a principal with a permissions boundary", &fix); // [A221]
}

#[test]
fn a_grant_for_a_service_is_made_by_the_service() {
    let statement = format!(
        r#"{{"Effect":"Allow","Principal":{{"AWS":"{ROLE}"}},"Action":"kms:CreateGrant","Resource":"*","Condition":{{"Bool":{{"kms:GrantIsForAWSResource":"true"}}}}}}"#
    );
    let scene = Scene { action: "kms:CreateGrant", ..Scene::new(&statement) };
    let fix =
        "111122223333|the request|let the AWS service that uses the key make the grant for you, as ec2.us-east-1.amazonaws.com does for a volume";
    scene.check("grant-not-by-a-service", "so kms:GrantIsForAWSResource is false", fix); // [A550]
}

#[test]
fn a_deny_is_narrowed_whatever_stands_in_it() {
    let check = |condition: &str, added: &str| {
        let deny = format!(r#"{{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"{condition}}}"#);
        let scene = Scene::new(&format!("{},{deny}", app("")));
        let told = scene.told();
        let FixChange::Narrow { statement, condition } = &told.fix.as_ref().unwrap().parts[0].change else { panic!("{told}") };
        assert_eq!((statement.as_str(), condition.as_str()), ("statement 2", added), "{told}");
        // Everybody else is denied as before.
        scene.ask(|subject, target, request| {
            let remedy = remedies(subject, target, request).remove(0);
            let other = Subject::new(Principal::User { arn: "arn:aws:iam::111122223333:user/ann".parse().unwrap(), id: None });
            assert_eq!(remedy.decide(&other, target, request).refusal(), Some(crate::Refusal::Denied));
            assert!(remedy.decide(subject, target, request).is_allowed());
        });
    };
    let exempt = format!(r#"{{"ArnNotEquals":{{"aws:PrincipalArn":"{ROLE}"}}}}"#);
    check("", &exempt);
    check(r#", "Condition": {"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/adm"}}"#, &exempt);
    check(r#", "Condition" : { "ArnNotEquals" : {"aws:SourceArn": "arn:aws:sqs:us-east-1:111122223333:q"}}"#, &exempt);
    check(r#","Condition":{"Null":{"kms:ViaService":"true"},"Bool":{"aws:SecureTransport":"true"}}"#, &exempt);
}

#[test]
fn a_deny_that_cannot_be_narrowed_in_place_stays_as_it_is() {
    // A second Condition would make the statement unreadable, and a Deny that does not read denies nobody.
    let deny = r#"{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{}}"#;
    Scene::new(&format!("{},{deny}", app(""))).check("explicit-deny", "statement 2", "");
}

#[test]
fn a_silent_limit_is_opened_for_this_caller_alone() {
    let principal = format!(r#","Condition":{{"ArnEquals":{{"aws:PrincipalArn":"{ROLE}"}}}}"#);
    let limit = |condition: &str| format!(r#"{{"Effect":"Allow","Action":"kms:Decrypt","Resource":"{KEY}"{condition}}}"#);
    let s3 = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
    let mut scene = Scene::new(&app(""));
    scene.subject.boundary = Some(attached(PolicyKind::Identity, "b", s3));
    let fix = format!("111122223333|the permissions boundary of role/app|{}", limit(&principal));
    scene.check("boundary", "The permissions boundary has no Allow for it", &fix); // [A213]
    let mut scene = Scene::new(&app(""));
    scene.subject.session = Some(vec![attached(PolicyKind::Identity, "s", s3)]);
    let fix = format!("111122223333|the session policy given when the session is made|{}", limit(""));
    scene.check("session", "made with policies that have no Allow for it", &fix);
    // [A330] The endpoint's owner acts; who that is may not be known.
    let endpoint = r#"{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}"#;
    let policy = Some(attached(PolicyKind::Endpoint, "e", endpoint).policy);
    for (account, told) in [(FOREIGN.parse().ok(), FOREIGN), (None, "the account of vpce-1")] {
        let mut scene = Scene::new(&app(""));
        scene.call.endpoint = Some(VpcEndpoint { id: "vpce-1".into(), vpc: "vpc-1".into(), policy: policy.clone(), account, organization: None });
        let statement = format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{ROLE}"}},"Action":"kms:Decrypt","Resource":"{KEY}"}}"#);
        assert_eq!(scene.layer("VPC endpoint").detail, "the policy of vpce-1 does not allow kms:Decrypt");
        scene.check("endpoint", "has no Allow for it", &format!("{told}|the VPC endpoint's policy|{statement}"));
    }
    // [A320] Each level that is silent, by the account that may change it.
    let mut scene = Scene::new(&app(""));
    let mut root = attached(PolicyKind::Scp, "\"S3 only\" on the root", s3);
    root.arn = Some("arn:aws:organizations::999988887777:policy/o-1/service_control_policy/p-1".into());
    scene.subject.scps = Some(vec![vec![root], vec![attached(PolicyKind::Scp, "\"Full\" on ou/prod", EVERYTHING)], vec![]]);
    let fix = [1, 3].map(|level| format!("999988887777|an SCP at level {level}|{}", limit(&principal)));
    scene.check("scp", "Every level of service control policies above the caller must allow it", &fix.join("\n"));
    assert_eq!(scene.layer("SCP level 1").detail, "the root: its SCP does not allow kms:Decrypt");
    assert_eq!((scene.layer("SCP level 2").verdict.as_str(), scene.layer("SCP level 2").detail.as_str()), ("allows", "ou/prod"));
    assert_eq!(scene.layer("SCP level 3").detail, "no SCP is attached");
}

#[test]
fn a_trust_policy_is_told_and_mended_as_a_key_policy_is() {
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/adm"},"Action":"sts:AssumeRole"}}"#;
    let trust = ResourcePolicy::unbound(Policy::parse(PolicyKind::Trust, trust));
    let scene = Scene::new("").identity(EVERYTHING);
    let arn = "arn:aws:iam::111122223333:role/target";
    let target = Target::new(Resource::Other { arn, account: OWN.parse().ok(), policy: Some(&trust), tags: None });
    let request = Request::new(Action::parse("sts:AssumeRole").unwrap(), &scene.call);
    let told = explain(&scene.subject, &target, &request);
    assert_eq!((told.layers[0].layer.as_str(), told.layers[0].verdict.as_str()), ("trust policy", "silent"), "{told}");
    let part = &told.fix.as_ref().unwrap().parts[0];
    let statement = format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{ROLE}"}},"Action":"sts:AssumeRole"}}"#);
    assert_eq!((part.place.as_str(), &part.change), ("the trust policy", &FixChange::Statement(statement)), "{told}");
}

#[test]
fn who_is_exempt_is_told_with_the_reason() {
    let level = || Some(vec![vec![attached(PolicyKind::Scp, "\"S3\" on the root", r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#)]]);
    let rcp = || vec![attached(PolicyKind::Rcp, "r", r#"{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"}"#)];
    let check = |scene: &Scene, layer: &str, reason: &str| {
        let report = scene.layer(layer);
        assert_eq!((report.verdict.as_str(), report.detail.as_str()), ("does not bind", reason));
    };
    let mut linked = Scene { rcps: rcp(), ..Scene::new(&app("")) };
    linked.subject.scps = level();
    linked.subject.service_linked = true;
    check(&linked, "SCP", "the caller is a service-linked role"); // [A322]
    check(&linked, "RCP", "the caller is a service-linked role");
    let mut management = Scene::new(&app(""));
    management.subject.in_management_account = true;
    check(&management, "SCP", "the caller is in the organization's management account"); // [A321]
    let mut managed = Scene { rcps: rcp(), ..Scene::new(&app("")) };
    managed.key.manager = KeyManager::Aws;
    check(&managed, "RCP", "the key is managed by AWS"); // [A325]
    let mut forwarded = Scene::new(&app(""));
    forwarded.call.endpoint = Some(VpcEndpoint { id: "vpce-1".to_owned(), vpc: "vpc-1".to_owned(), policy: None, account: None, organization: None });
    assert_eq!(forwarded.layer("VPC endpoint").verdict, "passes");
    forwarded.call.via = Some(Via::service_door("s3.us-east-1.amazonaws.com"));
    check(&forwarded, "VPC endpoint", "a service calls for the caller, and not through the caller's endpoint"); // [A332]
    let mut service = Scene::new(ADMIN);
    service.subject = Subject::new(Principal::Service { name: "logs.us-east-1.amazonaws.com".into() });
    service.subject.scps = level();
    check(&service, "SCP", "the caller is an AWS service"); // [A323]
    // [A212] A boundary that says nothing does not limit who is named itself.
    let mut user = Scene::new(r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/ann"},"Action":"kms:*","Resource":"*"}"#);
    user.subject = Subject::new(Principal::User { arn: "arn:aws:iam::111122223333:user/ann".parse().unwrap(), id: None });
    user.subject.boundary = Some(attached(PolicyKind::Identity, "b", r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#));
    check(&user, "boundary", "the caller itself is named by what allows; its silence does not count");
    // An RCP that does not deny passes, one that does is cited.
    let denied = Scene { rcps: rcp(), ..Scene::new(&app("")) };
    assert_eq!(denied.layer("RCP").verdict, "denies");
    let organization = Membership { id: "o-1".into(), path: None };
    let mut member = Scene { rcps: rcp(), ..Scene::new(&app("")) };
    member.subject.organization = Some(organization);
    assert_eq!(member.told().fix.unwrap().parts[0].account, "the management account of o-1");
}

#[test]
fn statements_are_told_by_sid_number_and_place() {
    let text = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\"Sid\": \"One\", \"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": \"kms:*\", \"Resource\": \"*\"}\n  ]\n}";
    let mut scene = Scene::new("");
    scene.key = key(text);
    let source = scene.layer("key policy").statements[0].source.clone();
    let place = source.place.unwrap();
    assert_eq!((source.sid.as_deref(), source.number, place.line, place.column), (Some("One"), Some(1), 4, 5));
    let [start, end] = place.bytes.map(|byte| byte as usize);
    assert!(text[start..end].starts_with(r#"{"Sid": "One""#) && text[start..end].ends_with('}'));
    assert!(scene.told().to_string().contains("statement 1 \"One\" at 4:5"));
    // As ids and spans, before anybody reads.
    let reasons = scene.ask(reasons);
    assert_eq!((reasons.layers[0].stance, reasons.layers[0].statements[0].span.start as usize), (Stance::Allows, start));
}

#[test]
fn json_is_read_back_and_so_is_what_older_releases_wrote() {
    let scene = Scene { subject: session(FOREIGN), ..Scene::new(ADMIN) };
    let told = scene.told();
    assert_eq!(told.fix.as_ref().unwrap().parts.len(), 2);
    assert_eq!(serde_json::from_str::<Explanation>(&serde_json::to_string(&told).unwrap()).unwrap(), told);
    let old = r#"{"decision":"DENY","action":"kms:Decrypt","resource":"r","caller":"c","caller_account":null,"owner_account":null,
        "decided_by":"key-policy","rules":["A302"],"summary":"s","layers":[{"layer":"key policy","verdict":"silent","detail":"d",
        "statements":[{"name":"statement 1","conditions":[]}],"nearest":{"name":"statement 2 \"X\"","lacks":"l"}}],
        "fix":{"account":"111122223333","place":"the key policy","statement":"{}"},"message":"m"}"#;
    let read: Explanation = serde_json::from_str(old).unwrap();
    assert_eq!(read.layers[0].nearest.as_ref().unwrap().source.name, "statement 2 \"X\"");
    assert_eq!(read.fix.unwrap().parts[0].change, FixChange::Statement("{}".to_owned()));
}

#[test]
fn every_situation_is_in_the_documents() {
    let documented = include_str!("../../../../docs/explanations.md");
    let names = include_str!("situations.rs")
        .split('"')
        .filter(|text| text.contains('-') && !text.starts_with('-') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
    let names: Vec<&str> = names.collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(documented.contains(&format!("`{name}`")), "docs/explanations.md does not have {name}");
    }
}
