// Puts e-mail addresses into one form, drops records of unwanted domains, and
// rejects records without an address.

import { write } from "lockgate:connector/log@0.2.0";
import { decode, encode } from "./utf8.js";

const settingsSchema = JSON.stringify({
  type: "object",
  properties: { drop_domains: { type: "array", items: { type: "string" } } },
  additionalProperties: false,
});

const VERDICTS = ["keep", "change", "drop", "reject"];

// Set once by `configure`: an instance has one set of settings.
let dropDomains = [];

export const batches = {
  describe() {
    return { summary: "Puts e-mail addresses into one form.", settingsSchema };
  },

  configure(text) {
    const problems = [];
    try {
      for (const [name, value] of Object.entries(JSON.parse(text))) {
        const wrong = setOne(name, value);
        if (wrong) problems.push({ pointer: `/${name}`, message: wrong });
      }
    } catch (error) {
      // Else a mistake in the code below would be a crash without a word.
      problems.push({ pointer: "", message: placeOf(error) });
    }
    // What is thrown is the error of the contract: here a list of problems.
    if (problems.length > 0) throw problems;
  },

  apply(input) {
    let records;
    try {
      records = JSON.parse(decode(input.records));
    } catch (error) {
      throw { tag: "malformed", val: String(error) };
    }
    write("info", "took a batch", [["records", String(records.length)]]);
    const changed = [];
    const verdicts = [];
    try {
      for (const record of records) {
        const before = JSON.stringify(record);
        let verdict = lookAt(record);
        const after = JSON.stringify(record);
        // The host has a record that is kept: it needs only those that are other now.
        if (verdict?.tag === "keep" && after !== before) verdict = { tag: "change" };
        if (verdict?.tag === "change") changed.push(after);
        verdicts.push(verdict);
      }
    } catch (error) {
      throw { tag: "failed", val: placeOf(error) };
    }
    if (!verdicts.every((verdict) => VERDICTS.includes(verdict?.tag))) {
      throw { tag: "failed", val: "lookAt gave something else than a verdict" };
    }
    return { records: encode(`[${changed.join()}]`), verdicts };
  },
};

// Takes one setting, or says what is wrong with it.
function setOne(name, value) {
  if (name !== "drop_domains") {
    return "there is no such setting";
  }
  if (!Array.isArray(value) || value.some((domain) => typeof domain !== "string")) {
    return "is a list of texts";
  }
  dropDomains = value;
}

// Changes what has to be other in one record, and says what becomes of it. Of a record
// that is kept, `apply` sees whether it was changed.
function lookAt(record) {
  if (typeof record.Email !== "string" || !record.Email.includes("@")) {
    return { tag: "reject", val: "it has no e-mail address" };
  }
  const email = record.Email.trim().toLowerCase();
  if (dropDomains.includes(email.split("@").pop())) {
    return { tag: "drop" };
  }
  record.Email = email;
  return { tag: "keep" };
}

// What went wrong where. Not the error's own words: they may quote a record.
function placeOf(error) {
  if (!(error instanceof Error)) {
    return "something was thrown that is no Error, so nothing says where";
  }
  const [place] = String(error.stack).trim().split("\n");
  return `${error.name} ${place.trim()}`;
}
