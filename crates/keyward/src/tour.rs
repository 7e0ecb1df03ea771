//! `keyward tour`: the article on KMS authorization, played against a server in memory through real signed calls.
//!
//! Every call is decided twice: by the server over the wire, and by the question that `keyward explain` asks, whose
//! summary is shown as the reason. A step in which either differs from the specification makes the tour fail.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, bail};
use keyward_service::{Host, Question, ask, seed};
use keyward_store::MemoryStore;
use keyward_wire::client::{Answer, Client};
use keyward_wire::sigv4::Credentials;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use crate::{out, rim};

const ESTATE: &str = include_str!("../../../examples/article.yaml");
const REGION: &str = "ap-south-1";
const DATA: &str = "111122223333";
const PARTNER: &str = "444455556666";
const KEY: &str = "arn:aws:kms:ap-south-1:111122223333:key/e3a90f16-52c8-4d7b-8f05-7c6b1d2e4a90";
const DEFAULT_KEY: &str = "arn:aws:kms:ap-south-1:111122223333:key/5f0c1c9e-7d1a-4b6e-9a55-0e8f4b7c2d10";
/// Columns in which a terminal shows text.
const WIDTH: usize = 100;

pub(crate) fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().context("no runtime")?;
    let mut text = Vec::new();
    let played = runtime.block_on(play(&mut text));
    out::line(String::from_utf8_lossy(&text).trim_end())?;
    played
}

/// Plays all steps. The text holds nothing that another run would say differently.
pub(crate) async fn play(out: &mut Vec<u8>) -> anyhow::Result<()> {
    let host = Arc::new(Host::open(Box::new(MemoryStore::default()), rim::forgotten_root_key()?, rim::env())?);
    let estate: seed::Seed = serde_saphyr::from_str(ESTATE).context("the tour's estate")?;
    host.administer(|state, host| {
        let changes = seed::apply(&estate, state, host).map_err(|error| keyward_service::Error::Validation(error.to_string()))?;
        Ok(((), changes))
    })?;
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no port on the loopback interface")?;
    let authority = listener.local_addr()?.to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(keyward_wire::server::serve(listener, host.clone(), async move {
        let _ = stopped.await;
    }));
    let mut tour = Tour { host: &host, authority, out, steps: 0, calls: 0, faults: 0 };
    let result = tour.steps().await;
    let (steps, calls, faults) = (tour.steps, tour.calls, tour.faults);
    drop(stop);
    server.await.context("the server")??;
    host.close();
    result?;
    if faults > 0 {
        bail!("{faults} of {calls} calls were not decided as the specification says");
    }
    writeln!(out, "\n{steps} steps, {calls} calls, each decided as spec/authorization.md says.")?;
    Ok(())
}

/// Somebody who calls.
struct Actor {
    name: String,
    arn: String,
    via: Option<&'static str>,
    client: Client,
}

/// What the specification says of a call.
#[derive(Clone, Copy)]
enum Expect {
    Allowed,
    /// Refused by authorization.
    Denied,
    /// Authorized, and then refused for another reason.
    Fails(&'static str, &'static str),
}

struct Tour<'a> {
    host: &'a Host,
    authority: String,
    out: &'a mut Vec<u8>,
    steps: usize,
    calls: usize,
    faults: usize,
}

