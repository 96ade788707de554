package main

import (
	"sort"
	"strings"
)

// Calls that are looked back upon: enough that each of a few providers has been chosen.
const window = 50

// A tally of who has answered lately. It tells whenever that changes, and of each call that nobody answers after one
// that was answered.
type tally struct {
	last   []string
	told   string
	failed bool
}

func (t *tally) add(who string, err error) {
	if err != nil {
		if !t.failed {
			say("no answer: " + strings.ReplaceAll(err.Error(), "\n", " "))
		}
		*t = tally{failed: true}
		return
	}
	t.failed = false
	t.last = append(t.last, who)
	if len(t.last) > window {
		t.last = t.last[1:]
	}
	if all := "answered by " + t.all(); all != t.told {
		say(all)
		t.told = all
	}
}

// all are those who have answered, each once, in the order of their names.
func (t *tally) all() string {
	names := map[string]bool{}
	for _, name := range t.last {
		names[name] = true
	}
	var list []string
	for name := range names {
		list = append(list, name)
	}
	sort.Strings(list)
	return strings.Join(list, ", ")
}
