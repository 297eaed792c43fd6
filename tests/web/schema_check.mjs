// Checks study files against docs/study.schema.json. Usage: node schema_check.mjs STUDY.json...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const here = (path) => new URL(path, import.meta.url);
const Ajv = createRequire(here("../../web/package.json"))("ajv").default;
const ajv = new Ajv({ allErrors: true, strictTypes: false });
const valid = ajv.compile(JSON.parse(readFileSync(here("../../docs/study.schema.json"), "utf8")));

for (const file of process.argv.slice(2)) {
  const ok = valid(JSON.parse(readFileSync(file, "utf8")));
  console.log(`${ok ? "ok  " : "FAIL"} ${file} follows the schema`);
  for (const error of valid.errors ?? []) console.log(`     ${error.instancePath || "/"} ${error.message} ${JSON.stringify(error.params)}`);
  if (!ok) process.exitCode = 1;
}
