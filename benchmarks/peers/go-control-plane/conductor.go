package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"golang.org/x/sys/unix"
)

const (
	// burst is the time between two looks at the clock: what is due by then is made without a pause.
	burst = 5 * time.Millisecond
	// givenUp is how late changes may be before no more are made.
	givenUp = time.Second
)

// A command is one line of the standard input; which fields it has depends on what it is to do.
type command struct {
	Do       string  `json:"do"`
	Name     string  `json:"name"`
	Stamp    int64   `json:"stamp"`
	Rate     float64 `json:"rate"`
	Seconds  float64 `json:"seconds"`
	Among    int     `json:"among"`
	Together bool    `json:"together"`
}

type done struct {
	Done bool `json:"done"`
}

type tally struct {
	Made int   `json:"made"`
	Last int64 `json:"last"`
}

type refusal struct {
	Error string `json:"error"`
}

// A conductor changes the resources of a store as it is told to.
type conductor struct {
	resources *collection
	store     store
}

// obey answers each line of commands with one line, until there are no more.
func (c *conductor) obey(commands io.Reader, answers *json.Encoder) error {
	lines := bufio.NewScanner(commands)
	for lines.Scan() {
		answer, err := c.answer(lines.Bytes())
		if err != nil {
			answer = refusal{err.Error()}
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (c *conductor) answer(line []byte) (any, error) {
	var asked command
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&asked); err != nil {
		return nil, err
	}
	switch asked.Do {
	case "change":
		resource, ok := c.resources.at(asked.Name, asked.Stamp)
		if !ok {
			return nil, fmt.Errorf("change: no resource is called %q", asked.Name)
		}
		return done{true}, c.store.update(map[string]types.Resource{asked.Name: resource})
	case "changes":
		if asked.Rate <= 0 || asked.Seconds <= 0 {
			return nil, errors.New("changes: rate and seconds must be above 0")
		}
		if asked.Among < 1 || asked.Among > len(c.resources.names) {
			return nil, errors.New("changes: among is how many of the resources change")
		}
		return c.changes(asked)
	case "collect":
		// twice: a sync.Pool, and what has a finalizer, outlives the first
		runtime.GC()
		runtime.GC()
		debug.FreeOSMemory()
		return done{true}, nil
	}
	return nil, fmt.Errorf("do %q: it is change, changes or collect", asked.Do)
}

// changes changes one resource after the other, of the first so many, at a rate and for as long as asked. What is due is
// made, however much that is; stamps say when it was due, so that being late counts.
func (c *conductor) changes(asked command) (tally, error) {
	var made tally
	total := int(math.Round(asked.Rate * asked.Seconds))
	begun, err := now()
	if err != nil {
		return made, err
	}
	for made.Made < total {
		at, err := now()
		if err != nil {
			return made, err
		}
		passed := float64(at-begun) / 1e9
		if passed > asked.Seconds+givenUp.Seconds() {
			break
		}
		due := min(int(asked.Rate*passed)+1, total) - made.Made
		if due > 0 {
			if !asked.Together {
				due = 1
			}
			if err := c.next(due, begun, asked, &made); err != nil {
				return made, err
			}
			continue
		}
		wait := time.Duration((float64(made.Made)/asked.Rate - passed) * float64(time.Second))
		time.Sleep(max(burst, wait))
	}
	return made, nil
}

// next makes so many changes, from where made left off, as one change of the cache.
func (c *conductor) next(count int, begun int64, asked command, made *tally) error {
	changed := make(map[string]types.Resource, min(count, asked.Among))
	for range count {
		stamp := begun + int64(float64(made.Made)/asked.Rate*1e9)
		name := c.resources.names[made.Made%asked.Among]
		changed[name], _ = c.resources.at(name, stamp)
		*made = tally{made.Made + 1, stamp}
	}
	return c.store.update(changed)
}

// now is CLOCK_MONOTONIC in nanoseconds, which other processes of this machine read alike.
func now() (int64, error) {
	var time unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &time)
	return time.Nano(), err
}
