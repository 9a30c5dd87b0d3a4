//! The one place where errors become Python exceptions.

use metalev_net::Error;
use pyo3::PyErr;
use pyo3::exceptions::{PyLookupError, PyOSError, PyRuntimeError, PyValueError};

/// Python chooses the subclass of `OSError` by the number: `EPERM` makes a `PermissionError`.
#[expect(clippy::needless_pass_by_value, reason = "its use is map_err(raise)")]
pub(crate) fn raise(error: Error) -> PyErr {
    let message = error.to_string();
    match &error {
        Error::Permission { .. } => PyOSError::new_err((libc::EPERM, message)),
        Error::PortInUse { .. } => PyOSError::new_err((libc::EADDRINUSE, message)),
        Error::System { source, .. } => PyOSError::new_err((source.raw_os_error(), message)),
        Error::UnknownInterface { .. } => PyLookupError::new_err(message),
        Error::Invalid(_) => PyValueError::new_err(message),
        Error::Ended(_) => PyRuntimeError::new_err(message),
    }
}
