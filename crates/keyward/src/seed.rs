//! Seed files: reading them, and showing where one is wrong. `keyward seed`

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use keyward_service::Host;
use keyward_service::seed::{self, Seed, SeedError};
use keyward_store::MemoryStore;
use miette::{LabeledSpan, MietteDiagnostic, NamedSource, Report, SourceSpan};
use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::{out, rim};

#[derive(Args)]
pub(crate) struct SeedArgs {
    #[command(subcommand)]
    command: SeedCommand,
}

#[derive(Subcommand)]
enum SeedCommand {
    /// Say whether a seed file would be taken, and what it makes
    Check {
        /// The file
        file: PathBuf,
    },
    /// Print the JSON Schema of seed files, for editors
    Schema,
}

pub(crate) fn run(arguments: &SeedArgs) -> anyhow::Result<()> {
    match &arguments.command {
        SeedCommand::Check { file } => {
            let host = Host::open(Box::new(MemoryStore::default()), rim::forgotten_root_key()?, rim::env())?;
            let made = plant(&host, file)?;
            out::line(format!("{} is a seed file; in a new estate it makes {made} things", file.display()))
        }
        SeedCommand::Schema => out::json(&seed::schema()),
    }
}

/// Brings the estate to what the file says. Returns how many things changed: none the second time.
///
/// # Errors
/// When the file does not read or says what cannot be; nothing has changed then, and the place is underlined.
pub(crate) fn plant(host: &Host, file: &Path) -> anyhow::Result<usize> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read the seed file {}", file.display()))?;
    let name = file.display().to_string();
    let seed: Seed = serde_saphyr::from_str(&text).map_err(|error| unreadable(&name, &text, &error))?;
    let planted = host.administer(|state, host| match seed::apply(&seed, state, host) {
        Ok(changes) => Ok((Ok(changes.len()), changes)),
        Err(error) => Ok((Err(error), Vec::new())),
    })?;
    planted.map_err(|error| faulty(&name, &text, &error))
}

fn unreadable(name: &str, text: &str, error: &serde_saphyr::Error) -> anyhow::Error {
    let at = error.location().map_or(0..0, |location| range(text, location));
    let message = match error.without_snippet() {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => format!("`{key}` is there already, in the same place"),
        serde_saphyr::Error::DuplicateMappingKey { key: None, .. } => "this name is there already, in the same place".to_owned(),
        error => first_line(&error.to_string()),
    };
    underlined(name, text, at, &message)
}

fn faulty(name: &str, text: &str, error: &SeedError) -> anyhow::Error {
    let tree = serde_saphyr::from_str::<Spanned<Tree>>(text);
    let at = tree.ok().and_then(|tree| tree.value.find(&error.at)).map_or(0..0, |location| range(text, location));
    underlined(name, text, at, &error.to_string())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// The bytes of a place: to the end of its line where the parser does not say how far it goes.
fn range(text: &str, location: serde_saphyr::Location) -> std::ops::Range<usize> {
    let span = location.span();
    let start = span.byte_offset().and_then(|at| usize::try_from(at).ok()).unwrap_or(0).min(text.len());
    let length = span.byte_len().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let line = text.get(start..).map_or(0, |rest| rest.lines().next().unwrap_or_default().len());
    start..start + if length == 0 { line } else { length.min(line.max(1)) }
}

fn underlined(name: &str, text: &str, at: std::ops::Range<usize>, message: &str) -> anyhow::Error {
    let diagnostic = MietteDiagnostic::new(message).with_label(LabeledSpan::new_with_span(Some("here".to_owned()), SourceSpan::from(at)));
    let report = Report::new(diagnostic).with_source_code(NamedSource::new(name, text.to_owned()));
    anyhow::anyhow!("the seed file is not taken, and nothing was changed\n{}", Shown(&report))
}

/// Without colour where nobody sees it: the report goes through an error's text, so the terminal is asked here.
struct Shown<'a>(&'a Report);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
        let theme = if terminal { miette::GraphicalTheme::unicode() } else { miette::GraphicalTheme::unicode_nocolor() };
        miette::GraphicalReportHandler::new_themed(theme).with_width(100).render_report(f, self.0.as_ref())
    }
}

/// Any YAML, with the place of every name and value.
enum Tree {
    Mapping(Vec<(Spanned<String>, Spanned<Tree>)>),
    Sequence(Vec<Spanned<Tree>>),
    Scalar,
}

