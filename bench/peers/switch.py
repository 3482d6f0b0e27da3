"""What does a change of coroutine cost in asyncio? bench/limits/switch.cpp says what the three figures are."""

import asyncio
import json
import sys
import time

times = int(sys.argv[1])


async def numbers(count):
    for i in range(count):
        yield i


async def one(n):
    return n


async def transfer_ns():
    begin = time.process_time_ns()
    async for _ in numbers(times // 2):  # into the generator and back: two transfers for each number
        pass
    return (time.process_time_ns() - begin) / times


async def take_turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


async def queue_ns():
    begin = time.process_time_ns()
    await asyncio.gather(take_turns(times // 2), take_turns(times // 2))
    return (time.process_time_ns() - begin) / times


async def call_ns():
    total = 0
    begin = time.process_time_ns()
    for _ in range(times):
        total += await one(1)
    assert total == times
    return (time.process_time_ns() - begin) / times


async def main():
    return {"transfer_ns": await transfer_ns(), "queue_ns": await queue_ns(), "call_ns": await call_ns()}


print(json.dumps(asyncio.run(main())))
