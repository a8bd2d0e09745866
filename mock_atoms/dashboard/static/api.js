/** Calls of the control API. The page is at its root, so that relative addresses work behind a proxy too. */

const TOKEN_KEY = "mock-atoms-admin-token";

/** An error response of the control API, or no response. */
export class ApiError extends Error {
  /**
   * @param {number} status status code; 0 without a response
   * @param {string} message
   * @param {string} [pointer] JSON pointer to the wrong field
   */
  constructor(status, message, pointer = "") {
    super(message);
    this.status = status;
    this.pointer = pointer;
  }
}

/** Calls the control API with the admin token, which is kept for this tab only. */
export class Api {
  constructor() {
    /** @type {() => void} called when the token is missing or wrong */
    this.onunauthorized = () => {};
    this.hasToken = sessionStorage.getItem(TOKEN_KEY) !== null;
  }

  /** @param {string} token */
  setToken(token) {
    sessionStorage.setItem(TOKEN_KEY, token);
    this.hasToken = true;
  }

  /**
   * Return the response to a call.
   * @param {string} method
   * @param {string} path relative to the page
   * @param {{body?: unknown, signal?: AbortSignal, headers?: Record<string, string>}} [options]
   * @returns {Promise<Response>}
   */
  async fetch(method, path, { body, signal, headers = {} } = {}) {
    const token = sessionStorage.getItem(TOKEN_KEY);
    if (token !== null) headers = { ...headers, Authorization: `Bearer ${token}` };
    if (body !== undefined) headers = { ...headers, "Content-Type": "application/json" };
    let response;
    try {
      response = await fetch(path, {
        method,
        headers,
        body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
        signal,
        cache: "no-store",
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError(0, "The server does not respond. Is it still running?");
    }
    if (response.ok) return response;
    if (response.status === 401) this.onunauthorized();
    throw await readError(response);
  }

  /**
   * Return the JSON of a response.
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @returns {Promise<any>}
   */
  async json(method, path, body) {
    return (await this.fetch(method, path, { body })).json();
  }

  /**
   * @param {string} path
   * @param {Record<string, string | number | null | undefined>} [query] without empty values
   * @returns {Promise<any>}
   */
  get(path, query = {}) {
    return this.json("GET", withQuery(path, query));
  }
}

/**
 * @param {string} path
 * @param {Record<string, string | number | null | undefined>} query
 * @returns {string}
 */
export function withQuery(path, query) {
  const present = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(present.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

/**
 * @param {Response} response
 * @returns {Promise<ApiError>}
 */
async function readError(response) {
  try {
    const [error] = (await response.json()).errors;
    return new ApiError(response.status, error.detail || error.title, error.source?.pointer);
  } catch {
    return new ApiError(response.status, `The server responds with ${response.status}.`);
  }
}