impl Tree {
    /// Where a path ends: at the value of its last name, or as deep as the file goes.
    fn find(&self, path: &[String]) -> Option<serde_saphyr::Location> {
        let (first, rest) = path.split_first()?;
        match self {
            Self::Mapping(entries) => {
                let (name, value) = entries.iter().find(|(name, _)| name.value == *first)?;
                match (&value.value, rest) {
                    // A mapping is shown by its name: its own place is its first line.
                    (Self::Scalar, []) => Some(value.referenced),
                    _ => value.value.find(rest).or(Some(name.referenced)),
                }
            }
            Self::Sequence(items) => {
                let item = items.get(first.parse::<usize>().ok()?)?;
                item.value.find(rest).or(Some(item.referenced))
            }
            Self::Scalar => None,
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

macro_rules! scalars {
    ($($visit:ident $type:ty),*) => {
        $(fn $visit<E>(self, _: $type) -> Result<Tree, E> {
            Ok(Tree::Scalar)
        })*
    };
}

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    scalars! { visit_bool bool, visit_i64 i64, visit_u64 u64, visit_i128 i128, visit_u128 u128, visit_f64 f64, visit_str &str }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Mapping(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("estate.yaml");
        std::fs::write(&file, text).unwrap();
        let host = Host::open(Box::new(MemoryStore::default()), rim::forgotten_root_key().unwrap(), rim::env()).unwrap();
        let before = host.state().revision();
        let shown = plant(&host, &file).unwrap_err().to_string();
        // Lines are broken where they are long.
        let words = |text: &str| text.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        for part in expected {
            assert!(words(&shown).contains(&words(part)), "`{part}` is missing in:\n{shown}");
        }
        assert_eq!(host.state().revision(), before, "a wrong file changes nothing");
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        check(
            "accounts:\n  \"111122223333\":\n    users:\n      alice:\n        groups: [nobody]\n",
            &["accounts.111122223333.users.alice.groups.0: there is no group `nobody`", "estate.yaml:5:18", "groups: [nobody]"],
        );
        check("accounts:\n  \"1234\": {}\n", &["an account id is twelve digits", "estate.yaml:2"]);
        check("accounts:\n  \"111122223333\":\n    usres: {}\n", &["usres", "estate.yaml:3"]);
        check(
            "accounts:\n  \"111122223333\":\n    keys:\n      1234abcd-12ab-34cd-56ef-1234567890ab:\n        region: us-east-1\n        policy: {Statement: [{Effect: Allow}]}\n",
            &["policy", "estate.yaml:6"],
        );
    }

    #[test]
    fn a_file_that_contradicts_itself_is_told_where() {
        let account = "accounts:\n  \"111122223333\":\n";
        let check = |text: &str, expected: &[&str]| check(&format!("{account}{text}"), expected);
        check("    users:\n      a: {}\n      A: {}\n", &["users.a: user `a` differs from `A`", "letter case", "estate.yaml:4"]); // [K270]
        check("    users:\n      a: {}\n      a: {}\n", &["`a` is there already, in the same place", "estate.yaml:5"]);
        check("    roles:\n      r: {service: x.amazonaws.com, tags: {Team: a, team: b}}\n", &["tag `team` differs from `Team`"]); // [K271]
        let key = |id: &str, region: &str| format!("      {id}:\n        region: {region}\n        aliases: [alias/one]\n");
        let (first, second) = ("1234abcd-12ab-34cd-56ef-1234567890ab", "1234abcd-12ab-34cd-56ef-1234567890ac");
        check(
            &format!("    keys:\n{}{}", key(first, "us-east-1"), key(second, "us-east-1")),
            &["alias `alias/one` is there already, at keys.1234abcd-12ab-34cd-56ef-1234567890ab.aliases.0", "estate.yaml:9"], // [K50]
        );
        check(
            "    root_access_key: &key {id: AKIA0000000000000000, secret: 0123456789abcdef}\n    users: {u: {access_key: *key}}\n",
            &["access key `AKIA0000000000000000` is there already, at root_access_key.id"],
        );
    }

    #[test]
    fn an_alias_may_be_in_every_region() {
        let ids = [("1234abcd-12ab-34cd-56ef-1234567890ab", "us-east-1"), ("1234abcd-12ab-34cd-56ef-1234567890ac", "eu-west-1")];
        let keys = ids.map(|(id, region)| format!("      {id}:\n        region: {region}\n        aliases: [alias/one]\n"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("estate.yaml");
        std::fs::write(&file, format!("accounts:\n  \"111122223333\":\n    keys:\n{}", keys.concat())).unwrap();
        let host = Host::open(Box::new(MemoryStore::default()), rim::forgotten_root_key().unwrap(), rim::env()).unwrap();
        assert!(plant(&host, &file).unwrap() > 3);
        assert_eq!(plant(&host, &file).unwrap(), 0);
    }

    #[test]
    fn the_second_start_changes_nothing() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let files = std::fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path());
        let seeds: Vec<_> = files.filter(|file| file.extension().is_some_and(|extension| extension == "yaml")).collect();
        assert!(!seeds.is_empty());
        for file in seeds {
            let store = MemoryStore::default();
            let root = || keyward_crypto::RootKey::from_bytes(zeroize::Zeroizing::new([7; 32]));
            let host = Host::open(Box::new(store.clone()), root(), rim::env()).unwrap();
            assert!(plant(&host, &file).unwrap() > 10);
            let revision = host.state().revision();
            assert_eq!(plant(&host, &file).unwrap(), 0, "{}", file.display());
            host.close();
            let host = Host::open(Box::new(store), root(), rim::env()).unwrap();
            assert_eq!(plant(&host, &file).unwrap(), 0, "{}", file.display());
            assert_eq!(host.state().revision(), revision);
        }
    }

    #[test]
    fn the_published_schema_is_current() {
        let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/seed.schema.json");
        let current = format!("{}\n", serde_json::to_string_pretty(&seed::schema()).unwrap());
        assert_eq!(std::fs::read_to_string(published).unwrap(), current, "`keyward seed schema > docs/seed.schema.json` makes it anew");
    }
}
