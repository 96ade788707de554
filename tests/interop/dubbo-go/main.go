// A provider or a consumer on dubbo-go. Neither knows of the gateway: what they share with it is ZooKeeper.
//
//	dubbo-go provider --address=HOST:PORT [--zookeeper=HOST:PORT [--by-application]]
//	dubbo-go consumer --zookeeper=HOST:PORT
//
// A provider without a ZooKeeper registers nowhere: somebody has to do that for it. One with a ZooKeeper registers its
// interface, or its application and no interface.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"

	"dubbo.apache.org/dubbo-go/v3"
	"dubbo.apache.org/dubbo-go/v3/logger"
	"dubbo.apache.org/dubbo-go/v3/protocol"
	"dubbo.apache.org/dubbo-go/v3/registry"

	// The parts of the framework that are used here, and the filters that it asks for by default. All parts together
	// (dubbo.apache.org/dubbo-go/v3/imports) take twice as long to build.
	_ "dubbo.apache.org/dubbo-go/v3/cluster/cluster/failover"
	_ "dubbo.apache.org/dubbo-go/v3/cluster/loadbalance/random"
	_ "dubbo.apache.org/dubbo-go/v3/filter/accesslog"
	_ "dubbo.apache.org/dubbo-go/v3/filter/echo"
	_ "dubbo.apache.org/dubbo-go/v3/filter/exec_limit"
	_ "dubbo.apache.org/dubbo-go/v3/filter/generic"
	_ "dubbo.apache.org/dubbo-go/v3/filter/graceful_shutdown"
	_ "dubbo.apache.org/dubbo-go/v3/filter/token"
	_ "dubbo.apache.org/dubbo-go/v3/filter/tps"
	_ "dubbo.apache.org/dubbo-go/v3/metadata/mapping/metadata"
	_ "dubbo.apache.org/dubbo-go/v3/metadata/report/zookeeper"
	_ "dubbo.apache.org/dubbo-go/v3/protocol/dubbo"
	_ "dubbo.apache.org/dubbo-go/v3/proxy/proxy_factory"
	_ "dubbo.apache.org/dubbo-go/v3/registry/directory"
	_ "dubbo.apache.org/dubbo-go/v3/registry/protocol"
	_ "dubbo.apache.org/dubbo-go/v3/registry/servicediscovery"
	_ "dubbo.apache.org/dubbo-go/v3/registry/zookeeper"
)

// What is offered and asked for.
const (
	interfaceName = "interop.Greeter"
	version       = "1.0.0"
	group         = "interop"
)

func main() {
	if len(os.Args) < 2 {
		fail("a role is needed: provider or consumer")
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	address := flags.String("address", "", "where a provider listens")
	zookeeper := flags.String("zookeeper", "", "where the registry is")
	application := flags.Bool("by-application", false, "register the application instead of the interface")
	if err := flags.Parse(os.Args[2:]); err != nil {
		fail("%v", err)
	}
	switch os.Args[1] {
	case "provider":
		provide(start(registered(*zookeeper, *application), listening(*address)), *address)
	case "consumer":
		consume(start(registered(*zookeeper, false)))
	default:
		fail("there is no role %s", os.Args[1])
	}
}

// start readies the framework.
func start(options ...dubbo.InstanceOption) *dubbo.Instance {
	instance, err := dubbo.NewInstance(append(options,
		dubbo.WithName("interop"),
		dubbo.WithLogger(logger.WithLevel("error")),
		// No service for metadata of its own, which would listen on all addresses.
		dubbo.WithRemoteMetadata(),
	)...)
	if err != nil {
		fail("the framework does not start: %v", err)
	}
	return instance
}

// registered is where the registry is, if there is one.
func registered(zookeeper string, byApplication bool) dubbo.InstanceOption {
	if zookeeper == "" {
		return func(*dubbo.InstanceOptions) {}
	}
	options := []registry.Option{
		registry.WithZookeeper(), registry.WithAddress(zookeeper), registry.WithoutUseAsConfigCenter(),
	}
	if byApplication {
		options = append(options, registry.WithRegisterService())
	} else {
		options = append(options, registry.WithRegisterInterface(), registry.WithoutUseAsMetaReport())
	}
	return dubbo.WithRegistry(options...)
}

// listening is where to listen. Only what the whole program is told keeps it from listening for Triple too.
func listening(address string) dubbo.InstanceOption {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		fail("the address is wrong: %v", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		fail("the port is wrong: %v", err)
	}
	return dubbo.WithProtocol(protocol.WithDubbo(), protocol.WithIp(host), protocol.WithPort(port))
}

func say(line string) {
	fmt.Println("> " + line)
}

func fail(format string, arguments ...any) {
	say("failed: " + fmt.Sprintf(format, arguments...))
	os.Exit(1)
}
