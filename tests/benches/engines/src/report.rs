//! The figures: tables with the aims beside them, and `engines.json` for machines.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value as Json, json};

use crate::job::Job;
use crate::{ours, scripts};

/// The middle of some figures, and what half of them lie between.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

impl Spread {
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |quarter: usize| {
            let place = values.len().saturating_sub(1) * quarter / 4;
            values.get(place).copied().unwrap_or(f64::NAN)
        };
        Self {
            median: at(2),
            low: at(1),
            high: at(3),
        }
    }
}

/// All figures of a run.
#[derive(Debug, Default)]
pub struct Report {
    batches: Vec<Batch>,
    figures: Vec<Figure>,
}

/// What a batch takes in one engine.
#[derive(Debug)]
struct Batch {
    engine: &'static str,
    version: String,
    records: usize,
    us: Spread,
    /// How much of native Rust's throughput it has.
    ratio: Spread,
}

/// Any other figure, with its aim.
#[derive(Debug)]
struct Figure {
    task: String,
    value: f64,
    unit: &'static str,
    /// What it should not exceed, or not fall below.
    aim: Option<Aim>,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

impl Aim {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

impl std::fmt::Display for Aim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "at most {most}"),
            Self::AtLeast(least) => write!(f, "at least {least}"),
        }
    }
}

impl Report {
    /// Takes what the rounds of one engine came to.
    pub fn batch(&mut self, job: &Job, records: usize, us: Spread, ratio: Spread) {
        println!(
            "{records:5} records  {:32} {:9.1} µs  {:.3}",
            job.engine, us.median, ratio.median
        );
        self.batches.push(Batch {
            engine: job.engine,
            version: job.version.clone(),
            records,
            us,
            ratio,
        });
    }

    /// Takes any other figure.
    pub fn figure(
        &mut self,
        task: impl Into<String>,
        value: f64,
        unit: &'static str,
        aim: Option<Aim>,
    ) {
        let task = task.into();
        println!("{task}: {value:.2} {unit}");
        self.figures.push(Figure {
            task,
            value,
            unit,
            aim,
        });
    }

    /// Prints the tables and keeps the figures.
    pub fn write(mut self, output: &Path) -> Result<()> {
        self.compare();
        println!("\n| engine | records | µs a batch (half of the rounds) | of native |");
        println!("|---|---:|---:|---:|");
        for batch in &self.batches {
            let Spread { median, low, high } = batch.us;
            println!(
                "| {} ({}) | {} | {median:.0} ({low:.0} to {high:.0}) | {:.3} |",
                batch.engine, batch.version, batch.records, batch.ratio.median
            );
        }
        println!("\n| what | figure | aim | |");
        println!("|---|---:|---:|---|");
        for Figure {
            task,
            value,
            unit,
            aim,
        } in &self.figures
        {
            let text = aim.map(|aim| aim.to_string()).unwrap_or_default();
            let missed = match aim {
                Some(aim) if !aim.holds(*value) => "missed",
                _ => "",
            };
            println!("| {task} | {value:.2} {unit} | {text} | {missed} |");
        }
        if let Some(directory) = output.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(output, serde_json::to_vec_pretty(&self.json())?)
            .with_context(|| format!("cannot write {}", output.display()))?;
        println!("\nThe figures are in {}.", output.display());
        Ok(())
    }

    /// The ratios that have an aim, from the medians.
    fn compare(&mut self) {
        let mut ratios = Vec::new();
        for records in self.sizes() {
            let us = |engine: &str| {
                let of = |batch: &&Batch| batch.engine == engine && batch.records == records;
                self.batches.iter().find(of).map(|batch| batch.us.median)
            };
            let mut ratio = |what: &str, over: Option<f64>, under: Option<f64>, aim| {
                if let (Some(over), Some(under)) = (over, under) {
                    ratios.push((format!("{what}, {records} records"), over / under, aim));
                }
            };
            let (warm, native) = (us(ours::WARM), us("native Rust"));
            ratio("throughput over native", native, warm, Aim::AtLeast(0.75));
            let extism = us(scripts::EXTISM_WARM);
            ratio("throughput over Extism", extism, warm, Aim::AtLeast(2.0));
            let fresh = us(ours::FRESH);
            ratio("time of fresh over warm", fresh, warm, Aim::AtMost(1.1));
            let echo = us(ours::ECHO);
            ratio(
                "the host's share of a warm batch",
                echo,
                warm,
                Aim::AtMost(0.03),
            );
        }
        let figures = ratios.into_iter().map(|(task, value, aim)| Figure {
            task,
            value,
            unit: "",
            aim: Some(aim),
        });
        self.figures.splice(0..0, figures);
    }

    fn sizes(&self) -> Vec<usize> {
        let mut sizes: Vec<usize> = self.batches.iter().map(|batch| batch.records).collect();
        sizes.dedup();
        sizes
    }

    fn json(&self) -> Json {
        let batches = self.batches.iter().map(|batch| {
            json!({
                "task": "transform",
                "engine": batch.engine,
                "version": batch.version,
                "records": batch.records,
                "us_per_batch": batch.us.median,
                "us_low": batch.us.low,
                "us_high": batch.us.high,
                "ratio_to_native": batch.ratio.median,
            })
        });
        let figures = self.figures.iter().map(|figure| {
            json!({
                "task": figure.task,
                "value": figure.value,
                "unit": figure.unit,
                "aim": figure.aim.map(|aim| aim.to_string()),
                "held": figure.aim.map(|aim| aim.holds(figure.value)),
            })
        });
        batches.chain(figures).collect()
    }
}
