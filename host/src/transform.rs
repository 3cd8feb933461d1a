//! Transforms: plugins that change, drop or reject records, each batch in a box
//! without network, storage or clock.

mod outcome;

use std::sync::Arc;

use crate::bindings::transform::exports::lockgate::connector::batches as wit;
use crate::capability::log::{Log, Speaker};
use crate::contract::{Batches, BatchesPre};
use crate::engine::Sandbox;
use crate::error::{Error, GuestCall};
use crate::grant::{self, Grants};
use crate::guest::Guest;
use crate::limits::Limits;
use crate::meter::Meter;
use crate::package::Package;
use crate::records::{Records, Rejected, bounded, setting_problems};
use crate::rollout::{Caller, Lasting, Rollout, Service, Versioned};
use crate::settings::{NO_SETTINGS, is_settings, settings_or_none};
use crate::state::TransformState;
use crate::store::ConnectionKey;

/// The largest batch that is handed to a transform, in bytes. The contract
/// promises it.
const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;

/// A loaded transform package: compiled and linked, once for all its uses.
pub(crate) struct LoadedTransform {
    pub(crate) package: Package,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) pre: BatchesPre,
    pub(crate) limits: Limits,
    pub(crate) speaker: Arc<Speaker>,
    pub(crate) service: Arc<Service>,
}

impl Versioned for LoadedTransform {
    fn package(&self) -> &Package {
        &self.package
    }

    fn service(&self) -> &Arc<Service> {
        &self.service
    }

    fn wants(&self) -> &Grants {
        &grant::NOTHING
    }
}

/// A transform with its settings, ready for batches. Cheap to clone.
#[derive(Clone)]
pub struct Transform {
    name: Arc<str>,
    rollout: Arc<Rollout<LoadedTransform>>,
    settings: Arc<str>,
    /// Whom it works for, if that is a connection.
    owner: Option<ConnectionKey>,
}

impl std::fmt::Debug for Transform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transform")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What a transform made of a batch.
#[derive(Clone, Debug)]
pub struct Transformed {
    /// Those that go on, as they came or changed, in the order of the input.
    pub records: Records,
    /// Which records of the input were left out because they are not wanted: their
    /// places in it, in order.
    pub dropped: Vec<usize>,
    /// Those that were left out because they are wrong.
    pub rejected: Vec<Rejected>,
}

/// What an instance of a transform has used since it was made: its start, its
/// settings and all its batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Instructions of WebAssembly; a copy of many bytes counts by its length.
    /// `None` unless the host was built to
    /// [count them](crate::HostBuilder::count_instructions).
    pub instructions: Option<u64>,
    /// The most linear memory that it had, in bytes.
    pub memory_bytes: u64,
    /// Calls to the host. All that a transform can call is the log.
    pub host_calls: u64,
}

/// What a transform says of itself.
#[derive(Clone, Debug)]
pub struct TransformDescription {
    /// One sentence.
    pub summary: String,
    /// The JSON Schema of its settings.
    pub settings_schema: String,
}

impl Transform {
    /// Settles the settings, after the transform itself has looked at them.
    pub(crate) async fn configured(
        rollout: Arc<Rollout<LoadedTransform>>,
        settings: &serde_json::Value,
    ) -> Result<Self, Error> {
        if !is_settings(settings) {
            return Err(Error::Input(NO_SETTINGS.to_owned()));
        }
        let transform = Self {
            name: rollout.trusted().package.name().into(),
            rollout,
            settings: settings_or_none(settings.clone()).to_string().into(),
            owner: None,
        };
        // An instance that takes the settings proves that every later one will.
        transform.instance().await?;
        Ok(transform)
    }

    /// The package's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same transform at work for a connection: its tenant's share of the host
    /// counts, a pin or canary for the connection decides which version works, and logs
    /// and figures name it. Pages, syncs and intakes do so by
    /// themselves.
    #[must_use]
    pub fn on_behalf_of(&self, connection: &ConnectionKey) -> Self {
        let mut with = self.clone();
        with.owner = Some(connection.clone());
        with
    }

    /// What the transform says of itself.
    ///
    /// # Errors
    /// If the guest fails.
    pub async fn describe(&self) -> Result<TransformDescription, Error> {
        self.route()?.describe().await
    }

    /// Transforms one batch in an instance of its own, which is gone afterwards.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`], [`Error::Crashed`] and
    /// [`Error::BrokenContract`] if the guest misbehaves, [`Error::Transform`]
    /// if it cannot work on the batch. Nothing of the batch is passed on then.
    pub async fn apply(&self, object: &str, records: &Records) -> Result<Transformed, Error> {
        self.instance().await?.apply(object, records).await
    }

    /// An instance that is kept for many batches: cheaper, but what the guest
    /// keeps in memory lives on from one batch to the next.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub async fn warm(&self) -> Result<WarmTransform, Error> {
        self.instance().await
    }

    /// Makes an instance and drops it before it takes its settings: the part of a start
    /// that is the host's own, for benches.
    #[doc(hidden)]
    pub async fn start(&self) -> Result<(), Error> {
        self.route()?.fresh(self.owner.as_ref()).await.map(drop)
    }

    /// The settings, for as long as somebody uses them.
    pub(crate) fn settings(&self) -> std::sync::Weak<str> {
        Arc::downgrade(&self.settings)
    }

    async fn instance(&self) -> Result<WarmTransform, Error> {
        let loaded = self.route()?;
        loaded.configured(&self.settings, self.owner.as_ref()).await
    }

    /// The version that a call goes to: that of its connection, if it is for one.
    fn route(&self) -> Result<Arc<LoadedTransform>, Error> {
        let caller = self.owner.as_ref().map_or(Caller::Anybody, Caller::For);
        self.rollout.route(caller, Lasting::Once)
    }
}

