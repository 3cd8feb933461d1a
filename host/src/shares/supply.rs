//! Something of which there are so many, and the lines of those who want one.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::EPOCH_TICK;

/// What something counts while it is held, and in the end as well unless it is told how
/// long it was of use.
const UNIT: Duration = EPOCH_TICK;

/// For how many ticks a turn is kept for whom it is promised. Tasks that were woken run
/// long before; a future that its owner holds and does not poll must not keep a core.
const GRACE_TICKS: u32 = 20;

/// How long a tenant counts as being there after the last of its guests has gone.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How much there is of something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) total: usize,
    /// The most of one tenant.
    pub(super) of_one: usize,
    /// The same while no other is there.
    pub(super) of_one_alone: usize,
}

/// Something of which there are so many, given out fairly.
#[derive(Debug)]
pub(crate) struct Supply {
    rules: Rules,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    held: usize,
    lines: HashMap<Arc<str>, Line>,
    /// The tenants whose lines are not empty.
    in_line: BTreeSet<Arc<str>>,
    /// What was given to somebody who was woken and has not come yet.
    promised: BTreeMap<u64, Promised>,
    weights: BTreeMap<Arc<str>, u32>,
    /// How far all have come: who has had nothing for a while begins from here, so that
    /// nobody saves up.
    now_ns: u64,
    next_number: u64,
    swept: Instant,
}

/// One tenant.
#[derive(Debug)]
struct Line {
    weight: u32,
    /// What it has used, divided by its weight.
    used_ns: u64,
    held: usize,
    waiting: VecDeque<Waiting>,
    claims: usize,
    /// When the last claim was let go.
    left: Instant,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    waker: Waker,
    /// It came when it was called, or was not called yet.
    comes: bool,
}

#[derive(Debug)]
struct Promised {
    tenant: Arc<str>,
    waker: Waker,
    ticks: u32,
}

/// The right of one guest or call to be given one, again and again.
#[derive(Debug)]
pub(crate) struct Claim {
    supply: Arc<Supply>,
    tenant: Arc<str>,
    /// Its number in the line, and since when it is there.
    waiting: Option<(u64, Instant)>,
    waited: Duration,
}

/// One of what there is, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    supply: Arc<Supply>,
    tenant: Arc<str>,
    cost: Duration,
}

impl Supply {
    pub(super) fn new(rules: Rules) -> Arc<Self> {
        Arc::new(Self {
            rules,
            state: Mutex::new(State {
                held: 0,
                lines: HashMap::new(),
                in_line: BTreeSet::new(),
                promised: BTreeMap::new(),
                weights: BTreeMap::new(),
                now_ns: 0,
                next_number: 0,
                swept: Instant::now(),
            }),
        })
    }

    /// Joins on behalf of a tenant.
    pub(crate) fn claim(self: &Arc<Self>, tenant: &str) -> Claim {
        let mut state = self.lock();
        state.sweep();
        let tenant = state.join(tenant);
        drop(state);
        Claim {
            supply: Arc::clone(self),
            tenant,
            waiting: None,
            waited: Duration::ZERO,
        }
    }

    /// Has a tenant get so many times what one of weight 1 gets, where both wait.
    pub(crate) fn weigh(&self, tenant: &str, weight: u32) {
        let mut state = self.lock();
        let weight = weight.max(1);
        if let Some(line) = state.lines.get_mut(tenant) {
            line.weight = weight;
        }
        state.weights.insert(tenant.into(), weight);
    }

