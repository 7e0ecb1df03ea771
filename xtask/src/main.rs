//! `cargo x`: the project's own tasks, one line each.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};

/// Name, what it does, and how.
type Task = (&'static str, &'static str, fn(&[String]) -> anyhow::Result<()>);

const TASKS: &[Task] = &[
    ("test", "set up and run all tests: Rust, documentation, and the AWS clients against the release binary", |_| test()),
    ("ci", "what CI runs: test, fmt, clippy, doc, deny", |_| ci()),
    ("cases", "run the decision cases", |_| cargo(&["test", "--package", "keyward-cases", "--test", "cases"])),
    (
        "differ",
        "hold the engine against the reference on cases made by chance: `--cases N --seed S`, `--exhaustive`, `--mix`, or a case file to replay",
        differ,
    ),
    (
        "mutants",
        "put small faults into the decision, one at a time, and list those that no test finds; further arguments go to `cargo mutants`",
        mutants,
    ),
    ("tidy", "run the house tests: arrows, purity, banned words", |_| cargo(&["test", "--package", "xtask"])),
    ("gen", "write the table of AWS's model that `wire` checks requests against; `--check` fails when it is not what the model says", |arguments| {
        generate(arguments.iter().any(|argument| argument == "--check"))
    }),
    ("rules", "list the rules of the specification with the code and the tests that cite them (`--missing`, `--json`)", rules),
    ("vectors", "bring NIST's known answers to where the tests of `crypto` look for them, and show what came of all vectors", |_| show_vectors()),
    (
        "bench",
        "measure: `bench decide` decisions, reasons and inventories, `bench instructions` decisions under valgrind, `bench http` GenerateDataKey against a bare HTTP server, `bench crypto` every cryptographic operation over HTTP against the primitive (`--quick` for a first look)",
        bench,
    ),
    ("serve", "serve KMS from memory; further arguments go to `keyward serve`", serve),
];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        for (name, what, _) in TASKS {
            println!("cargo x {name:8}{what}");
        }
        return Ok(());
    };
    match TASKS.iter().find(|(task, ..)| task == name) {
        Some((_, _, run)) => run(rest),
        None => bail!("there is no task `{name}`; `cargo x` alone lists them"),
    }
}

fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<()> {
    let shown = format!("{program} {}", arguments.join(" "));
    println!("── {shown}");
    #[expect(clippy::disallowed_methods, reason = "a task's duration is told, nothing depends on it")]
    let started = Instant::now();
    let status = Command::new(program).args(arguments).envs(environment.iter().copied()).status().with_context(|| format!("cannot run {program}"))?;
    if !status.success() {
        bail!("failed; to run it again: {shown}");
    }
    println!("── {} s", started.elapsed().as_secs());
    Ok(())
}

fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    run("cargo", arguments, &[])
}

fn serve(arguments: &[String]) -> anyhow::Result<()> {
    let mut all = vec!["run", "--release", "--package", "keyward", "--", "serve", "--ephemeral"];
    all.extend(arguments.iter().map(String::as_str));
    cargo(&all)
}

/// What is mutated and which tests judge stands in `.cargo/mutants.toml`.
fn mutants(arguments: &[String]) -> anyhow::Result<()> {
    if Command::new("cargo-mutants").arg("--version").output().is_err() {
        cargo(&["install", "--locked", "cargo-mutants"])?;
    }
    let mut all = vec!["mutants", "--workspace", "--output", "target"];
    all.extend(arguments.iter().map(String::as_str));
    cargo(&all)
}

/// A campaign needs speed, not symbols.
fn differ(arguments: &[String]) -> anyhow::Result<()> {
    let mut all = vec!["run", "--release", "--quiet", "--package", "keyward-testkit", "--example", "differ", "--"];
    all.extend(arguments.iter().map(String::as_str));
    run("cargo", &all, &[("CARGO_PROFILE_RELEASE_DEBUG", "false")])
}

