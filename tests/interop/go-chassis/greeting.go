package main

import (
	"net/http"

	"github.com/go-chassis/go-archaius"
	"github.com/go-chassis/go-chassis/v2/server/restful"
)

// Greeting is what a peer offers to the other.
type Greeting struct{}

// Hello greets who calls.
func (*Greeting) Hello(call *restful.Context) {
	answer := "hello " + call.ReadPathParameter("name") + " from " + archaius.GetString(addressKey, "")
	if err := call.Write([]byte(answer)); err != nil {
		say("the answer was not taken: " + err.Error())
	}
}

// URLPatterns tells the framework where the greeting is.
func (g *Greeting) URLPatterns() []restful.Route {
	return []restful.Route{{
		Method:       http.MethodGet,
		Path:         "/hello/{name}",
		ResourceFunc: g.Hello,
		Returns:      []*restful.Returns{{Code: http.StatusOK}},
	}}
}
