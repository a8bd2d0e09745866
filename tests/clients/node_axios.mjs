// Call the Atoms audience API with axios, which throws on a 500 and does not retry: an interceptor does.
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

// A failure is sent again by the instance that it came from, three times at most.
const patient = axios.create(settings);
patient.interceptors.response.use(null, async (error) => {
  const { config, response } = error;
  const attempts = config?.attempts ?? 1;
  if (!(response?.status >= 500) || attempts === 4) {
    throw error;
  }
  await sleep(100 * 2 ** attempts);
  return patient.request({ ...config, attempts: attempts + 1 });
});
const answer = await patient.get('/audience', bearer('sk_mock_500x2.node-axios'));
console.log(`retry: ${answer.status} after ${answer.config.attempts} attempts`);
