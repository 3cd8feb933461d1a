"""simple-salesforce, unmodified, against a dev org: composite requests,
collections, searches, files and the smaller resources.
`python composite.py URL`."""

import base64
import sys
import tempfile
from pathlib import Path

from harness import RUN, check, code, login, main, refusal
from simple_salesforce import format_soql
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceResourceNotFound

ORG = login()
ROOT = "/services/data/v60.0"


def post(path, body):
    return ORG.restful(path, method="POST", json=body)


def part(method, url, reference, body=None):
    return {"method": method, "url": f"{ROOT}{url}", "referenceId": reference, "body": body}


def count(name):
    soql = format_soql("SELECT COUNT() FROM Account WHERE Name LIKE '{:like}%'", name)
    return ORG.query(soql)["totalSize"]


@check("composite with references between its parts is one call")
def _():
    ORG.limits()
    before = ORG.api_usage["api-usage"].used
    answer = post(
        "composite",
        {
            "allOrNone": True,
            "compositeRequest": [
                part("POST", "/sobjects/Account", "acme", {"Name": f"Composite {RUN}"}),
                part("POST", "/sobjects/Contact", "jane", {"LastName": "Doe", "AccountId": "@{acme.id}"}),
                part("GET", "/sobjects/Contact/@{jane.id}?fields=AccountId", "read"),
            ],
        },
    )
    assert ORG.api_usage["api-usage"].used == before + 1
    acme, jane, read = answer["compositeResponse"]
    assert [each["httpStatusCode"] for each in (acme, jane, read)] == [201, 201, 200]
    assert read["body"]["AccountId"] == acme["body"]["id"]


@check("composite all or none halts the innocent and keeps the culprit's error")
def _():
    good = part("POST", "/sobjects/Account", "good", {"Name": f"Undone {RUN}"})
    bad = part("POST", "/sobjects/Contact", "bad", {"FirstName": "Nobody"})
    answer = post("composite", {"allOrNone": True, "compositeRequest": [good, bad]})
    errors = [each["body"][0]["errorCode"] for each in answer["compositeResponse"]]
    assert errors == ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING"], errors
    assert count(f"Undone {RUN}") == 0


@check("a graph, a tree and a batch")
def _():
    nodes = [
        part("POST", "/sobjects/Account", "a", {"Name": f"Graph {RUN}"}),
        part("POST", "/sobjects/Contact", "c", {"LastName": "Doe", "AccountId": "@{a.id}"}),
    ]
    answer = post("composite/graph", {"graphs": [{"graphId": "g", "compositeRequest": nodes}]})
    assert [graph["isSuccessful"] for graph in answer["graphs"]] == [True]
    child = {"attributes": {"type": "Contact", "referenceId": "leaf"}, "LastName": "Doe"}
    root = {
        "attributes": {"type": "Account", "referenceId": "root"},
        "Name": f"Tree {RUN}",
        "Contacts": {"records": [child]},
    }
    answer = post("composite/tree/Account", {"records": [root]})
    assert not answer["hasErrors"]
    assert [result["referenceId"] for result in answer["results"]] == ["root", "leaf"]
    requests = [{"method": "GET", "url": "v60.0/limits"}, {"method": "GET", "url": "v60.0/nowhere"}]
    answer = post("composite/batch", {"batchRequests": requests})
    assert answer["hasErrors"]
    assert [result["statusCode"] for result in answer["results"]] == [200, 404]


