// How many GETs of 1 KiB does Node do in a second, and with how much CPU time each?
// usage: http_client.mjs fetch|http MEASURE_MS PORT:IN_FLIGHT...; a line of JSON for each
import http from "node:http";

const [how, measureMs, ...cases] = process.argv.slice(2);
const firstWarmUpMs = 3 * measureMs; // its compiler needs about a second until the rate is steady
const warmUpMs = 100;

async function withFetch(url) {
    const response = await fetch(url);
    const body = await response.arrayBuffer();
    if (response.status !== 200 || body.byteLength !== 1024) throw new Error("not the response that was expected");
}

function withHttp(url, agent) {
    return new Promise((resolve, reject) => {
        http.get(url, { agent }, (response) => {
            let size = 0;
            response.on("data", (chunk) => (size += chunk.length));
            response.on("error", reject);
            response.on("end", () => {
                if (response.statusCode === 200 && size === 1024) resolve();
                else reject(new Error("not the response that was expected"));
            });
        }).on("error", reject);
    });
}

const get = { fetch: withFetch, http: withHttp }[how];
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const cpuSeconds = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
};

async function figures(port, inFlight, warmUp) {
    const url = `http://127.0.0.1:${port}/1k`;
    const agent = new http.Agent({ keepAlive: true, maxSockets: inFlight });
    let done = 0;
    let running = true;
    async function ask() {
        while (running) {
            await get(url, agent);
            ++done;
        }
    }
    const asking = Array.from({ length: inFlight }, ask);
    await sleep(warmUp);
    const [doneBefore, cpuBefore, begin] = [done, cpuSeconds(), performance.now()];
    await sleep(Number(measureMs));
    const result = { requests: done - doneBefore, seconds: (performance.now() - begin) / 1000, cpu_s: cpuSeconds() - cpuBefore };
    running = false;
    await Promise.all(asking);
    agent.destroy();
    return result;
}

for (const [number, one] of cases.entries()) {
    const [port, inFlight] = one.split(":").map(Number);
    console.log(JSON.stringify(await figures(port, inFlight, number === 0 ? firstWarmUpMs : warmUpMs)));
}
process.exit(0); // connections that are kept would hold the program
