//! A machine that fails: killed at a chosen write, a full disk, a wall clock that is
//! wrong, also from one moment to the next of a process that runs. It is a library of C that is put before libc (`shim/machine.c`), and so works
//! with the program as it ships, on Linux.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
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
        machine.set(0, 0);
        machine.set(1, 0);
        machine
    }

    fn library(&self) -> PathBuf {
        self.directory.path().join("machine.so")
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Lets the wall clock of all its processes be so many seconds ahead from now on.
    pub fn set_clock(&self, ahead_s: i64) {
        self.set(0, ahead_s);
    }

    /// Lets all its processes find the disk full from now on, or room on it again.
    pub fn set_full(&self, is_full: bool) {
        self.set(1, is_full.into());
    }

    /// One of the numbers that the library looks at.
    fn set(&self, place: u64, number: i64) {
        // In place: processes have the file mapped.
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true);
        let file = file.open(self.state()).unwrap();
        file.write_all_at(&number.to_ne_bytes(), place * 8).unwrap();
    }

    /// Has a command run on this machine.
    pub fn run_on(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", self.library())
            .env("MACHINE_STATE", self.state());
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
