/** What to do first, while there are no requests. */

/** @import { Context } from "./context.js" */
import { baseUrl, settingOf } from "./context.js";
import { h } from "./dom.js";
import { copyable, emptyState } from "./parts.js";

/** @param {Context} context */
export function noRequests(context) {
  if (settingOf(context, "journal_size") === 0) {
    return emptyState(
      "The journal is off",
      h("p", {}, "Start the server without --journal-size 0 to see requests here."),
    );
  }
  const url = baseUrl(context);
  return emptyState(
    "No requests yet",
    h("p", {}, "Point your client at the base URL. Any token works, and each token has its own data:"),
    copyable(`curl -H 'Authorization: Bearer sk_demo' ${url}/audience`),
    h("p", {}, "To see an error and a retry, put a fault into the token, and send it twice:"),
    copyable(`curl -H 'Authorization: Bearer sk_mock_429x1.me' ${url}/audience`),
  );
}
