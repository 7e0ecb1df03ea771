//! `keyward xks-proxy`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use keyward_policy::{AccountId, Glob, Region};
use keyward_service::Host;
use keyward_service::xks::Admitted;
use keyward_store::{SqliteStore, private_file};
use keyward_wire::tls;
use keyward_wire::xks::server::{Proxy, serve};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::admin::{Ask, EstateArgs, Place, ProxyClientEntry, request};
use crate::operate::plain_table;
use crate::{admin as admin_socket, out, rim, serve as server};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct XksProxyArgs {
    #[command(subcommand)]
    command: Option<XksProxyCommand>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Subcommand)]
enum XksProxyCommand {
    /// Make, list and remove the credentials with which KMS calls
    Credentials {
        #[command(subcommand)]
        command: CredentialsCommand,
    },
}

#[derive(Subcommand)]
enum CredentialsCommand {
    /// Make a credential for the keys of an account in a Region, and print it for the only time
    Create {
        /// The account whose keys are used
        #[arg(long)]
        account: AccountId,
        /// Act as this IAM user of the account, and do what its policies allow [default: the root user]
        #[arg(long)]
        user: Option<String>,
        /// The Region of the keys
        #[arg(long, default_value = "us-east-1")]
        region: Region,
        #[command(flatten)]
        estate: EstateArgs,
    },
    /// List the credentials
    List {
        #[command(flatten)]
        estate: EstateArgs,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a credential; calls with it end at once
    Delete {
        /// Its access key id
        access_key_id: String,
        #[command(flatten)]
        estate: EstateArgs,
    },
}

#[derive(Args)]
struct ServeArgs {
    /// Address to listen on; without a certificate only loopback addresses
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// What stands before /kms/xks/v1 in paths: XksProxyUriPath without its end
    #[arg(long, default_value = "", value_name = "PATH", value_parser = prefix)]
    prefix: String,
    /// Certificate (PEM), with those between it and the authority
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Private key (PEM) of the certificate; nobody else may read the file
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Ask clients for a certificate of these authorities (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_client_ca: Option<PathBuf>,
    /// Serve only calls of AWS principals with such ARNs, * for anything; may be repeated
    #[arg(long, value_name = "PATTERN")]
    allow_principal: Vec<String>,
    /// Serve only calls for KMS keys with such ARNs, * for anything; may be repeated
    #[arg(long, value_name = "PATTERN")]
    allow_key: Vec<String>,
    /// Serve KMS, IAM and STS for the same keys too, on this loopback address
    #[arg(long, value_name = "ADDRESS")]
    listen_kms: Option<SocketAddr>,
    #[command(flatten)]
    estate: EstateArgs,
}

fn prefix(text: &str) -> Result<String, String> {
    let proper = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-');
    match text.trim_end_matches('/') {
        "" => Ok(String::new()),
        path if path.starts_with('/') && !path.contains("//") && path.bytes().all(proper) => Ok(path.to_owned()),
        _ => Err(format!("`{text}` is no prefix such as /example: letters, digits, `_`, `-` and `/`")),
    }
}

pub(crate) fn run(arguments: &XksProxyArgs) -> anyhow::Result<()> {
    match &arguments.command {
        Some(XksProxyCommand::Credentials { command }) => credentials(command),
        None => run_proxy(&arguments.serve),
    }
}

fn credentials(command: &CredentialsCommand) -> anyhow::Result<()> {
    match command {
        CredentialsCommand::Create { account, user, region, estate } => {
            let ask = Ask::CreateProxyClient { account: *account, user: user.clone(), region: region.clone() };
            let made: ProxyClientEntry = request(estate, ask)?;
            out::line(format!("# calls are decided as those of the {}; keys in {}", made.acts_as, made.region))?;
            out::line(format!("AccessKeyId={}", made.access_key_id))?;
            out::line(format!("RawSecretAccessKey={}", made.raw_secret_access_key.unwrap_or_default()))
        }
        CredentialsCommand::List { estate, json } => {
            let clients: Vec<ProxyClientEntry> = request(estate, Ask::ListProxyClients)?;
            if *json {
                return out::json(&clients);
            }
            let mut table = plain_table(&["ACCESS KEY", "ACTS AS", "REGION", "CREATED"]);
            for client in clients {
                table.add_row([client.access_key_id, client.acts_as, client.region.to_string(), client.created.to_string()]);
            }
            out::line(table.trim_fmt())
        }
        CredentialsCommand::Delete { access_key_id, estate } => request(estate, Ask::DeleteProxyClient { access_key_id: access_key_id.clone() }),
    }
}

fn run_proxy(arguments: &ServeArgs) -> anyhow::Result<()> {
    server::tell_on_stderr();
    // [T11] Secrets travel in what is asked and answered.
    if !arguments.listen.ip().is_loopback() && arguments.tls_certificate.is_none() {
        bail!("{} is not a loopback address: give --tls-certificate and --tls-key", arguments.listen);
    }
    if let Some(address) = arguments.listen_kms.filter(|address| !address.ip().is_loopback()) {
        bail!("{address} is not a loopback address, and calls of the KMS API are not encrypted");
    }
    let (data, root) = arguments.estate.opened()?;
    let host = Arc::new(Host::open(Box::new(SqliteStore::open(&data)?), root, rim::env())?);
    if host.state().proxy_clients().next().is_none() {
        tracing::warn!("there are no credentials yet: `keyward xks-proxy credentials create` makes one");
    }
    let runtime = server::runtime().enable_all().build().context("no runtime")?;
    let result = runtime.block_on(listen(arguments, &host, data));
    host.close();
    result
}

impl ServeArgs {
    fn proxy(&self) -> anyhow::Result<Proxy> {
        let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let tls = match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                let certificates = read(certificate)?;
                let key = private_file::read(key).with_context(|| format!("cannot read {}", key.display()))?;
                let clients = self.tls_client_ca.as_ref().map(read).transpose()?;
                let own = tls::Identity { certificates: &certificates, key: &key };
                Some(tls::server(own, clients.as_deref()).with_context(|| format!("TLS with {}", certificate.display()))?)
            }
            _ => None,
        };
        let globs = |patterns: &[String]| patterns.iter().map(|pattern| Glob::new(pattern, false)).collect();
        let admitted = Admitted { principals: globs(&self.allow_principal), keys: globs(&self.allow_key) };
        Ok(Proxy { prefix: self.prefix.clone(), admitted: Arc::new(admitted), tls })
    }
}

