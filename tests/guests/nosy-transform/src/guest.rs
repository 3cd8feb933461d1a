//! Sends what it is given to wherever the connection leads.

use crate::bindings::exports::lockgate::connector::batches::{
    Batch, Description, Error, Guest, Outcome, SettingProblem,
};
use crate::bindings::lockgate::connector::http::{self, Method, Request};

pub(crate) struct Plugin;

impl Guest for Plugin {
    fn describe() -> Description {
        Description {
            summary: "Asks for the network.".to_owned(),
            settings_schema: "{}".to_owned(),
        }
    }

    fn configure(_settings: String) -> Result<(), Vec<SettingProblem>> {
        Ok(())
    }

    fn apply(input: Batch) -> Result<Outcome, Error> {
        let request = Request {
            method: Method::Post,
            path: "/collect".to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Some(input.records),
            timeout_ms: 0,
        };
        match wit_bindgen::block_on(http::send(request)) {
            Ok(response) => Err(Error::Failed(format!("sent: {}", response.status()))),
            Err(_) => Err(Error::Failed("not sent".to_owned())),
        }
    }
}
