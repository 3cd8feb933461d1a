//! Building a host, and compiling packages for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::{Host, Inner, LiveSettings, Rollouts};
use crate::auth::{Sessions, SessionsConfig};
use crate::code_cache::{self, CodeCache};
use crate::compiler::{Apart, Compiler};
use crate::connector::LoadedConnector;
use crate::engine::Sandboxes;
use crate::error::Error;
use crate::grant::live::LiveGrants;
use crate::ledger::{Clock, Ledgers};
use crate::limits::Limits;
use crate::package::PublicKey;
use crate::private_file;
use crate::rollout::{VersionChange, Watcher};
use crate::seal::{MasterKey, Sealer};
use crate::shares::Shares;
use crate::store::{FILE_NAME as STORE_FILE, SqliteStore, Store};
use crate::transport::{Transport, TransportConfig};
use crate::trust::{Revoked, Trust};

/// The master key's file in the data directory, unless a key is given.
pub const MASTER_KEY_FILE: &str = "master.key";

/// Options of a host. Only the data directory must be given.
#[derive(Debug, Default)]
pub struct HostBuilder {
    data_dir: Option<PathBuf>,
    master_key: Option<MasterKey>,
    code_dir: Option<PathBuf>,
    compiler: Option<Compiler>,
    store: Option<Arc<dyn Store>>,
    ceiling: Option<Limits>,
    is_counting: bool,
    shares: Shares,
    transport: TransportConfig,
    watcher: Watching,
    trust: Trust,
}

/// Who hears of changes of packages.
#[derive(Clone, Default)]
struct Watching(Option<Watcher>);

impl std::fmt::Debug for Watching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Watching").field(&self.0.is_some()).finish()
    }
}

