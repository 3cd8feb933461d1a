//! A Salesforce-compatible org on loopback.
