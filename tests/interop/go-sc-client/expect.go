package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	// How long something may take that happens without further doing: another replica may be a moment behind.
	patience = 10 * time.Second
	// Time between two looks.
	interval = 50 * time.Millisecond
)

// fail ends the program: the gateway did not do what this client takes for granted.
func fail(format string, arguments ...interface{}) {
	fmt.Fprintf(os.Stderr, "> failed: "+format+"\n", arguments...)
	os.Exit(1)
}

// that is something that must be so now.
func that(condition bool, what string) {
	if !condition {
		fail("not so: %s", what)
	}
}

// equal are two values that must be equal.
func equal(expected, found interface{}, what string) {
	if fmt.Sprint(expected) != fmt.Sprint(found) {
		fail("%s: expected %v, found %v", what, expected, found)
	}
}

// good is a call that must go well.
func good(err error, what string) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

// done is a call of the sort that answers whether it went well.
func done(well bool, err error) func(what string) {
	return func(what string) {
		good(err, what)
		that(well, what)
	}
}

// refused is a call that must be refused with words in which `text` occurs.
func refused(err error, text, what string) {
	if err == nil || !strings.Contains(err.Error(), text) {
		fail("%s must be refused with %q: %v", what, text, err)
	}
}

// soon is something that must be so before patience is over; an error is a reason why it is not so yet.
func soon(what string, condition func() (bool, error)) {
	deadline := time.Now().Add(patience)
	for {
		is, err := condition()
		if is && err == nil {
			return
		}
		if time.Now().After(deadline) {
			fail("not so within %v: %s (last error: %v)", patience, what, err)
		}
		time.Sleep(interval)
	}
}
