//! A machine that fails: killed at a chosen write, a full disk, a wall clock that is
//! wrong. It is a library of C that is put before libc (`shim/machine.c`), and so works
//! with the program as it ships, on Linux.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a process fails.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    /// It is killed in place of the nth write to a file.
    KilledAtWrite(u64),
    /// It is killed right after the nth flush of a file: what was written is durable,
    /// and nobody has heard of it.
    KilledAtFlush(u64),
    /// From the nth write to a file on there is no room on the disk.
    FullAtWrite(u64),
}

/// The library, and what processes with it share.
#[derive(Debug)]
pub struct Machine {
    directory: tempfile::TempDir,
}

impl Machine {
    /// Compiles the library, with the C compiler that building needs anyway.
    pub fn build() -> Self {
        let machine = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("shim/machine.c");
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let built = Command::new(&compiler)
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(machine.library())
            .arg(source)
            .arg("-ldl")
            .status();
        assert!(built.unwrap().success(), "{compiler} does not build it");
        machine.set_clock(0);
        machine
    }

    fn library(&self) -> PathBuf {
        self.directory.path().join("machine.so")
    }

    fn clock(&self) -> PathBuf {
        self.directory.path().join("clock")
    }

    /// Lets the wall clock of all its processes be so many seconds ahead from now on.
    pub fn set_clock(&self, ahead_s: i64) {
        // In place: processes have the file mapped.
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true);
        let mut file = file.open(self.clock()).unwrap();
        file.write_all(&ahead_s.to_ne_bytes()).unwrap();
    }

    /// Has a command run on this machine.
    pub fn run_on(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", self.library())
            .env("MACHINE_CLOCK", self.clock());
    }

    /// Has a command run on this machine and fail.
    pub fn fail(&self, command: &mut Command, failure: Failure) {
        self.run_on(command);
        let (name, at) = match failure {
            Failure::KilledAtWrite(at) => ("MACHINE_KILL_AT_WRITE", at),
            Failure::KilledAtFlush(at) => ("MACHINE_KILL_AT_FLUSH", at),
            Failure::FullAtWrite(at) => ("MACHINE_FULL_AT_WRITE", at),
        };
        command.env(name, at.to_string());
    }
}
