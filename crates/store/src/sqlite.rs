//! The embedded store: SQLite in WAL mode, flushed at every commit (T48).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use keyward_authz::KeyArn;
use keyward_crypto::KeyCheckValue;
use keyward_service::{Commit, Entity, EntityKind, LastUsage, Loaded, Record, Store, StoreError};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use rustix::fs::{FlockOperation, flock};

use crate::private_file;

/// The schema that this release writes; newer ones are refused (T60).
const SCHEMA_VERSION: i64 = 3;

/// Bytes of a page. Records are appended a batch at a time: a larger page is written whole, with one checksum.
const PAGE_BYTES: i64 = 16_384;
/// Pages of the write-ahead log after which it is copied into the database. Seldom: pages that change often, such as
/// those of the index, are then copied once for many changes.
const CHECKPOINT_PAGES: i64 = 4_000;
/// How many of the last records are looked at for the latest time: far more than ever wait at once.
const LATEST_RECORDS: i64 = 10_000;

const SCHEMA: &str = "
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE entity (kind TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
    CREATE TABLE trail (
        seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, request_id TEXT NOT NULL, event_name TEXT NOT NULL,
        account TEXT, principal TEXT, key TEXT, error_code TEXT, json TEXT NOT NULL, explanation TEXT);
    CREATE INDEX trail_request ON trail (request_id);
";
/// The last use of each key (K107).
const SCHEMA_OF_USAGE: &str = "
    CREATE TABLE last_usage (
        key TEXT PRIMARY KEY, operation TEXT NOT NULL, time_ms INTEGER NOT NULL, event_id TEXT NOT NULL, request_id TEXT NOT NULL) WITHOUT ROWID;
";
/// What the trail says of uses before they were kept by themselves.
const USAGE_OF_TRAIL: &str = "
    INSERT OR REPLACE INTO last_usage (key, operation, time_ms, event_id, request_id)
    SELECT json_extract(used.value, '$.ARN'), trail.event_name, trail.time_ms, json_extract(trail.json, '$.eventID'), trail.request_id
    FROM trail, json_each(trail.json, '$.resources') AS used
    WHERE trail.error_code IS NULL AND trail.account = json_extract(used.value, '$.accountId')
        AND json_extract(trail.json, '$.eventSource') = 'kms.amazonaws.com'
        AND trail.event_name IN ('Decrypt', 'DeriveSharedSecret', 'Encrypt', 'GenerateDataKey', 'GenerateDataKeyPair',
            'GenerateDataKeyPairWithoutPlaintext', 'GenerateDataKeyWithoutPlaintext', 'GenerateMac', 'ReEncrypt', 'Sign', 'Verify', 'VerifyMac',
            'Encapsulate', 'Decapsulate')
        AND EXISTS (SELECT 1 FROM entity WHERE kind = 'key' AND id = json_extract(used.value, '$.ARN'))
    ORDER BY trail.seq
";

/// Why a data directory does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailed {
    /// Files or directories are not as they must be.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Another process owns it.
    #[error("the data directory belongs to a running keyward (pid {pid}); stop it, or use another --data")]
    Owned {
        /// The owner.
        pid: String,
    },
    /// Written by a newer release.
    #[error("the data was written by a newer release (schema {found}, this one reads {SCHEMA_VERSION})")]
    Newer {
        /// The schema on disk.
        found: i64,
    },
    /// Pages or indexes are damaged (T52).
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// SQLite says no.
    #[error("{0}")]
    Sqlite(rusqlite::Error),
    /// The file is there and empty: it was cut, for a new one is made whole (T54).
    #[error("{0} is empty: it was cut, or a first start was interrupted; put back a copy, or remove the file to start with an empty estate")]
    Empty(PathBuf),
}

// Its text has that of its own source, so it is not told as one.
impl From<rusqlite::Error> for OpenFailed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// An estate and its trail in `DIR/keyward.db`, with one owner at a time.
pub struct SqliteStore {
    connection: Connection,
    /// Holds the lock while the store lives.
    _owner: File,
}

