//! Administration: what an operator asks of an estate, on a running server through its socket or on the data directory
//! itself. Both ways run the same function on the same host.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use keyward_authz::AuthorizationMessage;
use keyward_crypto::RootKey;
use keyward_policy::{AccountId, Partition, Region};
use keyward_service::{Answer, Host, Question, admin, xks};
use keyward_store::{SqliteStore, private_file};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::rim;
use crate::who_can::{self, WhoCanQuestion};

/// Longest request, in bytes.
const REQUEST_BYTES_MAX: u64 = 1024 * 1024;

/// Where the estate is that a command is about.
#[derive(Args)]
pub(crate) struct EstateArgs {
    /// Data directory, of a running server or of none [default: the platform's data directory]
    #[arg(long, env = "KEYWARD_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// File with the root key; needed only when no server runs [default: in the platform's configuration directory]
    #[arg(long, env = "KEYWARD_ROOT_KEY")]
    root_key: Option<PathBuf>,
}

impl EstateArgs {
    /// The data directory and its root key, for whoever owns them while it runs.
    pub(crate) fn opened(&self) -> anyhow::Result<(PathBuf, RootKey)> {
        let data = rim::data_directory(self.data.as_ref())?;
        let root = rim::root_key(&rim::root_key_file(self.root_key.as_ref(), &data)?, &data)?;
        Ok((data, root))
    }
}

/// What an operator can ask.
#[derive(Deserialize, Serialize)]
pub(crate) enum Ask {
    Status,
    CreateAccount { id: Option<AccountId>, name: Option<String>, partition: Partition },
    ListAccounts,
    Credentials { account: Option<AccountId> },
    CreateDoor { service: String, region: Region },
    ListDoors,
    DeleteDoor { id: String },
    CreateEndpoint { id: Option<String>, vpc: String, account: AccountId, service: String, region: Region, policy: Option<String> },
    ListEndpoints,
    DeleteEndpoint { id: String },
    CreateProxyClient { account: AccountId, user: Option<String>, region: Region },
    ListProxyClients,
    DeleteProxyClient { access_key_id: String },
    Explain { question: Box<Question> },
    EncodeAuthorizationMessage { account: AccountId, message: Box<AuthorizationMessage> },
    WhoCan { question: Box<WhoCanQuestion> },
    Grid { question: Box<WhoCanQuestion> },
}

/// What is in an estate.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) data: PathBuf,
    /// The address of the server; none where none runs.
    pub(crate) endpoint: Option<String>,
    pub(crate) process_id: Option<u32>,
    pub(crate) revision: u64,
    pub(crate) accounts: usize,
    pub(crate) users: usize,
    pub(crate) roles: usize,
    pub(crate) keys: usize,
    pub(crate) grants: usize,
    pub(crate) doors: usize,
}

/// An account in a list.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccountEntry {
    pub(crate) account_id: AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) partition: Partition,
    pub(crate) created: jiff::Timestamp,
    pub(crate) users: usize,
    pub(crate) roles: usize,
    pub(crate) keys: usize,
}

/// A root access key.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RootCredentials {
    pub(crate) account_id: AccountId,
    pub(crate) arn: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
}

impl From<admin::RevealedKey> for RootCredentials {
    fn from(key: admin::RevealedKey) -> Self {
        Self {
            account_id: key.account,
            arn: format!("arn:{}:iam::{}:root", key.partition, key.account),
            access_key_id: key.access_key_id,
            secret_access_key: (*key.secret_access_key).clone(),
        }
    }
}

/// A service door; the secret is there only when it was just made.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DoorEntry {
    pub(crate) door_id: String,
    pub(crate) via_service: String,
    pub(crate) service_principal: String,
    pub(crate) access_key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret_access_key: Option<String>,
}

/// A VPC endpoint.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EndpointEntry {
    pub(crate) vpc_endpoint_id: String,
    pub(crate) vpc_id: String,
    pub(crate) owner_id: AccountId,
    pub(crate) service: String,
    pub(crate) region: Region,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy_document: Option<String>,
}

impl From<&keyward_service::VpcEndpoint> for EndpointEntry {
    fn from(endpoint: &keyward_service::VpcEndpoint) -> Self {
        Self {
            vpc_endpoint_id: endpoint.id.clone(),
            vpc_id: endpoint.vpc.clone(),
            owner_id: endpoint.account,
            service: endpoint.service.clone(),
            region: endpoint.region.clone(),
            policy_document: endpoint.policy.as_ref().map(|policy| policy.text().to_owned()),
        }
    }
}

