//! What commands read: records, settings and secrets, from arguments, files or
//! standard input.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use anyhow::Result;
use secrecy::SecretString;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::exit::usage;

/// The largest input, in bytes. All of it is held in memory.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The largest secret, in bytes. A private key has about 4 KiB.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Reads records from an argument, a file (`-` is standard input), or standard
/// input if it is no terminal.
pub(crate) fn records(argument: Option<&str>, file: Option<&Path>) -> Result<Vec<Box<RawValue>>> {
    let text = match (argument, file) {
        (Some("-"), None) => read(Path::new("-"), MAX_BYTES)?,
        (Some(argument), None) => argument.to_owned(),
        (None, Some(file)) => read(file, MAX_BYTES)?,
        (Some(_), Some(_)) => return Err(usage("give the records as an argument or in a file")),
        (None, None) if std::io::stdin().is_terminal() => {
            return Err(usage(
                "there are no records: give them as JSON, in a file or on standard input; \
                 --help has examples",
            ));
        }
        (None, None) => read(Path::new("-"), MAX_BYTES)?,
    };
    parse_records(&text)
}

/// One object, an array of objects, or objects one after the other. Each stays
/// as it was written: products care for the order of keys.
pub(crate) fn parse_records(text: &str) -> Result<Vec<Box<RawValue>>> {
    let mut records = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Box<RawValue>>() {
        let value = value.map_err(|error| usage(format!("the records are not JSON: {error}")))?;
        if value.get().starts_with('[') {
            let items: Vec<Box<RawValue>> = serde_json::from_str(value.get())
                .map_err(|error| usage(format!("the records are not JSON: {error}")))?;
            records.extend(items);
        } else {
            records.push(value);
        }
    }
    match records
        .iter()
        .position(|record| !record.get().starts_with('{'))
    {
        Some(at) => Err(usage(format!("record {at} is not a JSON object"))),
        None if records.is_empty() => Err(usage("the input holds no record")),
        None => Ok(records),
    }
}

/// Ids, from arguments; a single `-` reads them from standard input, one a line.
pub(crate) fn ids(arguments: Vec<String>) -> Result<Vec<String>> {
    let ids = if arguments == ["-"] {
        let text = read(Path::new("-"), MAX_BYTES)?;
        text.split_whitespace().map(str::to_owned).collect()
    } else {
        arguments
    };
    if ids.is_empty() {
        return Err(usage("there are no ids"));
    }
    Ok(ids)
}

/// One JSON object from an argument or a file (`-` is standard input); an empty
/// one if neither is given.
pub(crate) fn object(argument: Option<&str>, file: Option<&Path>) -> Result<Json> {
    let text = match (argument, file) {
        (None, None) => "{}".to_owned(),
        (Some("-"), _) => read(Path::new("-"), MAX_BYTES)?,
        (Some(argument), _) => argument.to_owned(),
        (None, Some(file)) => read(file, MAX_BYTES)?,
    };
    match serde_json::from_str(&text) {
        Ok(object @ Json::Object(_)) => Ok(object),
        Ok(_) => Err(usage("the input is not a JSON object")),
        Err(error) => Err(usage(format!("the input is not JSON: {error}"))),
    }
}

/// Settings, a JSON file; `-` is standard input.
pub(crate) fn settings(file: &Path) -> Result<Json> {
    let text = read(file, MAX_BYTES)?;
    serde_json::from_str(&text).map_err(|error| {
        usage(format!(
            "the settings in {} are not JSON: {error}",
            file.display()
        ))
    })
}

/// A secret in a file; `-` is standard input. A line end after it is not of it.
pub(crate) fn secret(file: &Path) -> Result<SecretString> {
    let text = read(file, MAX_SECRET_BYTES)?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(usage(format!("the secret in {} is empty", file.display())));
    }
    Ok(SecretString::from(secret))
}

/// A file of the person's that cannot be read: wrong input.
pub(crate) fn unreadable(file: &Path, error: &std::io::Error) -> anyhow::Error {
    usage(format!("cannot read {}: {error}", file.display()))
}

/// A file as text; `-` is standard input.
pub(crate) fn read(file: &Path, max_bytes: u64) -> Result<String> {
    let mut text = String::new();
    let is_stdin = file == Path::new("-");
    let failed = |error: std::io::Error| match is_stdin {
        true => usage(format!("cannot read standard input: {error}")),
        false => unreadable(file, &error),
    };
    let length = if is_stdin {
        std::io::stdin()
            .lock()
            .take(max_bytes + 1)
            .read_to_string(&mut text)
            .map_err(failed)?
    } else {
        let file = std::fs::File::open(file).map_err(failed)?;
        file.take(max_bytes + 1)
            .read_to_string(&mut text)
            .map_err(failed)?
    };
    if length as u64 > max_bytes {
        return Err(usage(format!(
            "{} holds more than {max_bytes} bytes",
            file.display()
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(input: &str) -> Vec<String> {
        let records = parse_records(input).unwrap();
        records
            .iter()
            .map(|record| record.get().to_owned())
            .collect()
    }

    #[test]
    fn one_many_and_lines_of_records_are_the_same_to_us_and_keep_their_keys_order() {
        assert_eq!(texts(r#"{"b":1,"a":2}"#), [r#"{"b":1,"a":2}"#]);
        assert_eq!(texts("[{\"b\":1}, {}]"), ["{\"b\":1}", "{}"]);
        assert_eq!(texts("{\"b\":1}\n{}\n"), ["{\"b\":1}", "{}"]);
    }

    #[test]
    fn what_is_no_record_is_refused_with_its_place() {
        assert_eq!(
            parse_records("[{}, 7]").unwrap_err().to_string(),
            "record 1 is not a JSON object"
        );
        assert_eq!(
            parse_records("[]").unwrap_err().to_string(),
            "the input holds no record"
        );
        assert!(
            parse_records("{\"a\":")
                .unwrap_err()
                .to_string()
                .contains("not JSON")
        );
    }
}
