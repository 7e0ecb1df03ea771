//! `keyward serve`

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use keyward_crypto::AttestationRoots;
use keyward_policy::{AccountId, Partition};
use keyward_service::{Env, Health, Host, HsmFailure, HsmQuestion, HsmThen, Outside, OutsideQuestion, RequestRates, Store, Then, admin, kms};
use keyward_store::{MemoryStore, SqliteStore, private_file};
use keyward_wire::tls;
use keyward_wire::xks::client::Proxies;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::hsm::Tokens;
use crate::{admin as admin_socket, operate, out, rim, seed};

/// How often it is asked what has become due while nobody calls, in seconds.
const TIME_ROUND_S: u64 = 60;

/// How often the store's health is looked at, and how many looks later a line is said again.
const HEALTH_ROUND: Duration = Duration::from_secs(1);
const HEALTH_ROUNDS_PER_LINE: u32 = 60;

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on; only loopback addresses, for there is no TLS
    #[arg(long, default_value = "127.0.0.1:4599", env = "KEYWARD_LISTEN")]
    listen: SocketAddr,
    /// Listen for calls through a VPC endpoint of the estate; may be repeated
    #[arg(long, value_name = "VPCE-ID=ADDRESS", value_parser = endpoint_address)]
    listen_endpoint: Vec<(String, SocketAddr)>,
    /// Directory for estate and trail [env: KEYWARD_DATA] [default: the platform's data directory]
    #[arg(long, conflicts_with = "ephemeral")]
    data: Option<PathBuf>,
    /// File with the root key, 32 bytes; made at the first start [env: KEYWARD_ROOT_KEY] [default: in the platform's configuration directory]
    #[arg(long, conflicts_with = "ephemeral")]
    root_key: Option<PathBuf>,
    /// Keep everything in memory and forget it at the end
    #[arg(long)]
    ephemeral: bool,
    /// Bring the estate to what this file says, at every start; `keyward seed schema` describes it
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    #[command(flatten)]
    key_stores: KeyStoreArgs,
    /// Certificates (PEM) that vouch for the attestation documents of enclaves; may be repeated. Without one, calls with Recipient are refused
    #[arg(long, value_name = "FILE")]
    attestation_root: Vec<PathBuf>,
    /// Accounts to make at the first start [default: one with a random number]
    #[arg(long, value_delimiter = ',', value_name = "ID,ID…")]
    accounts: Vec<AccountId>,
    /// Refuse calls to KMS that come too fast: `aws` for AWS's rates, NAME=RATE for an operation or a kind of cryptography at so many calls
    /// per second, or several of them; each account and Region by itself
    #[arg(long, value_name = "aws|NAME=RATE,…", env = "KEYWARD_REQUEST_QUOTAS")]
    request_quotas: Option<RequestRates>,
}

/// How custom key stores are reached.
#[derive(Args)]
struct KeyStoreArgs {
    /// Certificate authorities (PEM) by which proxies of external key stores are checked [default: those that the platform trusts]
    #[arg(long, value_name = "FILE")]
    xks_ca: Option<PathBuf>,
    /// Certificate (PEM) that is shown to proxies of external key stores
    #[arg(long, value_name = "FILE", requires = "xks_client_key")]
    xks_client_certificate: Option<PathBuf>,
    /// Private key (PEM) of that certificate
    #[arg(long, value_name = "FILE", requires = "xks_client_certificate")]
    xks_client_key: Option<PathBuf>,
    /// Milliseconds that a proxy of an external key store has for an answer, one retry included; AWS gives 250
    #[arg(long, value_name = "MS", default_value_t = 250)]
    xks_timeout_ms: u64,
    /// Take external key stores with http:// endpoints on loopback addresses
    #[arg(long)]
    xks_allow_http: bool,
    /// PKCS#11 module (a shared library) of hardware security modules, for key stores of type AWS_CLOUDHSM; it is loaded into this process
    #[arg(long, value_name = "FILE", requires = "pkcs11_cluster")]
    pkcs11_module: Option<PathBuf>,
    /// Have the module's token with this label stand for a CloudHSM cluster; may be given for several of them
    #[arg(long, value_name = "CLUSTER-ID=TOKEN-LABEL", requires = "pkcs11_module", value_parser = cluster_token)]
    pkcs11_cluster: Vec<(String, String)>,
}

/// Whatever is behind custom key stores.
struct KeyStores {
    proxies: Proxies,
    tokens: Option<Tokens>,
}

