"""Serves the cases of the Autobahn testsuite that are named by the arguments, then writes what
became of each to stdout as JSON, one line. The first line there is the server's port."""

import asyncio
import json
import sys

import kosoku


async def serve():
    async with kosoku.run_fuzzingserver(sys.argv[1:], host="127.0.0.1", port=0) as server:
        print(server.port, flush=True)
        try:
            results = await server.get_result()
        except kosoku.FailureError as failure:
            results = failure.results
    cases = [[one.case_id, one.behavior.value, one.behavior_close.value, one.result] for one in results]
    print(json.dumps(cases), flush=True)


asyncio.run(serve())
