//! The Salesforce connector: a component that runs inside Lockgate.