/// A credential of a proxy client; the secret is there only when it was just made.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ProxyClientEntry {
    pub(crate) access_key_id: String,
    pub(crate) acts_as: String,
    pub(crate) region: Region,
    pub(crate) created: jiff::Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) raw_secret_access_key: Option<String>,
}

impl From<&keyward_service::ProxyClient> for ProxyClientEntry {
    fn from(client: &keyward_service::ProxyClient) -> Self {
        Self {
            access_key_id: client.access_key_id.clone(),
            acts_as: client.acts_as(),
            region: client.region.clone(),
            created: client.created_at,
            raw_secret_access_key: None,
        }
    }
}

/// What the process that answers knows of itself.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) data: PathBuf,
    pub(crate) endpoint: Option<String>,
}

/// Answers one request.
fn answer(host: &Host, place: &Place, ask: Ask) -> anyhow::Result<serde_json::Value> {
    let state = host.state();
    let value = match ask {
        Ask::Status => {
            let accounts: Vec<AccountId> = state.accounts().map(|account| account.id).collect();
            serde_json::to_value(Status {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                data: place.data.clone(),
                endpoint: place.endpoint.clone(),
                process_id: place.endpoint.is_some().then(std::process::id),
                revision: state.revision(),
                users: accounts.iter().map(|account| state.users(*account).count()).sum(),
                roles: accounts.iter().map(|account| state.roles(*account).count()).sum(),
                keys: state.all_keys().count(),
                grants: state.all_keys().map(|key| state.grant_count(key.arn())).sum(),
                doors: state.doors().count(),
                accounts: accounts.len(),
            })
        }
        Ask::CreateAccount { id, name, partition } => {
            let id = id.map_or_else(|| admin::new_account_id(host), Ok)?;
            serde_json::to_value(RootCredentials::from(admin::create_account(host, id, name, partition)?))
        }
        Ask::ListAccounts => {
            let entry = |account: &Arc<keyward_service::Account>| AccountEntry {
                account_id: account.id,
                name: account.name.clone(),
                partition: account.partition,
                created: account.created_at,
                users: state.users(account.id).count(),
                roles: state.roles(account.id).count(),
                keys: state.all_keys().filter(|key| key.arn().account() == account.id).count(),
            };
            serde_json::to_value(state.accounts().map(entry).collect::<Vec<_>>())
        }
        Ask::Credentials { account } => {
            if let Some(account) = account.filter(|account| state.account(*account).is_none()) {
                bail!("there is no account {account}; `keyward account list` shows them");
            }
            let keys = admin::root_access_keys(host, &state, account)?;
            serde_json::to_value(keys.into_iter().map(RootCredentials::from).collect::<Vec<_>>())
        }
        Ask::CreateDoor { service, region } => {
            let made = admin::create_door(host, &service, &region)?;
            serde_json::to_value(door_entry(&made.door, made.access_key_id, Some((*made.secret_access_key).clone())))
        }
        Ask::ListDoors => {
            let key_of = |door: &keyward_service::Door| {
                let owned = |key: &&Arc<keyward_service::AccessKey>| matches!(&key.owner, keyward_service::AccessKeyOwner::Door { door: id } if *id == door.id);
                state.access_keys().find(owned).map(|key| key.id.clone()).unwrap_or_default()
            };
            serde_json::to_value(state.doors().map(|door| door_entry(door, key_of(door), None)).collect::<Vec<_>>())
        }
        Ask::DeleteDoor { id } => serde_json::to_value(admin::delete_door(host, &id)?),
        Ask::CreateEndpoint { id, vpc, account, service, region, policy } => {
            let wanted = admin::WantedEndpoint { id, vpc, account, service, region, policy };
            serde_json::to_value(EndpointEntry::from(&*admin::create_endpoint(host, wanted)?))
        }
        Ask::ListEndpoints => serde_json::to_value(state.vpc_endpoints().map(|endpoint| EndpointEntry::from(&**endpoint)).collect::<Vec<_>>()),
        Ask::DeleteEndpoint { id } => serde_json::to_value(admin::delete_endpoint(host, &id)?),
        Ask::CreateProxyClient { account, user, region } => {
            let made = xks::create_client(host, account, user, &region)?;
            let secret = Some((*made.secret_access_key).clone());
            serde_json::to_value(ProxyClientEntry { raw_secret_access_key: secret, ..ProxyClientEntry::from(&*made.client) })
        }
        Ask::ListProxyClients => serde_json::to_value(state.proxy_clients().map(|client| ProxyClientEntry::from(&**client)).collect::<Vec<_>>()),
        Ask::DeleteProxyClient { access_key_id } => serde_json::to_value(xks::delete_client(host, &access_key_id)?),
        Ask::EncodeAuthorizationMessage { account, message } => serde_json::to_value(admin::encode_authorization_message(host, account, *message)?),
        Ask::Explain { question } => serde_json::to_value(keyward_service::ask(host, &question)?),
        Ask::WhoCan { question } => serde_json::to_value(who_can::answer(host, &question)?),
        Ask::Grid { question } => serde_json::to_value(who_can::answer_all(host, &question)?),
    };
    value.context("an answer does not encode")
}

