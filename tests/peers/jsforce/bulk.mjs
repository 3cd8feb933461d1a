// jsforce, unmodified, against a dev org: Bulk API 2.0. `node bulk.mjs URL`.

import assert from "node:assert/strict";
import { check, conn, control, refusal, run, url } from "./harness.mjs";

const polls = { pollInterval: 50, pollTimeout: 60_000 };
const load = (options) => conn.bulk2.loadAndWaitForResults({ object: "Account", ...polls, ...options });
const counted = ({ successfulResults, failedResults, unprocessedRecords }) => [
  successfulResults.length,
  failedResults.length,
  unprocessedRecords.length,
];

await conn.authorize({ grant_type: "client_credentials" });
conn.bulk2.pollInterval = 50;

let ids = [];
await check("bulk insert of 450 records, in three slices", async () => {
  const input = Array.from({ length: 450 }, (_, at) => ({ Name: `Bulk ${run} ${at}`, Phone: "1" }));
  const results = await load({ operation: "insert", input });
  assert.deepEqual(counted(results), [450, 0, 0]);
  const names = results.successfulResults.map((row) => row.Name).sort();
  assert.deepEqual(names, input.map((row) => row.Name).sort());
  assert.ok(results.successfulResults.every((row) => row.sf__Created === "true"));
  const at = (row) => Number(row.Name.split(" ")[2]);
  ids = results.successfulResults.sort((a, b) => at(a) - at(b)).map((row) => row.sf__Id);
  assert.match(ids[0], /^001.{15}$/);
});

await check("bulk update tells failures from successes, row by row", async () => {
  const input = [
    { Id: ids[0], Phone: "2", NumberOfEmployees: "7" },
    { Id: ids[1], Phone: "2", NumberOfEmployees: "many" },
    { Id: "001000000000000AAA", Phone: "2", NumberOfEmployees: "7" },
  ];
  const results = await load({ operation: "update", input });
  assert.deepEqual(counted(results), [1, 2, 0]);
  assert.deepEqual(results.successfulResults[0].sf__Id, ids[0]);
  assert.equal(results.successfulResults[0].sf__Created, "false");
  const failed = new Map(results.failedResults.map((row) => [row.sf__Id, row.sf__Error]));
  assert.match(failed.get(ids[1]), /^INVALID_TYPE_ON_FIELD_IN_RECORD:/);
  assert.match(failed.get("001000000000000AAA"), /:--$|: --$/);
});

await check("bulk update takes null as #N/A, and leaves alone what is empty", async () => {
  const input = [
    { Id: ids[0], Phone: null, Fax: "9" },
    { Id: ids[1], Phone: "", Fax: "9" },
  ];
  assert.deepEqual(counted(await load({ operation: "update", input })), [2, 0, 0]);
  const [cleared, kept] = await conn.sobject("Account").retrieve(ids.slice(0, 2));
  assert.deepEqual([cleared.Phone, kept.Phone], [null, "1"]);
});

await check("bulk upsert by an external id creates and then updates", async () => {
  const input = [1, 2, 3].map((at) => ({ Email: `bulk.${at}.${run}@example.com`, LastName: "Bulk" }));
  const wanted = { object: "Contact", operation: "upsert", externalIdFieldName: "Email", input };
  const created = (results) => results.successfulResults.map((row) => row.sf__Created);
  assert.deepEqual(created(await load(wanted)), ["true", "true", "true"]);
  assert.deepEqual(created(await load(wanted)), ["false", "false", "false"]);
});

await check("bulk insert keeps quotes, commas, line breaks and other alphabets", async () => {
  const Description = 'He said "no, Zoë",\nand 東京 🚀';
  const results = await load({ operation: "insert", input: [{ Name: `Hard ${run}`, Description }] });
  assert.equal(results.successfulResults[0].Description, Description);
  const account = await conn.sobject("Account").retrieve(results.successfulResults[0].sf__Id);
  assert.equal(account.Description, Description);
});

await check("bulk insert finds a parent by external id", async () => {
  const Email = `parent.${run}@example.com`;
  await conn.sobject("Contact").create({ LastName: "Boss", Email });
  const input = [{ LastName: `Report ${run}`, "ReportsTo.Email": Email }];
  const results = await load({ object: "Contact", operation: "insert", input });
  assert.deepEqual(counted(results), [1, 0, 0]);
  const found = await conn.query(`SELECT ReportsTo.Email FROM Contact WHERE LastName = 'Report ${run}'`);
  assert.equal(found.records[0].ReportsTo.Email, Email);
});

