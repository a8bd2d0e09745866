/** An exchange as text for other tools: curl, pytest, WireMock. */

/** @import { ServeEvent } from "./journal.js" */

const SKIPPED_HEADERS = new Set(["host", "content-length", "connection", "accept-encoding", "transfer-encoding"]);
const SKIPPED_RESPONSE_HEADERS =
  /^(x-mock-atoms-.*|x-request-id|matched-stub-id|content-length|date|server|connection|keep-alive|etag|transfer-encoding|vary|access-control-.*)$/;
const JSON_TYPE = /^application\/(.+\+)?json\b/i;

/**
 * Return a curl command that sends the request again. A masked key becomes a variable.
 * @param {ServeEvent} event
 * @returns {string}
 */
export function asCurl({ request }) {
  const { method, absoluteUrl, bodyAsBase64 } = request;
  const options = ["-i"];
  if (method === "HEAD") options.push("--head");
  else if (method !== "GET" || bodyAsBase64) options.push(`-X ${shell(method)}`);
  if (/[[\]{}]/.test(absoluteUrl)) options.push("--globoff");
  const lines = [`curl ${options.join(" ")} ${shell(absoluteUrl)}`];
  for (const [name, values] of Object.entries(request.headers)) {
    if (SKIPPED_HEADERS.has(name)) continue;
    for (const value of [values].flat()) lines.push(`-H ${shellHeader(`${name}: ${value}`)}`);
  }
  const prefix = [];
  if (bodyAsBase64) {
    const isText = /^[\t\r\n\x20-\x7e]*$/.test(request.body);
    // --data-raw sends a body that starts with `@`; --data-binary would read a file.
    lines.push(isText ? `--data-raw ${shell(request.body)}` : "--data-binary @-");
    if (!isText) prefix.push(`printf %s ${shell(bodyAsBase64)} | base64 -d | `);
  }
  return prefix.join("") + lines.join(" \\\n  ");
}

/**
 * Return assertions of a test with the fixture `mock_atoms`.
 * @param {ServeEvent} event
 * @param {string} basePath
 * @returns {string}
 */
export function asPytest({ request }, basePath) {
  const path = request.url.split("?", 1)[0];
  const own = request.mockAtoms;
  const below = basePath && path.startsWith(`${basePath}/`) ? path.slice(basePath.length) : path;
  const query = /** @type {{key: string, values: string[]}[]} */ (Object.values(request.queryParams));
  const lines = [
    `(request,) = mock_atoms.requests(method=${python(request.method)}, path=${python(below)})`,
    `assert request.status == ${own.status === null ? "None" : own.status}`,
  ];
  if (query.length) {
    const items = query.map(({ key, values }) => `${python(key)}: [${values.map(python).join(", ")}]`);
    lines.push(`assert request.query == {${items.join(", ")}}`);
  }
  if (JSON_TYPE.test(String(request.headers["content-type"] ?? "")) && isJson(request.body)) {
    lines.unshift("import json", "");
    lines.push(`assert request.json() == json.loads(${python(request.body)})`);
  }
  return lines.join("\n");
}

/**
 * Return the pattern that matches this request, as JSON.
 * @param {ServeEvent} event
 * @returns {string}
 */
export function asPattern(event) {
  return JSON.stringify(patternOf(event), null, 2);
}

/**
 * Return a stub that responds as the mock did, as JSON.
 * @param {ServeEvent} event
 * @returns {string}
 */
export function asStub(event) {
  const { response } = event;
  /** @type {Record<string, unknown>} */
  const definition = { status: event.request.mockAtoms.status ?? 200 };
  const headers = Object.entries(response?.headers ?? {}).filter(([name]) => !SKIPPED_RESPONSE_HEADERS.test(name));
  if (headers.length) definition.headers = Object.fromEntries(headers);
  if (response?.body && isJson(response.body)) definition.jsonBody = JSON.parse(response.body);
  else if (response?.body) definition.body = response.body;
  return JSON.stringify({ request: patternOf(event), response: definition }, null, 2);
}

/**
 * @param {ServeEvent} event
 * @returns {Record<string, unknown>}
 */
function patternOf({ request }) {
  /** @type {Record<string, unknown>} */
  const pattern = { method: request.method, urlPath: request.url.split("?", 1)[0] };
  const query = /** @type {{key: string, values: string[]}[]} */ (Object.values(request.queryParams));
  if (query.length) {
    pattern.queryParameters = Object.fromEntries(
      query.map(({ key, values }) => [
        key,
        values.length === 1 ? { equalTo: values[0] } : { hasExactly: values.map((value) => ({ equalTo: value })) },
      ]),
    );
  }
  if (isJson(request.body)) pattern.bodyPatterns = [{ equalToJson: request.body }];
  return pattern;
}

/** @param {string} text */
function isJson(text) {
  try {
    return typeof JSON.parse(text) === "object";
  } catch {
    return false;
  }
}

/** @param {string} text */
const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * Return a header as an argument. A masked key becomes a variable of the shell.
 * @param {string} header
 */
function shellHeader(header) {
  const masked = /^(authorization: bearer |(?:x-)?api-key: )\S*…\S*$/i.exec(header);
  return masked ? `"${masked[1]}$SMALLEST_API_KEY"` : shell(header);
}

/** Return a literal of Python. JSON's escapes are valid there. @param {string} text */
const python = (text) => JSON.stringify(text);