fn door_entry(door: &keyward_service::Door, access_key_id: String, secret_access_key: Option<String>) -> DoorEntry {
    let (via_service, service_principal) = (door.via_service(), door.service_principal());
    DoorEntry { door_id: door.id.clone(), via_service, service_principal, access_key_id, secret_access_key }
}

/// A socket's answer to one line.
#[derive(Deserialize, Serialize)]
enum Line {
    Ok(serde_json::Value),
    Failed(String),
}

fn socket_path(data: &Path) -> PathBuf {
    data.join("admin.sock")
}

/// Asks the running server, or opens the data directory where none runs.
pub(crate) fn request<T: DeserializeOwned>(estate: &EstateArgs, ask: Ask) -> anyhow::Result<T> {
    let data = rim::data_directory(estate.data.as_ref())?;
    let value = match UnixStream::connect(socket_path(&data)) {
        Ok(stream) => over_socket(stream, &ask)?,
        Err(_) => {
            if !data.join("keyward.db").exists() && !matches!(ask, Ask::CreateAccount { .. } | Ask::CreateDoor { .. }) {
                bail!("there is no estate in {}; `keyward serve` makes one, or name another with --data", data.display());
            }
            let (data, root) = estate.opened()?;
            let host = Host::open(Box::new(SqliteStore::open(&data)?), root, rim::env())?;
            answer(&host, &Place { data, endpoint: None }, ask)?
        }
    };
    serde_json::from_value(value).context("the server speaks another version of this protocol")
}

fn over_socket(mut stream: UnixStream, ask: &Ask) -> anyhow::Result<serde_json::Value> {
    let mut line = serde_json::to_vec(ask)?;
    line.push(b'\n');
    stream.write_all(&line).context("the server closed its socket")?;
    let mut answer = String::new();
    BufReader::new(stream).take(64 * REQUEST_BYTES_MAX).read_line(&mut answer).context("the server does not answer")?;
    match serde_json::from_str(&answer).context("the server's answer does not read")? {
        Line::Ok(value) => Ok(value),
        Line::Failed(message) => bail!(message),
    }
}

/// Serves administration on the data directory's socket. Whoever can open the socket owns the
/// files beside it, so the file's mode is the whole of the authentication.
pub(crate) fn serve(host: Arc<Host>, place: Place) -> anyhow::Result<Administration> {
    let path = socket_path(&place.data);
    // The data directory is ours alone, by its lock: a socket in it is of a process that is gone.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)
        .with_context(|| format!("no socket for administration at {} (a socket's path has at most 107 bytes)", path.display()))?;
    private_file::restrict(&path)?;
    let task = tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (host, place) = (host.clone(), place.clone());
            tokio::spawn(async move {
                if let Err(error) = one(host, place, stream).await {
                    tracing::debug!(%error, "a request for administration was not answered");
                }
            });
        }
    });
    Ok(Administration { task, path })
}

/// The socket being served; gone with the value.
pub(crate) struct Administration {
    task: tokio::task::JoinHandle<()>,
    path: PathBuf,
}

impl Drop for Administration {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn one(host: Arc<Host>, place: Place, stream: tokio::net::UnixStream) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    tokio::io::BufReader::new(read.take(REQUEST_BYTES_MAX)).read_line(&mut line).await?;
    let answered = tokio::task::spawn_blocking(move || match serde_json::from_str(&line) {
        Ok(ask) => match answer(&host, &place, ask) {
            Ok(value) => Line::Ok(value),
            Err(error) => Line::Failed(format!("{error:#}")),
        },
        Err(error) => Line::Failed(format!("the request does not read: {error}")),
    })
    .await?;
    let mut bytes = serde_json::to_vec(&answered)?;
    bytes.push(b'\n');
    write.write_all(&bytes).await?;
    Ok(())
}

/// An answer to a question, in this process or the server's.
pub(crate) fn explanation(estate: &EstateArgs, question: Question) -> anyhow::Result<Answer> {
    request(estate, Ask::Explain { question: Box::new(question) })
}
