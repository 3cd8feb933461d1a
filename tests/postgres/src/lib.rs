//! A PostgreSQL server of the tests' own, on a free port of loopback, with its data
//! in a temporary folder. It ends with the process that started it, however that
//! ends: a shell waits for the end of its input.
#![expect(
    clippy::print_stdout,
    reason = "who runs the tests is told what is skipped"
)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code: what fails ends the test"
)]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where Debian puts the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Starts the server and says so, waits for the end of its input, and cleans up.
/// Nothing is flushed: no power is cut in these tests.
const SCRIPT: &str = r#"
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$1/initdb" -D "$dir/data" -A trust -U sync -E UTF8 --locale=C --no-sync >"$dir/out" 2>&1 ||
  { cat "$dir/out"; exit 1; }
if [ -n "$CERTIFICATE" ]; then
  umask 077
  printf '%s' "$CERTIFICATE" >"$dir/data/server.crt"
  printf '%s' "$KEY" >"$dir/data/server.key"
fi
"$1/pg_ctl" -D "$dir/data" -w -l "$dir/log" -o "-p $2 -c ssl=${CERTIFICATE:+on}${NO_TLS} -c listen_addresses=127.0.0.1 \
  -c unix_socket_directories=$dir -c fsync=off -c max_connections=200" start >"$dir/out" 2>&1 ||
  { cat "$dir/out" "$dir/log"; exit 1; }
trap '"$1/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1; rm -rf "$dir"' EXIT
echo ready
cat >/dev/null
"#;

/// A running server, which ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    port: u16,
    databases: AtomicU32,
    process: Child,
    /// The server ends when this does.
    input: Option<ChildStdin>,
}

impl Server {
    /// A server; `None`, with a word about it, if none is installed. In CI that is a
    /// failure.
    pub fn start() -> Option<Self> {
        Self::start_with(None)
    }

    /// Likewise, with a certificate and its key as PEM.
    pub fn start_with(certificate: Option<(&str, &str)>) -> Option<Self> {
        let Some(programs) = programs() else {
            let how = "no PostgreSQL server is in the path or in /usr/lib/postgresql; install one, \
                       on Debian with `apt-get install postgresql`, or run `cargo xtask setup`";
            assert!(std::env::var_os("CI").is_none(), "{how}");
            println!("SKIPPED: {how}");
            return None;
        };
        // Somebody else may take the port between the look and the start.
        let mut failure = String::new();
        for _ in 0..3 {
            match Self::start_on_a_free_port(&programs, certificate) {
                Ok(server) => return Some(server),
                Err(said) => failure = said,
            }
        }
        panic!("the PostgreSQL server does not start: {failure}");
    }

    fn start_on_a_free_port(
        programs: &Path,
        certificate: Option<(&str, &str)>,
    ) -> Result<Self, String> {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut command = unprivileged();
        command
            .args(["sh", "-c", SCRIPT, "sh"])
            .arg(programs)
            .arg(port.to_string())
            .current_dir("/")
            .env_remove("TMPDIR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // A signal to all that belongs to the tests must leave it the time to clean up.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        match certificate {
            Some((certificate, key)) => command.env("CERTIFICATE", certificate).env("KEY", key),
            None => command.env("NO_TLS", "off"),
        };
        let mut process = command.spawn().map_err(|error| error.to_string())?;
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut said = String::new();
        for line in output.lines() {
            let line = line.unwrap();
            if line == "ready" {
                return Ok(Self {
                    port,
                    databases: AtomicU32::new(0),
                    process,
                    input,
                });
            }
            said += &line;
            said.push('\n');
        }
        let _ = process.wait();
        Err(said)
    }

    /// The address of a new database.
    pub fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let address = |name: &str| {
            format!(
                "postgres://sync@127.0.0.1:{}/{name}?sslmode=disable",
                self.port
            )
        };
        let main = address("postgres");
        std::thread::spawn(move || {
            let mut client = postgres::Client::connect(&main, postgres::NoTls).unwrap();
            client
                .batch_execute(&format!("CREATE DATABASE test_{number}"))
                .unwrap();
        })
        .join()
        .unwrap();
        address(&format!("test_{number}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}

/// The folder of the server's programs, the newest version first.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path);
    let mut versions: Vec<PathBuf> = std::fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    versions.reverse();
    let all = in_path.chain(versions);
    all.filter(|folder| folder.join("initdb").is_file())
        .find(|folder| folder.join("pg_ctl").is_file())
}

/// A command that runs another one as somebody without rights: the server refuses
/// to run as root.
fn unprivileged() -> Command {
    let id = Command::new("id").arg("-u").output().unwrap();
    if String::from_utf8_lossy(&id.stdout).trim() != "0" {
        return Command::new("env");
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "nobody", "--"]);
    command
}
