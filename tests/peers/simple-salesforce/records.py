"""simple-salesforce, unmodified, against a dev org: logins, describe, records,
queries. `python records.py URL`."""

import sys
from datetime import datetime, timedelta, timezone

from harness import HOST, RUN, URL, check, code, control, login, main, own_domain, refusal
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)

STATE = {}


def org():
    return STATE["org"]


@check("login by client credentials")
def _():
    STATE["org"] = login()
    assert org().sf_instance == HOST, org().sf_instance
    assert org().auth_type == "client-credentials"


@check("a given token on another connection")
def _():
    other = Salesforce(instance=HOST, session_id=org().session_id, version="60.0")
    assert len(other.query("SELECT Id FROM Account LIMIT 1")["records"]) == 1
    by_url = Salesforce(instance_url=URL, session_id=org().session_id, version="60.0")
    assert by_url.query("SELECT COUNT() FROM Account")["totalSize"] > 0


@check("wrong client secret is SalesforceAuthenticationFailed")
def _():
    error = refusal(SalesforceAuthenticationFailed, lambda: login("wrong"))
    assert error.code == "invalid_client", error.code


@check("login by SOAP with username, password and security token")
def _():
    def log_in(password):
        return Salesforce(
            username="admin@example.com",
            password=password,
            security_token="",
            domain="lockgate.my",
            session=own_domain(),
            version="60.0",
        )

    by_password = log_in("dev-org-password")
    assert by_password.sf_instance == HOST, by_password.sf_instance
    assert by_password.query("SELECT Id FROM Account LIMIT 1")["totalSize"] == 1
    error = refusal(SalesforceAuthenticationFailed, lambda: log_in("wrong"))
    assert error.code == "INVALID_LOGIN", error.code


@check("a dead token is SalesforceExpiredSession")
def _():
    other = Salesforce(instance=HOST, session_id="00D000000000000!dead", version="60.0")
    error = refusal(SalesforceExpiredSession, lambda: other.query("SELECT Id FROM Account"))
    assert code(error) == "INVALID_SESSION_ID"


@check("describe of the org")
def _():
    described = org().describe()
    assert described["maxBatchSize"] == 200
    assert "Account" in [entry["name"] for entry in described["sobjects"]]


@check("describe and metadata of an object")
def _():
    described = org().Account.describe()
    name = next(field for field in described["fields"] if field["name"] == "Name")
    assert name["type"] == "string" and not name["nillable"]
    assert org().Account.metadata()["objectDescribe"]["keyPrefix"] == "001"


@check("limits and the usage from the header")
def _():
    limits = org().limits()
    assert limits["DailyApiRequests"]["Max"] == 15000
    assert org().api_usage["api-usage"].total == 15000


@check("is_sandbox asks the organization")
def _():
    assert org().is_sandbox() is False


@check("create, get, update and delete")
def _():
    created = org().Account.create({"Name": f"Peer {RUN}"})
    assert created["success"] and created["errors"] == []
    STATE["account"] = created["id"]
    assert org().Account.get(created["id"])["Name"] == f"Peer {RUN}"
    assert org().Account.update(created["id"], {"Phone": "1"}) == 204
    assert org().Account.get(created["id"])["Phone"] == "1"
    other = org().Account.create({"Name": f"Gone {RUN}"})["id"]
    STATE["gone"] = other
    assert org().Account.delete(other) == 204


@check("upsert by an external id creates and then updates")
def _():
    key = f"Email/peer.{RUN}@example.com"
    assert org().Contact.upsert(key, {"LastName": "Peer"}) == 201
    assert org().Contact.upsert(key, {"LastName": "Again"}) == 200
    contact = org().Contact.get_by_custom_id("Email", f"peer.{RUN}@example.com")
    assert contact["LastName"] == "Again"


@check("an ambiguous key is SalesforceMoreThanOneRecord")
def _():
    email = f"twin.{RUN}@example.com"
    allow = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    for _ in range(2):
        org().Contact.create({"LastName": "Twin", "Email": email}, headers=allow)
    error = refusal(
        SalesforceMoreThanOneRecord,
        lambda: org().Contact.upsert(f"Email/{email}", {"LastName": "T"}),
    )
    assert len(error.content) == 2 and "/sobjects/Contact/003" in error.content[0]


@check("query_all fetches every page")
def _():
    result = org().query_all("SELECT Id FROM Contact")
    assert result["done"] and len(result["records"]) == result["totalSize"]
    assert result["totalSize"] > 0
    STATE["contacts"] = result["totalSize"]