impl SqliteStore {
    /// Opens the directory, makes what is missing, checks what is there.
    ///
    /// # Errors
    /// [`OpenFailed`]; another owner's data is not touched.
    pub fn open(directory: &Path) -> Result<Self, OpenFailed> {
        private_file::directory(directory)?;
        let owner = own(&directory.join("owner.lock"))?;
        let path = directory.join("keyward.db");
        if path.metadata().is_ok_and(|file| file.len() == 0) {
            return Err(OpenFailed::Empty(path));
        }
        // Made by us first, so that SQLite finds a file of mode 0600 and gives its companions the same.
        drop(private_file::open(&path)?);
        private_file::sync_parent(&path)?;
        let mut connection = Connection::open(&path)?;
        // Only a database that is being made takes another page size.
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // What was sealed and replaced does not linger in free pages (T46).
        connection.pragma_update(None, "secure_delete", "ON")?;
        let health: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if health != "ok" {
            return Err(OpenFailed::Damaged(health));
        }
        migrate(&mut connection)?;
        private_file::sync_parent(&path)?;
        Ok(Self { connection, _owner: owner })
    }
}

/// Takes the lock, and leaves our pid for whoever comes second.
fn own(path: &Path) -> Result<File, OpenFailed> {
    let mut file = private_file::open(path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut pid = String::new();
        file.read_to_string(&mut pid)?;
        return Err(OpenFailed::Owned { pid: pid.trim().to_owned() });
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

fn migrate(connection: &mut Connection) -> Result<(), OpenFailed> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > SCHEMA_VERSION {
        return Err(OpenFailed::Newer { found });
    }
    if found == SCHEMA_VERSION {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    match found {
        0 => transaction.execute_batch(SCHEMA)?,
        // The event's id stands in the record itself.
        1 => transaction.execute_batch("ALTER TABLE trail DROP COLUMN event_id")?,
        _ => {}
    }
    transaction.execute_batch(SCHEMA_OF_USAGE)?;
    transaction.execute(USAGE_OF_TRAIL, [])?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    Ok(transaction.commit()?)
}

/// (T50) (T51) What may be tried again, and what may not.
fn store_error(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::ReadOnly | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Retry(error.to_string()),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt(error.to_string()),
        _ => StoreError::Final(error.to_string()),
    }
}

impl Store for SqliteStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        load(&self.connection)
    }

    fn commit(&mut self, batch: &[Commit]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction().map_err(store_error)?;
        write(&transaction, batch).map_err(store_error)?;
        transaction.commit().map_err(store_error)
    }

    fn adopt_root_key(&mut self, check: &KeyCheckValue) -> Result<(), StoreError> {
        let sql = "INSERT INTO meta (name, value) VALUES ('root-key', ?1)";
        self.connection.execute(sql, [check.to_string()]).map(|_| ()).map_err(store_error)
    }
}

