//! Over all requests that say what a question says: may a principal do this, in which ways, and on what does each hang?
//!
//! The answer is found by the one decision, asked twice: once with everything that is not known in the caller's favour,
//! once against it. What both allow is always allowed; what only the first allows hangs on conditions, which are told.

use std::fmt;

use keyward_policy::Presumption;
use serde::{Deserialize, Serialize};

use crate::authorize::{Layer, OneWay, authorize, every_way, missing_limits};
use crate::explain::{ConditionReport, Teller};
use crate::facts::{Request, Resource, Subject, Target, Unsaid};
use crate::grant::serves;
use crate::layers::{Layers, Origin, StatementRef, consult};

/// Whether a principal may do something, over all requests that say what a question says.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum May {
    /// No such request is allowed.
    Never,
    /// Some may be: it hangs on what the question does not say.
    Sometimes,
    /// All are.
    Always,
}

/// Asks the decision in both ways. What `request` has under [`Unsaid`] does not matter.
pub fn may(subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> May {
    if !authorize(subject, target, &open(request, Presumption::Favourable)).is_allowed() {
        return May::Never;
    }
    match authorize(subject, target, &open(request, Presumption::Adverse)).is_allowed() {
        true => May::Always,
        false => May::Sometimes,
    }
}

/// One way in which a principal gets what it asks for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Way {
    /// `key-policy`, `identity` or `grant`.
    pub by: String,
    /// The statements and grants that allow, by name.
    pub through: Vec<String>,
    /// What must hold besides, all of it; nothing: it always serves.
    pub provisos: Vec<Proviso>,
}

/// Something on which a way hangs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Proviso {
    /// The conditions of at least one of these are met.
    If(Vec<Hanging>),
    /// The conditions of this Deny are not all met.
    Unless(Hanging),
}

/// A statement or grant, and those of its conditions that hang on what is not known.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Hanging {
    /// The statement or grant.
    pub name: String,
    /// Its open conditions, all of which count.
    pub conditions: Vec<ConditionReport>,
}

/// Every way, the one that decides first. Empty: never.
pub fn ways(subject: &Subject, target: &Target<'_>, request: &Request<'_>) -> Vec<Way> {
    let request = open(request, Presumption::Favourable);
    let layers = consult(subject, target, &request);
    let found = every_way(subject, target, &request, &layers);
    if found.is_empty() {
        return Vec::new();
    }
    let searcher = Searcher { subject, target, request: &request, layers: &layers };
    let unless = searcher.open_denies();
    found.iter().map(|way| searcher.way(way, &unless)).collect()
}

fn open<'r>(request: &Request<'r>, presumption: Presumption) -> Request<'r> {
    Request { unsaid: Unsaid::Open(presumption), ..request.clone() }
}

struct Searcher<'a> {
    subject: &'a Subject,
    target: &'a Target<'a>,
    request: &'a Request<'a>,
    /// In the caller's favour.
    layers: &'a Layers,
}

impl Searcher<'_> {
    fn teller(&self) -> Teller<'_> {
        Teller { subject: self.subject, target: self.target, request: self.request, layers: self.layers }
    }

    fn way(&self, way: &OneWay, unless: &[Proviso]) -> Way {
        let of = |wanted: fn(Origin) -> bool| way.statements.iter().copied().filter(move |at| wanted(at.origin)).collect::<Vec<_>>();
        let mut groups = vec![
            of(|origin| matches!(origin, Origin::Resource | Origin::Ram)),
            of(|origin| matches!(origin, Origin::Identity(_))),
            of(|origin| matches!(origin, Origin::Grant(_))),
        ];
        if way.needs_identity {
            groups.push(self.layers.identity.allows.clone());
        }
        if way.needs_limits {
            groups.extend(self.layers.boundary.iter().chain(&self.layers.session).map(|verdict| verdict.allows.clone()));
        }
        groups.extend(self.layers.scp.iter().flatten().chain(&self.layers.endpoint).map(|verdict| verdict.allows.clone()));
        let teller = self.teller();
        let provisos = groups.iter().filter_map(|group| self.proviso(group));
        Way {
            by: way.layer.name().to_owned(),
            through: way.statements.iter().map(|at| teller.name_with_policy(*at)).collect(),
            provisos: provisos.chain(self.unknown_limits()).chain(unless.iter().cloned()).collect(),
        }
    }

    /// What hangs on SCPs and RCPs that the facts do not have.
    fn unknown_limits(&self) -> impl Iterator<Item = Proviso> {
        missing_limits(self.subject, self.target, self.request).map(|layer| {
            let (key, operator, kind) = match layer {
                Layer::Rcp => ("no RCP above the owner", "denies", "RCPs"),
                _ => ("every SCP level above the caller", "allows", "SCPs"),
            };
            let wanted = vec![self.request.action.to_string()];
            let conditions = vec![ConditionReport { key: key.to_owned(), operator: operator.to_owned(), wanted, found: None, holds: None }];
            Proviso::If(vec![Hanging { name: format!("the organization's {kind}, which are not in this estate"), conditions }])
        })
    }

    /// What one of several must meet; nothing where one of them meets all.
    fn proviso(&self, group: &[StatementRef]) -> Option<Proviso> {
        let hanging: Option<Vec<Hanging>> = group.iter().map(|at| self.hanging(*at)).collect();
        hanging.filter(|hanging| !hanging.is_empty()).map(Proviso::If)
    }

    /// The open conditions of a statement or a grant; none if it has none.
    fn hanging(&self, at: StatementRef) -> Option<Hanging> {
        let teller = self.teller();
        if let (Origin::Grant(place), Resource::Key { grants, .. }) = (at.origin, &self.target.resource) {
            let grant = grants.get(place)?;
            let adverse = open(self.request, Presumption::Adverse);
            let miss = serves(grant, self.request.action.kms()?, self.subject, &adverse).err()?;
            return Some(Hanging { name: teller.name_with_policy(at), conditions: crate::explain::grant_conditions(grant, &miss) });
        }
        let conditions = teller.open_conditions(at);
        (!conditions.is_empty()).then(|| Hanging { name: teller.name_with_policy(at), conditions })
    }

    /// Denies that would refuse some of the requests.
    fn open_denies(&self) -> Vec<Proviso> {
        let adverse = open(self.request, Presumption::Adverse);
        let layers = consult(self.subject, self.target, &adverse);
        let denies = layers.every_deny();
        denies.filter_map(|at| self.hanging(at)).map(Proviso::Unless).collect()
    }
}

