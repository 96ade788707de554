// A consumer on node-zookeeper-dubbo. It knows nothing of the gateway.
//
// Arguments: address of ZooKeeper; interface, version and group of the provider.
//
// It cannot wait for the first provider: it looks once, and watches only what it has found there.
"use strict";

const Yoke = require("node-zookeeper-dubbo");

const { callOnAndOn } = require("./tally");

const [registry, name, version, group] = process.argv.slice(2);

const yoke = new Yoke({
  application: { name: "interop-node-zookeeper-dubbo" },
  registry,
  dependencies: {
    greeter: {
      interface: name,
      version,
      group,
      timeout: 6000,
      methodSignature: { greet: (text) => [{ $class: "java.lang.String", $: text }] },
    },
  },
});

// The service as it stands, once all its connections are made: one that is asked for sooner it throws away for ever.
async function service() {
  for (;;) {
    const { greeter } = yoke;
    if (greeter && greeter.dispatcher.queue.every((socket) => socket.isConnect)) {
      return greeter;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

callOnAndOn(async (text) => (await service()).greet(text));
