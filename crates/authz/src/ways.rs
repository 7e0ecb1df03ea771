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
        if way.needs_identity && way.layer == Layer::Grant {
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
