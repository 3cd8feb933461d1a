"""simple-salesforce as a client of `cargo xtask bench-peers`: `python bench.py TASK URL ROWS [check]`.

It says `ready VERSION`, works after a line of input, says what came of it as
`done ROWS LENGTH`, and ends with its input.
"""

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce

TASK, URL, ROWS, *MODE = sys.argv[1:]
HOST = urlsplit(URL).netloc

# The most records that one request writes.
COLLECTION = 200


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


def read_all(org):
    count = length = 0
    for record in org.query_all_iter(os.environ["PEERS_SOQL"]):
        count += 1
        length += len(record["Email"])
    return count, length


def list_all(org):
    count = 0
    for record in org.query_all_iter(os.environ["PEERS_SOQL"]):
        count += 1
        sys.stdout.write(f"row {record['Id']} {record['Email']} {record['FirstName']}\n")
    return count, 0


def write_all(org):
    templates = json.loads((Path(__file__).parent / "contacts.json").read_text("utf-8"))
    rows, written = int(ROWS), 0
    head = {"attributes": {"type": "Contact"}}
    for start in range(0, rows, COLLECTION):
        records = [
            {
                **head,
                **templates[n % len(templates)],
                "LastName": f"Peer {n:07}",
                "Email": f"peer.{n:07}@example.com",
            }
            for n in range(start, min(start + COLLECTION, rows))
        ]
        body = {"allOrNone": False, "records": records}
        results = org.restful("composite/sobjects", method="POST", json=body)
        written += sum(result["success"] for result in results)
    return written, 0


def main():
    sys.stdout.reconfigure(encoding="utf-8")
    org = login()
    org.query("SELECT Id FROM Contact LIMIT 1")
    print(f"ready {version('simple-salesforce')}", flush=True)
    sys.stdin.readline()
    work = {"query": list_all if MODE else read_all, "write": write_all}[TASK]
    count, length = work(org)
    print(f"done {count} {length}", flush=True)
    sys.stdin.readline()


main()
