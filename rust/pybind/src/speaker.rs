//! The speaker as a Python class. Whatever waits does so without the GIL.

use std::net::IpAddr;
use std::time::Duration;

use metalev_net::Options;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::convert::{Counters, Fact, Table};
use crate::error::raise;

/// The engine, its sockets and its thread. Every method releases the GIL while it waits.
#[pyclass(frozen, module = "metalev._native")]
pub(crate) struct Speaker(metalev_net::Speaker);

#[pymethods]
impl Speaker {
    /// Open the sockets and start the thread.
    #[new]
    #[pyo3(signature = (node, *, beacon_interval, beacon_misses, refresh, hold_down, port, interfaces, exclude))]
    #[expect(clippy::too_many_arguments, reason = "they are named by the caller")]
    fn new(
        py: Python<'_>,
        node: String,
        beacon_interval: f64,
        beacon_misses: u32,
        refresh: f64,
        hold_down: f64,
        port: u16,
        interfaces: Vec<String>,
        exclude: Vec<String>,
    ) -> PyResult<Self> {
        let beacon_interval = duration("beacon_interval", beacon_interval)?;
        let refresh = duration("refresh", refresh)?;
        let hold_down = duration("hold_down", hold_down)?;
        let options = Options { node, beacon_interval, beacon_misses, refresh, hold_down, port, interfaces, exclude };
        py.detach(|| metalev_net::Speaker::start(options)).map(Self).map_err(raise)
    }

    /// Hand over the whole table. Returns at once.
    fn set(&self, py: Python<'_>, table: Table) {
        py.detach(|| self.0.set(table.into()));
    }

    /// Wait up to `timeout` seconds for facts; empty when none came, or after `stop`.
    fn facts(&self, py: Python<'_>, timeout: f64) -> PyResult<Vec<Fact>> {
        let timeout = duration("timeout", timeout)?;
        let facts = py.detach(|| self.0.facts(timeout)).map_err(raise)?;
        Ok(facts.into_iter().map(Into::into).collect())
    }

    /// The counters as they are now.
    fn counters(&self, py: Python<'_>) -> Counters {
        py.detach(|| self.0.counters()).into()
    }

    /// Have the group of an address move, if somebody else can have it. Returns at once.
    fn drill(&self, py: Python<'_>, address: IpAddr) {
        py.detach(|| self.0.drill(address));
    }

    /// Hand over what is held, say goodbye, close the sockets, join the thread. May be called twice.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.0.stop());
    }
}

fn duration(name: &str, seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| PyValueError::new_err(format!("{name} must be a number of seconds, not {seconds}")))
}
