//! What a file says twice, and differently: it could be true at no start, or at every start anew.

use std::collections::BTreeMap;

use super::{Seed, SeedAccount, SeedError};

/// The first contradiction in a file, at the later of its two places.
pub(super) fn contradiction(seed: &Seed) -> Option<SeedError> {
    let mut access_keys = Taken::default();
    for (id, account) in &seed.accounts {
        if let Err(error) = in_account(account, &mut access_keys) {
            return Some(within(&["accounts", id.as_str()], error));
        }
    }
    seed.doors.iter().find_map(|(name, door)| {
        let key = door.access_key.as_ref()?;
        access_keys.take(&key.id, &key.id, &["doors", name, "access_key", "id"], "access key").err()
    })
}

fn in_account(account: &SeedAccount, access_keys: &mut Taken) -> Result<(), SeedError> {
    // [K270] Names are unique whatever their letter case.
    let kinds: [(&str, &str, Vec<&String>); 4] = [
        ("policies", "policy", account.policies.keys().collect()),
        ("groups", "group", account.groups.keys().collect()),
        ("users", "user", account.users.keys().collect()),
        ("roles", "role", account.roles.keys().collect()),
    ];
    for (member, what, names) in kinds {
        let mut taken = Taken::default();
        for name in names {
            taken.take(&name.to_ascii_lowercase(), name, &[member, name], what)?;
        }
    }
    // [K271] So are the names of tags on users and roles.
    let tagged = account.users.iter().map(|(name, user)| ("users", name, &user.tags));
    let tagged = tagged.chain(account.roles.iter().map(|(name, role)| ("roles", name, &role.tags)));
    for (member, name, tags) in tagged {
        let mut taken = Taken::default();
        for tag in tags.keys() {
            taken.take(&tag.to_ascii_lowercase(), tag, &[member, name, "tags", tag], "tag")?;
        }
    }
    if let Some(key) = &account.root_access_key {
        access_keys.take(&key.id, &key.id, &["root_access_key", "id"], "access key")?;
    }
    for (name, user) in &account.users {
        if let Some(key) = &user.access_key {
            access_keys.take(&key.id, &key.id, &["users", name, "access_key", "id"], "access key")?;
        }
    }
    // [K50] An alias names one key of its account and Region.
    let mut aliases = Taken::default();
    for (id, key) in &account.keys {
        for (at, alias) in key.aliases.iter().enumerate() {
            aliases.take(&format!("{} {alias}", key.region), alias, &["keys", id, "aliases", &at.to_string()], "alias")?;
        }
        for (region, replica) in &key.replicas {
            for (at, alias) in replica.aliases.iter().enumerate() {
                let place = ["keys", id, "replicas", region.as_str(), "aliases", &at.to_string()];
                aliases.take(&format!("{region} {alias}"), alias, &place, "alias")?;
            }
        }
    }
    Ok(())
}

/// What is taken already: how it was written, and where.
#[derive(Default)]
struct Taken(BTreeMap<String, (String, String)>);

impl Taken {
    fn take(&mut self, key: &str, written: &str, place: &[&str], what: &str) -> Result<(), SeedError> {
        match self.0.insert(key.to_owned(), (written.to_owned(), place.join("."))) {
            None => Ok(()),
            Some((earlier, at)) if earlier == written => Err(fault(place, format!("{what} `{written}` is there already, at {at}"))),
            Some((earlier, at)) => Err(fault(place, format!("{what} `{written}` differs from `{earlier}`, at {at}, by its letter case only"))),
        }
    }
}

fn fault(place: &[&str], message: String) -> SeedError {
    SeedError { at: place.iter().map(|part| (*part).to_owned()).collect(), message }
}

fn within(place: &[&str], mut error: SeedError) -> SeedError {
    error.at.splice(0..0, place.iter().map(|part| (*part).to_owned()));
    error
}
