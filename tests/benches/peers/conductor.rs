//! Starts orgs and clients, has each do its task in turn with the others, and
//! takes down what it cost.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::runtime::Runtime;

use crate::child::Child;
use crate::contact::Outcome;
use crate::native;
use crate::report::{self, Run, Waits};
use crate::soak;
use crate::task::{CHANGING, Client, Task, variable};

/// Where clients run, and where the org does.
pub(crate) const CLIENT_CORE: u32 = 0;
const ORG_CORE: u32 = 1;

/// 1,000 changes a second, 200 in a request.
const PACE: Duration = Duration::from_millis(200);

/// Rounds unless the caller says how many.
const ROUNDS: usize = 3;

/// What the caller chose.
struct Options {
    rows: Option<u64>,
    tasks: Vec<Task>,
    rounds: usize,
}

/// Runs what the options say: `[--rows N] [--task NAME] [--rounds N]`.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    // `cargo bench` runs every bench, and this one needs what only the xtask
    // installs.
    if variable("PEERS_FOLDER").is_err() {
        println!("skipped: the other clients are installed by `cargo xtask bench-peers`");
        return Ok(());
    }
    let options = read(options)?;
    let runtime = Runtime::new()?;
    let mut runs = Vec::new();
    let mut waits = Vec::new();
    // Filled once for all queries of as many rows.
    let mut filled: Option<(u64, Org)> = None;
    for task in &options.tasks {
        let rows = match task {
            // So many times the same one.
            Task::Get => task.rows(),
            _ => options.rows.unwrap_or(task.rows()),
        };
        let rounds = match task {
            Task::SyncSoak => 1,
            _ => options.rounds,
        };
        println!("{} of {rows} rows, {rounds} rounds", task.name());
        match task {
            Task::QueryRest | Task::QueryBulk => {
                let fitting = filled.take().filter(|(n_rows, _)| *n_rows == rows);
                let org = match fitting {
                    Some((_, org)) => org,
                    None => Org::start(&runtime, rows)?,
                };
                let (_, org) = filled.insert((rows, org));
                queries(&runtime, *task, org, rows, options.rounds, &mut runs)?;
            }
            Task::WriteCollections | Task::WriteBulk => {
                filled = None;
                writes(&runtime, *task, rows, options.rounds, &mut runs)?;
            }
            Task::SyncLoad | Task::SyncIn | Task::SyncOut => {
                filled = None;
                syncs(&runtime, *task, rows, options.rounds, &mut runs)?;
            }
            Task::SyncSoak => {
                filled = None;
                soak::run(&runtime, rows)?;
            }
            Task::Get => {
                filled = None;
                gets(&runtime, rows, options.rounds, &mut runs, &mut waits)?;
            }
        }
    }
    match runs.is_empty() {
        // A soak has a report of its own.
        true => Ok(()),
        false => report::write(&runs, &waits),
    }
}

fn read(options: &[&str]) -> Result<Options> {
    let mut read = Options {
        rows: None,
        tasks: Vec::new(),
        rounds: ROUNDS,
    };
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        let mut value = || {
            rest.next()
                .with_context(|| format!("{option} needs a value"))
        };
        match *option {
            "--rows" => read.rows = Some(value()?.parse()?),
            "--task" => read.tasks.push(Task::named(value()?)?),
            "--rounds" => read.rounds = value()?.parse::<usize>()?.max(1),
            // Cargo says so to every bench.
            "--bench" => {}
            _ => bail!("unknown option {option}: there are --rows, --task and --rounds"),
        }
    }
    if read.tasks.is_empty() {
        read.tasks = Task::ALL.to_vec();
    }
    Ok(read)
}

/// A running org with a session that nobody measures.
pub(crate) struct Org {
    process: Child,
    pub(crate) url: String,
    pub(crate) session: native::Session,
}

