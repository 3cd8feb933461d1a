"""simple-salesforce, unmodified, against a dev org: Bulk API 2.0.
`python bulk.py URL`."""

import csv
import io
import sys
import tempfile
from pathlib import Path

from harness import RUN, check, code, control, login, main, refusal
from simple_salesforce.bulk2 import ColumnDelimiter, LineEnding, Operation
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceOperationError

# Seconds before the client looks at a job.
WAIT = 0.05
ORG = login()
STATE = {}


def bulk(name="Account"):
    return getattr(ORG.bulk2, name)


def client(name="Account"):
    """The client's own layer of single requests."""
    return bulk(name)._client


def counted(result):
    return [result[f"numberRecords{kind}"] for kind in ("Total", "Processed", "Failed")]


def rows(pages):
    """The rows of CSV pages, each with a header of its own."""
    return [row for page in pages for row in csv.DictReader(io.StringIO(page))]


@check("bulk2 insert, and what came of each row")
def _():
    records = [{"Name": f"Bulk {RUN} {n}", "Phone": "1"} for n in range(450)]
    [result] = bulk().insert(records=records, wait=WAIT)
    assert counted(result) == [450, 450, 0], result
    outcome = bulk().get_all_ingest_records(result["job_id"])
    assert outcome["failedRecords"] == [] and outcome["unprocessedRecords"] == []
    saved = {row["Name"]: row["sf__Id"] for row in outcome["successfulRecords"]}
    assert set(saved) == {record["Name"] for record in records}
    assert all(row["sf__Created"] == "true" for row in outcome["successfulRecords"])
    STATE["ids"] = [saved[record["Name"]] for record in records]


@check("bulk2 insert in batches, side by side")
def _():
    records = [{"Name": f"Batch {RUN} {n}"} for n in range(300)]
    results = bulk().insert(records=records, batch_size=100, concurrency=3, wait=WAIT)
    assert [counted(result) for result in results] == [[100, 100, 0]] * 3, results
    assert len({result["job_id"] for result in results}) == 3


@check("bulk2 update tells failures from successes, row by row")
def _():
    first, second = STATE["ids"][:2]
    records = [
        {"Id": first, "NumberOfEmployees": "7"},
        {"Id": second, "NumberOfEmployees": "many"},
    ]
    [result] = bulk().update(records=records, wait=WAIT)
    assert counted(result) == [2, 2, 1], result
    [failed] = rows([bulk().get_failed_records(result["job_id"])])
    assert failed["sf__Id"] == second and failed["NumberOfEmployees"] == "many"
    assert failed["sf__Error"].startswith("INVALID_TYPE_ON_FIELD_IN_RECORD:"), failed
    [saved] = rows([bulk().get_successful_records(result["job_id"])])
    assert (saved["sf__Id"], saved["sf__Created"]) == (first, "false")
    assert rows([bulk().get_unprocessed_records(result["job_id"])]) == []


@check("bulk2 upsert by an external id creates and then updates")
def _():
    records = [{"Email": f"bulk.{n}.{RUN}@example.com", "LastName": "Bulk"} for n in range(3)]
    for created in ("true", "false"):
        [result] = bulk("Contact").upsert(records=records, external_id_field="Email", wait=WAIT)
        saved = rows([bulk("Contact").get_successful_records(result["job_id"])])
        assert [row["sf__Created"] for row in saved] == [created] * 3, saved


@check("bulk2 insert from a file with pipes and CRLF")
def _():
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "accounts.csv"
        file.write_bytes(f"Name|Phone\r\nPiped {RUN}|1,2\r\n".encode())
        [result] = bulk().insert(
            csv_file=str(file),
            column_delimiter=ColumnDelimiter.PIPE,
            line_ending=LineEnding.CRLF,
            wait=WAIT,
        )
        assert counted(result) == [1, 1, 0], result
        results = Path(folder) / "results.csv"
        bulk().get_successful_records(result["job_id"], file=str(results))
        assert f'"Piped {RUN}"|"1,2"\r\n' in results.read_bytes().decode()
    found = ORG.query(f"SELECT Phone FROM Account WHERE Name = 'Piped {RUN}'")
    assert found["records"][0]["Phone"] == "1,2"