impl Outside for KeyStores {
    fn ask(&self, question: OutsideQuestion, then: Then) {
        self.proxies.ask(question, then);
    }

    fn takes_endpoint(&self, uri_endpoint: &str) -> bool {
        self.proxies.takes_endpoint(uri_endpoint)
    }

    fn ask_hsm(&self, question: HsmQuestion, then: HsmThen) {
        match &self.tokens {
            Some(tokens) => tokens.ask(question, then),
            None => then(Err(HsmFailure::NoToken)),
        }
    }

    fn has_cluster(&self, cluster: &str) -> bool {
        self.tokens.as_ref().is_some_and(|tokens| tokens.has(cluster))
    }
}

impl KeyStoreArgs {
    fn outside(&self) -> anyhow::Result<KeyStores> {
        let tokens = self.pkcs11_module.as_ref().map(|module| Tokens::load(module, &self.pkcs11_cluster)).transpose()?;
        Ok(KeyStores { proxies: self.proxies()?, tokens })
    }

    fn proxies(&self) -> anyhow::Result<Proxies> {
        let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let roots = self.xks_ca.as_ref().map(read).transpose()?;
        let certificates = self.xks_client_certificate.as_ref().map(read).transpose()?;
        let key = self.xks_client_key.as_ref().map(|path| private_file::read(path).with_context(|| format!("cannot read {}", path.display())));
        let own = certificates.zip(key.transpose()?);
        let tls = move || {
            let own = own.as_ref().map(|(certificates, key)| tls::Identity { certificates, key });
            tls::client(roots.as_deref(), own)
        };
        if self.xks_ca.is_some() || self.xks_client_certificate.is_some() {
            // What was named is looked at before anything is served.
            tls().context("the certificates for external key stores")?;
        }
        Ok(Proxies::new(Box::new(tls), rim::clock(), Duration::from_millis(self.xks_timeout_ms), self.xks_allow_http))
    }
}

fn endpoint_address(text: &str) -> Result<(String, SocketAddr), String> {
    let (id, address) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is not VPCE-ID=ADDRESS, such as vpce-0123456789abcdef0=127.0.0.1:4600"))?;
    address.parse().map(|address| (id.to_owned(), address)).map_err(|_| format!("`{address}` is no address such as 127.0.0.1:4600"))
}

/// (K135) What a cluster may be called.
fn cluster_token(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(_, label)| !label.is_empty());
    let (id, label) = parts.ok_or_else(|| format!("`{text}` is not CLUSTER-ID=TOKEN-LABEL, such as cluster-abcdefghijk=hsm"))?;
    let digits = id.strip_prefix("cluster-").unwrap_or_default();
    let is_digit = |byte: u8| byte.is_ascii_alphabetic() || (b'2'..=b'7').contains(&byte);
    match (11..=16).contains(&digits.len()) && digits.bytes().all(is_digit) {
        true => Ok((id.to_owned(), label.to_owned())),
        false => Err(format!("`{id}` is no id of a cluster: cluster- and 11 to 16 letters and digits from 2 to 7")),
    }
}

impl ServeArgs {
    // The environment is read here and not by clap, for whom it would contradict --ephemeral as the option does.
    fn data(&self) -> anyhow::Result<PathBuf> {
        rim::data_directory(self.data.clone().or_else(|| rim::path_variable("KEYWARD_DATA")).as_ref())
    }

    fn root_key(&self, data: &Path) -> anyhow::Result<PathBuf> {
        rim::root_key_file(self.root_key.clone().or_else(|| rim::path_variable("KEYWARD_ROOT_KEY")).as_ref(), data)
    }
}

pub(crate) fn run(arguments: &ServeArgs) -> anyhow::Result<()> {
    tell_on_stderr();
    for address in arguments.listen_endpoint.iter().map(|(_, address)| address).chain([&arguments.listen]) {
        if !address.ip().is_loopback() {
            bail!("{address} is not a loopback address, and calls are not encrypted; listen on 127.0.0.1 behind whatever ends TLS"); // T11
        }
    }
    let host = Arc::new(open(arguments)?);
    let runtime = runtime().enable_all().build().context("no runtime")?;
    let result = runtime.block_on(serve(arguments, &host));
    host.close();
    result
}

/// Has what goes wrong told on stderr, as `KEYWARD_LOG` wants it.
pub(crate) fn tell_on_stderr() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        // A line that nobody reads is no reason to end.
        .log_internal_errors(false)
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_env("KEYWARD_LOG").unwrap_or_else(|_| "warn".into()))
        .init();
}

