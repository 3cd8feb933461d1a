//! A compiler in a process of its own, for packages that nobody trusted has signed: what
//! is made to take it forever, to eat all memory or to crash it hits that process, which
//! has limits, and not the host.
//!
//! It is no defence against a compiler that is led to emit wrong code: what comes back
//! runs in the host, under the same sandbox as what the host compiles itself.

mod helper;
mod wire;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use crate::code_cache;
use crate::engine::{Sandbox, fingerprint};
use crate::package::{Package, PackageError};
use crate::records::bounded;
pub use helper::compile_helper;
use wire::{Answer, Request};

/// How many threads it compiles with. More would finish sooner, and each needs memory of
/// its own and takes a core from calls.
const THREADS: &str = "2";

/// What is read of its standard error, in bytes: enough for the message of a crash.
const MAX_SAID_BYTES: u64 = 8 * 1024;

/// A program that compiles packages which nobody trusted has signed, and its limits.
///
/// The program calls [`compile_helper`](crate::compile_helper) and nothing else. It must
/// be built with the same version of this crate, and is trusted as the host itself is. It
/// is started for each such package whose code is not kept yet, one at a time, with no
/// environment and in the root directory, and ends with its work, or when the host gives
/// up on it. If the host is killed it ends at its own limits.
///
/// The defaults leave room for the largest component that is read, of 64 MiB. What was
/// measured, with the compiler as the `dev` profile of this workspace builds it: a
/// transform of Python, 18 MiB, takes some 350 MiB of memory and 28 s of CPU time; our
/// largest connector, 2.8 MiB, takes some 150 MiB and 9 s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    /// Its absolute path. A program can be its own helper: then this is
    /// `/proc/self/exe` on Linux, and [`std::env::current_exe`] elsewhere.
    pub program: PathBuf,
    /// What it is started with.
    pub arguments: Vec<OsString>,
    /// Memory that it may write to, in bytes. Default 2 GiB. Held by Linux; other
    /// systems know the limit and do not count what is allocated.
    pub memory_bytes: u64,
    /// CPU time, in whole seconds and at least one. Default 300 s. Held by unix systems.
    pub cpu: Duration,
    /// Time from its start to its end. Default 600 s. Held everywhere.
    pub wall: Duration,
}

impl Compiler {
    /// A program that is started with no arguments, under the default limits.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            memory_bytes: 2 * 1024 * 1024 * 1024,
            cpu: Duration::from_secs(300),
            wall: Duration::from_secs(600),
        }
    }

    /// What is wrong with it, as far as it can be told before it is started.
    pub(crate) fn problem(&self) -> Option<String> {
        let program = self.program.display();
        let problem = || format!("the compiler `{program}` is not named by an absolute path");
        (!self.program.is_absolute()).then(problem)
    }
}

/// What compiling a package went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompileLimit {
    /// [`Compiler::memory_bytes`].
    Memory,
    /// [`Compiler::cpu`].
    Cpu,
    /// [`Compiler::wall`].
    Wall,
    /// 512 MiB of compiled code, which no setting changes.
    Code,
}

/// The compiler of a host.
pub(crate) struct Apart {
    compiler: Compiler,
    /// One at a time, so that many packages together take no more memory than one.
    turn: Semaphore,
}

impl Apart {
    pub(crate) fn new(compiler: Compiler) -> Self {
        Self {
            compiler,
            turn: Semaphore::new(1),
        }
    }

    /// The code for an engine of a package of which this component is compiled. Dropping
    /// it ends the process.
    pub(crate) async fn compile(
        &self,
        sandbox: &Sandbox,
        package: &Package,
        component: &[u8],
    ) -> Result<Bytes, PackageError> {
        let _turn = self.turn.acquire().await;
        let request = Request {
            engine: fingerprint(&sandbox.engine),
            settings: sandbox.settings,
            memory_bytes: self.compiler.memory_bytes,
            cpu_seconds: self.compiler.cpu.as_secs().max(1),
            component_bytes: component.len(),
        };
        let wrong = |what: Wrong| what.of(package, &self.compiler);
        let child = self.start().map_err(|error| {
            let program = self.compiler.program.display();
            wrong(Wrong::Failed(format!(
                "cannot start {program}: {error}; name a program that is there and may be run"
            )))
        })?;
        let talk = talk(child, &request, component);
        let code = match tokio::time::timeout(self.compiler.wall, talk).await {
            Ok(outcome) => outcome.map_err(wrong)?,
            Err(_) => return Err(wrong(Wrong::Over(CompileLimit::Wall))),
        };
        let head = &package.manifest().package;
        let (package, version) = (head.name.as_str(), head.version.as_str());
        tracing::info!(package, version, code_bytes = code.len(), "compiled apart");
        Ok(code)
    }

