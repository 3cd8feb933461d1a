//! What a transform exports, of whatever version: it is called, and answers, in the
//! types of the newest.

use wasmtime::Store;
use wasmtime::component::InstancePre;

use super::Contract;
use crate::bindings::{transform as newest, transform_0_1 as v0_1};
use crate::state::TransformState;
use newest::exports::lockgate::connector::batches as wit;
use v0_1::exports::lockgate::connector::batches as wit_0_1;

/// A transform that was linked, and whose exports have the types of its version.
pub(crate) enum BatchesPre {
    V0_1(v0_1::TransformPre<TransformState>),
    V0_2(newest::TransformPre<TransformState>),
}

/// The exports of an instance.
pub(crate) enum Batches {
    V0_1(v0_1::Transform),
    V0_2(newest::Transform),
}

impl BatchesPre {
    /// # Errors
    /// In wasmtime's words, if the exports have other types.
    pub(crate) fn new(
        contract: Contract,
        pre: InstancePre<TransformState>,
    ) -> wasmtime::Result<Self> {
        Ok(match contract {
            Contract::V0_1 => Self::V0_1(v0_1::TransformPre::new(pre)?),
            Contract::V0_2 => Self::V0_2(newest::TransformPre::new(pre)?),
        })
    }

    pub(crate) async fn instantiate(
        &self,
        store: &mut Store<TransformState>,
    ) -> wasmtime::Result<Batches> {
        Ok(match self {
            Self::V0_1(pre) => Batches::V0_1(pre.instantiate_async(store).await?),
            Self::V0_2(pre) => Batches::V0_2(pre.instantiate_async(store).await?),
        })
    }
}

impl Batches {
    pub(crate) async fn describe(
        &self,
        store: &mut Store<TransformState>,
    ) -> wasmtime::Result<wit::Description> {
        match self {
            Self::V0_1(instance) => {
                let batches = instance.lockgate_connector_batches();
                batches.call_describe(store).await.map(Into::into)
            }
            Self::V0_2(instance) => {
                let batches = instance.lockgate_connector_batches();
                batches.call_describe(store).await
            }
        }
    }

    pub(crate) async fn configure(
        &self,
        store: &mut Store<TransformState>,
        settings: &str,
    ) -> wasmtime::Result<Result<(), Vec<wit::SettingProblem>>> {
        match self {
            Self::V0_1(instance) => {
                let batches = instance.lockgate_connector_batches();
                let accepted = batches.call_configure(store, settings).await?;
                Ok(accepted.map_err(|problems| problems.into_iter().map(Into::into).collect()))
            }
            Self::V0_2(instance) => {
                let batches = instance.lockgate_connector_batches();
                batches.call_configure(store, settings).await
            }
        }
    }

    pub(crate) async fn apply(
        &self,
        store: &mut Store<TransformState>,
        batch: wit::Batch,
    ) -> wasmtime::Result<Result<wit::Outcome, wit::Error>> {
        match self {
            Self::V0_1(instance) => {
                let batches = instance.lockgate_connector_batches();
                let outcome = batches.call_apply(store, &batch.into()).await?;
                Ok(outcome.map(Into::into).map_err(Into::into))
            }
            Self::V0_2(instance) => {
                let batches = instance.lockgate_connector_batches();
                batches.call_apply(store, &batch).await
            }
        }
    }
}

impl From<wit::Batch> for wit_0_1::Batch {
    fn from(batch: wit::Batch) -> Self {
        Self {
            object: batch.object,
            records: batch.records,
        }
    }
}

impl From<wit_0_1::Description> for wit::Description {
    fn from(description: wit_0_1::Description) -> Self {
        Self {
            summary: description.summary,
            settings_schema: description.settings_schema,
        }
    }
}

impl From<wit_0_1::SettingProblem> for wit::SettingProblem {
    fn from(problem: wit_0_1::SettingProblem) -> Self {
        Self {
            pointer: problem.pointer,
            message: problem.message,
        }
    }
}

impl From<wit_0_1::Outcome> for wit::Outcome {
    fn from(outcome: wit_0_1::Outcome) -> Self {
        Self {
            records: outcome.records,
            verdicts: outcome.verdicts.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<wit_0_1::Verdict> for wit::Verdict {
    fn from(verdict: wit_0_1::Verdict) -> Self {
        match verdict {
            // In 0.1 every record that is kept is in the output, changed or not.
            wit_0_1::Verdict::Keep => Self::Change,
            wit_0_1::Verdict::Drop => Self::Drop,
            wit_0_1::Verdict::Reject(reason) => Self::Reject(reason),
        }
    }
}

impl From<wit_0_1::Error> for wit::Error {
    fn from(error: wit_0_1::Error) -> Self {
        match error {
            wit_0_1::Error::Malformed(what) => Self::Malformed(what),
            wit_0_1::Error::UnsupportedObject => Self::UnsupportedObject,
            wit_0_1::Error::Failed(what) => Self::Failed(what),
        }
    }
}
