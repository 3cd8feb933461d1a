//! A process under measurement: bound to a core, led by lines, watched from
//! outside by what Linux says of it in `/proc`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// How often the memory of a working process is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The clock tick of `/proc/PID/stat`: 100 a second on every Linux of today.
const TICK: Duration = Duration::from_millis(10);

/// A started process. It ends with this.
pub(crate) struct Child {
    process: std::process::Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Child {
    /// Starts a command on one core.
    pub(crate) fn start(command: &Command, core: u32) -> Result<Self> {
        let mut bound = Command::new("taskset");
        bound.args(["-c", &core.to_string()]);
        bound.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                bound.env(name, value);
            }
        }
        let spawned = bound.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = spawned.context("cannot run taskset, which is of util-linux")?;
        let output = process.stdout.take().context("no output")?;
        let (sender, lines) = channel();
        // Ends with the output.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            input: process.stdin.take(),
            process,
            lines,
        })
    }

    /// The next line, which has to begin with a word; gives what follows it.
    /// Calls `look` again and again while it waits.
    pub(crate) fn expect(&self, word: &str, mut look: impl FnMut(&Self)) -> Result<String> {
        loop {
            match self.lines.recv_timeout(LOOK) {
                Ok(line) => {
                    let rest = line.strip_prefix(word).and_then(|l| l.strip_prefix(' '));
                    return rest
                        .map(str::to_owned)
                        .with_context(|| format!("expected {word:?}, and it said {line:?}"));
                }
                Err(RecvTimeoutError::Timeout) => look(self),
                Err(RecvTimeoutError::Disconnected) => bail!("it ended before it said {word:?}"),
            }
        }
    }

    /// All lines that begin with a word, up to the one that begins with `last`.
    pub(crate) fn until(
        &self,
        word: &str,
        last: &str,
        mut each: impl FnMut(&str),
    ) -> Result<String> {
        loop {
            let line = self.lines.recv().context("it ended early")?;
            match line.split_once(' ') {
                Some((first, rest)) if first == word => each(rest),
                Some((first, rest)) if first == last => return Ok(rest.to_owned()),
                _ => bail!("it said {line:?}"),
            }
        }
    }

    /// Lets it go on.
    pub(crate) fn go(&mut self) -> Result<()> {
        let input = self.input.as_mut().context("no input")?;
        Ok(input.write_all(b"\n")?)
    }

    /// CPU time so far, of all its threads, in user and kernel.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = self.file("stat")?;
        // The name in brackets may hold anything; user and system time are the
        // 12th and 13th field behind it.
        let (_, fields) = stat.rsplit_once(')').context("an odd stat")?;
        let mut times = fields.split_whitespace().skip(11);
        let mut ticks = || times.next()?.parse::<u32>().ok();
        let (user, system) = (ticks(), ticks());
        let ticks = user.zip(system).map(|(user, system)| user + system);
        let whole = TICK * ticks.context("an odd stat")?;
        // Neither is more than there was: the one is cut off at a tick, which is 8 % of
        // what the fastest clients take, the other lacks threads that have ended.
        Ok(whole.max(self.cpu_of_threads()?))
    }

    /// CPU time of the threads that are there, to the nanosecond.
    fn cpu_of_threads(&self) -> Result<Duration> {
        let threads = format!("/proc/{}/task", self.process.id());
        let mut sum = Duration::ZERO;
        for thread in std::fs::read_dir(&threads)? {
            // One that ends at this moment is in the other sum.
            let schedstat = std::fs::read_to_string(thread?.path().join("schedstat"));
            let ran = schedstat.unwrap_or_default();
            let ran = ran.split_whitespace().next().map(str::parse);
            sum += Duration::from_nanos(ran.and_then(Result::ok).unwrap_or_default());
        }
        Ok(sum)
    }

    /// The most memory that it ever had resident, in MiB.
    pub(crate) fn peak_mib(&self) -> Result<f64> {
        self.status_mib("VmHWM:")
    }

    /// The memory that it has resident now, in MiB.
    pub(crate) fn resident_mib(&self) -> Result<f64> {
        self.status_mib("VmRSS:")
    }

    fn status_mib(&self, name: &str) -> Result<f64> {
        let status = self.file("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next());
        let kib = kib.with_context(|| format!("no {name}"))?;
        Ok(kib.parse::<f64>()? / 1024.0)
    }

    fn file(&self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/{name}", self.process.id());
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.input.take());
        // It ends with its input; how it does so no longer matters.
        let _ = self.process.wait();
    }
}