@check("bulk2 insert keeps quotes, commas, line breaks and other alphabets")
def _():
    text = 'He said "no, Zoë",\nand 東京 🚀'
    [result] = bulk().insert(records=[{"Name": f"Hard {RUN}", "Description": text}], wait=WAIT)
    assert counted(result) == [1, 1, 0], result
    found = ORG.query(f"SELECT Description FROM Account WHERE Name = 'Hard {RUN}'")
    assert found["records"][0]["Description"] == text


@check("a header with an unknown field fails the whole job")
def _():
    error = refusal(
        SalesforceOperationError,
        lambda: bulk().insert(records=[{"Name": "A", "Nope": "1"}], wait=WAIT),
    )
    assert "InvalidBatch : Field name not found : Nope" in str(error), error


@check("a job for an object that is not there is SalesforceMalformedRequest")
def _():
    error = refusal(
        SalesforceMalformedRequest,
        lambda: bulk("Nope").insert(records=[{"Name": "A"}], wait=WAIT),
    )
    assert code(error) == "INVALIDENTITY"


@check("bulk2 query, page by page by its locators")
def _():
    soql = f"SELECT Id, Name FROM Account WHERE Name LIKE 'Bulk {RUN}%'"
    pages = list(bulk().query(soql, max_records=200, wait=WAIT))
    assert [len(rows([page])) for page in pages] == [200, 200, 50]
    assert {row["Id"] for row in rows(pages)} == set(STATE["ids"])


@check("bulk2 query of nothing is a page without rows")
def _():
    pages = list(bulk().query("SELECT Id FROM Account WHERE Name = 'nobody'", wait=WAIT))
    assert [rows([page]) for page in pages] == [[]]


@check("bulk2 download streams the pages into files")
def _():
    soql = f"SELECT Id FROM Account WHERE Name LIKE 'Bulk {RUN}%'"
    with tempfile.TemporaryDirectory() as folder:
        results = bulk().download(soql, path=folder, max_records=300, wait=WAIT)
        assert [result["number_of_records"] for result in results] == [300, 150]
        pages = [Path(result["file"]).read_text("utf-8") for result in results]
    assert {row["Id"] for row in rows(pages)} == set(STATE["ids"])


@check("an ingest job and a query job are aborted")
def _():
    job = client().create_job(Operation.insert)
    assert job["state"] == "Open" and job["apiVersion"] == 60.0
    client().upload_job_data(job["id"], "Name\nNever\n")
    assert client().abort_job(job["id"], False)["state"] == "Aborted"
    error = refusal(SalesforceOperationError, lambda: client().wait_for_job(job["id"], False, WAIT))
    assert "Job failure" in str(error)
    assert len(rows([bulk().get_unprocessed_records(job["id"])])) == 1
    control("POST", "bulk/hold", {"state": "UploadComplete"})
    try:
        job = client().create_job(Operation.query, "SELECT Id FROM Account")
        assert client().abort_job(job["id"], True)["state"] == "Aborted"
    finally:
        control("POST", "bulk/release")


@check("bulk2 delete, and query_all that still finds the rows")
def _():
    records = [{"Id": record} for record in STATE["ids"][:300]]
    [result] = bulk().delete(records=records, wait=WAIT)
    assert counted(result) == [300, 300, 0], result
    soql = f"SELECT Id, IsDeleted FROM Account WHERE Name LIKE 'Bulk {RUN}%'"
    assert len(rows(bulk().query(soql, wait=WAIT))) == 150
    found = rows(bulk().query_all(soql, wait=WAIT))
    assert [row["IsDeleted"] for row in found].count("true") == 300 and len(found) == 450


@check("bulk2 hard_delete needs its permission, and leaves nothing to query_all")
def _():
    records = [{"Id": record} for record in STATE["ids"][300:]]
    error = refusal(SalesforceMalformedRequest, lambda: bulk().hard_delete(records=records, wait=WAIT))
    assert code(error) == "FEATURENOTENABLED"
    control("PUT", "users/admin@example.com", {"bulk_hard_delete": True})
    try:
        [result] = bulk().hard_delete(records=records, wait=WAIT)
    finally:
        control("PUT", "users/admin@example.com", {"bulk_hard_delete": False})
    assert counted(result) == [150, 150, 0], result
    soql = f"SELECT Id FROM Account WHERE Name LIKE 'Bulk {RUN}%'"
    assert len(rows(bulk().query_all(soql, wait=WAIT))) == 300


sys.exit(main())
