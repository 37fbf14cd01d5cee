// Makes the request that n8n would make of a form of ours, as its declarative nodes are documented: reads properties,
// parameters and input from standard input, and fails where n8n would leave out what was given.
import { readFileSync } from "node:fs";

const { properties, parameters, body } = JSON.parse(readFileSync(0, "utf8"));
const at = (sign) => ({ hours = 0, days = 0 }) =>
  new Date(Date.now() + sign * (hours + 24 * days) * 3_600_000).toISOString();
const now = { plus: at(1), minus: at(-1) };

function evaluated(text, value) {
  if (text?.__rl) return evaluated(text.value);
  if (typeof text !== "string" || !text.startsWith("=")) return text;
  const run = (code) =>
    new Function("$json", "$now", "$value", "$parameter", `return (${code})`)({ body }, now, value, given);
  const whole = /^=\{\{((?:(?!\}\}).)*)\}\}$/s.exec(text);
  return whole ? run(whole[1]) : text.slice(1).replace(/\{\{(.*?)\}\}/gs, (_, code) => run(code));
}

const given = { returnAll: false };
for (const [name, value] of Object.entries(parameters)) given[name] = evaluated(value);
const isShown = ({ displayOptions }) =>
  Object.entries(displayOptions?.show ?? {}).every(([name, values]) => values.includes(given[name]));
const shown = properties.filter(isShown);
const chosen = shown.find(({ name }) => name === "operation").options.find(({ value }) => value === given.operation);
const { method, url, qs } = chosen.routing.request;
const request = { method, url: evaluated(url), query: { ...qs }, body: {} };

function send({ routing: { request: more, send: to } }, value) {
  for (const [name, text] of Object.entries(more?.qs ?? {})) request.query[name] = evaluated(text, value);
  if (to?.property) (to.type === "body" ? request.body : request.query)[to.property] = evaluated(to.value ?? value, value);
}

const unknown = Object.keys(parameters).filter((name) => !shown.some((each) => each.name === name));
if (unknown.length) throw new Error(`the form has no ${unknown}`);
for (const property of shown) {
  const value = given[property.name] ?? property.default;
  if (property.required && !value) throw new Error(`the form needs ${property.name}`);
  if (property.type !== "collection") {
    if (property.routing) send(property, value);
    continue;
  }
  for (const [name, entered] of Object.entries(value)) {
    const option = property.options.find((each) => each.name === name);
    if (!option) throw new Error(`the form has no ${name} in ${property.name}`);
    send(option, evaluated(entered));
  }
}
console.log(JSON.stringify({ ...request, succeeds: chosen.routing.output !== undefined }));
