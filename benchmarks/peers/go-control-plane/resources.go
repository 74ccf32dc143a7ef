package main

import (
	"fmt"
	"strings"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
)

// A kind is a type of resources, and how one of them is made.
type kind struct {
	typeURL string
	make    func(name string, metadata *core.Metadata) types.Resource
}

func kindNamed(name string) (kind, error) {
	switch name {
	case "clusters":
		return kind{resource.ClusterType, makeCluster}, nil
	case "endpoints":
		return kind{resource.EndpointType, makeAssignment}, nil
	}
	return kind{}, fmt.Errorf("--kind %s: it is clusters or endpoints", name)
}

func makeCluster(name string, metadata *core.Metadata) types.Resource {
	return &cluster.Cluster{
		Name:                 name,
		ConnectTimeout:       durationpb.New(time.Second),
		ClusterDiscoveryType: &cluster.Cluster_Type{Type: cluster.Cluster_EDS},
		EdsClusterConfig: &cluster.Cluster_EdsClusterConfig{
			EdsConfig: &core.ConfigSource{
				ConfigSourceSpecifier: &core.ConfigSource_Ads{Ads: &core.AggregatedConfigSource{}},
			},
		},
		Metadata: metadata,
	}
}

// An assignment has no metadata of its own: its one endpoint carries it.
func makeAssignment(name string, metadata *core.Metadata) types.Resource {
	return &endpoint.ClusterLoadAssignment{
		ClusterName: name,
		Endpoints: []*endpoint.LocalityLbEndpoints{{
			LbEndpoints: []*endpoint.LbEndpoint{{
				HostIdentifier: &endpoint.LbEndpoint_Endpoint{
					Endpoint: &endpoint.Endpoint{Address: &core.Address{
						Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
							Address:       "127.0.0.1",
							PortSpecifier: &core.SocketAddress_PortValue{PortValue: 8080},
						}},
					}},
				},
				Metadata: metadata,
			}},
		}},
	}
}

// makeMetadata carries the stamp, always in 20 digits so that a change does not change the size, and the padding.
func makeMetadata(stamp int64, padding string) *core.Metadata {
	return &core.Metadata{FilterMetadata: map[string]*structpb.Struct{
		"rime.bench": {Fields: map[string]*structpb.Value{
			"stamp":   structpb.NewStringValue(fmt.Sprintf("%020d", stamp)),
			"padding": structpb.NewStringValue(padding),
		}},
	}}
}

// A collection makes the resources resource-0, resource-1 …, all of one kind and size.
type collection struct {
	kind     kind
	names    []string
	paddings map[string]string
}

func newCollection(kind kind, count, size int) (*collection, error) {
	made := &collection{kind, make([]string, count), make(map[string]string, count)}
	for i := range made.names {
		name := fmt.Sprintf("resource-%d", i)
		padding, err := paddingFor(kind, name, size)
		if err != nil {
			return nil, err
		}
		made.names[i] = name
		made.paddings[name] = padding
	}
	return made, nil
}

// paddingFor brings the resource to size bytes, or a byte below where a length's own varint takes the room.
func paddingFor(kind kind, name string, size int) (string, error) {
	sizeWith := func(padding string) int { return proto.Size(kind.make(name, makeMetadata(0, padding))) }
	bare := sizeWith("")
	if size < bare {
		return "", fmt.Errorf("--size %d: %s takes %d bytes without padding", size, name, bare)
	}
	padding := strings.Repeat("x", size-bare)
	excess := sizeWith(padding) - size
	if excess > len(padding) {
		return "", nil
	}
	return padding[excess:], nil
}

// at is the resource called name, with that stamp; false where there is none.
func (c *collection) at(name string, stamp int64) (types.Resource, bool) {
	padding, ok := c.paddings[name]
	if !ok {
		return nil, false
	}
	return c.kind.make(name, makeMetadata(stamp, padding)), true
}

// all is every resource by name, with a stamp of 0.
func (c *collection) all() map[string]types.Resource {
	resources := make(map[string]types.Resource, len(c.names))
	for _, name := range c.names {
		resources[name], _ = c.at(name, 0)
	}
	return resources
}