fn bench(arguments: &[String]) -> anyhow::Result<()> {
    let (flags, which): (Vec<&str>, Vec<&str>) = arguments.iter().map(String::as_str).partition(|argument| argument.starts_with("--"));
    if let Some(name) = which.iter().find(|name| !["crypto", "decide", "http", "instructions"].contains(name)) {
        bail!("there is no bench `{name}`; there are crypto, decide, http and instructions");
    }
    if flags.iter().any(|flag| *flag != "--quick") || (!flags.is_empty() && which != ["crypto"]) {
        bail!("there is `bench crypto --quick`, and no flag else");
    }
    if which.is_empty() || which.contains(&"decide") {
        cargo(&["bench", "--package", "keyward-authz", "--bench", "authorize"])?;
        cargo(&["bench", "--package", "keyward-service", "--bench", "decide"])?;
        cargo(&["bench", "--package", "keyward-analysis", "--bench", "reach"])?;
    }
    for name in ["http", "crypto"] {
        if which.is_empty() || which.contains(&name) {
            cargo(&["build", "--release", "--package", "keyward"])?;
            let mut all = vec!["bench", "--package", "keyward-wire", "--bench", name, "--"];
            all.extend(&flags);
            cargo(&all)?;
        }
    }
    if which.contains(&"instructions") {
        instructions()?;
    }
    Ok(())
}

/// Counts need valgrind, and a program that runs benches under it, of the very version of its library.
fn instructions() -> anyhow::Result<()> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        bail!("valgrind counts the instructions and is not here; `apt install valgrind` brings it");
    }
    let metadata = cargo_metadata::MetadataCommand::new().exec()?;
    let library = metadata.packages.iter().find(|package| package.name.as_str() == "gungraun").context("gungraun is no dependency any more")?;
    let version = library.version.to_string();
    let installed = Command::new("gungraun-runner").arg("--version").output();
    if !installed.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&version)) {
        cargo(&["install", "--locked", "--version", &version, "gungraun-runner"])?;
    }
    for package in ["keyward-authz", "keyward-service"] {
        cargo(&["bench", "--package", package, "--bench", "instructions"])?;
    }
    Ok(())
}

fn rules(arguments: &[String]) -> anyhow::Result<()> {
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let rules = xtask::rules::read()?;
    if has("--json") {
        println!("{}", serde_json::to_string_pretty(&rules.json(has("--missing")))?);
    } else {
        print!("{}", rules.text(has("--missing")));
    }
    Ok(())
}

fn test() -> anyhow::Result<()> {
    let python = venv()?;
    vectors()?;
    cargo(&["build", "--release", "--package", "keyward"])?;
    // From here on vectors that are missing are a failure.
    run("cargo", &["test", "--workspace"], &[("KEYWARD_VECTORS", "required")])?;
    generate(true)?;
    node_modules()?;
    softhsm()?;
    run(&python, &["-m", "pytest", "-q", "tests/e2e"], &[("KEYWARD_BIN", "target/release/keyward")])
}

/// The project's own Python environment with the AWS clients.
fn venv() -> anyhow::Result<String> {
    let python = ".venv/bin/python";
    when_changed("tests/e2e/requirements.txt", ".venv/installed.txt", || {
        run("python3", &["-m", "venv", ".venv"], &[])?;
        run(python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "tests/e2e/requirements.txt"], &[])
    })?;
    Ok(python.to_owned())
}

/// The AWS clients for JavaScript.
fn node_modules() -> anyhow::Result<()> {
    when_changed("tests/e2e/js/package-lock.json", "tests/e2e/js/node_modules/installed.json", || {
        run("npm", &["ci", "--prefix", "tests/e2e/js", "--no-audit", "--no-fund"], &[])
    })
}

/// Where a PKCS#11 module of SoftHSM is found, for the tests of key stores with hardware security modules.
const SOFTHSM: &[&str] = &["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so"];

