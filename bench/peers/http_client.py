"""How many GETs of 1 KiB does aiohttp do in a second, and with how much CPU time each?

usage: http_client.py asyncio|uvloop MEASURE_MS PORT:IN_FLIGHT...; a line of JSON for each
"""

import asyncio
import json
import sys
import time

import aiohttp

warm_up_s = 0.1
measure_s = int(sys.argv[2]) / 1000


async def figures(port, in_flight):
    done = 0
    running = True
    url = f"http://127.0.0.1:{port}/1k"

    async def ask():
        nonlocal done
        while running:
            async with client.get(url) as response:
                assert response.status == 200
                assert len(await response.read()) == 1024
            done += 1

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=in_flight)) as client:
        tasks = [asyncio.create_task(ask()) for _ in range(in_flight)]
        await asyncio.sleep(warm_up_s)
        before, cpu, begin = done, time.process_time(), time.perf_counter()
        await asyncio.sleep(measure_s)
        requests, cpu, seconds = done - before, time.process_time() - cpu, time.perf_counter() - begin
        running = False
        await asyncio.gather(*tasks)
    return {"requests": requests, "seconds": seconds, "cpu_s": cpu}


async def main():
    for case in sys.argv[3:]:
        print(json.dumps(await figures(*map(int, case.split(":")))))


if sys.argv[1] == "uvloop":
    import uvloop

    uvloop.install()
asyncio.run(main())