fn write(connection: &Connection, batch: &[Commit]) -> Result<(), rusqlite::Error> {
    let mut put = connection.prepare_cached("INSERT OR REPLACE INTO entity (kind, id, body) VALUES (?1, ?2, ?3)")?;
    let mut delete = connection.prepare_cached("DELETE FROM entity WHERE kind = ?1 AND id = ?2")?;
    let mut record = connection.prepare_cached(
        "INSERT INTO trail (time_ms, request_id, event_name, account, principal, key, error_code, json, explanation)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let mut forget = connection.prepare_cached("DELETE FROM last_usage WHERE key = ?1")?;
    let mut revisions = 0;
    // However often a key is used in a batch, its last use is written once.
    let mut used: BTreeMap<&KeyArn, &Record> = BTreeMap::new();
    for commit in batch {
        for row in &commit.rows {
            match &row.body {
                Some(body) => put.execute(params![row.kind.name(), row.id, body])?,
                None => delete.execute(params![row.kind.name(), row.id])?,
            };
            if row.kind == EntityKind::Key && row.body.is_none() {
                forget.execute([&row.id])?;
                used.retain(|key, _| key.as_str() != row.id);
            }
        }
        revisions += i64::from(!commit.rows.is_empty());
        for kept in &commit.records {
            let Record { request_id, time_ms, event_name, account, principal, key, error_code, json, explanation, used: uses } = kept;
            used.extend(uses.iter().flat_map(|uses| &uses.keys).map(|key| (key, kept)));
            let account = account.map(|account| account.to_string());
            record.execute(params![time_ms, request_id, event_name, account, principal, key, error_code, json, explanation])?;
        }
    }
    let mut last =
        connection.prepare_cached("INSERT OR REPLACE INTO last_usage (key, operation, time_ms, event_id, request_id) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (key, record) in used {
        if let Some((_, LastUsage { operation, time_ms, event_id, request_id })) = record.usage() {
            last.execute(params![key.as_str(), operation, time_ms, event_id, request_id])?;
        }
    }
    if revisions > 0 {
        let sql = "INSERT INTO meta (name, value) VALUES ('revision', ?1) ON CONFLICT (name) DO UPDATE SET value = value + ?1";
        connection.prepare_cached(sql)?.execute([revisions])?;
    }
    Ok(())
}

fn load(connection: &Connection) -> Result<Loaded, StoreError> {
    let meta = |name: &str| {
        let sql = "SELECT CAST(value AS TEXT) FROM meta WHERE name = ?1";
        connection.query_row(sql, [name], |row| row.get::<_, String>(0)).optional().map_err(store_error)
    };
    let corrupt = |what: &str| StoreError::Corrupt(format!("{what} does not read"));
    let root_key = meta("root-key")?.map(|text| text.parse().map_err(|_| corrupt("the root key's check value"))).transpose()?;
    let revision = meta("revision")?.map(|text| text.parse().map_err(|_| corrupt("the revision"))).transpose()?.unwrap_or(0);
    let latest_ms = connection
        .query_row("SELECT COALESCE(MAX(time_ms), 0) FROM (SELECT time_ms FROM trail ORDER BY seq DESC LIMIT ?1)", [LATEST_RECORDS], |row| row.get(0))
        .map_err(store_error)?;
    let mut statement = connection.prepare("SELECT key, operation, time_ms, event_id, request_id FROM last_usage").map_err(store_error)?;
    let usage = |row: &rusqlite::Row<'_>| {
        let usage = LastUsage { operation: row.get(1)?, time_ms: row.get(2)?, event_id: row.get(3)?, request_id: row.get(4)? };
        Ok((row.get(0)?, usage))
    };
    let last_usages = statement.query_map([], usage).map_err(store_error)?.collect::<Result<_, _>>().map_err(store_error)?;
    let mut statement = connection.prepare("SELECT kind, id, body FROM entity").map_err(store_error)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(store_error)?;
    let mut entities = Vec::new();
    for row in rows {
        let (kind, id, body): (String, String, Vec<u8>) = row.map_err(store_error)?;
        let known = EntityKind::named(&kind).ok_or_else(|| corrupt(&format!("a row of kind `{kind}`")))?;
        entities.push(Entity::decode(known, &body).map_err(|error| StoreError::Corrupt(format!("{kind} {id}: {error}")))?);
    }
    Ok(Loaded { root_key, revision, entities, last_usages, latest_ms })
}

/// Reads estate and trail of a data directory beside its owner.
pub struct Trail {
    connection: Connection,
}

