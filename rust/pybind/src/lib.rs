//! The Python module `metalev._native`: it converts and releases the GIL, and decides nothing.

mod convert;
mod error;
mod speaker;

use pyo3::prelude::*;

use crate::error::raise;

/// The Rust core: the announcing engine on its own thread, and the process's capabilities.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::convert::{Counters, Fact};
    #[pymodule_export]
    use super::speaker::Speaker;
    #[pymodule_export]
    use super::{check_patterns, clock, keep_capabilities};
}

/// Seconds of `CLOCK_BOOTTIME`: the clock of `Fact.at`.
#[pyfunction]
fn clock() -> f64 {
    convert::seconds(metalev_net::now())
}

/// Give up, for good and for this thread and all that it starts, every capability but those named.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "arguments from Python are converted into values")]
fn keep_capabilities(names: Vec<String>) -> PyResult<()> {
    metalev_net::keep_capabilities(&names).map_err(raise)
}

/// Refuse the first of `patterns` that is no regular expression for names of interfaces.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "arguments from Python are converted into values")]
fn check_patterns(patterns: Vec<String>) -> PyResult<()> {
    metalev_net::check_patterns(&patterns).map_err(raise)
}
