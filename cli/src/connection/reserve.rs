//! What a connection keeps back of the budget of API calls, as arguments.

use lockgate::Reserve;

#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct ReserveArgs {
    /// Leave this many API calls of the budget to others; 0 for none
    #[arg(long, value_name = "N")]
    keep_calls: Option<u64>,
    /// Use at most this share of the budget of API calls; 100 for all
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    max_share_percent: Option<u8>,
    /// What calls of priority `sync` leave of that to interactive ones; by default
    /// 10
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    sync_leaves_percent: Option<u8>,
    /// What calls of priority `backfill` leave of that to all others, for a day; by
    /// default 30
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    backfill_leaves_percent: Option<u8>,
}

impl ReserveArgs {
    pub(super) fn is_empty(self) -> bool {
        self.keep_calls.is_none()
            && self.max_share_percent.is_none()
            && self.sync_leaves_percent.is_none()
            && self.backfill_leaves_percent.is_none()
    }

    /// What is given here, and for the rest what there was.
    pub(super) fn over(self, before: Reserve) -> Reserve {
        Reserve {
            max_share_percent: self.max_share_percent.or(before.max_share_percent),
            keep_calls: self.keep_calls.or(before.keep_calls),
            sync_leaves_percent: self.sync_leaves_percent.or(before.sync_leaves_percent),
            backfill_leaves_percent: self
                .backfill_leaves_percent
                .or(before.backfill_leaves_percent),
        }
    }
}
