// A consumer on apache-dubbo-js. It knows nothing of the gateway.
//
// Arguments: address of ZooKeeper; interface, version and group of the provider.
//
// It cannot wait for the first provider: it looks once, and watches only what it has found there.
"use strict";

const { Dubbo, java, setting } = require("apache-dubbo-js");

const { callOnAndOn } = require("./tally");

const [register, dubboInterface, version, group] = process.argv.slice(2);

const dubbo = Dubbo.from({
  application: { name: "interop-apache-dubbo-js" },
  register,
  dubboSetting: setting.match(dubboInterface, { version, group }),
  service: {
    greeter: (container) =>
      container.proxyService({
        dubboInterface,
        methods: { greet: (name) => [java.String(name)] },
      }),
  },
});

callOnAndOn(async (name) => {
  const { res, err } = await dubbo.service.greeter.greet(name);
  if (err) {
    throw err;
  }
  return res;
});