@check("a tree that fails is SalesforceMalformedRequest and leaves nothing")
def _():
    root = {"attributes": {"type": "Account", "referenceId": "root"}, "Phone": RUN}
    error = refusal(SalesforceMalformedRequest, lambda: post("composite/tree/Account", {"records": [root]}))
    [result] = error.content["results"]
    assert result["referenceId"] == "root"
    assert result["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"


@check("collections update, upsert, read and delete")
def _():
    def records(last_name):
        return [
            {
                "attributes": {"type": "Contact"},
                "LastName": last_name,
                "Email": f"row.{n}.{RUN}@example.com",
            }
            for n in range(3)
        ]

    path = "composite/sobjects/Contact/Email"
    body = {"allOrNone": False, "records": records("Row")}
    made = ORG.restful(path, method="PATCH", json=body)
    assert [result["created"] for result in made] == [True] * 3
    ids = [result["id"] for result in made]
    changes = [
        {"attributes": {"type": "Contact"}, "Id": ids[0], "Title": "CEO"},
        {"attributes": {"type": "Contact"}, "Id": "003000000000000AAA", "Title": "CEO"},
    ]
    changed = ORG.restful("composite/sobjects", method="PATCH", json={"records": changes})
    assert [result["success"] for result in changed] == [True, False]
    read = post("composite/sobjects/Contact", {"ids": ids[:1], "fields": ["Title"]})
    assert read[0]["Title"] == "CEO"
    by_address = ORG.restful("composite/sobjects/Contact", params={"ids": ",".join(ids), "fields": "Email"})
    assert len(by_address) == 3
    params = {"ids": ",".join(ids), "allOrNone": "true"}
    gone = ORG.restful("composite/sobjects", method="DELETE", params=params)
    assert all(result["success"] for result in gone)


@check("a collection of 201 records is over its limit")
def _():
    records = [{"attributes": {"type": "Account"}, "Name": f"Over {RUN}"}] * 201
    error = refusal(SalesforceMalformedRequest, lambda: post("composite/sobjects", {"records": records}))
    assert code(error) == "EXCEEDED_ID_LIMIT"
    assert count(f"Over {RUN}") == 0


@check("search, quick_search and parameterizedSearch")
def _():
    name = f"Zanzibar{RUN}"
    record = ORG.Account.create({"Name": f"{name} Trading"})["id"]
    found = ORG.search(f"FIND {{{name}}} IN NAME FIELDS RETURNING Account(Id, Name)")
    assert [row["Id"] for row in found["searchRecords"]] == [record]
    assert [row["Id"] for row in ORG.quick_search(name)["searchRecords"]] == [record]
    params = {"q": name, "sobject": "Account", "Account.fields": "Id"}
    simple = ORG.restful("parameterizedSearch", params=params)
    assert [row["Id"] for row in simple["searchRecords"]] == [record]
    error = refusal(SalesforceMalformedRequest, lambda: ORG.search("FIND Acme"))
    assert code(error) == "MALFORMED_SEARCH"


@check("a file goes up in base64 and comes down in bytes")
def _():
    text = f"Zoë's file {RUN}".encode()
    record = ORG.ContentVersion.create(
        {
            "Title": "A file",
            "PathOnClient": "file.txt",
            "VersionData": base64.b64encode(text).decode(),
        }
    )["id"]
    assert ORG.ContentVersion.get_base64(record, base64_field="VersionData") == text
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "note.txt"
        file.write_bytes(text)
        account = ORG.Account.create({"Name": f"Parent {RUN}"})["id"]
        data = base64.b64encode(file.read_bytes()).decode()
    attachment = ORG.Attachment.create({"Name": "note.txt", "ParentId": account, "Body": data})["id"]
    assert ORG.Attachment.get_base64(attachment) == text


@check("a value with quotes and wildcards is found by its escaped form")
def _():
    name = f"100%_O'Neil \\ {RUN}"
    ORG.Account.create({"Name": name})
    found = ORG.query(format_soql("SELECT Name FROM Account WHERE Name = {}", name))
    assert [row["Name"] for row in found["records"]] == [name]


@check("layouts, recent items and record counts")
def _():
    assert ORG.Account.describe_layout(layouts_record_type())["detailLayoutSections"]
    assert ORG.restful("recent", params={"limit": 2})[1]["attributes"]["type"]
    counts = ORG.restful("limits/recordCount", params={"sObjects": "Account"})
    assert counts["sObjects"][0]["name"] == "Account"


def layouts_record_type():
    layouts = ORG.restful("sobjects/Account/describe/layouts")
    return layouts["recordTypeMappings"][0]["recordTypeId"]


@check("userinfo, and the versions of the org")
def _():
    info = ORG.oauth2("userinfo")
    assert info["preferred_username"] == "admin@example.com", info
    versions = ORG.session.get(f"https://{ORG.sf_instance}/services/data/", timeout=10).json()
    assert "60.0" in [version["version"] for version in versions]


@check("an Apex class is called with a body")
def _():
    answer = ORG.apexecute("echo", method="POST", data={"greeting": RUN})
    assert RUN in str(answer["body"]), answer


@check("an unknown address is SalesforceResourceNotFound")
def _():
    error = refusal(SalesforceResourceNotFound, lambda: ORG.restful("nowhere"))
    assert code(error) == "NOT_FOUND"


sys.exit(main())
