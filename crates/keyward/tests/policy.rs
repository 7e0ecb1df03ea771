//! Transcripts of `keyward policy`: each `testdata/policy/*.txt` is run, byte for byte. `KEYWARD_UPDATE=1` writes them anew.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/policy")
}

/// Runs `keyward …`, with `< FILE` for its input, in the folder of the transcripts: what it prints, what it complains, how it ends.
fn run(command: &str) -> Result<String> {
    let (command, input) = command.split_once(" < ").map_or((command, None), |(command, input)| (command, Some(input)));
    let mut words = command.split(' ');
    anyhow::ensure!(words.next() == Some("keyward"), "a transcript runs keyward alone");
    let stdin = input.map_or_else(|| Ok(Stdio::null()), |input| File::open(folder().join(input)).map(Stdio::from))?;
    let output = Command::new(env!("CARGO_BIN_EXE_keyward")).args(words).current_dir(folder()).stdin(stdin).output()?;
    let mut text = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
    match output.status.code().context("killed")? {
        0 => {}
        code => text.push_str(&format!("[exit {code}]\n")),
    }
    Ok(text)
}

#[test]
fn transcripts() -> Result<()> {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder())? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let recorded = std::fs::read_to_string(&path)?;
        let mut current = String::new();
        for command in recorded.lines().filter_map(|line| line.strip_prefix("$ ")) {
            current.push_str(&format!("$ {command}\n{}", run(command)?));
            seen += 1;
        }
        if std::env::var_os("KEYWARD_UPDATE").is_some() {
            std::fs::write(&path, current)?;
        } else {
            assert_eq!(recorded, current, "{}: KEYWARD_UPDATE=1 writes it anew", path.display());
        }
    }
    assert!(seen > 10, "only {seen} commands were run");
    Ok(())
}

#[test]
fn files_are_written_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("p.json");
    std::fs::write(&file, r#"{"Statement":[],"Version":"2012-10-17"}"#)?;
    let format = |option: &str| Command::new(env!("CARGO_BIN_EXE_keyward")).args(["policy", "format", option]).arg(&file).output();
    assert_eq!(format("--check")?.status.code(), Some(1));
    assert_eq!(format("--write")?.status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&file)?, "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": []\n}\n");
    assert_eq!(format("--check")?.status.code(), Some(0));
    Ok(())
}
