package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"dubbo.apache.org/dubbo-go/v3"
	"dubbo.apache.org/dubbo-go/v3/client"
	"dubbo.apache.org/dubbo-go/v3/common/constant"
	"dubbo.apache.org/dubbo-go/v3/common/extension"
	"dubbo.apache.org/dubbo-go/v3/filter"
	"dubbo.apache.org/dubbo-go/v3/protocol/base"
	"dubbo.apache.org/dubbo-go/v3/protocol/result"
)

const (
	// Time between two calls.
	interval = 10 * time.Millisecond

	// The parameter of a provider that the test changes.
	colorParameter = "color"

	greeting = "hello dubbo-go from "
)

// consume calls for ever, and tells who answers.
func consume(instance *dubbo.Instance) {
	extension.SetFilter(colorParameter, func() filter.Filter { return &painter{} })
	consumer, err := instance.NewClient()
	if err != nil {
		fail("the client does not start: %v", err)
	}
	var remote greeter
	_, err = consumer.DialWithService(interfaceName, &remote, client.WithVersion(version), client.WithGroup(group),
		client.WithProtocolDubbo(),
		client.WithSerialization(constant.Hessian2Serialization), client.WithFilter(colorParameter))
	if err != nil {
		fail("the greeter is not referred to: %v", err)
	}
	var heard tally
	for ; ; time.Sleep(interval) {
		who, err := remote.ask()
		heard.add(who, err)
	}
}

// The greeter of somebody else; the framework puts the function there.
type greeter struct {
	Greet func(ctx context.Context, name string) (string, error) `dubbo:"greet"`
}

// Reference is the name under which the framework knows it.
func (*greeter) Reference() string {
	return interfaceName
}

// ask calls once, and answers the address of the provider and its color.
func (g *greeter) ask() (string, error) {
	var color string
	answer, err := g.Greet(context.WithValue(context.Background(), paint{}, &color), "dubbo-go")
	if err != nil {
		return "", err
	}
	address, is := strings.CutPrefix(answer, greeting)
	if !is {
		return "", errors.New("a wrong answer: " + answer)
	}
	return strings.TrimSpace(address + " " + color), nil
}

// The key under which a call carries where its color is to be put.
type paint struct{}

// The painter notes what the consumer knows of the provider that it has chosen: a parameter of its URL.
type painter struct{}

func (*painter) Invoke(ctx context.Context, invoker base.Invoker, call base.Invocation) result.Result {
	if color, is := ctx.Value(paint{}).(*string); is {
		*color = invoker.GetURL().GetParam(colorParameter, "")
	}
	return invoker.Invoke(ctx, call)
}

func (*painter) OnResponse(_ context.Context, answer result.Result, _ base.Invoker, _ base.Invocation) result.Result {
	return answer
}
