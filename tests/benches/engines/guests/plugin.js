// The guest in JavaScript: in the place of what `lockgate plugin new --lang js` writes.

import { decode, encode } from "./utf8.js";
import { score } from "./rules.js";

export const batches = {
  describe() {
    return { summary: "Scores leads.", settingsSchema: "{}" };
  },

  configure() {},

  apply(input) {
    const records = score(JSON.parse(decode(input.records)));
    return { records: encode(JSON.stringify(records)), verdicts: records.map(() => ({ tag: "change" })) };
  },
};