    fn start(&self) -> std::io::Result<Child> {
        Command::new(&self.compiler.program)
            .args(&self.compiler.arguments)
            .env_clear()
            // That of the thread pool which wasmtime compiles on.
            .env("RAYON_NUM_THREADS", THREADS)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

/// Why there is no code.
#[derive(Debug)]
enum Wrong {
    /// The package takes too much.
    Over(CompileLimit),
    /// The compiler refuses the component.
    Refused(String),
    /// The program did not do what it is for.
    Failed(String),
}

impl Wrong {
    fn of(self, package: &Package, compiler: &Compiler) -> PackageError {
        match self {
            Self::Refused(reason) => PackageError::not_compiled(package.name(), reason),
            Self::Failed(reason) => PackageError::CompilerFailed {
                package: package.name().to_owned(),
                reason,
            },
            Self::Over(limit) => PackageError::TooCostly {
                package: package.name().to_owned(),
                limit,
                allowed: limit.allowed(compiler),
            },
        }
    }
}

impl CompileLimit {
    fn allowed(self, compiler: &Compiler) -> String {
        const MIB: u64 = 1024 * 1024;
        match self {
            Self::Memory => format!("{} MiB of memory", compiler.memory_bytes / MIB),
            Self::Cpu => format!("{} s of CPU time", compiler.cpu.as_secs().max(1)),
            Self::Wall => format!("{:?} of time", compiler.wall),
            Self::Code => format!("{} MiB of code", code_cache::MAX_BYTES / MIB),
        }
    }
}

impl fmt::Debug for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.compiler.fmt(f)
    }
}

/// Gives a process its task, and sorts out what comes of it.
async fn talk(mut child: Child, request: &Request, component: &[u8]) -> Result<Bytes, Wrong> {
    let (Some(mut input), Some(output), Some(said)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Wrong::Failed("it has no standard streams".to_owned()));
    };
    // Who has gone before it was told everything says why elsewhere.
    let tell = async move {
        input.write_all(&request.to_line()).await?;
        input.write_all(component).await?;
        input.shutdown().await
    };
    let ((), output, said) = tokio::join!(
        async { drop(tell.await) },
        read(output, code_cache::MAX_BYTES),
        read(said, MAX_SAID_BYTES),
    );
    let (Some(output), said) = (output, said.unwrap_or_default()) else {
        return Err(Wrong::Over(CompileLimit::Code));
    };
    let status = child
        .wait()
        .await
        .map_err(|error| Wrong::Failed(format!("it was lost: {error}")))?;
    if !status.success() {
        return Err(ended(status, &said));
    }
    match Answer::parse(output) {
        Some(Answer::Code(code)) => Ok(code),
        Some(Answer::Refused(reason)) => Err(Wrong::Refused(reason)),
        Some(Answer::OutOfMemory) => Err(Wrong::Over(CompileLimit::Memory)),
        Some(Answer::OtherEngine(version)) => Err(Wrong::Failed(format!(
            "it is of lockgate {} and compiles for another engine than this host of lockgate {}: \
             build both from the same source",
            bounded(&version),
            env!("CARGO_PKG_VERSION"),
        ))),
        None => Err(Wrong::Failed(
            "its answer makes no sense: it must call `lockgate::compile_helper` and write \
             nothing else to standard output"
                .to_owned(),
        )),
    }
}

/// All that comes, or nothing if it is more than so much.
async fn read(stream: impl AsyncRead + Unpin, limit: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    // What was read before an error is looked at all the same.
    let _ = stream.take(limit + 1).read_to_end(&mut bytes).await;
    (bytes.len() as u64 <= limit).then_some(bytes)
}

/// Why a process ended without an answer.
fn ended(status: ExitStatus, said: &[u8]) -> Wrong {
    let said = String::from_utf8_lossy(said);
    #[cfg(unix)]
    {
        use rustix::process::Signal;
        use std::os::unix::process::ExitStatusExt as _;
        let by = |signal: Signal| status.signal() == Some(signal.as_raw());
        if by(Signal::XCPU) {
            return Wrong::Over(CompileLimit::Cpu);
        }
        // What Rust says when an allocation fails; then it aborts.
        if by(Signal::ABORT) && said.contains("memory allocation of ") {
            return Wrong::Over(CompileLimit::Memory);
        }
    }
    let said = match said.trim() {
        "" => String::new(),
        said => format!(", and said: {}", bounded(said)),
    };
    Wrong::Failed(format!(
        "it ended with {status}{said}; if that happens again, and with this package only, do \
         not use the package"
    ))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use rustix::process::Signal;

    use super::*;

    #[test]
    fn how_a_process_ended_tells_what_it_went_over() {
        let by = |signal: Signal, said: &str| {
            let status = ExitStatus::from_raw(signal.as_raw());
            match ended(status, said.as_bytes()) {
                Wrong::Over(limit) => format!("{limit:?}"),
                Wrong::Refused(reason) | Wrong::Failed(reason) => reason,
            }
        };
        assert_eq!(by(Signal::XCPU, ""), "Cpu");
        let full = "\nmemory allocation of 1073741824 bytes failed\n";
        assert_eq!(by(Signal::ABORT, full), "Memory");
        // Whoever ends it says nothing of a limit.
        let killed = by(Signal::KILL, full);
        assert!(killed.contains("signal: 9"), "{killed}");
        let crashed = by(Signal::ABORT, "\u{1b}[2Jthread panicked\n");
        assert!(crashed.contains("signal: 6"), "{crashed}");
        assert!(
            crashed.contains("and said: \\u{1b}[2Jthread panicked;"),
            "{crashed}"
        );
    }

    #[tokio::test]
    async fn no_more_is_read_than_so_much() {
        assert_eq!(read(&b"abc"[..], 3).await.as_deref(), Some(&b"abc"[..]));
        assert_eq!(read(&b"abcd"[..], 3).await, None);
        assert_eq!(read(tokio::io::repeat(1), 1000).await, None);
    }
}
