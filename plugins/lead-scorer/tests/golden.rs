//! Each folder below `golden/` is a batch that goes in, and what must come out.

use std::path::Path;

use lead_scorer::{Settings, transform};
use record_batch::golden;

#[test]
fn every_golden_batch_comes_out_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let checked = golden::check(&folder, |case, records| {
        let settings = case.text("settings.json").unwrap_or_default();
        let settings = Settings::parse(&settings).map_err(|problems| format!("{problems:?}"))?;
        transform(&settings, records).map_err(|error| error.to_string())
    });
    assert_eq!(checked, Ok(()));
}
