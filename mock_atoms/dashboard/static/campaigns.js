/** The campaigns of a tenant, whose next step can be chosen. */

/** @import { Context } from "./context.js" */
import { ApiError } from "./api.js";
import { h } from "./dom.js";
import { counted } from "./format.js";
import { table } from "./parts.js";

const STATUSES = ["scheduled", "processing", "running", "paused", "completed", "failed"];

/**
 * @param {Context} context
 * @param {string} token
 * @param {string} testId
 * @param {() => void} onchange called after a change
 * @returns {Promise<HTMLElement | null>} `null` if the tenant has none
 */
export async function campaignsCard(context, token, testId, onchange) {
  const { campaigns } = await context.api.get("campaigns", { token, testId });
  if (!campaigns.length) return null;
  const rows = campaigns.map((/** @type {any} */ { campaign, metrics = {} }) => [
    h("div", {}, campaign.name ?? "", h("div", { class: "dim small-text mono" }, campaign._id)),
    stepChoice(campaign),
    h(
      "span",
      { class: "dim" },
      Object.entries(metrics)
        .filter(([, value]) => typeof value === "number")
        .map(([name, value]) => `${name} ${value}`)
        .join(", "),
    ),
  ]);
  const columns = [{ label: "Campaign" }, { label: "Status" }, { label: "Metrics" }];
  return h(
    "div",
    { class: "card" },
    h("h2", { class: "card-title" }, counted(campaigns.length, "campaign")),
    table("Campaigns", columns, rows),
  );

  /** @param {any} campaign */
  function stepChoice(campaign) {
    const choice = h(
      "select",
      { "aria-label": `Status of ${campaign.name ?? campaign._id}`, onchange: () => advance(campaign._id, choice) },
      [...new Set([campaign.status, ...STATUSES])].map((status) => h("option", { value: status }, status)),
    );
    choice.value = campaign.status;
    choice.dataset.status = campaign.status;
    return choice;
  }

  /**
   * @param {string} id
   * @param {HTMLSelectElement} choice
   */
  async function advance(id, choice) {
    try {
      const body = { token, status: choice.value, ...(testId ? { testId } : {}) };
      await context.api.json("PUT", `campaigns/${encodeURIComponent(id)}`, body);
      onchange();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      choice.value = choice.dataset.status ?? "";
      context.notify(error.message, true);
    }
  }
}