impl Trail {
    /// Opens a data directory for reading.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(directory: &Path) -> Result<Self, OpenFailed> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Ok(Self { connection: Connection::open_with_flags(directory.join("keyward.db"), flags)? })
    }

    /// The estate as it is on disk.
    ///
    /// # Errors
    /// When it does not read.
    pub fn estate(&self) -> Result<Loaded, StoreError> {
        load(&self.connection)
    }

    /// The last records, oldest of them first: sequence number and JSON.
    ///
    /// # Errors
    /// When the trail does not read.
    pub fn last(&self, limit: u32) -> Result<Vec<(i64, String)>, StoreError> {
        let sql = "SELECT seq, json FROM (SELECT seq, json FROM trail ORDER BY seq DESC LIMIT ?1) ORDER BY seq";
        let mut statement = self.connection.prepare(sql).map_err(store_error)?;
        let rows = statement.query_map([limit], |row| Ok((row.get(0)?, row.get(1)?))).map_err(store_error)?;
        rows.collect::<Result<_, _>>().map_err(store_error)
    }

    /// The records behind a sequence number, as far as there are any yet.
    ///
    /// # Errors
    /// When the trail does not read.
    pub fn after(&self, seq: i64) -> Result<Vec<(i64, String)>, StoreError> {
        let mut statement = self.connection.prepare("SELECT seq, json FROM trail WHERE seq > ?1 ORDER BY seq").map_err(store_error)?;
        let rows = statement.query_map([seq], |row| Ok((row.get(0)?, row.get(1)?))).map_err(store_error)?;
        rows.collect::<Result<_, _>>().map_err(store_error)
    }

    /// The newest records that pass a filter, oldest first.
    ///
    /// # Errors
    /// When the trail does not read.
    pub fn query(&self, filter: &TrailFilter) -> Result<Vec<String>, StoreError> {
        // What was not asked for is null, and a null condition holds.
        let sql = "SELECT json FROM (SELECT seq, json FROM trail WHERE \
            (?1 IS NULL OR account = ?1) AND (?2 IS NULL OR instr(principal, ?2) > 0) AND (?3 IS NULL OR instr(key, ?3) > 0) \
            AND (?4 IS NULL OR event_name = ?4) AND (?5 IS NULL OR error_code = ?5) AND (NOT ?6 OR error_code IS NOT NULL) \
            AND (?7 IS NULL OR time_ms >= ?7) AND (?8 IS NULL OR time_ms < ?8) ORDER BY seq DESC LIMIT ?9) ORDER BY seq";
        let mut statement = self.connection.prepare(sql).map_err(store_error)?;
        let TrailFilter { account, principal, key, event, error, failed, since_ms, until_ms, limit } = filter;
        let wanted = params![account, principal, key, event, error, failed, since_ms, until_ms, limit];
        let rows = statement.query_map(wanted, |row| row.get(0)).map_err(store_error)?;
        rows.collect::<Result<_, _>>().map_err(store_error)
    }

    /// The records of one request with the explanation of its refusal.
    ///
    /// # Errors
    /// When the trail does not read.
    pub fn of_request(&self, request_id: &str) -> Result<Vec<(String, Option<String>)>, StoreError> {
        let sql = "SELECT json, explanation FROM trail WHERE request_id = ?1 ORDER BY seq";
        let mut statement = self.connection.prepare(sql).map_err(store_error)?;
        let rows = statement.query_map([request_id], |row| Ok((row.get(0)?, row.get(1)?))).map_err(store_error)?;
        rows.collect::<Result<_, _>>().map_err(store_error)
    }
}

/// Which records are wanted; what is none does not matter.
#[derive(Default)]
pub struct TrailFilter {
    /// The account whose trail it is.
    pub account: Option<String>,
    /// A part of the caller's ARN.
    pub principal: Option<String>,
    /// A part of the key's ARN.
    pub key: Option<String>,
    /// `Decrypt`
    pub event: Option<String>,
    /// The error's code.
    pub error: Option<String>,
    /// Only calls that failed.
    pub failed: bool,
    /// Not before, in milliseconds since the epoch.
    pub since_ms: Option<i64>,
    /// Before, in milliseconds since the epoch.
    pub until_ms: Option<i64>,
    /// How many, the newest.
    pub limit: u32,
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::sync::Arc;

    use keyward_service::{Account, Row, Used};

    use super::*;
    use crate::MemoryStore;

