//! A real OCI registry on a free port of loopback: `docker-registry`, as Debian has it,
//! with its data in a temporary folder. It ends with this process, however that ends: a
//! shell waits for the end of its input.
#![expect(
    clippy::print_stdout,
    reason = "who runs the tests is told what is skipped"
)]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, Stdio};

use tempfile::TempDir;

const PROGRAM: &str = "docker-registry";

/// Starts it, waits for the end of the input, and ends it.
const SCRIPT: &str = r#"
"$1" serve "$2" 2>&1 &
trap "kill $! 2>/dev/null" EXIT
cat >/dev/null
"#;

/// The one who may log in, if anybody must.
pub const USER: &str = "someone";
/// Their password.
pub const PASSWORD: &str = "open sesame";
/// The same as `htpasswd -B` writes it.
const HTPASSWD: &str = "someone:$2b$05$KSyOAgPnH.uPSPOZT4m7geOU5RvPeyndhr9AA1zgxApsR3gv/LJ4W\n";

/// A running registry, which ends when this is dropped.
#[derive(Debug)]
pub struct Registry {
    port: u16,
    process: Child,
    /// It ends when this does.
    input: Option<ChildStdin>,
    _data: TempDir,
}

impl Registry {
    /// One for everybody; `None`, with a word about it, if the program is not installed.
    /// In CI that is a failure.
    pub fn start() -> Option<Self> {
        Self::start_with(false)
    }

    /// One for [`USER`].
    pub fn with_accounts() -> Option<Self> {
        Self::start_with(true)
    }

    fn start_with(has_accounts: bool) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        if !std::env::split_paths(&path).any(|folder| folder.join(PROGRAM).is_file()) {
            let how = "no docker-registry is in the path; install one, on Debian with \
                       `apt-get install docker-registry`, or run `cargo xtask setup`";
            assert!(std::env::var_os("CI").is_none(), "{how}");
            println!("SKIPPED: {how}");
            return None;
        }
        // Somebody else may take the port between the look and the start.
        let mut failure = String::new();
        for _ in 0..3 {
            match Self::start_on_a_free_port(has_accounts) {
                Ok(registry) => return Some(registry),
                Err(said) => failure = said,
            }
        }
        panic!("the registry does not start: {failure}");
    }

    fn start_on_a_free_port(has_accounts: bool) -> Result<Self, String> {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let data = tempfile::tempdir().unwrap();
        let file = |name: &str| data.path().join(name);
        std::fs::write(file("htpasswd"), HTPASSWD).unwrap();
        let auth = match has_accounts {
            true => format!(
                "auth:\n  htpasswd:\n    realm: tests\n    path: {}\n",
                file("htpasswd").display()
            ),
            false => String::new(),
        };
        let config = format!(
            "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: 127.0.0.1:{port}\n{auth}",
            file("blobs").display()
        );
        std::fs::write(file("config.yml"), config).unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", SCRIPT, "sh", PROGRAM])
            .arg(file("config.yml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // A signal to all that belongs to the tests must leave it the time to clean up.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn().map_err(|error| error.to_string())?;
        let input = process.stdin.take();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("listening on") {
            let read = output.read_line(&mut said).unwrap();
            if read == 0 || said.contains("level=fatal") {
                drop(input);
                let _ = process.wait();
                return Err(said);
            }
        }
        // It must not wait for somebody to read what it says.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Ok(Self {
            port,
            process,
            input,
            _data: data,
        })
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}