@check("query_more by address and by locator")
def _():
    small = {"Sforce-Query-Options": "batchSize=200"}
    first = org().query("SELECT Id FROM Contact", headers=org().headers | small)
    assert not first["done"] and len(first["records"]) == 200
    second = org().query_more(first["nextRecordsUrl"], identifier_is_url=True)
    locator = first["nextRecordsUrl"].rsplit("/", 1)[1]
    again = org().query_more(locator)
    assert second["records"] == again["records"]


@check("query_all_iter yields every record")
def _():
    count = sum(1 for _ in org().query_all_iter("SELECT Id FROM Contact"))
    assert count == STATE["contacts"], count


@check("query with relationships both ways")
def _():
    org().Contact.create({"LastName": f"Child {RUN}", "AccountId": STATE["account"]})
    contacts = org().query(f"SELECT Account.Name FROM Contact WHERE LastName = 'Child {RUN}'")
    assert contacts["records"][0]["Account"]["Name"] == f"Peer {RUN}"
    accounts = org().query(
        f"SELECT Name, (SELECT LastName FROM Contacts) FROM Account WHERE Id = '{STATE['account']}'"
    )
    children = accounts["records"][0]["Contacts"]
    assert children["records"][0]["LastName"] == f"Child {RUN}"


@check("deleted records come with include_deleted")
def _():
    text = f"SELECT Id FROM Account WHERE Id = '{STATE['gone']}'"
    assert org().query(text)["totalSize"] == 0
    assert org().query_all(text, include_deleted=True)["totalSize"] == 1


@check("aggregates")
def _():
    rows = org().query("SELECT StageName, COUNT(Id) n FROM Opportunity GROUP BY StageName")["records"]
    assert rows and rows[0]["attributes"]["type"] == "AggregateResult"


@check("collections answer for each record")
def _():
    records = [
        {"attributes": {"type": "Account"}, "Name": f"Collected {RUN}"},
        {"attributes": {"type": "Contact"}, "FirstName": "Nobody"},
    ]
    body = {"allOrNone": False, "records": records}
    results = org().restful("composite/sobjects", method="POST", json=body)
    assert [result["success"] for result in results] == [True, False]
    assert results[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"


@check("collections without attributes in front are JSON_PARSER_ERROR")
def _():
    body = {"records": [{"Name": "A", "attributes": {"type": "Account"}}]}
    results = org().restful("composite/sobjects", method="POST", json=body)
    assert results[0]["errors"][0]["statusCode"] == "JSON_PARSER_ERROR"


@check("updated and deleted")
def _():
    now = datetime.now(timezone.utc)
    start, end = now - timedelta(hours=1), now + timedelta(minutes=2)
    updated = org().Account.updated(start, end)
    assert STATE["account"] in updated["ids"]
    deleted = org().Account.deleted(start, end)
    assert STATE["gone"] in [record["id"] for record in deleted["deletedRecords"]]


@check("a missing required field is SalesforceMalformedRequest")
def _():
    error = refusal(SalesforceMalformedRequest, lambda: org().Contact.create({"FirstName": "A"}))
    assert code(error) == "REQUIRED_FIELD_MISSING"
    assert error.content[0]["fields"] == ["LastName"]


@check("query errors are SalesforceMalformedRequest with Salesforce's codes")
def _():
    for text, expected in [
        ("SELECT Nope FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Nope", "INVALID_TYPE"),
        ("SELECT FROM", "MALFORMED_QUERY"),
    ]:
        error = refusal(SalesforceMalformedRequest, lambda: org().query(text))
        assert code(error) == expected, (text, code(error))


@check("what is not there is SalesforceResourceNotFound")
def _():
    error = refusal(SalesforceResourceNotFound, lambda: org().Account.get("001000000000000AAA"))
    assert code(error) == "NOT_FOUND"
    error = refusal(SalesforceResourceNotFound, lambda: org().Nope.describe())
    assert code(error) == "NOT_FOUND"


@check("a used-up quota is SalesforceRefusedRequest")
def _():
    used = control("GET", "quota").json()["used"]
    try:
        control("PUT", "quota", {"used": 15000})
        error = refusal(SalesforceRefusedRequest, lambda: org().query("SELECT Id FROM Account"))
        assert code(error) == "REQUEST_LIMIT_EXCEEDED"
        assert error.content[0]["message"] == "TotalRequests Limit exceeded."
    finally:
        control("PUT", "quota", {"used": used})


@check("an expired session is renewed and the request repeated")
def _():
    control("POST", "sessions/expire")
    assert org().query("SELECT Id FROM Account LIMIT 1")["totalSize"] == 1


sys.exit(main())
