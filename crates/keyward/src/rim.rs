//! The world: clock, randomness, where data lives, and the root key's file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use jiff::Timestamp;
use keyward_crypto::{Entropy, EntropyFailed, RootKey};
use keyward_service::{Clock, Env, NothingOutside};
use keyward_store::private_file;
use zeroize::Zeroizing;

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
        Timestamp::now()
    }
}

/// The time of day.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyFailed> {
        aws_lc_rs::rand::fill(bytes).map_err(|_| EntropyFailed)
    }
}

/// The operating system's clock, for whoever needs it beside the environment of calls.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// The real clock and the operating system's randomness; nothing outside is reached, nobody attests.
pub(crate) fn env() -> Env {
    Env { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), outside: Arc::new(NothingOutside), attestation_roots: Arc::default() }
}

fn platform() -> anyhow::Result<directories::ProjectDirs> {
    directories::ProjectDirs::from("", "", "keyward").context("this platform names no home directory; use --data and --root-key")
}

/// A path in the environment; an empty one is none.
pub(crate) fn path_variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Where data is kept unless told otherwise.
pub(crate) fn data_directory(chosen: Option<&PathBuf>) -> anyhow::Result<PathBuf> {
    chosen.map_or_else(|| platform().map(|dirs| dirs.data_dir().to_owned()), |path| Ok(path.clone()))
}

/// The root key's file: beside the configuration, never beside the data (T91).
pub(crate) fn root_key_file(chosen: Option<&PathBuf>, data: &Path) -> anyhow::Result<PathBuf> {
    match chosen {
        Some(path) => Ok(path.clone()),
        None => {
            let name = format!("root-{}.key", data.to_string_lossy().trim_matches('/').replace('/', "-"));
            platform().map(|dirs| dirs.config_dir().join(name))
        }
    }
}

/// Reads the root key, or makes one for data that is not there yet.
pub(crate) fn root_key(path: &Path, data: &Path) -> anyhow::Result<RootKey> {
    if path.exists() {
        let bytes = private_file::read(path).with_context(|| format!("the root key in {}", path.display()))?;
        let Ok(bytes) = <[u8; 32]>::try_from(bytes.as_slice()) else { bail!("{} is no root key: 32 bytes", path.display()) };
        return Ok(RootKey::from_bytes(Zeroizing::new(bytes)));
    }
    if data.join("keyward.db").exists() {
        bail!("the root key {} is missing and {} is sealed under it; name its file with --root-key", path.display(), data.display());
    }
    let root = RootKey::generate(&SystemEntropy).context("a new root key")?;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    private_file::create(path, root.expose_bytes()).with_context(|| format!("cannot write the root key to {}", path.display()))?;
    Ok(root)
}

/// A root key that is forgotten with the process.
pub(crate) fn forgotten_root_key() -> anyhow::Result<RootKey> {
    RootKey::generate(&SystemEntropy).context("a new root key")
}
