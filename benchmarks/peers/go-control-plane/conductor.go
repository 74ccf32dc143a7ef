package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"golang.org/x/sys/unix"
)

// burst is the longest time whose changes are made without waiting in between.
const burst = 5 * time.Millisecond

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

// changes changes one resource after the other, of the first so many, at a rate and for as long as asked; where the cache is
// slower it makes as many as it can. What has come due since it last looked is made without a pause.
func (c *conductor) changes(asked command) (tally, error) {
	var made tally
	rate, lasting := asked.Rate, time.Duration(asked.Seconds*float64(time.Second))
	total := int(rate * lasting.Seconds())
	most := min(max(1, int(rate*burst.Seconds())), asked.Among)
	begun := time.Now()
	for made.Made < total {
		elapsed := time.Since(begun)
		if elapsed >= lasting+burst {
			break
		}
		due := int(rate*elapsed.Seconds()) + 1 - made.Made
		if due < 1 {
			time.Sleep(time.Duration(float64(made.Made)/rate*float64(time.Second)) - elapsed)
			continue
		}
		if err := c.next(min(due, most, total-made.Made), asked, &made); err != nil {
			return made, err
		}
	}
	return made, nil
}

// next changes as many resources as count says, from where made left off: together, as one change of the cache, or each
// as one of its own.
func (c *conductor) next(count int, asked command, made *tally) error {
	changed := make(map[string]types.Resource, count)
	for range count {
		stamp, err := now()
		if err != nil {
			return err
		}
		name := c.resources.names[made.Made%asked.Among]
		changed[name], _ = c.resources.at(name, stamp)
		*made = tally{made.Made + 1, stamp}
		if asked.Together && len(changed) < count {
			continue
		}
		if err := c.store.update(changed); err != nil {
			return err
		}
		clear(changed)
	}
	return nil
}

// now is CLOCK_MONOTONIC in nanoseconds, which other processes of this machine read alike.
func now() (int64, error) {
	var time unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &time)
	return time.Nano(), err
}
