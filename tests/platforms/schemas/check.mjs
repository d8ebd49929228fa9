// SPDX-License-Identifier: Apache-2.0
// check.mjs compose|kubernetes FILE...: says what is wrong with them; nothing, and 0,
// when nothing is.
//
// compose.yaml against the schema of the Compose Specification (dclint brings it).
// Manifests against the types that are made of Kubernetes' OpenAPI: by the compiler,
// which also finds fields that do not exist, and by their validators, which know
// formats.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const from = process.cwd(); // where the packages are installed
const require = createRequire(join(from, "package.json"));
const yaml = require("yaml");
const [kind, ...files] = process.argv.slice(2);
const wrong = [];

function checkCompose(file, compose) {
  const Ajv = require("ajv").default;
  const schema = JSON.parse(readFileSync(
    join(from, "node_modules/dclint/schemas/compose.schema.json"), "utf8"));
  delete schema.$schema;
  const validate = new Ajv({ strict: false, validateFormats: false, allErrors: true })
    .compile(schema);
  if (!validate(compose))
    for (const e of validate.errors)
      wrong.push(`${file}: ${e.instancePath} ${e.message} ${JSON.stringify(e.params)}`);
}

// apps/v1, or v1 without a group
function modulePath(apiVersion) {
  return "kubernetes-models/" + apiVersion;
}

function checkTypes(file, manifest) {
  const ts = require("typescript");
  const name = join(from, "manifest.ts");
  const text = `import { I${manifest.kind} } from "${modulePath(manifest.apiVersion)}";\n` +
    `export const manifest: I${manifest.kind} = ${JSON.stringify(manifest, null, 1)};\n`;
  const options = { noEmit: true, strict: true, skipLibCheck: true, types: [],
    module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16 };
  const host = ts.createCompilerHost(options);
  const read = host.getSourceFile;
  host.getSourceFile = (path, ...more) => path === name
    ? ts.createSourceFile(path, text, ts.ScriptTarget.Latest) : read(path, ...more);
  const exists = host.fileExists;
  host.fileExists = (path) => path === name || exists(path);
  const program = ts.createProgram([name], options, host);
  for (const d of ts.getPreEmitDiagnostics(program))
    wrong.push(`${file}: ${manifest.kind}: ${ts.flattenDiagnosticMessageText(d.messageText, " ")}`);
}

function checkManifest(file, manifest) {
  checkTypes(file, manifest);
  try {
    const model = require(modulePath(manifest.apiVersion))[manifest.kind];
    new model(manifest).validate();
  } catch (e) {
    wrong.push(`${file}: ${manifest.kind}: ${e.message}`);
  }
}

for (const file of files)
  for (const document of yaml.parseAllDocuments(readFileSync(file, "utf8"))) {
    for (const e of document.errors) wrong.push(`${file}: ${e.message}`);
    const content = document.toJS();
    if (content === null) continue;
    if (kind === "compose") checkCompose(file, content);
    else checkManifest(file, content);
  }
for (const sentence of wrong) console.log(sentence);
process.exit(wrong.length === 0 ? 0 : 1);
