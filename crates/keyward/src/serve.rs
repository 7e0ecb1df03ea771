//! `keyward serve`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use keyward_policy::AccountId;
use keyward_service::{Host, Store, admin, kms};
use keyward_store::{MemoryStore, SqliteStore};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::{admin as admin_socket, operate, rim, seed};

/// How often keys are looked at whose day of deletion may have come, in seconds.
const DELETION_ROUND_S: u64 = 60;

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on; only loopback addresses, for there is no TLS
    #[arg(long, default_value = "127.0.0.1:4599", env = "KEYWARD_LISTEN")]
    listen: SocketAddr,
    /// Directory for estate and trail [default: the platform's data directory]
    #[arg(long, env = "KEYWARD_DATA", conflicts_with = "ephemeral")]
    data: Option<PathBuf>,
    /// File with the root key, 32 bytes; made at the first start [default: in the platform's configuration directory]
    #[arg(long, env = "KEYWARD_ROOT_KEY", conflicts_with = "ephemeral")]
    root_key: Option<PathBuf>,
    /// Keep everything in memory and forget it at the end
    #[arg(long)]
    ephemeral: bool,
    /// Bring the estate to what this file says, at every start; `keyward seed schema` describes it
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// Accounts to make at the first start [default: one with a random number]
    #[arg(long, value_delimiter = ',', value_name = "ID,ID…")]
    accounts: Vec<AccountId>,
}

pub(crate) fn run(arguments: &ServeArgs) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_env("KEYWARD_LOG").unwrap_or_else(|_| "warn".into()))
        .init();
    if !arguments.listen.ip().is_loopback() {
        bail!("{} is not a loopback address, and calls are not encrypted; listen on 127.0.0.1 behind whatever ends TLS", arguments.listen); // T11
    }
    let host = Arc::new(open(arguments)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let result = runtime.block_on(serve(arguments, &host));
    host.close();
    result
}

fn open(arguments: &ServeArgs) -> anyhow::Result<Host> {
    let (store, root): (Box<dyn Store>, _) = if arguments.ephemeral {
        (Box::new(MemoryStore::default()), rim::forgotten_root_key()?)
    } else {
        let data = rim::data_directory(arguments.data.as_ref())?;
        let root = rim::root_key(&rim::root_key_file(arguments.root_key.as_ref(), &data)?, &data)?;
        (Box::new(SqliteStore::open(&data)?), root)
    };
    Ok(Host::open(store, root, rim::env())?)
}

async fn serve(arguments: &ServeArgs, host: &Arc<Host>) -> anyhow::Result<()> {
    let listener = TcpListener::bind(arguments.listen).await.with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    first_start(arguments, host, address)?;
    let mut terminate = signal(SignalKind::terminate()).context("no signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("no signals")?;
    let stop = async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    };
    let administration = match arguments.ephemeral {
        true => None,
        false => {
            let place = admin_socket::Place { data: rim::data_directory(arguments.data.as_ref())?, endpoint: Some(format!("http://{address}")) };
            Some(admin_socket::serve(host.clone(), place)?)
        }
    };
    let deletions = tokio::spawn(delete_when_due(host.clone()));
    println!("keyward is ready on http://{address}");
    keyward_wire::server::serve(listener, host.clone(), stop).await.context("the listener failed")?;
    deletions.abort();
    drop(administration);
    Ok(())
}

/// Plants the seed, makes the first accounts, and shows how to use them.
fn first_start(arguments: &ServeArgs, host: &Host, address: SocketAddr) -> anyhow::Result<()> {
    let before = host.state().accounts().count();
    if let Some(file) = &arguments.seed {
        match seed::plant(host, file)? {
            0 => println!("# the estate is as {} says", file.display()),
            made => println!("# {} changed {made} things", file.display()),
        }
    }
    let state = host.state();
    let missing = arguments.accounts.iter().filter(|id| state.account(**id).is_none());
    let ids = match (state.accounts().next(), arguments.accounts.as_slice()) {
        (None, []) => vec![admin::new_account_id(host)?],
        // Later starts make what is asked for and not there yet.
        _ => missing.copied().collect(),
    };
    for id in &ids {
        admin::create_account(host, *id, None)?;
    }
    if before == 0 || !ids.is_empty() {
        for key in admin::root_access_keys(host, &host.state(), None)? {
            println!("{}", operate::exports(&key.into(), &format!("http://{address}")));
        }
        println!("\n# three commands to try");
        println!("aws kms create-key --description first");
        println!("aws kms list-keys");
        println!("aws sts get-caller-identity\n");
    }
    Ok(())
}

/// Keys are really deleted when their day comes (K92).
async fn delete_when_due(host: Arc<Host>) {
    let mut round = tokio::time::interval(Duration::from_secs(DELETION_ROUND_S));
    loop {
        round.tick().await;
        let host = host.clone();
        let deleted = tokio::task::spawn_blocking(move || host.administer(|state, host| Ok(((), kms::due_deletions(state, host.now()))))).await;
        if let Ok(Err(error)) = deleted {
            tracing::error!(%error, "keys whose day has come were not deleted");
        }
    }
}