    /// To be called at each tick of the clock of guests: what is promised to somebody
    /// who does not come is given to others, and offered again once that one asks.
    pub(crate) fn tick(&self) {
        let mut state = self.lock();
        if state.promised.is_empty() {
            return;
        }
        let woken = state.take_back(&self.rules);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    /// The tenants that are there.
    pub(super) fn shown(&self) -> Vec<Shown> {
        let state = self.lock();
        let lines = state.lines.iter().filter(|(_, line)| line.claims > 0);
        let shown = lines.map(|(tenant, line)| Shown {
            tenant: Arc::clone(tenant),
            weight: line.weight,
            held: line.held,
            waiting: line.waiting.len(),
        });
        shown.collect()
    }

    fn give_back(&self, tenant: &str, cost: Duration) {
        let mut state = self.lock();
        let woken = state.give_back(&self.rules, tenant, cost);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Right after each step, also if its holder panics after it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn join(&mut self, tenant: &str) -> Arc<str> {
        let known = self.lines.get_key_value(tenant);
        let tenant = known.map_or_else(|| tenant.into(), |(tenant, _)| Arc::clone(tenant));
        let weight = self.weights.get(&tenant).copied();
        let line = self
            .lines
            .entry(Arc::clone(&tenant))
            .or_insert_with(|| Line {
                weight: weight.unwrap_or(1),
                used_ns: 0,
                held: 0,
                waiting: VecDeque::new(),
                claims: 0,
                left: Instant::now(),
            });
        line.claims += 1;
        tenant
    }

    /// Forgets tenants that have gone.
    fn sweep(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.swept) < REMEMBERED {
            return;
        }
        self.swept = now;
        self.lines.retain(|_, line| {
            line.claims > 0 || line.held > 0 || now.duration_since(line.left) < REMEMBERED
        });
    }

    fn most(&self, rules: &Rules) -> usize {
        match self.lines.len() {
            0 | 1 => rules.of_one_alone,
            _ => rules.of_one,
        }
    }

    /// Takes one for somebody who just came, if nobody is before it. Those that may have
    /// one have it already, so whoever still waits is in the way of its own tenant only.
    fn take(&mut self, rules: &Rules, tenant: &Arc<str>) -> bool {
        let most = self.most(rules);
        let now_ns = self.now_ns;
        let Some(line) = self.lines.get_mut(tenant) else {
            return false;
        };
        let is_free = self.held < rules.total && line.held < most;
        if !is_free || line.waiting.iter().any(|waiting| waiting.comes) {
            return false;
        }
        line.begin(now_ns);
        self.now_ns = now_ns.max(line.due_ns());
        line.held += 1;
        self.held += 1;
        true
    }

    /// Promises what there is to those whose turn it is, and gives whom to wake.
    fn give_out(&mut self, rules: &Rules) -> Vec<Waker> {
        let mut woken = Vec::new();
        let most = self.most(rules);
        while self.held < rules.total {
            let lines = self.in_line.iter().filter_map(|tenant| {
                let line = self.lines.get(tenant).filter(|line| line.held < most)?;
                let first = line.waiting.iter().position(|waiting| waiting.comes)?;
                let number = line.waiting.get(first)?.number;
                Some((line.due_ns(), number, first, tenant))
            });
            let Some((due_ns, _, first, tenant)) = lines.min() else {
                break;
            };
            let tenant = Arc::clone(tenant);
            let Some(line) = self.lines.get_mut(&tenant) else {
                break;
            };
            let Some(waiting) = line.waiting.remove(first) else {
                break;
            };
            line.held += 1;
            if line.waiting.is_empty() {
                self.in_line.remove(&tenant);
            }
            self.held += 1;
            self.now_ns = self.now_ns.max(due_ns);
            woken.push(waiting.waker.clone());
            let promised = Promised {
                tenant,
                waker: waiting.waker,
                ticks: 0,
            };
            self.promised.insert(waiting.number, promised);
        }
        woken
    }

    fn give_back(&mut self, rules: &Rules, tenant: &str, cost: Duration) -> Vec<Waker> {
        if let Some(line) = self.lines.get_mut(tenant) {
            line.used_ns = line.used_ns.saturating_add(line.weighed_ns(cost));
            line.held -= 1;
            self.held -= 1;
        }
        self.give_out(rules)
    }

    /// Puts those who did not come back into their places in the lines.
    fn take_back(&mut self, rules: &Rules) -> Vec<Waker> {
        let over = self.promised.extract_if(.., |_, promised| {
            promised.ticks += 1;
            promised.ticks >= GRACE_TICKS
        });
        for (number, Promised { tenant, waker, .. }) in over {
            if let Some(line) = self.lines.get_mut(&tenant) {
                line.held -= 1;
                self.held -= 1;
                let before = |waiting: &Waiting| waiting.number < number;
                let place = line.waiting.partition_point(before);
                let waiting = Waiting {
                    number,
                    waker,
                    comes: false,
                };
                line.waiting.insert(place, waiting);
                self.in_line.insert(tenant);
            }
        }
        self.give_out(rules)
    }

    fn wait(&mut self, tenant: &Arc<str>, waker: &Waker) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        let now_ns = self.now_ns;
        if let Some(line) = self.lines.get_mut(tenant) {
            line.begin(now_ns);
            line.waiting.push_back(Waiting {
                number,
                waker: waker.clone(),
                comes: true,
            });
            self.in_line.insert(Arc::clone(tenant));
        }
        number
    }