async fn listen(arguments: &ServeArgs, host: &Arc<Host>, data: PathBuf) -> anyhow::Result<()> {
    let proxy = arguments.proxy()?;
    let scheme = if proxy.tls.is_some() { "https" } else { "http" };
    let listener = TcpListener::bind(arguments.listen).await.with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let (stopping, stopped) = watch::channel(false);
    let mut endpoint = None;
    let mut beside = None;
    if let Some(kms) = arguments.listen_kms {
        let listener = TcpListener::bind(kms).await.with_context(|| format!("cannot listen on {kms}"))?;
        let kms = format!("http://{}", listener.local_addr().context("the listener has no address")?);
        let mut stopped = stopped.clone();
        let stop = async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        beside = Some(tokio::spawn(keyward_wire::server::serve(listener, host.clone(), stop)));
        out::announce(format!("keyward serves the KMS API of these keys on {kms}"));
        endpoint = Some(kms);
    }
    let administration = admin_socket::serve(host.clone(), Place { data, endpoint })?;
    let time = tokio::spawn(server::keep_time(host.clone()));
    let health = tokio::spawn(server::tell_health(host.clone()));
    let stop = server::signals()?;
    out::announce(format!("keyward xks-proxy is ready on {scheme}://{address}{}/kms/xks/v1", proxy.prefix));
    serve(listener, host.clone(), proxy, stop).await;
    let _ = stopping.send(true);
    if let Some(beside) = beside {
        beside.await.context("the listener failed")?.context("the listener failed")?;
    }
    time.abort();
    health.abort();
    drop(administration);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::prefix;

    #[test]
    fn k136_prefixes_are_what_uri_paths_may_begin_with() {
        assert_eq!(prefix(""), Ok(String::new()));
        assert_eq!(prefix("/"), Ok(String::new()));
        assert_eq!(prefix("/example/a-b_c/"), Ok("/example/a-b_c".to_owned()));
        for wrong in ["example", "/a//b", "/a.b", "/a b", "/../a"] {
            assert!(prefix(wrong).is_err(), "{wrong}");
        }
    }
}
