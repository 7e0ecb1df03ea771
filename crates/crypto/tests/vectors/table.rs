//! What came of a file, as a line.

/// One file.
pub(crate) struct Row {
    pub(crate) file: &'static str,
    pub(crate) algorithm: &'static str,
    pub(crate) tests: usize,
    /// Of these, how many went through this crate's API; the others through the library below it.
    pub(crate) api: usize,
    /// Accepted, with the outcome of the vector.
    pub(crate) taken: usize,
    pub(crate) refused: usize,
    pub(crate) excepted: usize,
    /// What is not as listed.
    pub(crate) wrong: Vec<String>,
}

/// Prints the lines, then fails when one of them is wrong.
pub(crate) fn show(rows: &[Row]) {
    println!("{:42}{:44}{:>6}{:>6}{:>7}{:>9}{:>10}", "file", "for", "tests", "api", "taken", "refused", "excepted");
    for row in rows {
        println!("{:42}{:44}{:6}{:6}{:7}{:9}{:10}", row.file, row.algorithm, row.tests, row.api, row.taken, row.refused, row.excepted);
    }
    let wrong: Vec<&str> = rows.iter().flat_map(|row| &row.wrong).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
