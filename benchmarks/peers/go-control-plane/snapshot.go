package main

import (
	"maps"
	"strconv"

	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
)

// A snapshot holds resources of one type, and is made from the one before it at the cost of two copied maps and of what
// changed. cache.Snapshot would serialize and hash all resources of each snapshot, and copy the map of all resources for
// each watch that looks at it; cache.ResourceSnapshot is the interface by which an application brings its own.
type snapshot struct {
	typeURL   string
	number    int
	resources map[string]types.Resource
	versions  map[string]string
}

var _ cache.ResourceSnapshot = &snapshot{}

func newSnapshot(typeURL string, resources map[string]types.Resource) (*snapshot, error) {
	empty := &snapshot{typeURL: typeURL, resources: map[string]types.Resource{}, versions: map[string]string{}}
	return empty.with(resources)
}

func (s *snapshot) with(changed map[string]types.Resource) (*snapshot, error) {
	next := &snapshot{s.typeURL, s.number + 1, maps.Clone(s.resources), maps.Clone(s.versions)}
	for name, resource := range changed {
		// the version is what cache.Snapshot would give it
		serialized, err := cache.MarshalResource(resource)
		if err != nil {
			return nil, err
		}
		next.resources[name] = resource
		next.versions[name] = cache.HashResource(serialized)
	}
	return next, nil
}

// GetVersion is the version of all resources of a type together; delta names it, and looks at each resource's own.
func (s *snapshot) GetVersion(typeURL string) string {
	if typeURL != s.typeURL {
		return ""
	}
	return strconv.Itoa(s.number)
}

// GetResources is not to be changed by who asked for it, and go-control-plane does not.
func (s *snapshot) GetResources(typeURL string) map[string]types.Resource {
	if typeURL != s.typeURL {
		return nil
	}
	return s.resources
}

// GetResourcesAndTTL is asked for by state-of-the-world streams only.
func (s *snapshot) GetResourcesAndTTL(typeURL string) map[string]types.ResourceWithTTL {
	resources := s.GetResources(typeURL)
	withTTL := make(map[string]types.ResourceWithTTL, len(resources))
	for name, resource := range resources {
		withTTL[name] = types.ResourceWithTTL{Resource: resource}
	}
	return withTTL
}

// ConstructVersionMap has nothing to do: with has done it.
func (s *snapshot) ConstructVersionMap() error { return nil }

// GetVersionMap is each resource's version by its name.
func (s *snapshot) GetVersionMap(typeURL string) map[string]string {
	if typeURL != s.typeURL {
		return nil
	}
	return s.versions
}