/// The hardware security modules of the tests, in software. Nothing is tested in their place if they are not there.
fn softhsm() -> anyhow::Result<()> {
    let is_there = || std::env::var_os("SOFTHSM2_MODULE").is_some() || SOFTHSM.iter().any(|module| Path::new(module).exists());
    let is_complete = || is_there() && Command::new("softhsm2-util").arg("--version").output().is_ok();
    if is_complete() {
        return Ok(());
    }
    let install = || run("apt-get", &["install", "-y", "softhsm2"], &[("DEBIAN_FRONTEND", "noninteractive")]);
    // A new machine's lists may be missing, or older than what they list.
    let tried = install().or_else(|_| run("apt-get", &["update"], &[]).and_then(|()| install()));
    match is_complete() {
        true => Ok(()),
        false => tried.and(Err(anyhow::anyhow!("it is not there"))).context(
            "the tests of key stores need SoftHSM 2, which only root can install: `apt-get install softhsm2`, or the like; if its module is in an unusual \
             place, SOFTHSM2_MODULE names it",
        ),
    }
}

/// Installs what a file wants, once and again when the file changes.
fn when_changed(wanted: &str, stamp: &str, install: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let wants = std::fs::read_to_string(wanted).with_context(|| wanted.to_owned())?;
    if std::fs::read_to_string(stamp).is_ok_and(|installed| installed == wants) {
        return Ok(());
    }
    install()?;
    std::fs::write(stamp, wants).with_context(|| stamp.to_owned())
}

/// What is brought, by version and hash.
const VECTORS: &str = "crates/crypto/tests/vectors/requirements.txt";

/// NIST's known answers, unpacked once and again when others are wanted.
fn vectors() -> anyhow::Result<()> {
    let folder = Path::new("target/vectors");
    let stamp = folder.join("installed.txt");
    let requirements = std::fs::read_to_string(VECTORS).context(VECTORS)?;
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == requirements) {
        return Ok(());
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder).context("target/vectors")?;
    }
    let into = ["--target", "target/vectors", "--no-deps", "--no-compile", "--only-binary", ":all:", "--require-hashes", "-r", VECTORS];
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(&venv()?, &[&pip[..], &into].concat(), &[])?;
    std::fs::write(stamp, requirements).context("the stamp of target/vectors")
}

fn show_vectors() -> anyhow::Result<()> {
    vectors()?;
    let arguments = ["test", "--package", "keyward-crypto", "--test", "vectors", "--", "--show-output"];
    run("cargo", &arguments, &[("KEYWARD_VECTORS", "required")])
}

/// Prints AWS's model of KMS as the installed clients have it, and their version.
const MODEL_OF_KMS: &str = "
import json
from botocore import __version__
from botocore.loaders import Loader
print(__version__)
print(json.dumps(Loader().load_service_model('kms', 'service-2', '2014-11-01')))
";

/// The table of AWS's model, written or compared.
fn generate(check: bool) -> anyhow::Result<()> {
    let python = venv()?;
    let printed = output(Command::new(&python).args(["-c", MODEL_OF_KMS]))?;
    let (version, model) = printed.split_once('\n').context("the model of KMS")?;
    let source = format!("AWS's model of KMS 2014-11-01 in botocore {}", version.trim());
    let table = xtask::model::render(&serde_json::from_str(model)?, &source)?;
    let target = Path::new("target/model");
    std::fs::create_dir_all(target)?;
    let written = target.join("kms.rs");
    std::fs::write(&written, table)?;
    // Without its own settings, which begin at the file: those of the workspace.
    output(Command::new("rustfmt").args(["--edition", "2024", "--config-path", "."]).arg(&written))?;
    let table = std::fs::read_to_string(&written)?;
    match std::fs::read_to_string(xtask::model::TABLE) {
        Ok(current) if current == table => Ok(()),
        _ if check => bail!("{} is not what {source} says: run `cargo x gen` and commit it", xtask::model::TABLE),
        _ => std::fs::write(xtask::model::TABLE, table).context(xtask::model::TABLE),
    }
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn ci() -> anyhow::Result<()> {
    test()?;
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    run("cargo", &["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    deny()
}

/// The advisory database is a git repository, which not every place reaches: licences, bans and sources are always
/// checked, advisories where they can be fetched.
fn deny() -> anyhow::Result<()> {
    if Command::new("cargo-deny").arg("--version").output().is_err() {
        cargo(&["install", "--locked", "cargo-deny"])?;
    }
    cargo(&["deny", "check", "licenses", "bans", "sources"])
}
