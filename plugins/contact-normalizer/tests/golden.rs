//! Each folder below `golden/` is a batch that goes in, and what must come out.
//! Without `settings.json` the settings are the defaults, without `object.txt`
//! the records are contacts.

use std::path::Path;

use contact_normalizer::{Settings, transform};
use record_batch::golden;

#[test]
fn every_golden_batch_comes_out_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let checked = golden::check(&folder, |case, records| {
        let settings = case
            .text("settings.json")
            .unwrap_or_else(|| "{}".to_owned());
        let settings = Settings::parse(&settings).map_err(|problems| format!("{problems:?}"))?;
        let object = case
            .text("object.txt")
            .unwrap_or_else(|| "Contact".to_owned());
        transform(&settings, object.trim(), records).map_err(|error| format!("{error:?}"))
    });
    assert_eq!(checked, Ok(()));
}
