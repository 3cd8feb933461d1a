//! A runtime for SaaS connectors that run as sealed WebAssembly components.