    /// Who waits asks again.
    fn ask(&mut self, tenant: &str, number: u64, waker: &Waker) {
        let line = self.lines.get_mut(tenant);
        let waiting = line.and_then(|line| {
            let mut waiting = line.waiting.iter_mut();
            waiting.find(|waiting| waiting.number == number)
        });
        if let Some(waiting) = waiting {
            waiting.waker.clone_from(waker);
            waiting.comes = true;
        }
    }

    /// Who waits goes away.
    fn leave(&mut self, rules: &Rules, tenant: &Arc<str>, number: u64) -> Vec<Waker> {
        if self.promised.remove(&number).is_some() {
            return self.give_back(rules, tenant, Duration::ZERO);
        }
        if let Some(line) = self.lines.get_mut(tenant) {
            line.waiting.retain(|waiting| waiting.number != number);
            if line.waiting.is_empty() {
                self.in_line.remove(tenant);
            }
        }
        Vec::new()
    }
}

impl Line {
    /// Who had nothing to do begins where the others are.
    fn begin(&mut self, now_ns: u64) {
        if self.held == 0 && self.waiting.is_empty() {
            self.used_ns = self.used_ns.max(now_ns);
        }
    }

    /// The least of these is the next.
    fn due_ns(&self) -> u64 {
        let under_way = UNIT.saturating_mul(u32::try_from(self.held).unwrap_or(u32::MAX));
        self.used_ns.saturating_add(self.weighed_ns(under_way))
    }

    fn weighed_ns(&self, cost: Duration) -> u64 {
        u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX) / u64::from(self.weight)
    }
}

impl Claim {
    /// One of what there is, in turn. Given up by dropping the claim.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Held> {
        let mut state = self.supply.lock();
        let rules = &self.supply.rules;
        let Some((number, since)) = self.waiting else {
            if state.take(rules, &self.tenant) {
                drop(state);
                return Poll::Ready(self.held());
            }
            let number = state.wait(&self.tenant, context.waker());
            self.waiting = Some((number, Instant::now()));
            return Poll::Pending;
        };
        let mut woken = Vec::new();
        if !state.promised.contains_key(&number) {
            state.ask(&self.tenant, number, context.waker());
            woken = state.give_out(rules);
        }
        let comes = state.promised.remove(&number).is_some();
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        if !comes {
            return Poll::Pending;
        }
        self.waiting = None;
        self.waited += since.elapsed();
        Poll::Ready(self.held())
    }

    /// The same as a future; may be given up and begun again at its place in the line.
    pub(crate) async fn get(&mut self) -> Held {
        poll_fn(|context| self.poll(context)).await
    }

    /// Another one of the same tenant.
    pub(crate) fn another(&self) -> Self {
        self.supply.claim(&self.tenant)
    }

    /// How many of its tenant wait already.
    pub(crate) fn before(&self) -> usize {
        let state = self.supply.lock();
        let line = state.lines.get(&self.tenant);
        line.map_or(0, |line| line.waiting.len())
    }

    /// How long it has waited in all.
    pub(crate) const fn waited(&self) -> Duration {
        self.waited
    }

    fn held(&self) -> Held {
        Held {
            supply: Arc::clone(&self.supply),
            tenant: Arc::clone(&self.tenant),
            cost: UNIT,
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = self.supply.lock();
        let mut woken = Vec::new();
        if let Some((number, _)) = self.waiting {
            woken = state.leave(&self.supply.rules, &self.tenant, number);
        }
        if let Some(line) = state.lines.get_mut(&self.tenant) {
            line.claims -= 1;
            line.left = Instant::now();
        }
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Held {
    /// It was of use for so long.
    pub(crate) const fn took(&mut self, cost: Duration) {
        self.cost = cost;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.supply.give_back(&self.tenant, self.cost);
    }
}

/// What one tenant has of one supply.
pub(super) struct Shown {
    pub(super) tenant: Arc<str>,
    pub(super) weight: u32,
    pub(super) held: usize,
    pub(super) waiting: usize,
}