    fn private_directory() -> tempfile::TempDir {
        tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o700)).tempdir().unwrap()
    }

    fn put(id: &str) -> Commit {
        let account = Account { id: id.parse().unwrap(), name: None, email: None, partition: Default::default(), created_at: Default::default() };
        let entity = Entity::Account(Arc::new(account));
        Commit { rows: vec![Row { kind: entity.kind(), id: id.into(), body: Some(entity.encode().unwrap()) }], records: vec![record(id)] }
    }

    fn delete(id: &str) -> Commit {
        Commit { rows: vec![Row { kind: EntityKind::Account, id: id.into(), body: None }], records: Vec::new() }
    }

    fn record(request_id: &str) -> Record {
        Record {
            request_id: request_id.into(),
            time_ms: 7,
            event_name: "CreateKey".into(),
            account: None,
            principal: None,
            key: None,
            error_code: None,
            json: "{}".into(),
            explanation: Some("why".into()),
            used: None,
        }
    }

    const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    /// A use of the key.
    fn using(request_id: &str) -> Record {
        let used = Used { keys: vec![KEY.parse().unwrap()], event_id: format!("event of {request_id}") };
        Record { event_name: "Decrypt".into(), used: Some(used), ..record(request_id) }
    }

    /// One suite for every backend.
    fn keeps_what_is_committed(store: &mut dyn Store) {
        store.commit(&[put("111122223333"), put("444455556666"), delete("111122223333")]).unwrap();
        let loaded = store.load().unwrap();
        assert_eq!((loaded.revision, loaded.latest_ms), (3, 7));
        assert!(matches!(loaded.entities.as_slice(), [Entity::Account(account)] if account.id.as_str() == "444455556666"));
    }

    /// (K107)
    fn keeps_the_last_use_as_long_as_the_key(store: &mut dyn Store) {
        let of = |request_ids: &[&str]| Commit { rows: Vec::new(), records: request_ids.iter().map(|id| using(id)).collect() };
        store.commit(&[of(&["1", "2"]), of(&["3"])]).unwrap();
        let usage = LastUsage { operation: "Decrypt".into(), time_ms: 7, event_id: "event of 3".into(), request_id: "3".into() };
        assert_eq!(store.load().unwrap().last_usages, [(KEY.to_owned(), usage)]);
        let gone = Row { kind: EntityKind::Key, id: KEY.into(), body: None };
        store.commit(&[of(&["4"]), Commit { rows: vec![gone], records: Vec::new() }]).unwrap();
        assert_eq!(store.load().unwrap().last_usages, []);
    }

    #[test]
    fn both_backends_keep_what_is_committed() {
        keeps_what_is_committed(&mut MemoryStore::default());
        keeps_what_is_committed(&mut SqliteStore::open(private_directory().path()).unwrap());
        keeps_the_last_use_as_long_as_the_key(&mut MemoryStore::default());
        keeps_the_last_use_as_long_as_the_key(&mut SqliteStore::open(private_directory().path()).unwrap());
    }

    #[test]
    fn k107_the_trail_of_an_older_release_tells_the_last_uses() {
        let directory = private_directory();
        let old = Connection::open(directory.path().join("keyward.db")).unwrap();
        std::fs::set_permissions(directory.path().join("keyward.db"), std::fs::Permissions::from_mode(0o600)).unwrap();
        old.execute_batch(SCHEMA).unwrap();
        old.execute("INSERT INTO entity VALUES ('key', ?1, x'')", [KEY]).unwrap();
        let json = |event: &str| {
            let resource = format!(r#"{{"accountId":"111122223333","type":"AWS::KMS::Key","ARN":"{KEY}"}}"#);
            format!(r#"{{"eventSource":"kms.amazonaws.com","eventID":"{event}","resources":[{resource}]}}"#)
        };
        let insert = "INSERT INTO trail (time_ms, request_id, event_name, account, error_code, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let refused = Some("AccessDenied");
        old.execute(insert, params![1, "r1", "Encrypt", "111122223333", None::<&str>, json("e1")]).unwrap();
        old.execute(insert, params![2, "r2", "Decrypt", "111122223333", None::<&str>, json("e2")]).unwrap();
        old.execute(insert, params![2, "r2", "Decrypt", "444455556666", None::<&str>, json("the caller's")]).unwrap();
        old.execute(insert, params![3, "r3", "Decrypt", "111122223333", refused, json("e3")]).unwrap();
        old.execute(insert, params![4, "r4", "DescribeKey", "111122223333", None::<&str>, json("e4")]).unwrap();
        old.pragma_update(None, "user_version", 2).unwrap();
        drop(old);
        let store = SqliteStore::open(directory.path()).unwrap();
        let found = store.connection.query_row("SELECT key, operation, time_ms, event_id, request_id FROM last_usage", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?, row.get::<_, String>(3)?, row.get::<_, String>(4)?))
        });
        assert_eq!(found.unwrap(), (KEY.into(), "Decrypt".into(), 2, "e2".into(), "r2".into()));
    }

    #[test]
    fn a_restart_finds_everything() {
        let directory = private_directory();
        SqliteStore::open(directory.path()).unwrap().commit(&[put("111122223333")]).unwrap();
        assert_eq!(SqliteStore::open(directory.path()).unwrap().load().unwrap().entities.len(), 1);
        let found = Trail::open(directory.path()).unwrap().of_request("111122223333").unwrap();
        assert_eq!(found, [("{}".to_owned(), Some("why".to_owned()))]);
    }

    #[test]
    fn t91_files_are_for_the_owner_alone() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("data");
        let mut store = SqliteStore::open(&directory).unwrap();
        store.commit(&[put("111122223333")]).unwrap();
        assert_eq!(directory.metadata().unwrap().mode() & 0o777, 0o700);
        for entry in std::fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600, "{:?}", entry.path());
        }
        drop(store);
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = SqliteStore::open(&directory).err().unwrap().to_string();
        assert!(error.contains("chmod 700"), "{error}");
    }

    #[test]
    fn there_is_one_owner_at_a_time() {
        let directory = private_directory();
        let first = SqliteStore::open(directory.path()).unwrap();
        let error = SqliteStore::open(directory.path()).err().unwrap().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        assert!(SqliteStore::open(directory.path()).is_ok());
    }

    #[test]
    fn an_empty_file_is_no_new_estate() {
        let directory = private_directory();
        drop(private_file::open(&directory.path().join("keyward.db")).unwrap());
        let error = SqliteStore::open(directory.path()).err().unwrap().to_string();
        assert!(error.contains("is empty"), "{error}");
    }

    #[test]
    fn t60_a_newer_schema_is_refused() {
        let directory = private_directory();
        let store = SqliteStore::open(directory.path()).unwrap();
        store.connection.pragma_update(None, "user_version", 99).unwrap();
        drop(store);
        assert!(matches!(SqliteStore::open(directory.path()), Err(OpenFailed::Newer { found: 99 })));
    }

    #[test]
    fn the_first_schema_is_brought_up_to_date() {
        let directory = private_directory();
        let old = Connection::open(directory.path().join("keyward.db")).unwrap();
        std::fs::set_permissions(directory.path().join("keyward.db"), std::fs::Permissions::from_mode(0o600)).unwrap();
        old.execute_batch(&SCHEMA.replace("request_id TEXT NOT NULL,", "event_id TEXT NOT NULL, request_id TEXT NOT NULL,")).unwrap();
        old.execute("INSERT INTO trail (time_ms, event_id, request_id, event_name, json) VALUES (9, 'e', 'r', 'n', '{}')", []).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        drop(old);
        let mut store = SqliteStore::open(directory.path()).unwrap();
        store.commit(&[put("111122223333")]).unwrap();
        assert_eq!(store.load().unwrap().latest_ms, 9);
    }

    #[test]
    fn a_row_that_does_not_read_is_named() {
        let directory = private_directory();
        let mut store = SqliteStore::open(directory.path()).unwrap();
        store.connection.execute("INSERT INTO entity VALUES ('key', 'k1', x'0102')", []).unwrap();
        let error = store.load().err().unwrap().to_string();
        assert!(error.contains("key k1"), "{error}"); // T52
    }

    #[test]
    fn t49_a_batch_is_whole_or_absent() {
        let directory = private_directory();
        let mut store = SqliteStore::open(directory.path()).unwrap();
        store.connection.execute_batch("CREATE TRIGGER refuse BEFORE DELETE ON entity BEGIN SELECT RAISE(ABORT, 'no'); END").unwrap();
        store.commit(&[put("444455556666")]).unwrap();
        assert!(store.commit(&[put("111122223333"), delete("444455556666")]).is_err());
        assert_eq!(store.load().unwrap().entities.len(), 1);
    }
}
