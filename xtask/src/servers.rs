//! The servers that tests start, PostgreSQL and a registry of OCI: found, or installed
//! where that may be done without asking anybody.

use std::path::Path;

use crate::command::{Step, say};

/// Where Debian puts the programs of each version of PostgreSQL, as the tests know, too.
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// A server by its package in Debian.
struct Server {
    package: &'static str,
    is_installed: fn() -> bool,
}

const SERVERS: [Server; 2] = [
    Server {
        package: "postgresql",
        is_installed: || {
            let versions = std::fs::read_dir(POSTGRESQL).into_iter().flatten();
            let mut folders = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
            folders.any(|folder| folder.join("initdb").is_file()) || has_program("initdb")
        },
    },
    Server {
        package: "docker-registry",
        is_installed: || has_program("docker-registry"),
    },
];

/// Installs the servers by apt-get that are missing, if we are root, and if there is an
/// apt-get. Otherwise the tests that need them say that they are skipped.
pub(crate) fn install() {
    for server in SERVERS {
        server.install();
    }
}

impl Server {
    fn install(&self) {
        if (self.is_installed)() {
            return;
        }
        let package = self.package;
        if !is_root() || !has_program("apt-get") {
            say(&format!(
                "no {package} is installed here: its tests will say that they are skipped"
            ));
            return;
        }
        say(&format!("installing {package} for the tests with apt-get"));
        let apt_get = || {
            Step::new("apt-get")
                .arguments(["--quiet=2", "--yes"])
                .variable("DEBIAN_FRONTEND", "noninteractive")
        };
        let install = || apt_get().arguments(["install", "--no-install-recommends", package]);
        // Lists may be missing or old: then once more with new ones.
        let is_done = install().run().is_ok()
            || (apt_get().arguments(["update"]).run().is_ok() && install().run().is_ok());
        if !is_done || !(self.is_installed)() {
            say(&format!(
                "its tests will be skipped; to have them, run: apt-get install {package}"
            ));
        }
    }
}

fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(name).is_file())
}

fn is_root() -> bool {
    let id = Step::new("id").arguments(["-u"]).output();
    id.is_ok_and(|(is_done, id)| is_done && id == "0")
}
