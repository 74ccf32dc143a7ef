// Command server is go-control-plane as a server under test: one of its caches, full of resources of one type, behind a
// grpc-go server that serves ADS on a free port of 127.0.0.1. ../README.md tells what it is told on its standard input,
// what it answers, and why the caches and the server are used as they are.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

const (
	goControlPlane = "github.com/envoyproxy/go-control-plane"
	grpcGo         = "google.golang.org/grpc"
)

// ready is the first line that the server prints, when all resources are in the cache and the port is open.
type ready struct {
	Port     int               `json:"port"`
	Versions map[string]string `json:"versions"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "go-control-plane server:", err)
		os.Exit(1)
	}
}

func run() error {
	cacheName := flag.String("cache", "linear", "linear or snapshot")
	kindName := flag.String("kind", "clusters", "clusters or endpoints")
	count := flag.Int("resources", 200, "how many resources the cache holds")
	size := flag.Int("size", 1024, "of one resource, in bytes, serialized")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	if *count < 1 {
		return errors.New("--resources: at least 1")
	}

	kind, err := kindNamed(*kindName)
	if err != nil {
		return err
	}
	resources, err := newCollection(kind, *count, *size)
	if err != nil {
		return err
	}
	store, err := newStore(*cacheName, kind.typeURL, resources.all())
	if err != nil {
		return err
	}
	port, failed, err := serve(store)
	if err != nil {
		return err
	}

	answers := json.NewEncoder(os.Stdout)
	if err := answers.Encode(ready{Port: port, Versions: versions()}); err != nil {
		return err
	}
	go func() { failed <- (&conductor{resources, store}).obey(os.Stdin, answers) }()
	return <-failed
}

// versions tells what this program was built from.
func versions() map[string]string {
	found := map[string]string{"go": runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			switch module.Path {
			case goControlPlane:
				found["go-control-plane"] = module.Version
			case grpcGo:
				found["grpc-go"] = module.Version
			}
		}
	}
	return found
}
