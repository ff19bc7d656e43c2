"""Another process at the same store: `python -m tests.analytics.store.child WHERE TASK ...`.

write WEARER COUNT   batch after batch, the number of each on standard output once it is written
read WEARER          the number of samples, again and again
compact              everything, again and again
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analytics.store.base import Store
from analytics.store.embedded import EmbeddedStore
from analytics.store.influx import InfluxStore
from tests.analytics.store.samples import batch, stored

EVER = (0, 2**62)


def opened(where: Mapping[str, Any]) -> Store:
    arguments = {k: v for k, v in where.items() if k != "kind"}
    if where["kind"] == "influx":
        return InfluxStore(**arguments)
    return EmbeddedStore(Path(arguments["path"]))


def main(where: str, task: str, arguments: Sequence[str]) -> None:
    store = opened(json.loads(where))
    if task == "write":
        wearer, count = arguments
        for number in range(int(count)):
            store.write_batches(stored(wearer, batch(50 * number, seq=number)))
            print(number, flush=True)
    elif task == "read":
        while True:
            print(len(store.read_samples(arguments[0], "back", *EVER)), flush=True)
    else:
        assert isinstance(store, EmbeddedStore)
        print("ready", flush=True)
        while True:
            store.compact(2**62)
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
