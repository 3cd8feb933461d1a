//! A transform plugin for Lockgate.
