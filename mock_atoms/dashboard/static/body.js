/** Bodies of requests and responses: text, forms with files, and CSV. */

const MAX_ROWS = 200;
const MAX_COLUMNS = 100;
const MAX_PRETTY_LENGTH = 1_000_000;

/** @typedef {{name: string, filename: string | null, text: string}} FormPart */

/**
 * Return the bytes of a body.
 * @param {string} base64
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function decodeBase64(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/**
 * Return the text of a body, or `null` if it is not UTF-8 text.
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {boolean} isComplete whether the last character may not be cut
 * @returns {string | null}
 */
export function decodeText(bytes, isComplete = true) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: !isComplete });
    return text.includes("\0") ? null : text;
  } catch {
    return null;
  }
}

/**
 * Return JSON with indentation, or the text itself if it is not JSON. Indentation grows with the square of the depth, so
 * a result that is too long is not used either.
 * @param {string} text
 * @returns {string}
 */
export function prettyJson(text) {
  try {
    const pretty = JSON.stringify(JSON.parse(text), null, 2);
    return pretty.length <= MAX_PRETTY_LENGTH ? pretty : text;
  } catch {
    return text;
  }
}

/**
 * Return the parts of a form with files, or an empty list if the body is none.
 * @param {string} contentType
 * @param {string} text
 * @returns {FormPart[]}
 */
export function parseMultipart(contentType, text) {
  if (!/^multipart\/form-data/i.test(contentType)) return [];
  const boundary = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType);
  if (!boundary) return [];
  const parts = text.split(`--${boundary[1] ?? boundary[2]}`).slice(1);
  return parts.flatMap((part) => {
    const end = part.search(/\r?\n\r?\n/);
    if (part.startsWith("--") || end < 0) return [];
    const head = part.slice(0, end);
    const name = /[;\s]name="([^"]*)"/i.exec(head)?.[1] ?? "";
    const filename = /filename="([^"]*)"/i.exec(head)?.[1] ?? null;
    const content = part
      .slice(end)
      .replace(/^\r?\n\r?\n/, "")
      .replace(/\r?\n$/, "");
    return [{ name, filename, text: content }];
  });
}

/**
 * Return the first rows and columns of a CSV file.
 * @param {string} text
 * @returns {{rows: string[][], isCut: boolean}}
 */
export function parseCsv(text) {
  /** @type {string[][]} */
  const rows = [];
  /** @type {string[]} */
  let row = [];
  let position = text.startsWith("\ufeff") ? 1 : 0;
  const field = /"((?:[^"]|"")*)"?([^,\r\n]*)|([^,\r\n]*)/y;
  while (position < text.length && rows.length <= MAX_ROWS) {
    field.lastIndex = position;
    const match = field.exec(text);
    if (!match) break;
    row.push(match[1] === undefined ? (match[3] ?? "") : match[1].replaceAll('""', '"') + (match[2] ?? ""));
    position += match[0].length;
    if (text[position] === ",") {
      position += 1;
      if (position === text.length) row.push("");
      continue;
    }
    rows.push(row);
    row = [];
    if (text[position] === "\r") position += 1;
    if (text[position] === "\n") position += 1;
  }
  if (row.length) rows.push(row);
  const shown = rows.slice(0, MAX_ROWS).map((cells) => cells.slice(0, MAX_COLUMNS));
  return { rows: shown, isCut: rows.length > MAX_ROWS };
}
