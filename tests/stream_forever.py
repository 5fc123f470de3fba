"""A program that sends a recording to the socket of a server again and again, so that its page can be looked at.

python -m tests.stream_forever http://127.0.0.1:8765 DATASET
"""

import json
import sys
from contextlib import suppress
from itertools import count

from websockets.sync.client import connect

import kinegraph as kg


def main(server: str, dataset: str) -> None:
    data = kg.open_dataset(dataset)
    with connect(f"{server.replace('http', 'ws', 1)}/stream?name=screens&fps=30&layout={data.layout.name}") as socket:
        for number in count():
            for pose in data[number % len(data)].keypoint[0]:
                joints = [joint if any(joint) else None for joint in pose.tolist()]
                socket.send(json.dumps({"people": [{"id": 1, "keypoint": joints}]}))
                with suppress(TimeoutError):
                    while True:  # who does not read loses the connection
                        socket.recv(timeout=1 / 60)


if __name__ == "__main__":
    main(*sys.argv[1:3])