impl Org {
    /// An org with this many contacts.
    pub(crate) fn start(runtime: &Runtime, rows: u64) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("org");
        let process = Child::start(&command, ORG_CORE)?;
        let url = process.expect("ready", |_| ())?;
        let session = runtime.block_on(native::Session::open(&url))?;
        let outcome = runtime.block_on(session.write_all(0..rows))?;
        ensure!(
            outcome.rows == rows,
            "the org took {} rows of {rows}",
            outcome.rows
        );
        Ok(Self {
            process,
            url,
            session,
        })
    }

    fn calls(&self, runtime: &Runtime) -> Result<u64> {
        runtime.block_on(self.session.calls())
    }
}

fn queries(
    runtime: &Runtime,
    task: Task,
    org: &Org,
    rows: u64,
    rounds: usize,
    runs: &mut Vec<Run>,
) -> Result<()> {
    let mut first = None;
    for client in task.clients() {
        let digest = checked(task, *client, org, rows)?;
        let first = first.get_or_insert(digest);
        ensure!(*first == digest, "{} read other rows", client.name());
    }
    let mut length = None;
    for _ in 0..rounds {
        for client in task.clients() {
            let (run, outcome, _) = measured(runtime, task, *client, org, rows, || Ok(()))?;
            let length = length.get_or_insert(outcome.length);
            ensure!(
                *length == outcome.length,
                "{} read another field",
                client.name()
            );
            runs.push(run);
        }
    }
    Ok(())
}

/// Has a client say all rows, and gives a digest of them.
fn checked(task: Task, client: Client, org: &Org, rows: u64) -> Result<u64> {
    let mut command = client.command(task, &org.url, rows)?;
    command.arg("check");
    let mut child = Child::start(&command, CLIENT_CORE)?;
    child.expect("ready", |_| ())?;
    child.go()?;
    let (mut digest, mut count) = (DefaultHasher::new(), 0);
    child.until("row", "done", |row| {
        row.hash(&mut digest);
        count += 1;
    })?;
    ensure!(
        count == rows,
        "{} read {count} rows of {rows}",
        client.name()
    );
    Ok(digest.finish())
}

fn writes(
    runtime: &Runtime,
    task: Task,
    rows: u64,
    rounds: usize,
    runs: &mut Vec<Run>,
) -> Result<()> {
    let mut first = None;
    for _ in 0..rounds {
        for client in task.clients() {
            // A fresh org each time, so that none writes into a fuller one.
            let org = Org::start(runtime, 0)?;
            let (run, ..) = measured(runtime, task, *client, &org, rows, || Ok(()))?;
            runs.push(run);
            let mut digest = DefaultHasher::new();
            runtime.block_on(org.session.stored())?.hash(&mut digest);
            let digest = digest.finish();
            let first = first.get_or_insert(digest);
            ensure!(*first == digest, "{} wrote other records", client.name());
        }
    }
    Ok(())
}

fn syncs(
    runtime: &Runtime,
    task: Task,
    rows: u64,
    rounds: usize,
    runs: &mut Vec<Run>,
) -> Result<()> {
    let contacts = match task {
        Task::SyncIn => CHANGING,
        _ => rows,
    };
    for _ in 0..rounds {
        for client in task.clients() {
            // A fresh org each time, since each tells only so much of a day.
            let org = Org::start(runtime, contacts)?;
            let changes = || match task {
                Task::SyncIn => runtime.block_on(change(&org.session, rows, PACE)),
                _ => Ok(()),
            };
            let (mut run, _, mut child) = measured(runtime, task, *client, &org, rows, changes)?;
            if task == Task::SyncIn {
                child.go()?;
                run.lags_ms = Some(lags(&child.expect("lag", |_| ())?)?);
                println!("  {run}");
            }
            runs.push(run);
        }
    }
    Ok(())
}

