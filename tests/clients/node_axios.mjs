// Call the Atoms audience API with axios. It throws on a 500, and does not retry: an interceptor does.
// Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 node node_axios.mjs

import { setTimeout as sleep } from 'node:timers/promises';
import axios from 'axios';

const bearer = (key) => ({ headers: { Authorization: `Bearer ${key}` } });
const settings = { baseURL: process.env.ATOMS_BASE_URL, timeout: 10_000 };
const http = axios.create(settings);

const { data: body } = await http.get('/audience', bearer('sk_clients.node-axios'));
console.log(`list: ${body.data.length} audiences`);

for (const key of ['sk_mock_revoked.node-axios', 'sk_mock_500.node-axios']) {
  try {
    await http.get('/audience', bearer(key));
  } catch (error) {
    console.log(`${error.response.status}: ${error.response.data.errors[0]}`);
  }
}

// The instance sends a failed request again, at most three times.
const retrying = axios.create(settings);
retrying.interceptors.response.use(null, async (error) => {
  const { config, response } = error;
  const attempts = config?.attempts ?? 1;
  if (!(response?.status >= 500) || attempts === 4) {
    throw error;
  }
  await sleep(100 * 2 ** attempts);
  return retrying.request({ ...config, attempts: attempts + 1 });
});
const response = await retrying.get('/audience', bearer('sk_mock_500x2.node-axios'));
console.log(`retry: ${response.status} after ${response.config.attempts} attempts`);
