/** The view of tenants: their audiences and members, their initial data, reset, export and import. */

/** @import { Context, View } from "./context.js" */
/** @import { Tenant } from "./tenant-list.js" */
import { ApiError, withQuery } from "./api.js";
import { campaignsCard } from "./campaigns.js";
import { hashOf } from "./context.js";
import { fill, h } from "./dom.js";
import { counted, formatNumber } from "./format.js";
import { editData } from "./initial-data.js";
import { badge, emptyState, field, table } from "./parts.js";
import { openResetDialog } from "./reset-dialog.js";
import { stateButtons } from "./state-file.js";
import { isMasked, loadTenants } from "./tenant-list.js";

const PAGE_SIZE = 20;
const MAX_TENANTS = 500;

/**
 * @param {Context} context
 * @returns {View}
 */
export function tenantsView(context) {
  /** @type {Record<string, string>} */
  let params = {};
  /** @type {Tenant[]} */
  let tenants = [];
  /** Complete tokens that were typed, by digest. They are kept in memory only. @type {Map<string, string>} */
  const tokens = new Map();
  let renderedList = "";
  let renderedDetail = "";
  const list = h("div");
  const detail = h("div", { class: "tenant-detail" });
  const element = h(
    "section",
    { class: "view scroll", "aria-label": "Tenants" },
    h(
      "div",
      { class: "view-head" },
      h("h1", {}, "Tenants"),
      h("span", { class: "grow" }),
      stateButtons(context, onimport),
    ),
    h("div", { class: "two two-wide" }, list, detail),
  );

  /** @param {() => Promise<unknown>} work */
  async function attempt(work) {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      context.notify(error.message, true);
    }
  }

  async function onsave() {
    renderedDetail = "";
    await load();
  }

  async function onimport() {
    renderedDetail = "";
    await load();
    await context.rules.load();
  }

  /** @returns {Tenant | undefined} */
  function selected() {
    return tenants.find(
      ({ tokenDigest, testId }) => tokenDigest === params.tenant && (testId ?? "") === (params.test ?? ""),
    );
  }

  function load() {
    return attempt(async () => {
      tenants = await loadTenants(context);
      renderList();
      renderDetail();
    });
  }

  function renderList() {
    const content = JSON.stringify([tenants, params.tenant, params.test]);
    if (content === renderedList) return;
    renderedList = content;
    const current = selected();
    const rows = tenants.slice(0, MAX_TENANTS).map((tenant) => [
      tenant.token === "-"
        ? h("span", { class: "dim" }, "unauthenticated")
        : h(
            "a",
            {
              class: "mono",
              href: hashOf({ view: "tenants", params: { tenant: tenant.tokenDigest, test: tenant.testId ?? "" } }),
              "aria-current": tenant === current ? "true" : false,
            },
            tenant.token,
          ),
      tenant.testId ?? "",
      formatNumber(tenant.requests),
    ]);
    const columns = [{ label: "Token" }, { label: "Test" }, { label: "Requests", isNumber: true }];
    fill(
      list,
      tenants.length
        ? h(
            "div",
            { class: "card" },
            table("Tenants, the most recently used first", columns, rows),
            tenants.length > MAX_TENANTS &&
              h("p", { class: "hint" }, `The first ${MAX_TENANTS} of ${formatNumber(tenants.length)}`),
          )
        : h(
            "div",
            { class: "card" },
            emptyState(
              "No tenants yet",
              h(
                "p",
                {},
                "A tenant is everything that belongs to one token, or to one token and one X-Test-Id. It appears with its first request, or when you set its data here.",
              ),
            ),
          ),
      h("div", { class: "card" }, newTenantForm()),
    );
  }

  function newTenantForm() {
    const token = h("input", {
      type: "text",
      autocomplete: "off",
      spellcheck: "false",
      required: true,
      placeholder: "sk_acme",
    });
    const testId = h("input", { type: "text", autocomplete: "off", spellcheck: "false", placeholder: "none" });
    return h(
      "form",
      {
        "aria-label": "Open a tenant",
        onsubmit: (/** @type {SubmitEvent} */ event) => {
          event.preventDefault();
          openTenant(token.value.trim(), testId.value.trim());
        },
      },
      h("h2", { class: "card-title" }, "Open a tenant by its token"),
      h("div", { class: "fields" }, field("Token", token), field("X-Test-Id", testId)),
      h("button", { type: "submit" }, "Open"),
    );
  }

  /**
   * @param {string} token
   * @param {string} testId
   */
  function openTenant(token, testId) {
    return attempt(async () => {
      const { tokenDigest } = await context.api.get("audiences", { token, testId });
      tokens.set(tokenDigest, token);
      renderedDetail = "";
      context.go({ view: "tenants", params: { tenant: tokenDigest, test: testId } });
    });
  }

  /** @returns {string | null} the complete token of the selected tenant */
  function tokenOf() {
    const label = selected()?.token;
    if (label !== undefined && label !== "-" && !isMasked(label)) return label;
    return tokens.get(params.tenant ?? "") ?? null;
  }

  function renderDetail() {
    if (!params.tenant) {
      if (renderedDetail === "none") return;
      renderedDetail = "none";
      fill(detail, emptyState("Select a tenant", h("p", {}, "Its audiences and members appear here.")));
      return;
    }
    const tenant = selected();
    const token = tokenOf();
    const key = JSON.stringify([params, token, tenant?.requests]);
    if (
      key === renderedDetail ||
      (detail.contains(document.activeElement) &&
        renderedDetail.startsWith(JSON.stringify([params, token]).slice(0, -1)))
    ) {
      return;
    }
    renderedDetail = key;
    if (token === null) fill(detail, h("div", { class: "card" }, tokenForm(tenant)));
    else attempt(() => renderData(token));
  }

  /** @param {Tenant | undefined} tenant */
  function tokenForm(tenant) {
    const token = h("input", { type: "password", autocomplete: "off", required: true });
    return h(
      "form",
      {
        "aria-label": "Token of the tenant",
        onsubmit: (/** @type {SubmitEvent} */ event) => {
          event.preventDefault();
          attempt(async () => {
            const { tokenDigest } = await context.api.get("audiences", { token: token.value, testId: params.test });
            if (tokenDigest !== params.tenant) {
              throw new ApiError(0, `This is not the token of ${tenant?.token ?? "the tenant"}.`);
            }
            tokens.set(tokenDigest, token.value);
            renderDetail();
          });
        },
      },
      h("h2", { class: "card-title mono" }, tenant?.token ?? "Tenant"),
      h(
        "p",
        {},
        "The server keeps no complete token, and the data follows from it. Enter the token to see the data. This page forgets it when it is closed.",
      ),
      field("Complete token", token),
      h("button", { type: "submit", class: "primary" }, "Show the data"),
    );
  }

  /** @param {string} token */
  async function renderData(token) {
    const own = renderedDetail;
    const testId = params.test ?? "";
    const { token: label, audiences } = await context.api.get("audiences", { token, testId });
    if (own !== renderedDetail) return;
    const rows = audiences.map((/** @type {any} */ audience) => [
      h(
        "a",
        {
          href: hashOf({ view: "tenants", params: { ...params, audience: audience._id, page: "" } }),
          "aria-current": audience._id === params.audience ? "true" : false,
        },
        audience.name ?? audience._id ?? "(no name)",
      ),
      formatNumber(audience.memberCount ?? 0),
      (audience.campaigns ?? []).map((/** @type {any} */ campaign) =>
        badge("info", `${campaign.name ?? "campaign"}: ${campaign.status ?? "?"}`),
      ),
      String(audience.createdAt ?? "")
        .slice(0, 16)
        .replace("T", " "),
    ]);
    const columns = [
      { label: "Audience" },
      { label: "Members", isNumber: true },
      { label: "Campaigns" },
      { label: "Created" },
    ];
    const members = h("div");
    const campaigns = h("div");
    fill(
      detail,
      h(
        "div",
        { class: "card" },
        h("h2", { class: "card-title" }, h("span", { class: "mono" }, label), testId && ` · ${testId}`),
        h(
          "div",
          { class: "actions" },
          h(
            "a",
            {
              class: "button",
              href: hashOf({
                view: "requests",
                params: { filter: `tenant:${label}${testId ? ` test:"${testId}"` : ""}` },
              }),
            },
            "Requests",
          ),
          h(
            "a",
            { class: "button", href: hashOf({ view: "faults", params: { tenant: label, test: testId } }) },
            "Add a fault…",
          ),
          h(
            "button",
            { type: "button", onclick: () => editData(context, { token, testId, audiences }, onsave) },
            "Edit initial data…",
          ),
          h(
            "button",
            {
              type: "button",
              class: "danger",
              onclick: () => openResetDialog(label, testId, () => resetTenant(token, testId, label)),
            },
            "Reset…",
          ),
        ),
        audiences.length
          ? table("Audiences", columns, rows)
          : emptyState(
              "No audiences",
              h("p", {}, "Edit the initial data to add some, or upload a CSV file as your client does."),
            ),
      ),
      members,
      campaigns,
    );
    campaignsCard(context, token, testId, onsave).then(
      (card) => fill(campaigns, card),
      (error) => fill(campaigns, error.message),
    );
    if (audiences.some((/** @type {any} */ { _id }) => _id === params.audience)) {
      await renderMembers(members, token, testId, params.audience ?? "");
      members.scrollIntoView({ block: "nearest" });
    }
  }

  /**
   * @param {HTMLElement} place
   * @param {string} token
   * @param {string} testId
   * @param {string} audience
   */
  async function renderMembers(place, token, testId, audience) {
    const page = Number(params.page || 1);
    const path = `audiences/${encodeURIComponent(audience)}/members`;
    const found = await context.api.json("GET", withQuery(path, { token, testId, page, size: PAGE_SIZE }));
    const names = [
      ...new Set(found.members.flatMap((/** @type {any} */ member) => Object.keys(member.data ?? {}))),
    ].map(String);
    const rows = found.members.map((/** @type {any} */ member) => names.map((name) => shown(member.data?.[name])));
    /** @param {number} number @param {string} label */
    const link = (number, label) =>
      h(
        "a",
        { class: "button", href: hashOf({ view: "tenants", params: { ...params, page: String(number) } }) },
        label,
      );
    fill(
      place,
      h(
        "div",
        { class: "card" },
        h(
          "h2",
          { class: "card-title" },
          `${counted(found.totalCount, "member")} of `,
          h("span", { class: "mono" }, audience),
        ),
        found.members.length
          ? table(
              "Members",
              names.map((label) => ({ label })),
              rows,
            )
          : emptyState("No members on this page"),
        h(
          "div",
          { class: "actions" },
          page > 1 && link(page - 1, "Previous page"),
          h("span", { class: "dim" }, `page ${page} of ${Math.max(1, found.totalPages)}`),
          found.hasMore && link(page + 1, "Next page"),
        ),
      ),
    );
  }

  /**
   * @param {string} token
   * @param {string} testId
   * @param {string} label
   */
  function resetTenant(token, testId, label) {
    return attempt(async () => {
      await context.api.json("POST", "reset", { token, ...(testId ? { testId } : {}) });
      context.notify(`Reset ${label}: its data, counters, rules and requests.`);
      context.live.reload();
      renderedDetail = "";
      await load();
    });
  }

  return {
    element,
    show(newParams) {
      params = newParams;
      renderedDetail = "";
      load();
    },
    refresh: load,
  };
}

/** @param {unknown} value */
function shown(value) {
  return typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
}