/// Makes so many changes, a request of 200 each time.
pub(crate) async fn change(session: &native::Session, rows: u64, each: Duration) -> Result<()> {
    let ids = session.ids().await?;
    let mut pace = tokio::time::interval(each);
    let requests = ids.chunks(200).cycle();
    for ids in requests.take(usize::try_from(rows / 200)?) {
        pace.tick().await;
        session.touch(ids).await?;
    }
    Ok(())
}

fn lags(told: &str) -> Result<[f64; 2]> {
    let (p50, p99) = told.split_once(' ').context("it said no lags")?;
    Ok([p50.parse()?, p99.parse()?])
}

/// Has a client do a task, and takes down what it used from `ready` to `done`, while
/// something else goes on.
fn measured(
    runtime: &Runtime,
    task: Task,
    client: Client,
    org: &Org,
    rows: u64,
    meanwhile: impl FnOnce() -> Result<()> + Send,
) -> Result<(Run, Outcome, Child)> {
    let command = client.command(task, &org.url, rows)?;
    let mut child = Child::start(&command, CLIENT_CORE)?;
    let version = child.expect("ready", |_| ())?;
    let calls = org.calls(runtime)?;
    let (start_cpu, org_cpu) = (child.cpu()?, org.process.cpu()?);
    let mut peaks = vec![child.peak_mib()?];
    let start = Instant::now();
    child.go()?;
    let done = std::thread::scope(|scope| {
        let busy = scope.spawn(meanwhile);
        let done = child.expect("done", |child| peaks.extend(child.peak_mib()))?;
        match busy.join() {
            Ok(outcome) => outcome.map(|()| done),
            Err(_) => bail!("what goes on meanwhile has failed"),
        }
    })?;
    let wall = start.elapsed();
    let cpu = child.cpu()?.saturating_sub(start_cpu);
    let org_cpu = org.process.cpu()?.saturating_sub(org_cpu);
    peaks.push(child.peak_mib()?);
    let outcome = outcome(&done)?;
    ensure!(
        outcome.rows == rows,
        "{} did {} rows of {rows}",
        client.name(),
        outcome.rows
    );
    let early = peaks.get(peaks.len() / 5).copied().unwrap_or_default();
    let peak_mib = peaks.last().copied().unwrap_or_default();
    let run = Run {
        task,
        client,
        version,
        rows,
        cpu,
        wall,
        start_cpu,
        org_cpu,
        peak_mib,
        growth_mib: peak_mib - early,
        calls: org.calls(runtime)? - calls,
        lags_ms: None,
    };
    println!("  {run}");
    Ok((run, outcome, child))
}

fn outcome(done: &str) -> Result<Outcome> {
    let (rows, length) = done.split_once(' ').context("it said no outcome")?;
    Ok(Outcome {
        rows: rows.parse()?,
        length: length.parse()?,
    })
}

fn gets(
    runtime: &Runtime,
    rows: u64,
    rounds: usize,
    runs: &mut Vec<Run>,
    waits: &mut Vec<Waits>,
) -> Result<()> {
    // Enough contacts for the table to be one, few enough to be there at once.
    let org = Org::start(runtime, 1_000)?;
    for _ in 0..rounds {
        for client in Task::Get.clients() {
            runs.push(measured(runtime, Task::Get, *client, &org, rows, || Ok(()))?.0);
        }
        let mut command = Client::Lockgate.command(Task::Get, &org.url, rows)?;
        command.arg("check");
        let mut child = Child::start(&command, CLIENT_CORE)?;
        child.expect("ready", |_| ())?;
        child.go()?;
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        child.until("gets", "done", |line| {
            let times = line.split_once(' ');
            if let Some((Ok(one), Ok(other))) = times.map(|(a, b)| (a.parse(), b.parse())) {
                ours.push(Duration::from_nanos(one));
                bare.push(Duration::from_nanos(other));
            }
        })?;
        let round = Waits::of(ours, bare);
        println!("  {round}");
        waits.push(round);
    }
    Ok(())
}
