"""What do sleeping tasks cost in asyncio: memory each, time to start one, time to cancel one?"""

import asyncio
import json
import os
import sys
import time

count = int(sys.argv[1])


def resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


async def main():
    before = resident_bytes()
    begin = time.process_time_ns()
    tasks = [asyncio.create_task(asyncio.sleep(3600 + i * 1e-9)) for i in range(count)]
    await asyncio.sleep(0)  # they run until they sleep
    started = time.process_time_ns()
    after = resident_bytes()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    end = time.process_time_ns()
    return {
        "bytes": (after - before) / count,
        "start_ns": (started - begin) / count,
        "end_ns": (end - started) / count,
    }


print(json.dumps(asyncio.run(main())))
