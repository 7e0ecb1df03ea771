//! Text with wildcards, compared by listing every place that the pattern read so far can have reached.

/// One element of a pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Piece {
    /// This character.
    Is(char),
    /// `*`: any run, also none.
    Run,
    /// `?`: one character.
    One,
}

/// A pattern in which `*` and `?` are wildcards.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    text.chars()
        .map(|char| match char {
            '*' => Piece::Run,
            '?' => Piece::One,
            char => Piece::Is(char),
        })
        .collect()
}

/// A pattern that is only itself.
pub(super) fn literally(text: &str) -> Vec<Piece> {
    text.chars().map(Piece::Is).collect()
}

/// Whether the pattern covers the whole text.
pub(super) fn covers(pattern: &[Piece], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // `reached` has a place before each character and one after the last.
    let mut reached = vec![false; text.len()];
    reached.insert(0, true);
    for piece in pattern {
        reached = match piece {
            Piece::Run => reached
                .iter()
                .scan(false, |before, here| {
                    *before |= here;
                    Some(*before)
                })
                .collect(),
            Piece::One => std::iter::once(false).chain(reached.iter().zip(&text).map(|(here, _)| *here)).collect(),
            Piece::Is(wanted) => std::iter::once(false).chain(reached.iter().zip(&text).map(|(here, char)| *here && char == wanted)).collect(),
        };
    }
    reached.last() == Some(&true)
}

/// The segments of an ARN or of a pattern of one: five ended by colons, the sixth is the rest (A137).
pub(super) fn segments(text: &str) -> Vec<&str> {
    text.splitn(6, ':').collect()
}

/// A segment of an ARN by its place, empty when there is none.
pub(super) fn segment(arn: &str, place: usize) -> &str {
    segments(arn).get(place).copied().unwrap_or_default()
}