/// Ends when the operating system asks for the end.
pub(crate) fn signals() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("no signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("no signals")?;
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    })
}

/// On a single core a thread that others could take work from only costs.
pub(crate) fn runtime() -> Builder {
    match std::thread::available_parallelism() {
        Ok(cores) if cores.get() == 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    }
}

fn open(arguments: &ServeArgs) -> anyhow::Result<Host> {
    let (store, root): (Box<dyn Store>, _) = if arguments.ephemeral {
        (Box::new(MemoryStore::default()), rim::forgotten_root_key()?)
    } else {
        let data = arguments.data()?;
        let root = rim::root_key(&arguments.root_key(&data)?, &data)?;
        (Box::new(SqliteStore::open(&data)?), root)
    };
    let outside = Arc::new(arguments.key_stores.outside()?);
    let attestation_roots = Arc::new(attestation_roots(&arguments.attestation_root)?);
    let host = Host::open(store, root, Env { outside, attestation_roots, ..rim::env() })?;
    if let Some(rates) = &arguments.request_quotas {
        host.limit_requests(rates.clone());
    }
    Ok(host)
}

fn attestation_roots(files: &[PathBuf]) -> anyhow::Result<AttestationRoots> {
    files.iter().try_fold(AttestationRoots::default(), |roots, path| {
        let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(roots.and(AttestationRoots::from_pem(&pem).with_context(|| format!("{} vouches for no enclave", path.display()))?))
    })
}

async fn serve(arguments: &ServeArgs, host: &Arc<Host>) -> anyhow::Result<()> {
    let listener = TcpListener::bind(arguments.listen).await.with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    first_start(arguments, host, address)?;
    let (stopping, stopped) = watch::channel(false);
    let endpoints = endpoints(arguments, host, &stopped).await?;
    let stop = signals()?;
    let administration = match arguments.ephemeral {
        true => None,
        false => {
            let place = admin_socket::Place { data: arguments.data()?, endpoint: Some(format!("http://{address}")) };
            Some(admin_socket::serve(host.clone(), place)?)
        }
    };
    kms::settle_all(host);
    let time = tokio::spawn(keep_time(host.clone()));
    let health = tokio::spawn(tell_health(host.clone()));
    out::announce(format!("keyward is ready on http://{address}"));
    let served = keyward_wire::server::serve(listener, host.clone(), stop).await.context("the listener failed");
    let _ = stopping.send(true);
    for endpoint in endpoints {
        endpoint.await.context("an endpoint's listener failed")?.context("an endpoint's listener failed")?;
    }
    served?;
    time.abort();
    health.abort();
    drop(administration);
    Ok(())
}

/// Opens the listeners of VPC endpoints, which stop when the server does.
async fn endpoints(arguments: &ServeArgs, host: &Arc<Host>, stopped: &watch::Receiver<bool>) -> anyhow::Result<Vec<JoinHandle<std::io::Result<()>>>> {
    let mut listening = Vec::new();
    for (id, address) in &arguments.listen_endpoint {
        let state = host.state();
        let Some(endpoint) = state.vpc_endpoint(id) else {
            bail!("there is no VPC endpoint {id}; `keyward endpoint create` makes one, `vpc_endpoints` of a seed file too");
        };
        let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} for {id}"))?;
        let address = listener.local_addr().context("the listener has no address")?;
        out::announce(format!("keyward endpoint {id} leads to {} in {} on http://{address}", endpoint.service, endpoint.region));
        let mut stopped = stopped.clone();
        let stop = async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        listening.push(tokio::spawn(keyward_wire::server::serve_endpoint(listener, host.clone(), id.clone(), stop)));
    }
    Ok(listening)
}

/// Plants the seed, makes the first accounts, and shows how to use them.
fn first_start(arguments: &ServeArgs, host: &Host, address: SocketAddr) -> anyhow::Result<()> {
    let before = host.state().accounts().count();
    if let Some(file) = &arguments.seed {
        match seed::plant(host, file)? {
            0 => out::announce(format!("# the estate is as {} says", file.display())),
            made => out::announce(format!("# {} changed {made} things", file.display())),
        }
    }
    let state = host.state();
    let asked: BTreeSet<_> = arguments.accounts.iter().copied().collect();
    let missing = asked.into_iter().filter(|id| state.account(*id).is_none());
    let ids = match (state.accounts().next(), arguments.accounts.as_slice()) {
        (None, []) => vec![admin::new_account_id(host)?],
        // Later starts make what is asked for and not there yet.
        _ => missing.collect(),
    };
    for id in &ids {
        admin::create_account(host, *id, None, Partition::default())?;
    }
    if before == 0 || !ids.is_empty() {
        for key in admin::root_access_keys(host, &host.state(), None)? {
            out::announce(operate::exports(&key.into(), &format!("http://{address}")));
        }
        out::announce("\n# three commands to try\naws kms create-key --description first\naws kms list-keys\naws sts get-caller-identity\n");
    }
    Ok(())
}

