/** Server-sent events over `fetch`, because `EventSource` cannot send the admin token. */

/** @import { Api } from "./api.js" */

/** @typedef {{name: string, id: string, data: any}} ServerEvent */

/**
 * Yield the events of the server in the batches in which they arrive, until the server ends or `signal` aborts.
 * @param {Api} api
 * @param {AbortSignal} signal
 * @param {string} lastId continue after this event; empty for new events only
 * @returns {AsyncGenerator<ServerEvent[]>}
 */
export async function* readEvents(api, signal, lastId) {
  const headers = lastId ? { "Last-Event-ID": lastId } : undefined;
  const response = await api.fetch("GET", "events", { signal, headers });
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const frames = (rest + value).split("\n\n");
    rest = frames.pop() ?? "";
    const events = frames.flatMap(parseFrame);
    if (events.length) yield events;
  }
}

/**
 * @param {string} frame
 * @returns {ServerEvent[]} the event, or nothing for a comment
 */
function parseFrame(frame) {
  /** @type {Record<string, string>} */
  const fields = {};
  for (const line of frame.split("\n")) {
    const [name = "", value = ""] = line.split(/: ?(.*)/s, 2);
    fields[name] = value;
  }
  if (fields.data === undefined) return [];
  return [{ name: fields.event ?? "message", id: fields.id ?? "", data: JSON.parse(fields.data) }];
}
