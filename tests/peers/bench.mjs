// jsforce as a client of `cargo xtask bench-peers`: `node bench.mjs TASK URL ROWS [check]`.
// It says `ready VERSION`, works after a line of input, says what came of it as
// `done ROWS LENGTH`, and ends with its input.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";

const require = createRequire(path.join(process.env.PEERS_FOLDER, "package.json"));
const jsforce = require("jsforce");
const { version } = require("jsforce/package.json");
const [task, url, rowsText, mode] = process.argv.slice(2);
const rows = Number(rowsText);
const soql = process.env.PEERS_SOQL;

/** The most records that one request writes. */
const COLLECTION = 200;

/** How often a job is looked at. Its answer may take longer than the default. */
const polling = { pollInterval: 250, pollTimeout: 600_000 };

/** Page by page: `autoFetch` would keep all records until the end. */
async function queryRest(each) {
  let page = await conn.query(soql);
  for (;;) {
    for (const record of page.records) {
      each(record);
    }
    if (page.done) {
      return;
    }
    page = await conn.queryMore(page.nextRecordsUrl);
  }
}

/** As a stream of records. It takes the header of each answer but the first for one. */
async function queryBulk(each) {
  const records = await conn.bulk2.query(soql, polling);
  await new Promise((resolve, reject) => {
    records.on("record", (record) => record.Id === "Id" || each(record));
    records.on("error", reject).on("end", resolve);
  });
}

async function readAll(query) {
  let count = 0;
  let length = 0;
  await query((record) => {
    count += 1;
    length += record.Email.length;
  });
  return [count, length];
}

async function listAll(query) {
  let count = 0;
  let lines = [];
  await query((record) => {
    count += 1;
    lines.push(`row ${record.Id} ${record.Email} ${record.FirstName}\n`);
  });
  process.stdout.write(lines.join(""));
  return [count, 0];
}

/** The contacts of these numbers. */
function contacts(templates, from, to) {
  const records = [];
  for (let n = from; n < to; n += 1) {
    const number = String(n).padStart(7, "0");
    records.push({
      ...templates[n % templates.length],
      LastName: `Peer ${number}`,
      Email: `peer.${number}@example.com`,
    });
  }
  return records;
}

function readTemplates() {
  return JSON.parse(readFileSync(new URL("contacts.json", import.meta.url)));
}

async function writeCollections() {
  const templates = readTemplates();
  const contact = conn.sobject("Contact");
  let written = 0;
  for (let from = 0; from < rows; from += COLLECTION) {
    const records = contacts(templates, from, Math.min(from + COLLECTION, rows));
    const results = await contact.create(records);
    written += results.filter((result) => result.success).length;
  }
  return [written, 0];
}

/** One job takes them all; it gives the rows that were written, each with its id. */
async function writeBulk() {
  const input = contacts(readTemplates(), 0, rows);
  const job = { object: "Contact", operation: "insert", input, ...polling };
  const { successfulResults } = await conn.bulk2.loadAndWaitForResults(job);
  return [successfulResults.filter((result) => result.sf__Id).length, 0];
}

const oauth2 = { loginUrl: url, clientId: "dev-org-client", clientSecret: "dev-org-secret" };
const conn = new jsforce.Connection({ instanceUrl: url, oauth2, version: "60.0" });
await conn.authorize({ grant_type: "client_credentials" });
await conn.query("SELECT Id FROM Contact LIMIT 1");
console.log(`ready ${version}`);
const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
await input.next();
const read = mode === "check" ? listAll : readAll;
const work = {
  "query-rest": () => read(queryRest),
  "query-bulk": () => read(queryBulk),
  "write-collections": writeCollections,
  "write-bulk": writeBulk,
}[task];
const [count, length] = await work();
console.log(`done ${count} ${length}`);
await input.next();
process.exit(0);
