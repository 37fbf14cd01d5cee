// Prints the types of openapi.json's schemas, by openapi-typescript. Values of an open enumeration are named, and others allowed.
import { readFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";

const { factory } = ts;
const description = JSON.parse(readFileSync(new URL("../../../openapi.json", import.meta.url), "utf8"));
// Of the operations, the methods of the resources have all.
description.paths = {};
delete description.webhooks;
description.components = { schemas: description.components.schemas };
for (const schema of Object.values(description.components.schemas)) {
  // Fields of later versions are kept, but a misspelled one should not pass as one of those.
  if (schema.properties && schema.additionalProperties === true) delete schema.additionalProperties;
}

const open = (values) =>
  factory.createUnionTypeNode([
    ...values.map((value) => factory.createLiteralTypeNode(factory.createStringLiteral(value))),
    factory.createParenthesizedType(
      factory.createIntersectionTypeNode([factory.createKeywordTypeNode(ts.SyntaxKind.StringKeyword), factory.createTypeLiteralNode([])]),
    ),
  ]);

const types = await openapiTS(description, {
  defaultNonNullable: false,
  transform(schema) {
    const values = schema["x-extensible-enum"] ?? (schema.type === "string" ? schema.enum : undefined);
    if (!values) return undefined;
    const type = open(values);
    return [schema.type].flat().includes("null") ? factory.createUnionTypeNode([type, factory.createLiteralTypeNode(factory.createNull())]) : type;
  },
});
process.stdout.write(astToString(types));
