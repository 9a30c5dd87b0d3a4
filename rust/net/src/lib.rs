//! Sockets and the thread that feeds the engine.
