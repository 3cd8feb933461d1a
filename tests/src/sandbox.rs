//! A host in a directory of its own that is gone with it.

use std::path::Path;

use lockgate::{Host, HostBuilder, Package};
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
        let directory = tempfile::tempdir().unwrap();
        let builder = options(Host::builder().data_dir(directory.path()));
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

impl std::ops::Deref for TestHost {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}
