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

# Writes a record as JSON.
text_of = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

# Set once by `configure`: an instance has one set of settings.
drop_domains: list[str] = []


class Batches(exports.Batches):
    def describe(self) -> Description:
        return Description("Puts e-mail addresses into one form.", json.dumps(SETTINGS_SCHEMA))

    def configure(self, settings: str) -> None:
        try:
            said = [(name, set_one(name, value)) for name, value in json.loads(settings).items()]
            problems = [SettingProblem("/" + name, wrong) for name, wrong in said if wrong]
        except Exception as error:
            # Else a mistake in the code below would be a crash without a word.
            problems = [SettingProblem("", place_of(error))]
        if problems:
            # What an Err carries is the error of the contract: here a list of problems.
            raise Err(problems)

    def apply(self, input: Batch) -> Outcome:
        try:
            records = json.loads(input.records)
        except ValueError as error:
            raise Err(Error_Malformed(str(error))) from error
        log.write(log.Level.INFO, "took a batch", [("records", str(len(records)))])
        changed = []
        verdicts = []
        try:
            for record in records:
                before = text_of(record)
                verdict = look_at(record)
                after = text_of(record)
                # The host has a record that is kept: it needs only those that are other now.
                if isinstance(verdict, Verdict_Keep) and after != before:
                    verdict = Verdict_Change()
                if isinstance(verdict, Verdict_Change):
                    changed.append(after)
                verdicts.append(verdict)
        except Exception as error:
            raise Err(Error_Failed(place_of(error))) from error
        if not all(isinstance(verdict, Verdict) for verdict in verdicts):
            raise Err(Error_Failed("look_at gave something else than a verdict"))
        return Outcome(f"[{','.join(changed)}]".encode(), verdicts)


def set_one(name: str, value: object) -> str | None:
    """Takes one setting, or says what is wrong with it."""
    global drop_domains
    if name != "drop_domains":
        return "there is no such setting"
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return "is a list of texts"
    drop_domains = value
    return None


def look_at(record: dict) -> Verdict:
    """Changes what has to be other in one record, and says what becomes of it. Of a
    record that is kept, `apply` sees whether it was changed."""
    email = record.get("Email")
    if not isinstance(email, str) or "@" not in email:
        return Verdict_Reject("it has no e-mail address")
    email = email.strip().lower()
    if email.rpartition("@")[2] in drop_domains:
        return Verdict_Drop()
    record["Email"] = email
    return Verdict_Keep()


def place_of(error: Exception) -> str:
    """What went wrong where. Not the error's own words: they may quote a record."""
    place = error.__traceback__
    while place.tb_next is not None:
        place = place.tb_next
    code = place.tb_frame.f_code
    file = code.co_filename.rpartition("/")[2]
    return f"{type(error).__name__} in {code.co_name}, {file}:{place.tb_lineno}"
