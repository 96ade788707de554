"""Follows the providers of an interface through the registry of apache-dubbo. It knows nothing of the gateway.

Arguments: address of ZooKeeper, and the interface.

It tells on standard output, one line each, every list that it is told of, and what a look by itself then finds. It
cannot wait for the first provider: it watches only what is there.
"""

import queue
import sys

from dubbo.registry import NotifyListener
from dubbo.registry.zookeeper.zk_registry import ZookeeperRegistryFactory
from dubbo.url import create_url


class Listener(NotifyListener):
    """Hands over what the library tells it on a thread of its own."""

    def __init__(self):
        self.lists = queue.Queue()

    def notify(self, urls):
        self.lists.put(urls)


def summary(urls):
    """Address, version, methods and color of each provider, in order."""
    parameters = ("version", "methods", "color")
    return ", ".join(
        sorted(" ".join([url.location, *(url.parameters.get(key, "-") for key in parameters)]) for url in urls)
    )


def say(line):
    print(f"> {line}", flush=True)


def main():
    zookeeper, interface = sys.argv[1:]
    registry = ZookeeperRegistryFactory().get_registry(create_url(f"zookeeper://{zookeeper}"))
    subscription = create_url(f"consumer://127.0.0.1/{interface}")
    listener = Listener()
    registry.subscribe(subscription, listener)
    while True:
        say(f"told of {summary(listener.lists.get())}")
        found = [create_url(name, encoded=True) for name in registry.lookup(subscription)]
        say(f"finds {summary(found)}")


if __name__ == "__main__":
    main()