impl Tour<'_> {
    fn step(&mut self, title: &str, text: &str) -> anyhow::Result<()> {
        self.steps += 1;
        writeln!(self.out, "{}{}. {title}", if self.steps == 1 { "" } else { "\n" }, self.steps)?;
        self.wrapped(text, "   ", "   ")?;
        writeln!(self.out)?;
        Ok(())
    }

    fn wrapped(&mut self, text: &str, first: &str, rest: &str) -> anyhow::Result<()> {
        let (mut line, mut empty) = (first.to_owned(), true);
        for word in text.split_whitespace() {
            if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                writeln!(self.out, "{line}")?;
                (line, empty) = (rest.to_owned(), true);
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        writeln!(self.out, "{line}")?;
        Ok(())
    }

    fn client(&self, id: &str, secret: &str, token: Option<String>) -> Client {
        let credentials = Credentials { access_key_id: id.to_owned(), secret_access_key: Zeroizing::new(secret.to_owned()), session_token: token };
        Client { authority: self.authority.clone(), credentials, region: REGION.to_owned() }
    }

    /// A session of a role, by `sts:AssumeRole`.
    async fn assume(&self, by: &Client, account: &str, role: &str) -> anyhow::Result<Actor> {
        let role_arn = format!("arn:aws:iam::{account}:role/{role}");
        let parameters = [("Action", "AssumeRole"), ("Version", "2011-06-15"), ("RoleArn", role_arn.as_str()), ("RoleSessionName", "tour")];
        let answer = by.query("sts", &parameters, rim::now()).await?;
        if !answer.is_success() {
            bail!("cannot assume {role}: {}", answer.error_message());
        }
        let client = self.client(&answer.element("AccessKeyId"), &answer.element("SecretAccessKey"), Some(answer.element("SessionToken")));
        Ok(Actor { name: role.to_owned(), arn: format!("arn:aws:sts::{account}:assumed-role/{role}/tour"), via: None, client })
    }

    /// The same caller through a service: the door is shown a request that the caller signed for the service.
    async fn through(&self, actor: &Actor, service: &'static str, door: (&str, &str)) -> anyhow::Result<Actor> {
        let name = service.split('.').next().unwrap_or_default();
        let proof = actor.client.proof(name, service, rim::now());
        let door = self.client(door.0, door.1, None);
        let answer = door.json("keyward", "Keyward.ForwardAccess", &json!({ "Request": proof }), rim::now()).await?;
        if !answer.is_success() {
            bail!("the door of {service} does not open: {}", answer.error_message());
        }
        let member = |name: &str| answer.member(&format!("Credentials.{name}"));
        let client = self.client(&member("AccessKeyId"), &member("SecretAccessKey"), Some(member("SessionToken")));
        Ok(Actor { name: format!("{} via {name}", actor.name), arn: actor.arn.clone(), via: Some(service), client })
    }

    /// Calls KMS, and holds both decisions against what is expected.
    async fn call(&mut self, actor: &Actor, operation: &str, key: &str, mut input: Value, expect: Expect) -> anyhow::Result<Answer> {
        // A decryption names no key: the ciphertext does. An operation without key has none to name.
        if let (true, Some(members)) = (key != "*" && operation != "Decrypt", input.as_object_mut()) {
            members.insert("KeyId".to_owned(), json!(key));
        }
        let mut parameters = input.as_object().cloned().unwrap_or_default();
        parameters.remove("KeyId");
        let answer = actor.client.json("kms", &format!("TrentService.{operation}"), &input, rim::now()).await?;
        let question = Question {
            principal: actor.arn.clone(),
            action: format!("kms:{operation}"),
            key: key.to_owned(),
            region: Some(REGION.to_owned()),
            encryption_context: Default::default(),
            via: actor.via.map(str::to_owned),
            endpoint: None,
            grant_tokens: Vec::new(),
            parameters,
            conditions: Vec::new(),
        };
        // What a call changes is not there when it is asked about before, and may be gone after: the call came first.
        let explanation = ask(self.host, &question)?.deciding;
        let (wanted_code, wanted_decision) = match expect {
            Expect::Allowed => ("", "ALLOW"),
            Expect::Denied => ("AccessDeniedException", "DENY"),
            Expect::Fails(code, _) => (code, "ALLOW"),
        };
        let code = answer.error_code();
        let as_expected = code == wanted_code && explanation.decision == wanted_decision;
        self.calls += 1;
        let shown = if code.is_empty() { "✓ allowed".to_owned() } else { format!("✗ {code}") };
        writeln!(self.out, "   {:<26}{:<20}{shown}", actor.name, operation)?;
        let why = match expect {
            Expect::Fails(_, why) => why.to_owned(),
            Expect::Allowed | Expect::Denied => explanation.summary.clone(),
        };
        self.wrapped(&why, "     ", "     ")?;
        if !as_expected {
            self.faults += 1;
            writeln!(self.out, "     FAULT: expected {wanted_decision} {wanted_code}, the question says {}", explanation.decision)?;
            writeln!(self.out, "     {}", answer.error_message())?;
        }
        Ok(answer)
    }

    /// A call of IAM that sets the scene.
    async fn iam(&mut self, actor: &Actor, parameters: &[(&str, &str)]) -> anyhow::Result<()> {
        let answer = actor.client.query("iam", parameters, rim::now()).await?;
        let action = parameters.first().map_or("", |(_, action)| action);
        if !answer.is_success() {
            bail!("{action}: {}", answer.error_message());
        }
        writeln!(self.out, "   {:<26}{action}", actor.name)?;
        Ok(())
    }

    async fn steps(&mut self) -> anyhow::Result<()> {
        let story = self.client("AKIADATASTORYEXAMPLE", "data-story/EXAMPLE/not-a-secret-at-all-0", None);
        let (ops, admins) = (self.assume(&story, DATA, "ops").await?, self.assume(&story, DATA, "kms-key-admins").await?);
        let app = self.assume(&story, DATA, "app-data-plane").await?;
        let s3 = ("AKIADOORSSSEXAMPLE00", "door-s3/EXAMPLE/not-a-secret-at-all-0000");
        let ec2 = ("AKIADOORECTWOEXAMPLE", "door-ec2/EXAMPLE/not-a-secret-at-all-000");
        let app_via_s3 = self.through(&app, "s3.ap-south-1.amazonaws.com", s3).await?;
        let app_via_ec2 = self.through(&app, "ec2.ap-south-1.amazonaws.com", ec2).await?;
        self.default_policy(&ops, &app).await?;
        self.separation(&admins, &app, &ops).await?;
        let ciphertext = self.envelope(&app_via_s3).await?;
        self.out_of_context(&app_via_s3, &ciphertext).await?;
        self.via_service(&app, &app_via_ec2, &app_via_s3, &ciphertext).await?;
        self.grants_for_resources(&app, &app_via_ec2).await?;
        self.unseen_path(&admins, &ciphertext).await?;
        self.across_accounts(&ops).await?;
        let break_glass = self.assume(&story, DATA, "break-glass").await?;
        self.held_deletion(&ops, &break_glass).await?;
        self.lockout(&ops).await
    }

    async fn default_policy(&mut self, ops: &Actor, app: &Actor) -> anyhow::Result<()> {
        self.step(
            "The default-policy trap",
            "A key that is made without a policy gets one statement: the account. It names nobody, and leaves everything to IAM. Whoever \
             has kms:Decrypt on every resource there can read what this key protects.",
        )?;
        let encrypted = self.call(ops, "Encrypt", DEFAULT_KEY, json!({"Plaintext": "b3JkZXJz"}), Expect::Allowed).await?;
        let blob = encrypted.member("CiphertextBlob");
        self.call(ops, "Decrypt", DEFAULT_KEY, json!({ "CiphertextBlob": blob }), Expect::Allowed).await?;
        self.call(app, "Decrypt", DEFAULT_KEY, json!({ "CiphertextBlob": blob }), Expect::Denied).await.map(|_| ())
    }

    async fn separation(&mut self, admins: &Actor, app: &Actor, ops: &Actor) -> anyhow::Result<()> {
        self.step(
            "Administrators who cannot decrypt, users who cannot administer",
            "The article's key has no account statement. Its administrators manage it and read nothing; its users read and manage \
             nothing; an administrator of the whole account is nobody here.",
        )?;
        self.call(admins, "DescribeKey", KEY, json!({}), Expect::Allowed).await?;
        self.call(admins, "Encrypt", KEY, json!({"Plaintext": "eA==", "EncryptionContext": {"project": "shieldsync-prod"}}), Expect::Denied).await?;
        self.call(app, "DescribeKey", KEY, json!({}), Expect::Denied).await?;
        self.call(app, "GetKeyPolicy", KEY, json!({}), Expect::Denied).await?;
        self.call(ops, "DescribeKey", KEY, json!({}), Expect::Denied).await.map(|_| ())
    }

    async fn envelope(&mut self, app: &Actor) -> anyhow::Result<String> {
        self.step(
            "Envelope encryption",
            "S3 asks for a data key in the name of whoever writes the object. The object is encrypted with the data key, and the data \
             key's ciphertext is stored beside it. The encryption context binds both to this object.",
        )?;
        let context = json!({"project": "shieldsync-prod", "aws:s3:arn": "arn:aws:s3:::prod-data/orders.parquet"});
        let made = self.call(app, "GenerateDataKey", KEY, json!({"KeySpec": "AES_256", "EncryptionContext": context}), Expect::Allowed).await?;
        let ciphertext = made.member("CiphertextBlob");
        let opened = self.call(app, "Decrypt", KEY, json!({"CiphertextBlob": ciphertext, "EncryptionContext": context}), Expect::Allowed).await?;
        if opened.member("Plaintext") != made.member("Plaintext") || made.member("Plaintext").is_empty() {
            bail!("the data key did not come back");
        }
        Ok(ciphertext)
    }

    async fn out_of_context(&mut self, app: &Actor, ciphertext: &str) -> anyhow::Result<()> {
        self.step(
            "Stolen ciphertext, out of context",
            "The same caller, the same key, another context: the ciphertext does not open, and nothing says why. Without the pair that the \
             key policy asks for, the call is not even allowed.",
        )?;
        let other = json!({"project": "shieldsync-prod", "aws:s3:arn": "arn:aws:s3:::stolen/orders.parquet"});
        let fails = Expect::Fails("InvalidCiphertextException", "Allowed; but the context is not the one with which it was encrypted.");
        self.call(app, "Decrypt", KEY, json!({"CiphertextBlob": ciphertext, "EncryptionContext": other}), fails).await?;
        self.call(app, "Decrypt", KEY, json!({ "CiphertextBlob": ciphertext }), Expect::Denied).await.map(|_| ())
    }

    async fn via_service(&mut self, app: &Actor, via_ec2: &Actor, via_s3: &Actor, ciphertext: &str) -> anyhow::Result<()> {
        self.step(
            "Only through S3",
            "A leaked credential of the application calls KMS directly, with the right context, and is refused: kms:ViaService is set by \
             the service, and no header or parameter can claim it. Another service will not do either.",
        )?;
        let context = json!({"project": "shieldsync-prod", "aws:s3:arn": "arn:aws:s3:::prod-data/orders.parquet"});
        let input = json!({"CiphertextBlob": ciphertext, "EncryptionContext": context});
        self.call(app, "Decrypt", KEY, input.clone(), Expect::Denied).await?;
        self.call(via_ec2, "Decrypt", KEY, input.clone(), Expect::Denied).await?;
        self.call(via_s3, "Decrypt", KEY, input, Expect::Allowed).await.map(|_| ())
    }

    async fn grants_for_resources(&mut self, app: &Actor, via_ec2: &Actor) -> anyhow::Result<()> {
        self.step(
            "Grants for AWS resources only",
            "kms:GrantIsForAWSResource is true when a service makes the grant for the caller: EC2 may give a volume its path to the key, \
             the caller may not give one to whom it likes.",
        )?;
        let grant = json!({"GranteePrincipal": format!("arn:aws:iam::{DATA}:role/ops"), "Operations": ["Decrypt"]});
        self.call(app, "CreateGrant", KEY, grant.clone(), Expect::Denied).await?;
        self.call(via_ec2, "CreateGrant", KEY, grant, Expect::Allowed).await.map(|_| ())
    }

    async fn unseen_path(&mut self, admins: &Actor, ciphertext: &str) -> anyhow::Result<()> {
        self.step(
            "A grant is a path that no policy shows",
            "kms:Create* holds CreateGrant. An administrator who cannot decrypt gives itself a grant, and decrypts: the key policy has not \
             changed by a letter. Only the list of grants shows it, and revoking ends it at once.",
        )?;
        let context = json!({"project": "shieldsync-prod", "aws:s3:arn": "arn:aws:s3:::prod-data/orders.parquet"});
        let input = json!({"CiphertextBlob": ciphertext, "EncryptionContext": context});
        self.call(admins, "Decrypt", KEY, input.clone(), Expect::Denied).await?;
        let grant = json!({"GranteePrincipal": format!("arn:aws:iam::{DATA}:role/kms-key-admins"), "Operations": ["Decrypt"]});
        let made = self.call(admins, "CreateGrant", KEY, grant, Expect::Allowed).await?;
        self.call(admins, "Decrypt", KEY, input.clone(), Expect::Allowed).await?;
        self.call(admins, "ListGrants", KEY, json!({}), Expect::Allowed).await?;
        self.call(admins, "RevokeGrant", KEY, json!({"GrantId": made.member("GrantId")}), Expect::Allowed).await?;
        self.call(admins, "Decrypt", KEY, input, Expect::Denied).await.map(|_| ())
    }

    async fn across_accounts(&mut self, ops: &Actor) -> anyhow::Result<()> {
        self.step(
            "Another account needs both halves",
            "The key policy must allow the foreign role, and the role's own account must allow it too. Either half alone is nothing.",
        )?;
        let partner = self.client("AKIAPARTNERUSEREXAMP", "partner-user/EXAMPLE/not-a-secret-at-all", None);
        let reader = self.assume(&partner, PARTNER, "cross-account-reader").await?;
        let user = Actor { name: "partner".into(), arn: format!("arn:aws:iam::{PARTNER}:user/partner"), via: None, client: partner };
        let encrypted = self.call(ops, "Encrypt", DEFAULT_KEY, json!({"Plaintext": "c2hhcmVk"}), Expect::Allowed).await?;
        let input = json!({"CiphertextBlob": encrypted.member("CiphertextBlob")});
        self.call(&reader, "Decrypt", DEFAULT_KEY, input.clone(), Expect::Denied).await?;
        let role = [("Version", "2010-05-08"), ("RoleName", "cross-account-reader"), ("PolicyName", "read")];
        let document = policy(&json!([{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": DEFAULT_KEY}]));
        let put = [&[("Action", "PutRolePolicy"), ("PolicyDocument", document.as_str())], &role[..]].concat();
        self.iam(&user, &put).await?;
        self.call(&reader, "Decrypt", DEFAULT_KEY, input.clone(), Expect::Denied).await?;
        self.iam(&user, &[&[("Action", "DeleteRolePolicy")], &role[..]].concat()).await?;
        let reader_arn = format!("arn:aws:iam::{PARTNER}:role/cross-account-reader");
        let shared = [account_statement(), allow(&reader_arn, "kms:Decrypt")];
        self.call(ops, "PutKeyPolicy", DEFAULT_KEY, json!({"Policy": policy(&json!(shared))}), Expect::Allowed).await?;
        self.call(&reader, "Decrypt", DEFAULT_KEY, input.clone(), Expect::Denied).await?;
        self.iam(&user, &put).await?;
        self.call(&reader, "Decrypt", DEFAULT_KEY, input.clone(), Expect::Allowed).await?;
        self.step(
            "Naming the external root hands over the choice",
            "A statement for the other account's root means everybody there to whom its administrators give the permission, today or \
             tomorrow. Here that is also a user who was never meant.",
        )?;
        self.call(&user, "Decrypt", DEFAULT_KEY, input.clone(), Expect::Denied).await?;
        let handed_over = [account_statement(), allow(&format!("arn:aws:iam::{PARTNER}:root"), "kms:Decrypt")];
        self.call(ops, "PutKeyPolicy", DEFAULT_KEY, json!({"Policy": policy(&json!(handed_over))}), Expect::Allowed).await?;
        self.call(&user, "Decrypt", DEFAULT_KEY, input, Expect::Allowed).await.map(|_| ())
    }

    async fn held_deletion(&mut self, ops: &Actor, break_glass: &Actor) -> anyhow::Result<()> {
        self.step(
            "Deletion held by an explicit deny",
            "A deny for everybody but one role outweighs every allow there is, an administrator's too. It must hold the other ways to the \
             same end as well: disabling the key, and replacing the policy that holds the deny.",
        )?;
        let (glass, steward) = (format!("arn:aws:iam::{DATA}:role/break-glass"), format!("arn:aws:iam::{DATA}:role/ops"));
        let destroying = json!(["kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:DeleteImportedKeyMaterial"]);
        let held = json!([
            account_statement(),
            {"Sid": "OnlyBreakGlassDestroys", "Effect": "Deny", "Principal": "*", "Action": destroying, "Resource": "*",
             "Condition": {"ArnNotEquals": {"aws:PrincipalArn": glass}}},
            {"Sid": "OnlyOpsReplacesThis", "Effect": "Deny", "Principal": "*", "Action": "kms:PutKeyPolicy", "Resource": "*",
             "Condition": {"ArnNotEquals": {"aws:PrincipalArn": steward}}},
            {"Sid": "BreakGlass", "Effect": "Allow", "Principal": {"AWS": glass}, "Resource": "*",
             "Action": ["kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"]},
        ]);
        self.call(ops, "PutKeyPolicy", DEFAULT_KEY, json!({"Policy": policy(&held)}), Expect::Allowed).await?;
        self.call(ops, "ScheduleKeyDeletion", DEFAULT_KEY, json!({}), Expect::Denied).await?;
        self.call(ops, "DisableKey", DEFAULT_KEY, json!({}), Expect::Denied).await?;
        self.call(break_glass, "ScheduleKeyDeletion", DEFAULT_KEY, json!({"PendingWindowInDays": 7}), Expect::Allowed).await?;
        self.call(break_glass, "CancelKeyDeletion", DEFAULT_KEY, json!({}), Expect::Allowed).await?;
        self.call(ops, "EnableKey", DEFAULT_KEY, json!({}), Expect::Allowed).await.map(|_| ())
    }

    async fn lockout(&mut self, ops: &Actor) -> anyhow::Result<()> {
        self.step(
            "The lockout check, and talking past it",
            "A policy under which its author could not put the next one is refused. The check asks about its author only, and a parameter \
             turns it off: then the key is made, and whoever made it is locked out.",
        )?;
        let theirs = json!([allow(&format!("arn:aws:iam::{DATA}:role/kms-key-admins"), "kms:*")]);
        let fails = Expect::Fails("MalformedPolicyDocumentException", "Allowed to create keys; but this policy would not let ops replace it.");
        self.call(ops, "CreateKey", "*", json!({"Policy": policy(&theirs)}), fails).await?;
        let bypass = json!({"Policy": policy(&theirs), "BypassPolicyLockoutSafetyCheck": true});
        let made = self.call(ops, "CreateKey", "*", bypass, Expect::Allowed).await?;
        self.call(ops, "DescribeKey", &made.member("KeyMetadata.Arn"), json!({}), Expect::Denied).await.map(|_| ())
    }
}

fn account_statement() -> Value {
    json!({"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{DATA}:root")}, "Action": "kms:*", "Resource": "*"})
}

fn allow(principal: &str, action: &str) -> Value {
    json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": "*"})
}

fn policy(statements: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The transcript, byte for byte. `KEYWARD_UPDATE=1` writes it anew, for reading as a diff.
    #[test]
    fn the_tour_is_as_it_was() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tour.txt");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let mut text = Vec::new();
        let played = runtime.block_on(play(&mut text));
        let text = String::from_utf8(text).unwrap();
        played.unwrap_or_else(|error| panic!("{error:#}\n{text}"));
        if std::env::var_os("KEYWARD_UPDATE").is_some() {
            std::fs::write(&golden, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(&golden).unwrap());
    }
}
