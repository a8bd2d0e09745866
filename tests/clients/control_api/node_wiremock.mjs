// Reads and clears the mock with WireMock's client for JavaScript.
import { WireMock } from "wiremock-captain";

const mock = new WireMock(process.argv[2]);
await mock.clearAll();
await fetch(`${process.argv[2]}/nowhere`);
console.log("mappings:", JSON.stringify(await mock.getAllMappings()));
console.log("scenarios:", JSON.stringify(await mock.getAllScenarios()));
for (const request of await mock.getUnmatchedRequests()) console.log("unmatched:", request.method, request.url);
console.log("requests for /nowhere:", (await mock.getRequestsForAPI("GET", "/nowhere")).length);
await mock.register({ method: "POST", endpoint: "/things" }, { status: 201, body: { id: 7 } });
const response = await fetch(`${process.argv[2]}/things`, { method: "POST" });
console.log("stubbed:", response.status, await response.text());
console.log("mappings:", (await mock.getAllMappings()).length);
await mock.resetMappings();
await mock.resetAllScenarios();
await mock.clearAllExceptDefault();
console.log("requests:", (await mock.getAllRequests()).length);
