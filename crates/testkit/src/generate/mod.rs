//! Cases made by chance from a seed, for holding two deciders against each other.
//!
//! [`typed`] draws estates and requests from small shared pools so that policies and requests meet often; [`wild`]
//! bends such cases into what stored policies and odd requests may hold; [`small`] counts through a tiny universe.

mod chance;
mod estate;
mod policy;
mod request;
mod small;
mod wild;

use serde_json::{Value, json};

pub use self::chance::Chance;
pub use self::small::{small, small_count};
pub use self::wild::wild;
use keyward_cases::Case;

/// A case that could be: the request is of a kind that the API has, and the policies are mostly about it.
#[must_use]
pub fn typed(seed: u64) -> Value {
    let mut chance = Chance::from_seed(seed);
    let mut case = request::skeleton(&mut chance, &format!("typed-{seed}"));
    estate::add_grants(&mut chance, &mut case);
    request::add_grant_parameters(&mut chance, &mut case);
    policy::add_policies(&mut chance, &mut case);
    case
}

/// The case as the deciders read it.
fn read(case: &Value) -> Option<Case> {
    serde_json::from_value(case.clone()).ok()
}

const A: &str = "111122223333";
const B: &str = "444455556666";

/// Tag names and values, shared by principals, keys and requests.
const TAGS: [(&str, &str); 5] = [("team", "pay"), ("team", "ops"), ("Env", "prod"), ("env", "dev"), ("cost", "")];

/// Encryption context pairs, shared by requests, constraints and conditions.
const PAIRS: [(&str, &str); 6] =
    [("tenant", "a"), ("tenant", "b"), ("project", "p"), ("Project", "P"), ("aws:s3:arn", "arn:aws:s3:::data/x"), ("dept", "")];

const SERVICES: [&str; 4] = ["s3.amazonaws.com", "cloudtrail.amazonaws.com", "logs.us-east-1.amazonaws.com", "x.amazonaws.com"];

const SOURCE_ARNS: [&str; 2] = ["arn:aws:cloudtrail:us-east-1:111122223333:trail/t", "arn:aws:s3:us-east-1:111122223333:thing/s"];

/// A map of one or two pairs; rarely the same name in two cases (A168).
fn pairs(chance: &mut Chance, pool: &[(&str, &str)]) -> Value {
    let mut map = serde_json::Map::new();
    for (name, value) in chance.some(pool, 2) {
        map.insert(name.to_owned(), json!(value));
        if chance.percent(3) {
            map.insert(name.to_uppercase(), json!(value));
        }
    }
    Value::Object(map)
}
