"""Passes connections on and keeps what clients send: recorder.py FOLDER [CHANGES] HOST:PORT ..

For each address it listens on a port of its own and prints `HOST:PORT LISTENED`. What the clients of that
address send goes to FOLDER, a file for each connection. A change is `HOST:PORT/OLD/NEW`: in what that server
answers, OLD is replaced by NEW, which has as many bytes.
"""
import asyncio
import itertools
import os
import sys

FOLDER = sys.argv[1]
CHANGES = [word.split("/", 2) for word in sys.argv[2:] if "/" in word]
ADDRESSES = [word for word in sys.argv[2:] if "/" not in word]
NUMBERS = itertools.count()


async def forward(reader, writer, passed):
    try:
        while data := await reader.read(1 << 20):
            writer.write(passed(data))
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def serve(address):
    host, port = address.rsplit(":", 1)
    changes = [(old.encode(), new.encode()) for at, old, new in CHANGES if at == address]

    def answered(data):
        for old, new in changes:
            data = data.replace(old, new)
        return data

    async def connected(reader, writer):
        sent = os.open(f"{FOLDER}/connection-{next(NUMBERS)}", os.O_CREAT | os.O_WRONLY)

        def recorded(data):
            os.write(sent, data)
            return data

        try:
            there = await asyncio.open_connection(host, port)
            await asyncio.gather(forward(reader, there[1], recorded), forward(there[0], writer, answered))
        except ConnectionError:
            writer.close()
        os.close(sent)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(address, "127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def main():
    await asyncio.gather(*map(serve, ADDRESSES))


asyncio.run(main())
