package main

import (
	"context"
	"fmt"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/stream/v3"
)

// A store is one of go-control-plane's caches, and how it is told of changes.
type store interface {
	cache.Cache
	// update puts new content in place of the old and notifies all open watches, as one change.
	update(changed map[string]types.Resource) error
}

// newStore is the cache of that name with these resources in it, all of them serialized and hashed.
func newStore(name, typeURL string, resources map[string]types.Resource) (store, error) {
	switch name {
	case "linear":
		return newLinearStore(typeURL, resources)
	case "snapshot":
		return newSnapshotStore(typeURL, resources)
	}
	return nil, fmt.Errorf("--cache %s: it is linear or snapshot", name)
}

type linearStore struct{ *cache.LinearCache }

func newLinearStore(typeURL string, resources map[string]types.Resource) (store, error) {
	made := linearStore{cache.NewLinearCache(typeURL, cache.WithInitialResources(resources))}

	// The cache serializes and hashes a resource when it is first asked for. A first watch for all has it done here,
	// so that no client pays for it. It is answered at once, and leaves nothing behind.
	answered := make(chan cache.DeltaResponse, 1)
	everything := stream.NewDeltaSubscription(nil, nil, nil, true)
	if _, err := made.CreateDeltaWatch(&cache.DeltaRequest{TypeUrl: typeURL}, everything, answered); err != nil {
		return nil, err
	}
	_, err := (<-answered).GetDeltaDiscoveryResponse()
	return made, err
}

func (s linearStore) update(changed map[string]types.Resource) error {
	return s.UpdateResources(changed, nil)
}

const everyNode = "every node"

// sameForAll puts all clients, whatever they call themselves, on one snapshot.
type sameForAll struct{}

func (sameForAll) ID(*core.Node) string { return everyNode }

type snapshotStore struct {
	cache.SnapshotCache
	current *snapshot
}

func newSnapshotStore(typeURL string, resources map[string]types.Resource) (store, error) {
	first, err := newSnapshot(typeURL, resources)
	if err != nil {
		return nil, err
	}
	// Not in its ADS mode, which sorts all watches on each change, and whose other effect is on state-of-the-world alone.
	made := &snapshotStore{cache.NewSnapshotCache(false, sameForAll{}, nil), first}
	return made, made.SetSnapshot(context.Background(), everyNode, first)
}

func (s *snapshotStore) update(changed map[string]types.Resource) error {
	next, err := s.current.with(changed)
	if err != nil {
		return err
	}
	s.current = next
	return s.SetSnapshot(context.Background(), everyNode, next)
}
