//! A golden folder as the suite plays it: once as it is, and again and again with a
//! fault in one place.

use anyhow::Result;
use lockgate::{Rehearsal, RehearsalOptions};

use super::trace::Trace;
use crate::plugin::call::Call;
use crate::plugin::exchanges::Exchange;
use crate::plugin::operation::Operation;
use crate::plugin::product::{Fault, Product};
use crate::plugin::stand::Stand;

/// Places of one folder that get faults: more of the same teach nothing.
const MAX_PLACES: usize = 12;

/// A folder that comes out as expected.
pub(super) struct Scene<'a> {
    stand: &'a Stand,
    pub(super) folder: &'a str,
    call: &'a Call,
    /// What comes of it without a fault.
    pub(super) base: Trace,
}

/// What came of a fault.
pub(super) struct Played {
    pub(super) trace: Trace,
    /// How often the request in the place of the fault came.
    pub(super) n_asked: usize,
}

impl<'a> Scene<'a> {
    /// Plays a folder as it is; `None` if it does not come to its end step by step.
    pub(super) async fn new(
        stand: &'a Stand,
        folder: &'a str,
        call: &'a Call,
    ) -> Result<Option<Self>> {
        let mut scene = Self {
            stand,
            folder,
            call,
            base: Trace::default(),
        };
        let product = Product::start(stand.auth(), &call.exchanges, None).await?;
        let Some(base) = scene.trace(&product).await? else {
            return Ok(None);
        };
        let is_sound = base.is_done && base.errors.is_empty();
        scene.base = base;
        Ok(is_sound.then_some(scene))
    }

    /// Plays it with a fault; `None` if the connector never came to that place.
    pub(super) async fn play(&self, place: usize, fault: Fault) -> Result<Option<Played>> {
        let fault = Some((place, fault));
        let product = Product::start(self.stand.auth(), &self.call.exchanges, fault).await?;
        let trace = self.trace(&product).await?;
        let asked = product.asked();
        let n_asked = asked.iter().filter(|asked| asked.place == Some(place));
        let n_asked = n_asked.count();
        let has_met = product.is_fault_over();
        Ok(trace
            .filter(|_| has_met)
            .map(|trace| Played { trace, n_asked }))
    }

    /// Gives it up while it waits for the answer in a place. `None` if it never came
    /// there; otherwise requests that came after that.
    pub(super) async fn give_up(&self, place: usize) -> Result<Option<usize>> {
        let fault = Some((place, Fault::Silence));
        let product = Product::start(self.stand.auth(), &self.call.exchanges, fault).await?;
        tokio::select! {
            ended = self.trace(&product) => {
                ended?;
                return Ok(None);
            }
            () = product.until_silent() => {}
        }
        let before = product.asked().len();
        product.until_given_up().await;
        Ok(Some(product.asked().len() - before))
    }

    /// Instances of the connector that are alive.
    pub(super) fn n_alive(&self) -> usize {
        let packages = self.stand.host.packages();
        let versions = packages.iter().flat_map(|package| &package.versions);
        versions.map(|version| version.instances).sum()
    }

    /// Places whose answer is a success, at most [`MAX_PLACES`] of them, spread over all.
    pub(super) fn places(&self) -> Vec<usize> {
        let exchanges = self.call.exchanges.iter().enumerate();
        let good: Vec<usize> = exchanges
            .filter(|(_, exchange)| exchange.response.is_success())
            .map(|(place, _)| place)
            .collect();
        let step = good.len().div_ceil(MAX_PLACES).max(1);
        good.into_iter().step_by(step).collect()
    }

    /// The same, but only of requests that may have written something.
    pub(super) fn places_of_writes(&self) -> Vec<usize> {
        let mut places = self.places();
        let may_write = |place: &usize| {
            let exchange = self.exchange(*place);
            exchange.is_some_and(|exchange| exchange.request.may_write())
        };
        places.retain(may_write);
        places
    }

    /// Whether one of its answers has this status.
    pub(super) fn has(&self, status: u16) -> bool {
        let mut exchanges = self.call.exchanges.iter();
        exchanges.any(|exchange| exchange.response.status == status)
    }

    pub(super) fn exchange(&self, place: usize) -> Option<&Exchange> {
        self.call.exchanges.get(place)
    }

    /// Method and path of a request.
    pub(super) fn request(&self, place: usize) -> String {
        self.exchange(place).map_or_else(String::new, |exchange| {
            format!("{} {}", exchange.request.method, exchange.request.path)
        })
    }

    pub(super) const fn is_paged(&self) -> bool {
        matches!(
            self.call.operation,
            Operation::Query { .. } | Operation::Scan { .. }
        )
    }

    pub(super) const fn is_create(&self) -> bool {
        matches!(self.call.operation, Operation::Create { .. })
    }

    pub(super) const fn is_write(&self) -> bool {
        matches!(
            self.call.operation,
            Operation::Create { .. }
                | Operation::Update { .. }
                | Operation::Upsert { .. }
                | Operation::Delete { .. }
        )
    }

    /// What comes of it; `None` if its settings are refused.
    async fn trace(&self, product: &Product) -> Result<Option<Trace>> {
        let connected = self.stand.connect(product.origin(), &self.call.settings);
        let Ok(connection) = connected.await? else {
            return Ok(None);
        };
        // A budget that the play uses up is not waited for.
        let rehearsal = Rehearsal::new(RehearsalOptions {
            is_uncounted: true,
            ..self.call.played()
        });
        let rehearsing = connection.rehearsing(&rehearsal);
        Ok(Some(Trace::of(&self.call.operation, &rehearsing).await?))
    }
}