impl fmt::Display for Proviso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = |hanging: &Hanging| hanging.conditions.iter().map(ConditionReport::wish).collect::<Vec<_>>().join(" and ");
        match self {
            Self::If(hanging) => {
                let mut wishes: Vec<String> = hanging.iter().map(all).collect();
                wishes.dedup();
                write!(f, "if {}", wishes.join(", or "))
            }
            Self::Unless(hanging) => write!(f, "unless {} ({})", all(hanging), hanging.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyward_policy::PolicyKind;

    use super::*;
    use crate::facts::Principal;
    use crate::grant::{Grant, GrantPrincipal};
    use crate::scene::{FOREIGN, OWN, ROLE, Scene, attached, grant, session};

    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/app/x";
    const ROOT: &str = "arn:aws:iam::111122223333:root";

    /// Allows it if a value is there, which every layer gives another name.
    fn on(principal: &str, key: &str) -> String {
        format!(r#"{{"Effect":"Allow",{principal}"Action":"kms:*","Resource":"*","Condition":{{"StringEquals":{{"{key}":"v"}}}}}}"#)
    }

    fn named(arn: &str) -> String {
        on(&format!(r#""Principal":{{"AWS":"{arn}"}},"#), "kms:ViaService")
    }

    /// Every layer of the caller's own is there, each with a condition of its own.
    fn scene(key_policy: &str) -> Scene {
        let mut scene = Scene::new(key_policy).identity(&on("", "aws:SourceVpc"));
        scene.subject.boundary = Some(attached(PolicyKind::Identity, "boundary", &on("", "aws:SourceVpce")));
        scene.subject.session = Some(vec![attached(PolicyKind::Identity, "session", &on("", "aws:UserAgent"))]);
        scene
    }

    /// Each way and the condition keys on which it hangs.
    #[track_caller]
    fn check(scene: &Scene, expected: &[(&str, &[&str])]) {
        let hanging = |proviso: &Proviso| match proviso {
            Proviso::If(hanging) => hanging.iter().flat_map(|one| &one.conditions).map(|condition| condition.key.clone()).collect::<Vec<_>>(),
            Proviso::Unless(_) => Vec::new(),
        };
        let found: Vec<(String, Vec<String>)> =
            scene.ask(ways).into_iter().map(|way| (way.by, way.provisos.iter().flat_map(hanging).collect())).collect();
        let found: Vec<(&str, Vec<&str>)> = found.iter().map(|(by, keys)| (by.as_str(), keys.iter().map(String::as_str).collect())).collect();
        let expected: Vec<(&str, Vec<&str>)> = expected.iter().map(|(by, keys)| (*by, keys.to_vec())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_way_hangs_on_what_it_needs_and_on_nothing_else() {
        // [A305] Whom the key policy names itself, needs nothing of its own side.
        check(&scene(&named(SESSION)), &[("key-policy", &["kms:ViaService"])]);
        // [A306] A role's name lets boundary and session policy bind.
        check(&scene(&named(ROLE)), &[("key-policy", &["kms:ViaService", "aws:SourceVpce", "aws:UserAgent"])]);
        // [A303] Delegation asks the identity policies, too.
        check(&scene(&named(ROOT)), &[("identity", &["kms:ViaService", "aws:SourceVpc", "aws:SourceVpce", "aws:UserAgent"])]);
        // The role's statement beside the session's own is told once, with that way.
        check(&scene(&format!("{},{}", named(SESSION), named(ROLE))), &[("key-policy", &["kms:ViaService", "kms:ViaService"])]);
    }

    #[test]
    fn a_root_user_needs_no_identity_policy_but_meets_limits() {
        let mut scene = scene(&named(ROOT));
        scene.subject.principal = Principal::Root { account: OWN.parse().unwrap(), partition: Default::default() };
        check(&scene, &[("key-policy", &["kms:ViaService", "aws:SourceVpce", "aws:UserAgent"])]); // [A209]
    }

    #[test]
    fn every_deny_that_may_match_is_a_proviso() {
        let deny = |key: &str| format!(r#"{{"Effect":"Deny","Action":"kms:*","Resource":"*","Condition":{{"StringEquals":{{"{key}":"v"}}}}}}"#);
        let in_policy = deny("aws:SourceVpc").replace(r#""Action""#, r#""Principal":"*","Action""#);
        let mut scene = Scene::new(&format!("{},{in_policy}", named(SESSION))).identity(&deny("aws:SourceVpce"));
        scene.subject.boundary = Some(attached(PolicyKind::Identity, "boundary", &deny("aws:UserAgent")));
        scene.subject.session = Some(vec![attached(PolicyKind::Identity, "session", &deny("aws:Referer"))]);
        let everything = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
        scene.subject.scps = Some(vec![vec![attached(PolicyKind::Scp, "scp", &format!("{everything},{}", deny("aws:CalledViaFirst")))]]);
        let rcp = deny("aws:CalledViaLast").replace(r#""Action""#, r#""Principal":"*","Action""#);
        scene.rcps = vec![attached(PolicyKind::Rcp, "rcp", &rcp)];
        let ways = scene.ask(ways);
        let unless = |proviso: &Proviso| match proviso {
            Proviso::Unless(hanging) => hanging.conditions.iter().map(|condition| condition.key.clone()).collect::<Vec<_>>(),
            Proviso::If(_) => Vec::new(),
        };
        let mut found: Vec<String> = ways[0].provisos.iter().flat_map(unless).collect();
        found.sort();
        assert_eq!(found, ["aws:CalledViaFirst", "aws:CalledViaLast", "aws:Referer", "aws:SourceVpc", "aws:SourceVpce", "aws:UserAgent"]);
    }

    fn granted(grantee: &str, operations: &[&str]) -> Arc<Grant> {
        Arc::new(grant(grantee, operations))
    }

    #[test]
    fn a_grant_needs_what_its_grantee_says() {
        let with = |grantee: &str| Scene { grants: vec![granted(grantee, &["Decrypt"])], ..scene(&named("arn:aws:iam::111122223333:role/other")) };
        check(&with(SESSION), &[("grant", &[])]);
        check(&with(ROLE), &[("grant", &["aws:SourceVpce", "aws:UserAgent"])]); // [A608]
        check(&with(ROOT), &[("grant", &["aws:SourceVpc", "aws:SourceVpce", "aws:UserAgent"])]);
        // Two grants are two ways; one of somebody else is none.
        let mut several = with(SESSION);
        several.grants.extend([granted(ROLE, &["Decrypt"]), granted("arn:aws:iam::111122223333:role/other", &["Decrypt"])]);
        check(&several, &[("grant", &[]), ("grant", &["aws:SourceVpce", "aws:UserAgent"])]);
        // A boundary that is silent ends the way by the role's grant, and that alone.
        several.subject.boundary = Some(attached(PolicyKind::Identity, "boundary", r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#));
        check(&several, &[("grant", &[])]);
    }

    #[test]
    fn retiring_hangs_on_how_the_caller_comes_to_it() {
        // [A620]
        let retire = |grant: Grant, caller: &str| {
            let mut scene = scene(&named(ROOT));
            scene.subject.principal = session(caller).principal;
            scene.action = "kms:RetireGrant";
            scene.retires = Some(grant);
            scene
        };
        let by = |retiring: &str| GrantPrincipal::Aws { arn: retiring.parse().unwrap(), bound: None };
        let mut of_retiring = grant("arn:aws:iam::111122223333:role/other", &["Decrypt"]);
        of_retiring.terms.retiring = Some(by(ROLE));
        check(&retire(of_retiring, OWN), &[("grant", &[])]);
        check(&retire(grant(SESSION, &["RetireGrant"]), OWN), &[("grant", &[])]);
        check(&retire(grant(ROLE, &["RetireGrant"]), OWN), &[("grant", &["aws:SourceVpce", "aws:UserAgent"])]);
        check(&retire(grant(ROOT, &["RetireGrant"]), OWN), &[("grant", &["aws:SourceVpc", "aws:SourceVpce", "aws:UserAgent"])]);
        let of_owner = grant("arn:aws:iam::111122223333:role/other", &["Decrypt"]);
        check(&retire(of_owner.clone(), OWN), &[("identity", &["aws:SourceVpc", "aws:SourceVpce", "aws:UserAgent"])]);
        check(&retire(of_owner, FOREIGN), &[]);
    }
}
