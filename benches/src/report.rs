//! Results: a line each, as JSON or for people.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::Error;

#[derive(Debug, Clone, Serialize)]
pub struct Line {
    pub bench: &'static str,
    pub subject: String,
    pub per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
    #[serde(flatten)]
    pub parameters: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    pub baseline: Option<Baseline>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Baseline {
    pub baseline: String,
    pub baseline_per_second: f64,
    /// Subject / baseline.
    pub ratio: f64,
}

pub struct Report {
    json: bool,
}

impl Report {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    pub fn line(&self, line: &Line) -> Result<(), Error> {
        if self.json {
            println!("{}", serde_json::to_string(line)?);
            return Ok(());
        }
        let parameters: Vec<_> = line.parameters.iter().map(|(name, value)| format!("{name} {value}")).collect();
        print!("{} {} ({}): {:.0}/s", line.bench, line.subject, parameters.join(", "), line.per_second);
        if let (Some(p50), Some(p99)) = (line.p50_ms, line.p99_ms) {
            print!(", p50 {p50:.2} ms, p99 {p99:.2} ms");
        }
        if let Some(baseline) = &line.baseline {
            print!("; {}: {:.0}/s; ratio {:.2}", baseline.baseline, baseline.baseline_per_second, baseline.ratio);
        }
        println!();
        Ok(())
    }

    /// What is being done, for people only.
    pub fn note(&self, text: &str) {
        if !self.json {
            eprintln!("{text}");
        }
    }
}

pub fn parameters<const N: usize>(named: [(&str, Value); N]) -> Map<String, Value> {
    named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
