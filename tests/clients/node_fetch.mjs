// Call the Atoms audience API with fetch, which neither retries nor throws on a 500: a small loop does the one.
// Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 node node_fetch.mjs

import { setTimeout as sleep } from 'node:timers/promises';

const url = `${process.env.ATOMS_BASE_URL}/audience`;

function get(key) {
  return fetch(url, { headers: { Authorization: `Bearer ${key}` }, signal: AbortSignal.timeout(10_000) });
}

// The first answer that is no 5xx, or the fourth, and how many attempts it took.
async function getPatiently(key) {
  for (let attempts = 1; ; attempts += 1) {
    const answer = await get(key);
    if (answer.status < 500 || attempts === 4) {
      return { answer, attempts };
    }
    await answer.body?.cancel(); // frees the connection of an answer that nobody reads
    await sleep(100 * 2 ** attempts);
  }
}

const { data } = await (await get('sk_clients.node-fetch')).json();
console.log(`list: ${data.length} audiences`);

for (const key of ['sk_mock_revoked.node-fetch', 'sk_mock_500.node-fetch']) {
  const answer = await get(key);
  const { errors } = await answer.json();
  console.log(`${answer.status}: ${errors[0]}`);
}

const { answer, attempts } = await getPatiently('sk_mock_500x2.node-fetch');
console.log(`retry: ${answer.status} after ${attempts} attempts`);

// What the vendor's JavaScript sample sends.
const sample = await fetch(url, { method: 'GET', headers: { Authorization: 'Bearer sk_clients.node-fetch' } });
console.log(`sample: ${sample.status}`);
