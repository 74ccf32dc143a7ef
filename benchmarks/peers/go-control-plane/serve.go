package main

import (
	"context"
	"math"
	"net"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// window is what a client may send before the server has read it, in bytes: more than any request of a benchmark.
const window = 16 << 20

// serve serves ADS from the cache, at a free port of 127.0.0.1; what goes wrong later comes through the channel.
func serve(resources cache.Cache) (int, chan error, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, nil, err
	}
	grpcServer := grpc.NewServer(
		grpc.MaxConcurrentStreams(math.MaxUint32),
		// 10,000 initial_resource_versions are 0.9 MB; the default refuses what is over 4 MiB
		grpc.MaxRecvMsgSize(math.MaxInt32),
		grpc.MaxSendMsgSize(math.MaxInt32),
		// no pings of its own, and no client is turned away for its pings
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: math.MaxInt64}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Nanosecond, PermitWithoutStream: true}),
		// a window of a fixed size saves the ping by which grpc-go estimates bandwidth after each request that it reads
		grpc.StaticStreamWindowSize(window),
		grpc.StaticConnWindowSize(window),
	)
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, server.NewServer(context.Background(), resources, nil))
	failed := make(chan error, 1)
	go func() { failed <- grpcServer.Serve(listener) }()
	return listener.Addr().(*net.TCPAddr).Port, failed, nil
}
