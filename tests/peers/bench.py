"""simple-salesforce as a client of `cargo xtask bench-peers`: `python bench.py TASK URL ROWS [check]`.

It says `ready VERSION`, works after a line of input, says what came of it as
`done ROWS LENGTH`, and ends with its input.
"""

import csv
import io
import json
import os
import sys
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce

TASK, URL, ROWS, *MODE = sys.argv[1:]
HOST = urlsplit(URL).netloc

# The most records that one request writes.
COLLECTION = 200

# How often a job is looked at, in seconds.
LOOK = 0.25


class Plain(HTTPAdapter):
    """Leads https, which the client always speaks, to the org's plain HTTP, so
    that no client pays for TLS."""

    def send(self, request, **rest):
        parts = urlsplit(request.url)
        request.url = parts._replace(scheme="http", netloc=HOST).geturl()
        return super().send(request, **rest)


def login():
    # One session for all requests keeps the connection; plain dicts are faster
    # to parse into than the default, OrderedDict.
    session = requests.Session()
    session.mount("https://", Plain())
    return Salesforce(
        consumer_key="dev-org-client",
        consumer_secret="dev-org-secret",
        domain="lockgate.my",
        session=session,
        version="60.0",
        object_pairs_hook=None,
    )


def read_rest(org):
    count = length = 0
    for record in org.query_all_iter(os.environ["PEERS_SOQL"]):
        count += 1
        length += len(record["Email"])
    return count, length


def list_rest(org):
    count = 0
    for record in org.query_all_iter(os.environ["PEERS_SOQL"]):
        count += 1
        sys.stdout.write(f"row {record['Id']} {record['Email']} {record['FirstName']}\n")
    return count, 0


def tables(org):
    """The package hands out pages of CSV; the standard library's plain reader
    is the fastest way to its values."""
    for page in org.bulk2.Contact.query(os.environ["PEERS_SOQL"], wait=LOOK):
        rows = csv.reader(io.StringIO(page, newline=""))
        yield next(rows), rows


def read_bulk(org):
    count = length = 0
    for names, rows in tables(org):
        email = names.index("Email")
        for row in rows:
            count += 1
            length += len(row[email])
    return count, length


def list_bulk(org):
    count = 0
    for names, rows in tables(org):
        at, email, first_name = map(names.index, ["Id", "Email", "FirstName"])
        for row in rows:
            count += 1
            sys.stdout.write(f"row {row[at]} {row[email]} {row[first_name]}\n")
    return count, 0


def contacts(numbers, **head):
    templates = json.loads((Path(__file__).parent / "contacts.json").read_text("utf-8"))
    for n in numbers:
        yield {
            **head,
            **templates[n % len(templates)],
            "LastName": f"Peer {n:07}",
            "Email": f"peer.{n:07}@example.com",
        }


def write_collections(org):
    written = 0
    records = contacts(range(int(ROWS)), attributes={"type": "Contact"})
    while chunk := list(islice(records, COLLECTION)):
        body = {"allOrNone": False, "records": chunk}
        results = org.restful("composite/sobjects", method="POST", json=body)
        written += sum(result["success"] for result in results)
    return written, 0


def write_bulk(org):
    """The package makes of them as many jobs as they need, here one, and gives
    the rows of each with their ids on demand."""
    contact = org.bulk2.Contact
    written = 0
    for job in contact.insert(records=list(contacts(range(int(ROWS)))), wait=LOOK):
        results = contact.get_all_ingest_records(job["job_id"])
        written += sum(bool(row["sf__Id"]) for row in results["successfulRecords"])
    return written, 0


def main():
    sys.stdout.reconfigure(encoding="utf-8")
    org = login()
    org.query("SELECT Id FROM Contact LIMIT 1")
    print(f"ready {version('simple-salesforce')}", flush=True)
    sys.stdin.readline()
    work = {
        "query-rest": list_rest if MODE else read_rest,
        "query-bulk": list_bulk if MODE else read_bulk,
        "write-collections": write_collections,
        "write-bulk": write_bulk,
    }[TASK]
    count, length = work(org)
    print(f"done {count} {length}", flush=True)
    sys.stdin.readline()


main()
