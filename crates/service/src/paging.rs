//! Pages of lists: a limit, and a marker that only this list, this account and this Region take back (K220–K223) (T31).

use keyward_crypto::Purpose;

use crate::call::Call;
use crate::error::Error;
use crate::tokens::{open_from_client, seal_for_client};

/// How many a page may hold when the request does not say, and at most (K220).
#[derive(Clone, Copy)]
pub(crate) struct PageSize {
    pub(crate) default: usize,
    pub(crate) max: usize,
}

/// One page, and the way to the next.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_marker: Option<String>,
}

/// Cuts the page that a request asks for out of everything that the list holds. `place` orders the list; it must not
/// change while the item lives, so that pages neither skip nor repeat what was there all the time (K223).
pub(crate) fn page<T>(
    call: &Call<'_>,
    list: &str,
    size: PageSize,
    limit: Option<usize>,
    marker: Option<&str>,
    items: impl Iterator<Item = T>,
    place: impl Fn(&T) -> String,
) -> Result<Page<T>, Error> {
    let root = call.vault.root();
    let bound = format!("{list}\n{}\n{}", call.account()?, call.region());
    let after = match marker {
        Some(marker) => Some(open_from_client(root, Purpose::Marker, &bound, marker).ok_or(Error::InvalidMarker)?),
        None => None,
    };
    let mut placed: Vec<(String, T)> = items
        .map(|item| (place(&item), item))
        .filter(|(place, _)| after.as_deref().is_none_or(|after| place.as_bytes() > after.as_slice()))
        .collect();
    placed.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let length = limit.unwrap_or(size.default).clamp(1, size.max); // [K221]
    let last = (placed.len() > length).then(|| placed.get(length - 1).map(|(place, _)| place.clone())).flatten();
    let next_marker = last.map(|last| seal_for_client(root, call.env, Purpose::Marker, &bound, last.as_bytes())).transpose()?;
    placed.truncate(length);
    Ok(Page { items: placed.into_iter().map(|(_, item)| item).collect(), next_marker })
}
