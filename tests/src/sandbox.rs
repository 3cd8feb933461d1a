//! A host in a directory of its own that is gone with it.

use std::io::Write as _;
use std::path::Path;

use lockgate::{Host, HostBuilder, MASTER_KEY_FILE, Package};
use tempfile::TempDir;

/// A host and its data directory.
#[derive(Debug)]
pub struct TestHost {
    /// The host.
    pub host: Host,
    directory: TempDir,
}

impl TestHost {
    /// A host with defaults.
    pub async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// A host with further options.
    pub async fn with(options: impl FnOnce(HostBuilder) -> HostBuilder) -> Self {
        Self::strict(|builder| options(builder.allow_unsigned())).await
    }

    /// A host that loads only what is signed by whom these options trust.
    pub async fn strict(options: impl FnOnce(HostBuilder) -> HostBuilder) -> Self {
        let directory = tempfile::tempdir().unwrap();
        give_key(directory.path());
        let builder = Host::builder().data_dir(directory.path());
        let builder = options(builder.code_dir(Path::new(env!("OUT_DIR")).join("code")));
        Self {
            host: builder.build().await.unwrap(),
            directory,
        }
    }

    /// Loads a package with all that it asks for.
    pub async fn load(&self, package: &Package) {
        self.host
            .load(package, package.asked_grants())
            .await
            .unwrap();
    }

    /// Where the host keeps its state.
    pub fn data_dir(&self) -> &Path {
        self.directory.path()
    }
}

/// One master key for all of them, so that they share compiled code: a connector takes
/// seconds to compile, and hundreds of tests load it.
fn give_key(directory: &Path) {
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(directory.join(MASTER_KEY_FILE)).unwrap();
    file.write_all(b"dGhlIG1hc3RlciBrZXkgb2YgYWxsIG9mIHRoZSB0ZXM=")
        .unwrap();
}

impl std::ops::Deref for TestHost {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}