/// Tells the operator when the store cannot be written, once, and every minute as long as it lasts (T51).
pub(crate) async fn tell_health(host: Arc<Host>) {
    let mut round = tokio::time::interval(HEALTH_ROUND);
    let (mut told, mut rounds) = (Health::Good, 0);
    loop {
        round.tick().await;
        let health = host.health();
        rounds = if health == told { rounds + 1 } else { 0 };
        match &health {
            Health::Good if told != Health::Good => tracing::warn!("the store is written again"),
            Health::Degraded(reason) if rounds % HEALTH_ROUNDS_PER_LINE == 0 => {
                tracing::error!(%reason, "the store cannot be written: calls are refused, and nothing of them is done; make room, or make it writable");
            }
            Health::Failed(reason) if rounds % HEALTH_ROUNDS_PER_LINE == 0 => {
                tracing::error!(%reason, "the store has failed: every call is refused; what is on disk is known again after a new start");
            }
            Health::Good | Health::Degraded(_) | Health::Failed(_) => {}
        }
        told = health;
    }
}

/// Keys are deleted (K92) and rotated (K100) when their day comes, though nobody calls.
pub(crate) async fn keep_time(host: Arc<Host>) {
    let mut round = tokio::time::interval(Duration::from_secs(TIME_ROUND_S));
    loop {
        round.tick().await;
        let host = host.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || host.keep_time()).await {
            tracing::error!(%error, "what has become due was not done, and will be tried again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use keyward_crypto::KeyCheckValue;
    use keyward_service::{Commit, Loaded, StoreError};
    use keyward_wire::client::Client;
    use keyward_wire::sigv4::Credentials;
    use serde_json::json;

    use super::*;

    /// A store that can be full.
    struct Full {
        store: MemoryStore,
        is_full: Arc<AtomicBool>,
    }

    impl Store for Full {
        fn load(&mut self) -> Result<Loaded, StoreError> {
            self.store.load()
        }

        fn commit(&mut self, batch: &[Commit]) -> Result<(), StoreError> {
            match self.is_full.load(Ordering::Acquire) {
                true => Err(StoreError::Retry("database or disk is full".into())),
                false => self.store.commit(batch),
            }
        }

        fn adopt_root_key(&mut self, check: &KeyCheckValue) -> Result<(), StoreError> {
            self.store.adopt_root_key(check)
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn t51_a_full_disk_is_told_and_nothing_is_lost() {
        let (store, is_full) = (MemoryStore::default(), Arc::new(AtomicBool::new(false)));
        let full = Full { store: store.clone(), is_full: is_full.clone() };
        let host = Arc::new(Host::open(Box::new(full), rim::forgotten_root_key().unwrap(), rim::env()).unwrap());
        let key = admin::create_account(&host, "111122223333".parse().unwrap(), None, Partition::Aws).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        tokio::spawn(keyward_wire::server::serve(listener, host.clone(), std::future::pending()));
        let credentials = Credentials { access_key_id: key.access_key_id, secret_access_key: key.secret_access_key, session_token: None };
        let client = Client { authority, credentials, region: "us-east-1".into() };
        let call = async |operation: &str| client.json("kms", &format!("TrentService.{operation}"), &json!({}), rim::now()).await.unwrap();
        assert!(call("CreateKey").await.is_success());
        let records = store.records().len();

        is_full.store(true, Ordering::Release);
        for operation in ["CreateKey", "ListKeys"] {
            let refused = call(operation).await;
            assert_eq!(refused.error_code(), "KMSInternalException");
            assert!(refused.error_message().contains("nothing was done"), "{}", refused.error_message());
        }
        assert_eq!(host.health(), Health::Degraded("the store cannot write now: database or disk is full".into()));

        is_full.store(false, Ordering::Release);
        assert!(call("ListKeys").await.is_success());
        assert_eq!(host.health(), Health::Good);
        assert_eq!(host.state().all_keys().count(), 1);
        assert_eq!(store.records().len(), records + 1);
    }
}
