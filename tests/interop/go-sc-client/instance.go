package main

import (
	"time"

	"github.com/go-chassis/cari/discovery"
	sc "github.com/go-chassis/sc-client"
)

// Events that may wait: more than a run makes.
const backlog = 64

// The changes that the consumer is told of, in their order.
type changes <-chan *sc.MicroServiceInstanceChangedEvent

// next waits for the change that must come now.
func (c changes) next(action, instance string) *discovery.MicroServiceInstance {
	select {
	case event := <-c:
		equal(action, event.Action, "what the watcher is told of")
		equal(providerName, event.Key.ServiceName, "the microservice that it is told of")
		equal(instance, event.Instance.InstanceId, "the instance that it is told of")
		return event.Instance
	case <-time.After(patience):
		fail("the watcher was not told of %s of %s within %v", action, instance, patience)
		return nil
	}
}

// await waits for a signal.
func await(signal <-chan struct{}, what string) {
	select {
	case <-signal:
	case <-time.After(patience):
		fail("not so within %v: %s", patience, what)
	}
}

// watched does something while the consumer watches.
func (c *contract) watched(act func(changes)) {
	_, err := c.client.FindMicroServiceInstances(c.consumer, application, "nobody", "0%2B")
	that(err == sc.ErrMicroServiceNotExists, "the client knows that a provider does not exist")
	found, err := c.find(c.client)
	good(err, "a provider without instances is found")
	equal(0, len(found), "its instances")
	// What it has found is what it depends on, and is told of.
	for round := 0; round < rounds; round++ {
		soon("the consumer depends on the provider", func() (bool, error) {
			providers, err := c.client.GetProviders(c.consumer)
			return err == nil && len(providers.Services) == 1 && providers.Services[0].ServiceId == c.provider, err
		})
	}
	events := make(chan *sc.MicroServiceInstanceChangedEvent, backlog)
	watcher := connect(c.gateways)
	good(watcher.WatchMicroService(c.consumer, func(event *sc.MicroServiceInstanceChangedEvent) {
		events <- event
	}), "the consumer watches")
	act(events)
}

func (c *contract) find(client *sc.Client, options ...sc.CallOption) ([]*discovery.MicroServiceInstance, error) {
	return client.FindMicroServiceInstances(c.consumer, application, providerName, "0%2B", options...)
}

// enroll registers an instance.
func (c *contract) enroll() string {
	id, err := c.client.RegisterMicroServiceInstance(&discovery.MicroServiceInstance{
		ServiceId:      c.provider,
		Endpoints:      []string{endpoint},
		HostName:       "interop",
		Status:         sc.MSInstanceUP,
		Properties:     map[string]string{"weight": "1"},
		HealthCheck:    &discovery.HealthCheck{Mode: sc.CheckByHeartbeat, Interval: 5, Times: 3},
		DataCenterInfo: &discovery.DataCenterInfo{Name: "dc", Region: "east", AvailableZone: "east-1"},
	})
	good(err, "an instance is registered")
	that(id != "", "the instance has an id")
	return id
}

// instance lives through everything that can happen to one.
func (c *contract) instance(events changes) {
	id := c.enroll()
	equal(sc.MSInstanceUP, events.next(sc.EventCreate, id).Status, "the status of who comes")
	soon("the instance is listed", func() (bool, error) {
		listed, err := c.client.GetMicroServiceInstances(c.consumer, c.provider)
		return len(listed) == 1 && listed[0].InstanceId == id, err
	})
	c.discovery(id)

	done(c.client.UpdateMicroServiceInstanceStatus(c.provider, id, sc.MSIinstanceDown))("the status changes")
	equal(sc.MSIinstanceDown, events.next(sc.EventUpdate, id).Status, "the status of who changes")
	c.holds("the status that was set", func(one *discovery.MicroServiceInstance) bool {
		return one.Status == sc.MSIinstanceDown
	})
	heavier := &discovery.MicroServiceInstance{Properties: map[string]string{"weight": "2"}}
	done(c.client.UpdateMicroServiceInstanceProperties(c.provider, id, heavier))("properties change")
	events.next(sc.EventUpdate, id)
	c.holds("the properties that were set", func(one *discovery.MicroServiceInstance) bool {
		return len(one.Properties) == 1 && one.Properties["weight"] == "2"
	})

	done(c.client.UnregisterMicroServiceInstance(c.provider, id))("the instance is unregistered")
	events.next(sc.EventDelete, id)
	soon("it is found no more", func() (bool, error) {
		found, err := c.find(c.client, sc.WithoutRevision())
		return len(found) == 0, err
	})
}

// holds waits until who knows an old revision finds the instance changed.
func (c *contract) holds(what string, is func(*discovery.MicroServiceInstance) bool) {
	soon(what+" is found", func() (bool, error) {
		found, err := c.find(c.client)
		if err == sc.ErrNotModified {
			return false, err
		}
		return len(found) == 1 && is(found[0]), err
	})
}

// discovery finds the instance, with a revision and without, one by one and in a batch.
func (c *contract) discovery(id string) {
	soon("the instance is found", func() (bool, error) {
		found, err := c.find(c.client)
		return len(found) == 1 && found[0].InstanceId == id, err
	})
	for round := 0; round < rounds; round++ {
		_, err := c.find(c.client)
		if err != sc.ErrNotModified {
			fail("nothing is new to who holds the revision, on every gateway: %v", err)
		}
	}
	found, err := c.find(c.client, sc.WithoutRevision())
	good(err, "who tells no revision finds")
	equal(1, len(found), "instances found")
	equal([]string{endpoint}, found[0].Endpoints, "its endpoints")
	equal("1.2.0", found[0].Version, "its version")
	equal("east-1", found[0].DataCenterInfo.AvailableZone, "its zone")

	key := func(name string) *discovery.MicroServiceKey {
		return &discovery.MicroServiceKey{AppId: application, ServiceName: name, Version: "0+"}
	}
	wanted := []*discovery.FindService{{Service: key(providerName)}, {Service: key("nobody")}}
	batch, err := c.client.BatchFindInstances(c.consumer, wanted, sc.WithoutRevision())
	good(err, "a batch is found")
	equal(1, len(batch.Services.Updated), "what the batch found")
	equal(0, batch.Services.Updated[0].Index, "the place of what was found")
	equal(id, batch.Services.Updated[0].Instances[0].InstanceId, "the instance that was found")
	equal(1, len(batch.Services.Failed), "refusals of the batch")
	equal([]int64{1}, batch.Services.Failed[0].Indexes, "the place of what was refused")
	wanted[0].Rev = batch.Services.Updated[0].Rev
	for round := 0; round < rounds; round++ {
		batch, err = c.client.BatchFindInstances(c.consumer, wanted[:1], sc.WithoutRevision())
		good(err, "a batch is found again")
		equal([]int64{0}, batch.Services.NotModified, "what is not modified, on every gateway")
	}
}