await check("bulk insert of a text with semicolons and CRLF", async () => {
  const results = await load({
    operation: "insert",
    columnDelimiter: "SEMICOLON",
    lineEnding: "CRLF",
    input: `Name;Phone\r\nText ${run};"1;2"\r\n`,
  });
  assert.equal(results.failedResults.length, 0);
  const found = await conn.query(`SELECT Phone FROM Account WHERE Name = 'Text ${run}'`);
  assert.equal(found.records[0].Phone, "1;2");
});

await check("a job by its steps, found again by its id", async () => {
  const job = conn.bulk2.createJob({ operation: "insert", object: "Account" });
  const opened = await job.open();
  assert.equal(opened.state, "Open");
  assert.equal(opened.apiVersion, 60);
  assert.equal(opened.contentUrl, `services/data/v60.0/jobs/ingest/${job.id}/batches`);
  await job.uploadData([{ Name: `Step ${run}` }]);
  await job.close();
  await job.poll(50, 60_000);
  const again = conn.bulk2.job("ingest", { id: job.id });
  const info = await again.check();
  assert.equal(info.state, "JobComplete");
  assert.equal(info.numberRecordsProcessed, 1);
  assert.equal(info.numberRecordsFailed, 0);
  assert.equal(info.jobType, "V2Ingest");
  assert.match(await again.getSuccessfulResults(true), /^"sf__Id","sf__Created",.*\n"001/);
  const listed = await conn.request("/jobs/ingest?jobType=V2Ingest");
  assert.ok(listed.records.some((each) => each.id === job.id));
});

await check("a job that is aborted gives back what it did not look at", async () => {
  await control("POST", "bulk/hold", { state: "InProgress", after_rows: 2 });
  try {
    const job = conn.bulk2.createJob({ operation: "insert", object: "Account" });
    await job.open();
    await job.uploadData(Array.from({ length: 5 }, (_, at) => ({ Name: `Cut ${run} ${at}` })));
    await job.close();
    for (let looks = 0; (await job.check()).numberRecordsProcessed < 2; looks += 1) {
      assert.ok(looks < 10_000, "the job does not begin");
    }
    await job.abort();
    const results = await job.getAllResults();
    assert.deepEqual(counted(results), [2, 0, 3]);
    assert.deepEqual(Object.keys(results.unprocessedRecords[0]), ["Name"]);
    const error = await refusal(job.poll(50, 1_000));
    assert.equal(error.message, "Job has been aborted");
  } finally {
    await control("POST", "bulk/release");
  }
});

await check("a header with an unknown field fails the whole job", async () => {
  const error = await refusal(load({ operation: "insert", input: [{ Name: "A", Nope: "1" }] }));
  assert.match(error.message, /InvalidBatch : Field name not found : Nope/);
});

await check("jobs that cannot be are refused when they are opened", async () => {
  const refused = async (params) => {
    const job = conn.bulk2.createJob({ object: "Account", operation: "insert", ...params });
    return (await refusal(job.open())).errorCode;
  };
  assert.equal(await refused({ object: "Nope" }), "INVALIDENTITY");
  assert.equal(await refused({ operation: "merge" }), "INVALIDOPERATION");
  assert.equal(await refused({ operation: "upsert" }), "INVALIDJOB");
});

await check("a second upload is refused, and closing twice", async () => {
  const job = conn.bulk2.createJob({ operation: "insert", object: "Account" });
  await job.open();
  await job.uploadData([{ Name: `Once ${run}` }]);
  const second = await refusal(
    conn.request({
      method: "PUT",
      url: `/jobs/ingest/${job.id}/batches`,
      headers: { "Content-Type": "text/csv" },
      body: "Name\nTwice\n",
    }),
  );
  assert.match(second.message, /Found multiple contents for job/);
  await job.close();
  assert.equal((await refusal(job.close())).errorCode, "INVALIDJOBSTATE");
});

await check("a job that is done can be deleted and is then not there", async () => {
  const job = conn.bulk2.createJob({ operation: "insert", object: "Account" });
  await job.open();
  await job.uploadData([{ Name: `Deleted ${run}` }]);
  await job.close();
  await job.poll(50, 60_000);
  await job.delete();
  assert.equal((await refusal(job.check())).errorCode, "NOT_FOUND");
});

await check("bulk query gives all rows", async () => {
  const stream = await conn.bulk2.query(`SELECT Id, Name, Phone FROM Account WHERE Name LIKE 'Bulk ${run}%'`, polls);
  const records = await stream.toArray();
  assert.equal(records.length, 450);
  assert.deepEqual(Object.keys(records[0]), ["Id", "Name", "Phone"]);
  assert.deepEqual(new Set(records.map((record) => record.Id)), new Set(ids));
});

await check("bulk query of nothing is no rows", async () => {
  const stream = await conn.bulk2.query("SELECT Id FROM Account WHERE Name = 'nobody'", polls);
  assert.deepEqual(await stream.toArray(), []);
});

await check("bulk query goes through its result pages by their locators", async () => {
  const job = await conn.requestPost("/jobs/query", {
    operation: "query",
    query: "SELECT Id FROM Contact",
  });
  const query = conn.bulk2.job("query", { id: job.id });
  await query.poll(50, 60_000);
  const info = query.getInfo();
  assert.equal(info.state, "JobComplete");
  const seen = new Set();
  let locator = "";
  let pages = 0;
  while (locator !== "null") {
    const answer = await fetch(
      `${url}/services/data/v60.0/jobs/query/${job.id}/results?maxRecords=1000&locator=${locator}`,
      { headers: { Authorization: `Bearer ${conn.accessToken}`, Accept: "text/csv" } },
    );
    locator = answer.headers.get("Sforce-Locator");
    const rows = (await answer.text()).trim().split("\n").slice(1);
    assert.equal(rows.length, Number(answer.headers.get("Sforce-NumberOfRecords")));
    rows.forEach((row) => seen.add(row));
    pages += 1;
  }
  assert.equal(pages, Math.ceil(info.numberRecordsProcessed / 1000));
  assert.ok(pages > 1);
  assert.equal(seen.size, info.numberRecordsProcessed);
  await query.delete();
});

await check("a query that Bulk cannot answer is refused, and a job that is aborted ends", async () => {
  const error = await refusal(conn.bulk2.query("SELECT Id, (SELECT Id FROM Contacts) FROM Account", polls));
  assert.ok(error.errorCode, String(error));
  await control("POST", "bulk/hold", { state: "UploadComplete" });
  try {
    const job = await conn.requestPost("/jobs/query", { operation: "query", query: "SELECT Id FROM Account" });
    const query = conn.bulk2.job("query", { id: job.id });
    assert.equal((await query.abort()).state, "Aborted");
    assert.equal((await refusal(query.poll(50, 1_000))).message, "Job has been aborted");
  } finally {
    await control("POST", "bulk/release");
  }
});

await check("bulk delete, and queryAll that still finds the rows", async () => {
  const input = ids.slice(0, 300).map((Id) => ({ Id }));
  assert.deepEqual(counted(await load({ operation: "delete", input })), [300, 0, 0]);
  const soql = `SELECT Id, IsDeleted FROM Account WHERE Name LIKE 'Bulk ${run}%'`;
  const left = await (await conn.bulk2.query(soql, polls)).toArray();
  assert.equal(left.length, 150);
  const all = await (await conn.bulk2.query(soql, { ...polls, scanAll: true })).toArray();
  assert.equal(all.length, 450);
  assert.equal(all.filter((record) => record.IsDeleted === "true").length, 300);
});

await check("bulk hardDelete needs its permission, and leaves nothing to queryAll", async () => {
  const input = ids.slice(300).map((Id) => ({ Id }));
  const wanted = { operation: "hardDelete", input };
  const refused = await refusal(load(wanted));
  assert.equal(refused.errorCode, "FEATURENOTENABLED");
  await control("PUT", "users/admin@example.com", { bulk_hard_delete: true });
  try {
    assert.deepEqual(counted(await load(wanted)), [150, 0, 0]);
  } finally {
    await control("PUT", "users/admin@example.com", { bulk_hard_delete: false });
  }
  const soql = `SELECT Id FROM Account WHERE Name LIKE 'Bulk ${run}%'`;
  const all = await (await conn.bulk2.query(soql, { ...polls, scanAll: true })).toArray();
  assert.equal(all.length, 300);
});

await check("the daily limit of query jobs is EXCEEDED_QUOTA", async () => {
  await control("PUT", "bulk", { query_jobs_used: 10_000 });
  try {
    const error = await refusal(conn.bulk2.query("SELECT Id FROM Account", polls));
    assert.equal(error.errorCode, "EXCEEDED_QUOTA");
  } finally {
    await control("PUT", "bulk", { query_jobs_used: 0 });
  }
});
