//! What the tests of the command share: an org in this process, a data
//! directory, and the real binary.

#![allow(dead_code, reason = "every test file uses its own part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what goes wrong here fails the test that uses it"
)]

pub(crate) mod running;
pub(crate) mod sender;

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use dev_org::{Config, Control, DevOrg};
use serde_json::Value as Json;
use tempfile::TempDir;

#[path = "../../src/demo/browser.rs"]
mod browser;

/// An org and a place for the command's data.
pub(crate) struct Bench {
    pub(crate) org: DevOrg,
    pub(crate) control: Control,
    pub(crate) data: TempDir,
}

/// What a run of the command gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        match serde_json::from_str(&self.out) {
            Ok(json) => json,
            Err(error) => panic!("not JSON ({error}): {self:#?}"),
        }
    }

    /// The run, if it ended with this exit code.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}

/// The command without anything of this machine's.
pub(crate) fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockgate"));
    for name in [
        "LOCKGATE_MASTER_KEY",
        "LOCKGATE_CLIENT_SECRET",
        "LOCKGATE_STORE",
        "LOCKGATE_SYNC_TO",
        "RUST_LOG",
        "DISPLAY",
    ] {
        command.env_remove(name);
    }
    command
        .env("LOCKGATE_DATA_DIR", data)
        // What a test builds is signed by nobody, unless it is about signatures.
        .env("LOCKGATE_ALLOW_UNSIGNED", "true")
        .env_remove("WAYLAND_DISPLAY")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(mut command: Command, input: &str) -> Run {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end without reading: that is its own business.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the command where no org is needed.
pub(crate) fn lockgate(arguments: &[&str]) -> Run {
    let data = tempfile::tempdir().unwrap();
    let mut command = command(data.path());
    command.args(arguments);
    run(command, "")
}

impl Bench {
    /// An org with the demo's schema and some records.
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let config = Config {
            records: 500,
            schema: Some(dev_org::schema::DEMO.to_owned()),
            ..config
        };
        let org = DevOrg::start(config).await.unwrap();
        let control = org.control();
        Self {
            org,
            control,
            data: tempfile::tempdir().unwrap(),
        }
    }

    /// An org with the connection `crm`, authorised without a person.
    pub(crate) async fn connected() -> Self {
        let bench = Self::start().await;
        bench
            .create("crm", &["--flow", "client-credentials"])
            .ended(0);
        bench
    }

    /// `connection create` with the org's own app.
    pub(crate) fn create(&self, name: &str, more: &[&str]) -> Run {
        self.lockgate(&self.creating(name, more))
    }

    /// The arguments of [`Self::create`].
    pub(crate) fn creating(&self, name: &str, more: &[&str]) -> Vec<String> {
        let url = self.org.url();
        let mut arguments = vec!["connection", "create", name, "--local", &url];
        arguments.extend(["--client-id", "dev-org-client", "--no-browser"]);
        arguments.extend(["--client-secret", "dev-org-secret"]);
        arguments.extend(more);
        arguments.into_iter().map(str::to_owned).collect()
    }

    /// All connections that there are.
    pub(crate) fn connections(&self) -> Json {
        self.lockgate(&["connection", "list", "--output", "json"])
            .ended(0)
            .json()
    }

    pub(crate) fn lockgate<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Run {
        self.lockgate_reading(arguments, "")
    }

    /// With something on standard input.
    pub(crate) fn lockgate_reading<A: AsRef<OsStr>>(&self, arguments: &[A], input: &str) -> Run {
        let mut command = command(self.data.path());
        command.args(arguments);
        // The org answers on other threads of this process meanwhile.
        tokio::task::block_in_place(|| run(command, input))
    }

    /// A file with this text.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.data.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs a command that waits for a login, and logs in at the address that it
    /// prints.
    pub(crate) async fn with_login<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Run {
        let (child, errors, address) = self.until_login(arguments);
        if let Some(address) = address {
            let person = browser::Browser::new(dev_org::org::ADMIN, "dev-org-password");
            person.visit(&address.parse().unwrap()).await.unwrap();
        }
        tokio::task::block_in_place(|| ended(child, errors))
    }

    /// Runs a command that waits for a login, and presses Ctrl-C meanwhile.
    #[cfg(unix)]
    pub(crate) fn interrupted<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Run {
        let (child, errors, address) = self.until_login(arguments);
        if address.is_some() {
            interrupt(&child);
        }
        tokio::task::block_in_place(|| ended(child, errors))
    }

    /// Runs a command that waits for a login, and kills it meanwhile.
    pub(crate) fn killed<A: AsRef<OsStr>>(&self, arguments: &[A]) {
        let (mut child, _, address) = self.until_login(arguments);
        assert!(address.is_some(), "it does not wait for a login");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts a command, and reads standard error up to the address of the login
    /// page.
    fn until_login<A: AsRef<OsStr>>(&self, arguments: &[A]) -> (Child, String, Option<String>) {
        let mut command = command(self.data.path());
        command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (errors, address) = tokio::task::block_in_place(|| address(&mut child));
        (child, errors, address)
    }
}

/// Reads standard error up to the address of the login page.
fn address(child: &mut Child) -> (String, Option<String>) {
    let mut read = String::new();
    let mut reader = BufReader::with_capacity(1, child.stderr.as_mut().unwrap());
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap() > 0 {
        read.push_str(&line);
        if line.trim().starts_with("http") {
            return (read, Some(line.trim().to_owned()));
        }
        line.clear();
    }
    (read, None)
}

/// Presses Ctrl-C.
#[cfg(unix)]
pub(crate) fn interrupt(child: &Child) {
    // A shell's own `kill` is everywhere.
    let kill = format!("kill -INT {}", child.id());
    let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(status.success());
}

/// Waits for the end; `err` is what was read of standard error before.
pub(crate) fn ended(mut child: Child, mut err: String) -> Run {
    let mut rest = child.stderr.take().unwrap();
    rest.read_to_string(&mut err).unwrap();
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err,
    }
}

/// A port of loopback that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
