//! `lockgate run` at work, in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::{Bench, command};

/// The longest that a test waits for something that has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// `lockgate run` at work. It does not outlive this value.
pub(crate) struct Running {
    child: Child,
    said: Receiver<String>,
}

impl Running {
    pub(crate) fn start(bench: &Bench) -> Self {
        let running = Self::begin(bench, &[]);
        running.hear("at work");
        running
    }

    /// With webhooks that come in; gives the address and port where they do.
    pub(crate) fn listening(bench: &Bench, more: &[&str]) -> (Self, String) {
        let listen = ["--listen", "127.0.0.1:0"];
        let running = Self::begin(bench, &[&listen, more].concat());
        let line = running.hear("receives ");
        let address = line.rsplit(' ').next().unwrap().to_owned();
        running.hear("at work");
        (running, address)
    }

    fn begin(bench: &Bench, arguments: &[&str]) -> Self {
        let mut command = command(bench.data.path());
        command.arg("run").args(arguments);
        Self::spawn(command)
    }

    /// From a command of `lockgate run`.
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (say, said) = channel();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| {
                // Nobody may be left to hear it.
                let _ = say.send(line);
            });
        });
        Self { child, said }
    }

    /// Waits for a line with this text.
    pub(crate) fn hear(&self, text: &str) -> String {
        loop {
            let line = self.said.recv_timeout(PATIENCE).unwrap();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits for a line with this text, or for its end; whether the line came.
    pub(crate) fn says(&self, text: &str) -> bool {
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return true,
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => panic!("it never says {text:?}"),
            }
        }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Kills it, as a crash does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) {
        let id = self.child.id().to_string();
        let kill = Command::new("kill").args(["-TERM", &id]).status();
        assert!(kill.unwrap().success());
        assert!(self.child.wait().unwrap().success(), "it ends with 0");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, or must not outlive the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
