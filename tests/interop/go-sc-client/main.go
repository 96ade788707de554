// Calls every operation of sc-client once, and checks what it makes of the answers. The client goes round the
// gateways, one call each.
//
// Arguments: the addresses of the gateways, host and port.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/go-chassis/cari/discovery"
	"github.com/go-chassis/cari/rbac"
	sc "github.com/go-chassis/sc-client"
)

const (
	application  = "interop"
	providerName = "go-contract-provider"
	consumerName = "go-contract-consumer"
	endpoint     = "rest://127.0.0.1:18090"
	schema       = "swagger: '2.0'\ninfo: {title: cart, version: '1'}\n"

	// How often what every gateway must answer alike is asked: twice each.
	rounds = 4
)

// A run of all operations on a provider and a consumer of its own.
type contract struct {
	gateways []string
	client   *sc.Client
	provider string
	consumer string
}

func main() {
	if len(os.Args) < 2 {
		fail("the addresses of the gateways are needed")
	}
	run := contract{gateways: os.Args[1:], client: connect(os.Args[1:])}
	run.gateway()
	run.microservices()
	run.schemas()
	run.watched(run.instance)
	run.beats()
	run.unregistration()
	fmt.Println("> contract kept")
}

// A client of its own has revisions and connections of its own.
func connect(gateways []string) *sc.Client {
	client, err := sc.NewClient(sc.Options{Endpoints: gateways})
	good(err, "the client starts")
	return client
}

func microservice(name string) *discovery.MicroService {
	return &discovery.MicroService{
		AppId:       application,
		ServiceName: name,
		Version:     "1.2.0",
		Level:       "BACK",
		Status:      sc.MicorserviceUp,
		Schemas:     []string{"cart"},
		Properties:  map[string]string{"team": "blue"},
		Framework:   &discovery.FrameWork{Name: "interop", Version: "1.0"},
	}
}

func (c *contract) gateway() {
	instances, err := c.client.Health()
	good(err, "health")
	equal(0, len(instances), "addresses that are offered in place of the given ones")
	_, err = c.client.GetToken(&rbac.AuthUser{Username: "root", Password: "Secret@1"})
	refused(err, "404", "a token, for accounts are switched off,")
}

func (c *contract) microservices() {
	id, err := c.client.GetMicroServiceID(application, providerName, "1.2.0", "")
	good(err, "a microservice that nobody has registered is looked up")
	equal("", id, "its id")
	c.provider = c.register(providerName)
	c.consumer = c.register(consumerName)
	equal(c.provider, c.register(providerName), "the id of a second registration")
	for round := 0; round < rounds; round++ {
		id, err = c.client.GetMicroServiceID(application, providerName, "1.2.0", "")
		good(err, "the provider is looked up")
		equal(c.provider, id, "its id, on every gateway")
	}
	known, err := c.client.GetMicroService(c.provider)
	good(err, "the provider is read")
	equal(providerName, known.ServiceName, "its name")
	equal("blue", known.Properties["team"], "its properties")
	equal("interop", known.Framework.Name, "its framework")
	_, err = c.client.GetMicroService("unknown")
	refused(err, `"errorCode":"400012"`, "an unknown microservice")

	changed := microservice(providerName)
	changed.Properties = map[string]string{"team": "red", "tier": "gold"}
	done(c.client.UpdateMicroServiceProperties(c.provider, changed))("properties change")
	soon("the new properties are read", func() (bool, error) {
		known, err := c.client.GetMicroService(c.provider)
		return err == nil && known.Properties["team"] == "red" && known.Properties["tier"] == "gold", err
	})
	c.listed()
}

func (c *contract) register(name string) string {
	id, err := c.client.RegisterService(microservice(name))
	good(err, name+" is registered")
	that(id != "", name+" has an id")
	return id
}

func (c *contract) listed() {
	soon("both are listed", func() (bool, error) {
		all, err := c.client.GetAllMicroServices()
		found := 0
		for _, one := range all {
			if one.ServiceId == c.provider || one.ServiceId == c.consumer {
				found++
			}
		}
		return found == 2, err
	})
	soon("their application is listed", func() (bool, error) {
		all, err := c.client.GetAllApplications()
		return strings.Contains(strings.Join(all, " "), application), err
	})
	soon("the provider is among all resources", func() (bool, error) {
		all, err := c.client.GetAllResources("instances")
		for _, one := range all {
			if one.MicroService.ServiceId == c.provider {
				return true, err
			}
		}
		return false, err
	})
}

func (c *contract) schemas() {
	good(c.client.AddSchemas(c.provider, "cart", schema), "a schema is taken")
	soon("the schema is read", func() (bool, error) {
		// The client hands over the document that holds it.
		document, err := c.client.GetSchema(c.provider, "cart")
		return strings.Contains(string(document), `info: {title: cart, version: '1'}`), err
	})
}

// beats are the heartbeats of an instance that was registered before, and of one that was not.
func (c *contract) beats() {
	id := c.enroll()
	for round := 0; round < rounds; round++ {
		done(c.client.Heartbeat(c.provider, id))("a heartbeat is taken, on every gateway")
	}
	_, err := c.client.Heartbeat(c.provider, "nobody")
	refused(err, `"errorCode":"400017"`, "the heartbeat of nobody")

	// By itself, for the library's loop goes on for ever and shares what it has with its client unguarded.
	gone := make(chan struct{}, 1)
	good(connect(c.gateways).WSHeartbeat(c.provider, id, func() {
		select {
		case gone <- struct{}{}:
		default:
		}
	}), "a WebSocket for heartbeats")
	done(c.client.UnregisterMicroServiceInstance(c.provider, id))("the instance is unregistered")
	await(gone, "who beats over a WebSocket is told that its instance is gone")
	_, err = c.client.Heartbeat(c.provider, id)
	refused(err, `"errorCode":"400017"`, "the heartbeat of an instance that is gone")
}

func (c *contract) unregistration() {
	for _, id := range []string{c.consumer, c.provider} {
		done(c.client.UnregisterMicroService(id))("a microservice is unregistered")
		soon("it is known no more", func() (bool, error) {
			_, err := c.client.GetMicroService(id)
			return err != nil && strings.Contains(err.Error(), `"errorCode":"400012"`), nil
		})
	}
}
