"""What the checks with simple-salesforce have in common: a login, and one line
for each check, `ok - NAME` or `not ok - NAME: REASON`."""

import sys
import time
import traceback
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce

URL = sys.argv[1]
HOST = urlsplit(URL).netloc
# Told apart from the records of other scripts.
RUN = format(int(time.time() * 1000), "x")
CHECKS = []


def check(name):
    """Registers a check; they run in the order of the file."""

    def register(body):
        CHECKS.append((name, body))
        return body

    return register


def refusal(kind, body):
    """What `body` is refused with, which has to be of this kind."""
    try:
        body()
    except kind as error:
        return error
    raise AssertionError(f"was not refused with {kind.__name__}")


def code(error):
    """The `errorCode` in a typed exception."""
    return error.content[0]["errorCode"]


def control(method, address, body=None):
    """Steers the org, past the client."""
    answer = requests.request(method, f"{URL}/__control/{address}", json=body, timeout=10)
    answer.raise_for_status()
    return answer


class OwnDomain(HTTPAdapter):
    """Leads `https://NAME.salesforce.com`, which the client always logs in to,
    to the dev org: what DNS does for a company's own domain."""

    def send(self, request, **rest):
        parts = urlsplit(request.url)
        request.url = parts._replace(netloc=HOST).geturl()
        return super().send(request, **rest)


def own_domain():
    session = requests.Session()
    session.mount("https://lockgate.my.salesforce.com", OwnDomain())
    return session


def login(secret="dev-org-secret"):
    return Salesforce(
        consumer_key="dev-org-client",
        consumer_secret=secret,
        domain="lockgate.my",
        session=own_domain(),
        version="60.0",
    )


def main():
    """Runs the checks; the number of a script that failed is 1."""
    failed = False
    for name, body in CHECKS:
        try:
            body()
            print(f"ok - {name}", flush=True)
        except Exception:  # Any failure of a check is a failed check.
            failed = True
            reason = " | ".join(traceback.format_exc().strip().splitlines()[-3:])
            print(f"not ok - {name}: {reason}", flush=True)
    return 1 if failed else 0