impl LoadedTransform {
    /// What the transform says of itself.
    pub(crate) async fn describe(self: &Arc<Self>) -> Result<TransformDescription, Error> {
        let mut warm = self.fresh(None).await?;
        let instance = &warm.instance;
        let description = warm
            .guest
            .run("describe", async |store| instance.describe(store).await)
            .await?;
        Ok(TransformDescription {
            summary: bounded(&description.summary),
            settings_schema: description.settings_schema,
        })
    }

    /// An instance that has taken these settings.
    pub(crate) async fn configured(
        self: &Arc<Self>,
        settings: &str,
        owner: Option<&ConnectionKey>,
    ) -> Result<WarmTransform, Error> {
        let mut warm = self.fresh(owner).await?;
        let instance = &warm.instance;
        let accepted = warm
            .guest
            .run("configure", async |store| {
                instance.configure(store, settings).await
            })
            .await?;
        accepted.map_err(|problems| Error::Settings {
            package: self.package.name().to_owned(),
            problems: setting_problems(
                problems
                    .into_iter()
                    .map(|problem| (problem.pointer, problem.message)),
            ),
        })?;
        Ok(warm)
    }

    /// An instance that can only describe itself.
    async fn fresh(
        self: &Arc<Self>,
        owner: Option<&ConnectionKey>,
    ) -> Result<WarmTransform, Error> {
        let speaker = match owner {
            Some(owner) => Arc::new(Speaker {
                connection: owner.to_string(),
                ..Speaker::clone(&self.speaker)
            }),
            None => Arc::clone(&self.speaker),
        };
        let state = TransformState {
            meter: Meter::new(self.limits.clone()),
            log: Log::new(Arc::clone(&speaker)),
        };
        let (sandbox, service) = (&self.sandbox, &self.service);
        let mut guest = Guest::new(sandbox, state, service, &speaker).await?;
        let instance = guest
            .run("start", async |store| self.pre.instantiate(store).await)
            .await?;
        Ok(WarmTransform {
            loaded: Arc::clone(self),
            speaker,
            guest,
            instance,
            failed: false,
        })
    }
}

/// An instance of a transform that is kept for many batches.
pub struct WarmTransform {
    loaded: Arc<LoadedTransform>,
    speaker: Arc<Speaker>,
    guest: Guest<TransformState>,
    instance: Batches,
    failed: bool,
}

impl std::fmt::Debug for WarmTransform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WarmTransform")
            .field("package", &self.loaded.package)
            .finish_non_exhaustive()
    }
}

impl WarmTransform {
    /// Transforms one batch. Limits count afresh for each.
    ///
    /// # Errors
    /// As [`Transform::apply`]. After an error of the guest the instance is of
    /// no more use, and says so.
    pub async fn apply(&mut self, object: &str, records: &Records) -> Result<Transformed, Error> {
        if records.as_bytes().len() > MAX_BATCH_BYTES {
            return Err(Error::Input(format!(
                "a batch of {} bytes is larger than a transform takes, {MAX_BATCH_BYTES} bytes: \
                 give fewer records at a time",
                records.as_bytes().len()
            )));
        }
        if self.failed {
            let reason = "the instance was stopped before: take a new one".to_owned();
            return Err(Error::Crashed {
                guest: self.call(),
                reason,
            });
        }
        let state = self.guest.state_mut();
        let traffic = state.meter.traffic();
        state.meter.rearm();
        state.log.rearm();
        let batch = wit::Batch {
            object: object.to_owned(),
            records: records.as_bytes().to_vec(),
        };
        let instance = &self.instance;
        let outcome = self
            .guest
            .run("apply", async |store| {
                traffic.came(batch.records.len());
                let outcome = instance.apply(store, batch).await?;
                if let Ok(outcome) = &outcome {
                    traffic.went(outcome.records.len());
                }
                Ok(outcome)
            })
            .await
            .inspect_err(|_| self.failed = true)?;
        match outcome {
            Ok(outcome) => Transformed::of(records, outcome).map_err(|what| {
                self.guest.fault();
                Error::BrokenContract {
                    guest: self.call(),
                    what,
                }
            }),
            Err(error) => Err(self.refusal(object, &error)),
        }
    }

    /// What the instance has used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let instructions = self.guest.instructions();
        let meter = &self.guest.state().meter;
        Usage {
            instructions,
            memory_bytes: meter.memory_bytes(),
            host_calls: meter.all_host_calls(),
        }
    }

    fn call(&self) -> GuestCall {
        GuestCall {
            package: self.speaker.package.clone(),
            version: self.speaker.version.clone(),
            call: "apply",
        }
    }

    fn refusal(&self, object: &str, error: &wit::Error) -> Error {
        let what = match error {
            wit::Error::Malformed(text) => format!("malformed batch: {}", bounded(text)),
            wit::Error::UnsupportedObject => {
                return Error::UnknownObject {
                    call: self.call(),
                    object: object.to_owned(),
                };
            }
            wit::Error::Failed(text) => {
                self.guest.fault();
                bounded(text)
            }
        };
        Error::Transform {
            call: self.call(),
            what,
        }
    }
}
