//! What somebody may have meant.

/// Typing mistakes that still count as the same word.
const DISTANCE_MAX: usize = 3;

/// The candidate nearest to `text`, letter case aside, if one is near.
pub(super) fn nearest<'c>(text: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let text = text.to_ascii_lowercase();
    let most = DISTANCE_MAX.min(text.len() / 3);
    let scored = candidates.into_iter().map(|candidate| (distance(&text, &candidate.to_ascii_lowercase()), candidate));
    scored.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// Levenshtein's: insertions, deletions and replacements of bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, left) in a.bytes().enumerate() {
        let mut diagonal = at;
        let mut previous = at + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(b.bytes()) {
            let replaced = diagonal + usize::from(left != right);
            diagonal = *cell;
            previous = replaced.min(*cell + 1).min(previous + 1);
            *cell = previous;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [("", "abc", 3), ("abc", "abc", 0), ("kitten", "sitting", 3), ("abc", "", 3)] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_the_near_is_meant() {
        assert_eq!(nearest("Decript", ["Encrypt", "Decrypt"]), Some("Decrypt"));
        assert_eq!(nearest("Frobnicate", ["Encrypt", "Decrypt"]), None);
    }
}
