"""Puts e-mail addresses into one form, drops records of unwanted domains, and
rejects records without an address."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.batches import (
    Batch,
    Description,
    Error_Failed,
    Error_Malformed,
    Outcome,
    SettingProblem,
    Verdict,
    Verdict_Change,
    Verdict_Drop,
    Verdict_Keep,
    Verdict_Reject,
)
from wit_world.imports import log

SETTINGS_SCHEMA = {
    "type": "object",
    "properties": {"drop_domains": {"type": "array", "items": {"type": "string"}}},
    "additionalProperties": False,
}

# Set once by `configure`: an instance has one set of settings.
drop_domains: list[str] = []


class Batches(exports.Batches):
    def describe(self) -> Description:
        return Description("Puts e-mail addresses into one form.", json.dumps(SETTINGS_SCHEMA))

    def configure(self, settings: str) -> None:
        global drop_domains
        domains = json.loads(settings).get("drop_domains", [])
        if not isinstance(domains, list) or not all(isinstance(one, str) for one in domains):
            # What an Err carries is the error of the contract: here a list of problems.
            raise Err([SettingProblem("/drop_domains", "is a list of texts")])
        drop_domains = domains

    def apply(self, input: Batch) -> Outcome:
        try:
            records = json.loads(input.records)
        except ValueError as error:
            raise Err(Error_Malformed(str(error))) from error
        log.write(log.Level.INFO, "took a batch", [("records", str(len(records)))])
        try:
            verdicts = [look_at(record) for record in records]
        except Exception as error:
            # Else a mistake in the code above would be a crash without a word.
            raise Err(Error_Failed(place_of(error))) from error
        changed = [
            record
            for record, verdict in zip(records, verdicts)
            if isinstance(verdict, Verdict_Change)
        ]
        text = json.dumps(changed, ensure_ascii=False, separators=(",", ":"))
        return Outcome(text.encode(), verdicts)


def look_at(record: dict) -> Verdict:
    """Changes one record if it has to be, and says what becomes of it."""
    before = record.get("Email")
    if not isinstance(before, str) or "@" not in before:
        return Verdict_Reject("it has no e-mail address")
    email = before.strip().lower()
    if email.rpartition("@")[2] in drop_domains:
        return Verdict_Drop()
    if email == before:
        return Verdict_Keep()
    record["Email"] = email
    return Verdict_Change()


def place_of(error: Exception) -> str:
    """What went wrong where. Not the error's own words: they may quote a record."""
    place = error.__traceback__
    while place.tb_next is not None:
        place = place.tb_next
    code = place.tb_frame.f_code
    file = code.co_filename.rpartition("/")[2]
    return f"{type(error).__name__} in {code.co_name}, {file}:{place.tb_lineno}"
