/** The tenants of the server. Their tokens are masked, so a digest identifies each. */

/** @import { Context } from "./context.js" */

/** @typedef {{token: string, tokenDigest: string, testId: string | null, requests: number}} Tenant */

/**
 * @param {Context} context
 * @returns {Promise<Tenant[]>} the most recently used first
 */
export async function loadTenants(context) {
  return (await context.api.get("tenants")).tenants.reverse();
}

/**
 * Return what identifies a token in a rule: the token itself, or a masked one with its digest.
 * @param {Context} context
 * @param {string} token complete or masked
 * @returns {Promise<{token: string, tokenDigest?: string}>}
 */
export async function resolveToken(context, token) {
  if (!isMasked(token)) return { token };
  const tenant = (await loadTenants(context)).find((known) => known.token === token);
  return tenant ? { token, tokenDigest: tenant.tokenDigest } : { token };
}

/**
 * @param {string} token
 * @returns {boolean} whether a part of the token is hidden
 */
export const isMasked = (token) => token.includes("…");
