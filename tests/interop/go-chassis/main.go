// A microservice that offers a greeting and asks another microservice for its own, again and again, until it is told
// to end. It tells on standard output, one line each, what it is answered whenever that is something new.
//
// Arguments: settings of go-chassis, as --key=value; and as --interop.other the name of the other microservice.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/go-chassis/go-archaius"
	chassis "github.com/go-chassis/go-chassis/v2"
	"github.com/go-chassis/go-chassis/v2/client/rest"
	"github.com/go-chassis/go-chassis/v2/core"
)

const (
	addressKey = "servicecomb.protocols.rest.listenAddress"
	nameKey    = "servicecomb.service.name"
	otherKey   = "interop.other"

	// Time between two calls.
	interval = 200 * time.Millisecond
)

func main() {
	chassis.RegisterSchema("rest", &Greeting{})
	if err := chassis.Init(); err != nil {
		fail("the framework does not start: %v", err)
	}
	name, other := archaius.GetString(nameKey, ""), archaius.GetString(otherKey, "")
	if name == "" || other == "" {
		fail("the names of both microservices are needed")
	}
	go ask("http://" + other + "/hello/" + name)
	if err := chassis.Run(); err != nil {
		fail("the microservice does not run: %v", err)
	}
}

// ask calls for ever.
func ask(url string) {
	invoker := core.NewRestInvoker()
	for last := ""; ; time.Sleep(interval) {
		if answer := call(invoker, url); answer != last {
			say(answer)
			last = answer
		}
	}
}

// call answers what the other says, or why it says nothing.
func call(invoker *core.RestInvoker, url string) string {
	request, err := rest.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		fail("the URL is wrong: %v", err)
	}
	response, err := invoker.ContextDo(context.Background(), request)
	if err != nil {
		return "no answer: " + err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Sprintf("no answer: %s, %v", response.Status, err)
	}
	return string(body)
}

func say(line string) {
	fmt.Println("> " + line)
}

func fail(format string, arguments ...interface{}) {
	say("failed: " + fmt.Sprintf(format, arguments...))
	os.Exit(1)
}
