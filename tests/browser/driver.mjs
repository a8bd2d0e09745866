/** What the tests of the dashboard share: a browser, pages, and requests of clients. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { chromium } from "playwright-core";

const SERVER = process.env.DASHBOARD_SERVER ?? "";
const TIMEOUT_MS = 10_000;

/** @type {import("playwright-core").Browser | undefined} */
let browser;

/** Close the browser. */
export async function closeBrowser() {
  await browser?.close();
}

/**
 * Run a test on a new page. It fails if the page reports an error or calls another host.
 * @param {(page: import("playwright-core").Page) => Promise<void>} test
 * @param {{hash?: string, server?: string, allowed?: RegExp} & import("playwright-core").BrowserContextOptions} [options]
 */
export async function withPage(test, { hash = "", server = SERVER, allowed = /^$/, ...options } = {}) {
  browser ??= await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  const context = await browser.newContext({ viewport: { width: 1360, height: 800 }, ...options });
  context.setDefaultTimeout(TIMEOUT_MS);
  /** @type {string[]} */
  const problems = [];
  try {
    const page = await context.newPage();
    page.on("console", (message) => problems.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("dialog", (dialog) => problems.push(`dialog: ${dialog.message()}`));
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(`${server}/`) && !url.startsWith("blob:")) problems.push(`another host: ${url}`);
    });
    await page.goto(`${server}/__admin/${hash}`);
    await test(page);
    assert.deepEqual(
      problems.filter((problem) => !allowed.test(problem)),
      [],
    );
  } finally {
    await context.close();
  }
}

/**
 * Send a request of a client.
 * @param {string} path below the base path
 * @param {RequestInit & {token?: string, server?: string}} [options]
 */
export async function send(path, { token, server = SERVER, ...options } = {}) {
  const headers = new Headers(options.headers);
  if (token) headers.set("Authorization", `Bearer ${token}`);
  const response = await fetch(`${server}/atoms/v1${path}`, { ...options, headers });
  await response.arrayBuffer();
  return response.status;
}

/**
 * Call the control API.
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 */
export async function control(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`${SERVER}/__admin/${path}`, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return response.json();
}

/**
 * Send many requests on one connection without waiting for the responses.
 * @param {number} count
 * @param {string} token
 */
export async function sendMany(count, token) {
  const { hostname, port } = new URL(SERVER);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  const head = `HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: Bearer ${token}\r\n`;
  for (let number = 1; number <= count; number++) {
    const end = number === count ? "Connection: close\r\n" : "";
    socket.write(`GET /atoms/v1/audience?number=${number} ${head}${end}\r\n`);
  }
  socket.resume();
  await once(socket, "end");
}

/**
 * Return the row of the list with a text.
 * @param {import("playwright-core").Page} page
 * @param {string} text
 */
export const row = (page, text) => page.locator(".grid-body [role=row]", { hasText: text });
