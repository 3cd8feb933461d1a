//! The PostgreSQL server that tests start: found, or installed where that may be
//! done without asking anybody.

use std::path::Path;

use crate::command::{Step, say};

/// Where Debian puts the programs of each version, as the tests know, too.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Installs the server by apt-get if there is none, if we are root, and if there is
/// an apt-get. Otherwise the tests that need it say that they are skipped.
pub(crate) fn install() {
    if is_installed() {
        return;
    }
    let may_install = is_root() && has_program("apt-get");
    if !may_install {
        say("no PostgreSQL server is installed here: its tests will say that they are skipped");
        return;
    }
    say("installing a PostgreSQL server for the tests with apt-get");
    let apt_get = || {
        Step::new("apt-get")
            .arguments(["--quiet=2", "--yes"])
            .variable("DEBIAN_FRONTEND", "noninteractive")
    };
    let install = || apt_get().arguments(["install", "--no-install-recommends", "postgresql"]);
    // Lists may be missing or old: then once more with new ones.
    let is_done = install().run().is_ok()
        || (apt_get().arguments(["update"]).run().is_ok() && install().run().is_ok());
    if !is_done || !is_installed() {
        say("PostgreSQL's tests will be skipped; to have them, run: apt-get install postgresql");
    }
}

fn is_installed() -> bool {
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten();
    let mut folders = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    folders.any(|folder| folder.join("initdb").is_file()) || has_program("initdb")
}

fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(name).is_file())
}

fn is_root() -> bool {
    let id = Step::new("id").arguments(["-u"]).output();
    id.is_ok_and(|(is_done, id)| is_done && id == "0")
}
