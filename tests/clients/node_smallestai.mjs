// The official npm package, smallestai, has no audience calls: this uses the axios and settings of its client.
// Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 node node_smallestai.mjs

import { setTimeout as sleep } from 'node:timers/promises';
import { AtomsClient } from 'smallestai';

// A plain object, because the package's class Configuration prints SMALLEST_API_KEY to standard output.
function client(key) {
  return new AtomsClient({ basePath: process.env.ATOMS_BASE_URL, accessToken: key, baseOptions: { timeout: 10_000 } });
}

// Does what the package's own calls do, for a path without a call.
function getAudiences({ axios, basePath, configuration }, options = {}) {
  const headers = { Authorization: `Bearer ${configuration.accessToken}` };
  return axios.get(`${basePath}/audience`, { ...configuration.baseOptions, ...options, headers });
}

const { data: body } = await getAudiences(client('sk_clients.node-smallestai'));
console.log(`list: ${body.data.length} audiences`);

for (const key of ['sk_mock_revoked.node-smallestai', 'sk_mock_500.node-smallestai']) {
  const { status, data } = await getAudiences(client(key), { validateStatus: null });
  console.log(`${status}: ${data.errors[0]}`);
}

// All clients share one axios, so the package's own GETs are retried too.
const { axios } = client('sk_clients.node-smallestai');
axios.interceptors.response.use(null, async (error) => {
  const { config, response } = error;
  const attempts = config?.attempts ?? 1;
  if (!(response?.status >= 500) || config.method !== 'get' || attempts === 4) {
    throw error;
  }
  await sleep(100 * 2 ** attempts);
  return axios.request({ ...config, attempts: attempts + 1 });
});
const response = await getAudiences(client('sk_mock_500x2.node-smallestai'));
console.log(`retry: ${response.status} after ${response.config.attempts} attempts`);

// The package's own calls reach the mock too.
const user = await client('sk_clients.node-smallestai-user').getCurrentUser();
console.log(`user: ${user.status}`);
