package main

import (
	"context"

	"dubbo.apache.org/dubbo-go/v3"
	"dubbo.apache.org/dubbo-go/v3/server"
)

// What a provider has that says nothing of its weight.
const weight = 100

// Greeter is what a provider offers.
type Greeter struct{ address string }

// Greet greets who calls, and tells where from.
func (g *Greeter) Greet(_ context.Context, name string) (string, error) {
	return "hello " + name + " from " + g.address, nil
}

// MethodMapper tells the framework under which names the methods are called.
func (g *Greeter) MethodMapper() map[string]string {
	return map[string]string{"Greet": "greet"}
}

// provide serves until the program is told to end.
func provide(instance *dubbo.Instance, address string) {
	// The framework says 0, and is called with that only when nobody has another weight.
	one, err := instance.NewServer(func(options *server.ServerOptions) { options.Provider.Weight = weight })
	if err != nil {
		fail("the server does not start: %v", err)
	}
	if err := one.Register(&Greeter{address}, nil, server.WithInterface(interfaceName),
		server.WithVersion(version), server.WithGroup(group)); err != nil {
		fail("the greeter is refused: %v", err)
	}
	if err := one.Serve(); err != nil {
		fail("the server does not run: %v", err)
	}
}
