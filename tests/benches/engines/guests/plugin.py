"""The guest in Python: in the place of what `lockgate plugin new --lang python` writes.

The rules of rules.json, as somebody would write them who has Python and not the scorer."""

import json

from wit_world import exports
from wit_world.exports.batches import Batch, Description, Outcome, Verdict_Change

INDUSTRIES = {"engineering", "banking"}
FREE_MAIL = ("gmail.com", "gmx.de")


class Batches(exports.Batches):
    def describe(self) -> Description:
        return Description("Scores leads.", "{}")

    def configure(self, settings: str) -> None:
        pass

    def apply(self, input: Batch) -> Outcome:
        records = json.loads(input.records)
        for record in records:
            score(record)
        text = json.dumps(records, ensure_ascii=False, separators=(",", ":"))
        return Outcome(text.encode(), [Verdict_Change() for _ in records])


def score(record: dict) -> None:
    score = 0
    if (record.get("NumberOfEmployees") or 0) > 500:
        score += 25
    if (record.get("AnnualRevenue") or 0) > 1_000_000:
        score += 20
    if (record.get("Industry") or "").lower() in INDUSTRIES:
        score += 15
    host = (record.get("Email") or "").rpartition("@")[2].lower()
    if any(host == domain or host.endswith("." + domain) for domain in FREE_MAIL):
        score -= 15
    score = min(max(score, 0), 100)
    record["Lead_Score__c"] = score
    record["Rating"] = "Hot" if score >= 40 else "Cold"
