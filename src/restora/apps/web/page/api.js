/** The API's endpoints, drawn from openapi.json. */

import { byId, element, say } from "./dom.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

async function start() {
  try {
    const answer = await fetch("openapi.json");
    if (!answer.ok) throw new Error(`openapi.json cannot be had (${answer.status}).`);
    const spec = await answer.json();
    for (const [path, operations] of Object.entries(spec.paths)) {
      for (const method of METHODS.filter((name) => name in operations)) {
        byId("endpoints").append(article(spec, method, path, operations[method]));
      }
    }
  } catch (error) {
    say(byId("trouble"), error.message);
  }
}

const code = (text) => element("code", {}, text);

function article(spec, method, path, operation) {
  const [media, body] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const schema = resolve(spec, body?.schema);
  const made = element(
    "article",
    { "data-testid": "endpoint" },
    element("h2", {}, element("span", { class: "method" }, method.toUpperCase()), code(path)),
    element("p", {}, operation.description ?? operation.summary ?? ""),
    element("pre", { tabindex: "0", "aria-label": "With curl" }, curl(method, path, operation, media, spec, schema)),
  );
  const parameters = (operation.parameters ?? []).map((each) => [
    each.name, `${kind(spec, each.schema)}, in the ${each.in}`, standard(each.required, each.schema), each.description ?? each.schema?.description ?? "",
  ]);
  if (parameters.length) made.append(table("Parameter", parameters));
  if (media && schema?.properties) made.append(table(`In the body (${media})`, fields(spec, schema)));
  else if (media) made.append(element("p", {}, "Body: ", code(media), `. ${operation.requestBody.description ?? ""}`));
  made.append(table("Answer", answers(spec, operation)));
  return made;
}

function table(title, rows) {
  const heads = title === "Answer" ? [title, "What", "", ""] : [title, "Type", "By default", "What"];
  return element(
    "div",
    { class: "wide" },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", {}, head)))),
      element("tbody", {}, ...rows.map(([name, ...rest]) =>
        element("tr", {}, element("td", {}, code(name)), ...rest.map((text) => element("td", {}, text))))),
    ),
  );
}

function fields(spec, schema) {
  return Object.entries(schema.properties).map(([name, each]) => [
    name, kind(spec, each), standard(schema.required?.includes(name), each), each.description ?? "",
  ]);
}

function answers(spec, { responses }) {
  return Object.entries(responses).map(([status, { description, content = {} }]) => {
    const media = Object.entries(content);
    const named = media.map(([, { schema }]) => name(schema) ?? name(resolve(spec, schema)?.items)).find(Boolean);
    return [status, description ?? "", media.map(([type]) => type).join(", "), named ?? ""];
  });
}

const name = (schema) => schema?.$ref?.split("/").pop();

function resolve(spec, schema) {
  return schema?.$ref ? spec.components.schemas[name(schema)] : schema;
}

function standard(required, schema) {
  if (required) return "required";
  return schema?.default === undefined || schema.default === null ? "" : JSON.stringify(schema.default);
}

/** A schema's type in words, with its range or its alternatives. */
function kind(spec, given) {
  const schema = resolve(spec, given) ?? {};
  if (schema.anyOf) {
    return schema.anyOf.map((each) => kind(spec, each)).filter((each) => each !== "null").join(" or ");
  }
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.const !== undefined) return String(schema.const);
  if (schema.type === "array") return `list of ${kind(spec, schema.items)}`;
  const { minimum: least, maximum: most } = schema;
  const range = least !== undefined && most !== undefined ? ` ${least}-${most}` : least !== undefined ? ` from ${least}` : "";
  return `${schema.type ?? name(given) ?? "anything"}${range}`;
}

/** A line to paste into a terminal. */
function curl(method, path, operation, media, spec, schema) {
  const required = (operation.parameters ?? []).filter((each) => each.in === "query" && each.required);
  const query = required.map(({ name: key }) => `${key}=...`);
  const named = (operation.parameters ?? []).some((each) => each.in === "query" && each.name === "name");
  if (named && !query.length) query.push("name=photo.jpg");
  const url = `${new URL(".", location.href).href.replace(/\/$/, "")}${path.replaceAll("{id}", "ID")}${query.length ? `?${query.join("&")}` : ""}`;
  const parts = ["curl"];
  if (method === "get" && !isJson(operation) && !path.endsWith("/events")) parts.push(path.endsWith("/file") ? "-OJ" : "-o picture.png");
  else if (media && !isJson(operation)) parts.push("-o", path.endsWith("/zip") ? "restored.zip" : "photo.png");
  if (path.endsWith("/events")) parts.push("-N");
  if (method === "delete") parts.push("-X DELETE");
  if (media === "application/json") parts.push("-H 'Content-Type: application/json'", `-d '${JSON.stringify(sample(schema))}'`);
  else if (media) parts.push(`-H 'Content-Type: ${media}'`, "--data-binary @photo.jpg");
  return [...parts, `'${url}'`].join(" ");
}

const isJson = ({ responses }) =>
  Object.entries(responses).some(([status, { content = {} }]) => status.startsWith("2") && "application/json" in content);

/** The smallest body that makes sense. */
function sample(schema) {
  const every = Object.entries(schema?.properties ?? {});
  const needed = every.filter(([key]) => schema.required?.includes(key));
  if (needed.length) return Object.fromEntries(needed.map(([key, each]) => [key, each.type === "array" ? ["ID"] : `${key}`]));
  return Object.fromEntries(every.filter(([key, each]) => key === "task" && each.default).map(([key, each]) => [key, each.default]));
}

start();