impl HostBuilder {
    /// Where the host keeps its state: one SQLite file unless there is another store,
    /// compiled code, and the master key unless one is given. Made on first use, for the owner only.
    #[must_use]
    pub fn data_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(directory.into());
        self
    }

    /// Where connections, sealed tokens and budgets are kept, in place of a file in the
    /// data directory: [`PostgresStore`](crate::store::PostgresStore), which hosts on
    /// several machines may share if they have the same master key, or a store of the
    /// embedder's own.
    #[must_use]
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// The key that seals tokens and secrets. Without it the host makes one on
    /// first use and keeps it in the data directory; to keep it elsewhere is
    /// safer, since whoever has both has the tokens.
    #[must_use]
    pub fn master_key(mut self, key: MasterKey) -> Self {
        self.master_key = Some(key);
        self
    }

    /// Where compiled code is kept between starts, in place of a directory in the data
    /// directory. Hosts with the same master key may share one. The code is
    /// authenticated with that key before it is loaded.
    #[must_use]
    pub fn code_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.code_dir = Some(directory.into());
        self
    }

    /// The most that any package may use, whatever it asks for.
    #[must_use]
    pub fn ceiling(mut self, ceiling: Limits) -> Self {
        self.ceiling = Some(ceiling);
        self
    }

    /// What one tenant gets of the cores and of instances, at most.
    #[must_use]
    pub fn shares(mut self, shares: Shares) -> Self {
        self.shares = shares;
        self
    }

    /// Counts the instructions that guests take, for
    /// [`WarmTransform::usage`](crate::WarmTransform::usage) and
    /// [`Rehearsal::usage`](crate::Rehearsal::usage). Of transforms they are the same on
    /// every machine; a connector looks more or less often whether an answer is there.
    /// Code is slower for it: for tests of plugins, not for their work.
    #[must_use]
    pub fn count_instructions(mut self) -> Self {
        self.is_counting = true;
        self
    }

    /// A further root certificate to trust, in PEM or DER: for an org on
    /// loopback, or behind a company's own authority.
    #[must_use]
    pub fn trust_root(mut self, certificate: impl Into<Vec<u8>>) -> Self {
        self.transport.extra_roots.push(certificate.into());
        self
    }

    /// Loads packages that this key has signed. Without any, and without
    /// [`Self::allow_unsigned`], only [`Package::vouched`](crate::Package::vouched) packages are loaded.
    #[must_use]
    pub fn trust(mut self, key: PublicKey) -> Self {
        self.trust.keys.insert(key);
        self
    }

    /// Never loads these packages.
    #[must_use]
    pub fn revoke(mut self, revocation: Revoked) -> Self {
        self.trust.revoked.push(revocation);
        self
    }

    /// Loads packages whoever has signed them, or nobody: for development. Each one that
    /// is not signed is told in the log.
    ///
    /// Compiling such a package within this process is an attack surface of its own: it may
    /// be made to take the compiler forever, or all memory. [`Self::compile_apart`] has it
    /// done elsewhere; without that it is done here, and each time the log says so.
    #[must_use]
    pub fn allow_unsigned(mut self) -> Self {
        self.trust.allows_unsigned = true;
        self
    }

    /// Has packages that nobody trusted has signed compiled by another program, under limits
    /// of time and memory. Those of who is trusted, and those that the program vouches
    /// for, are compiled within this process all the same, on a thread that serves no calls.
    #[must_use]
    pub fn compile_apart(mut self, compiler: Compiler) -> Self {
        self.compiler = Some(compiler);
        self
    }

    /// Has `watcher` hear of every change of the versions of a package, with its name: to
    /// keep a record of them, or to take one over where the host did something by itself.
    /// It is called while the call waits that made the change, so it must be quick.
    #[must_use]
    pub fn watch_packages(
        mut self,
        watcher: impl Fn(&str, &VersionChange) + Send + Sync + 'static,
    ) -> Self {
        self.watcher = Watching(Some(Arc::new(watcher)));
        self
    }

    /// What requests say in `User-Agent`.
    #[must_use]
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.transport.user_agent = name.into();
        self
    }

    /// Opens the data directory and starts the engines. Must be called on a
    /// tokio runtime.
    ///
    /// # Errors
    /// [`Error::Options`], [`Error::DataDir`], [`Error::Store`] if the data
    /// directory cannot be used, [`Error::Key`] if the master key is not the one
    /// that it was sealed with, or [`Error::Engine`].
    pub async fn build(self) -> Result<Host, Error> {
        let Some(data_dir) = self.data_dir else {
            let problem = "no data directory: give one with `data_dir`".to_owned();
            return Err(Error::Options(vec![problem]));
        };
        let mut problems = self.shares.problems();
        problems.extend(self.compiler.as_ref().and_then(Compiler::problem));
        if !problems.is_empty() {
            return Err(Error::Options(problems));
        }
        private_file::make_directory(&data_dir).map_err(|source| Error::DataDir {
            path: data_dir.display().to_string(),
            source,
        })?;
        let key = match self.master_key {
            Some(key) => key,
            None => own_key(&data_dir)?,
        };
        let store = match self.store {
            Some(store) => store,
            None => Arc::new(SqliteStore::open(&data_dir).await?),
        };
        let code_dir = self
            .code_dir
            .unwrap_or_else(|| data_dir.join(code_cache::DIRECTORY));
        let code = CodeCache::open(&code_dir, &key);
        let sealer = Sealer::new(key);
        sealer.check(&*store).await?;
        let transport = Transport::new(self.transport)
            .map_err(|error| Error::Options(vec![error.to_string()]))?;
        let ceiling = self.ceiling.unwrap_or_else(Limits::ceiling);
        let clock = Clock::system();
        let connectors = Arc::new(Rollouts::<LoadedConnector>::new(self.watcher.0.clone()));
        let loaded = Arc::clone(&connectors);
        let manifests = move |package: &str| {
            let connector = loaded.get(package)?;
            Some(Arc::clone(&connector.trusted().auth))
        };
        let sessions = Sessions::new(SessionsConfig {
            store: Arc::clone(&store),
            sealer: sealer.clone(),
            transport: transport.clone(),
            manifests: Arc::new(manifests),
            now_ms: SessionsConfig::system_clock(),
        });
        Ok(Host(Arc::new(Inner {
            sandboxes: Sandboxes::new(&ceiling, self.is_counting, self.shares)?,
            code,
            apart: self.compiler.map(Apart::new),
            ceiling,
            ledgers: Ledgers::start(Arc::clone(&store), clock),
            store,
            sealer,
            sessions,
            transport,
            connectors,
            transforms: Rollouts::new(self.watcher.0),
            trust: self.trust,
            grants: LiveGrants::default(),
            settings: LiveSettings::default(),
            data_dir,
        })))
    }
}

/// The key of a data directory, which is made with it. Before its store is: where that
/// is there, a key file has been, even if another process begins at this moment.
fn own_key(data_dir: &Path) -> Result<MasterKey, Error> {
    let has_data = data_dir.join(STORE_FILE).exists();
    let dir = open(data_dir)?;
    Ok(match has_data {
        true => MasterKey::from_kept_file(&dir, MASTER_KEY_FILE),
        false => MasterKey::from_file(&dir, MASTER_KEY_FILE),
    }?)
}

fn open(directory: &Path) -> Result<Dir, Error> {
    Dir::open_ambient_dir(directory, ambient_authority()).map_err(|source| Error::DataDir {
        path: directory.display().to_string(),
        source,
    })
}
