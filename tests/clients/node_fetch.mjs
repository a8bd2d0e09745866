// Call the Atoms audience API with fetch. It does not throw on a 500, and does not retry: a small loop does.
// Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 node node_fetch.mjs

import { setTimeout as sleep } from 'node:timers/promises';

const url = `${process.env.ATOMS_BASE_URL}/audience`;

function get(key) {
  return fetch(url, { headers: { Authorization: `Bearer ${key}` }, signal: AbortSignal.timeout(10_000) });
}

// Return the first response below 500, or the fourth, and the number of attempts.
async function getWithRetries(key) {
  for (let attempts = 1; ; attempts += 1) {
    const response = await get(key);
    if (response.status < 500 || attempts === 4) {
      return { response, attempts };
    }
    await response.body?.cancel(); // frees the connection of an unread response
    await sleep(100 * 2 ** attempts);
  }
}

const { data } = await (await get('sk_clients.node-fetch')).json();
console.log(`list: ${data.length} audiences`);

for (const key of ['sk_mock_revoked.node-fetch', 'sk_mock_500.node-fetch']) {
  const response = await get(key);
  const { errors } = await response.json();
  console.log(`${response.status}: ${errors[0]}`);
}

const { response, attempts } = await getWithRetries('sk_mock_500x2.node-fetch');
console.log(`retry: ${response.status} after ${attempts} attempts`);

// What the vendor's JavaScript sample sends.
const sample = await fetch(url, { method: 'GET', headers: { Authorization: 'Bearer sk_clients.node-fetch' } });
console.log(`sample: ${sample.status}`);
