"""Run as a program: calls `xds:///TARGET` over and over through gRPC's own xDS client, and prints each answer.

A process of its own, because gRPC reads its bootstrap from the environment, once.
"""

import sys
import time

import grpc

METHOD = "/test.Shop/Ask"


def main(target):
    with grpc.insecure_channel(target) as channel:
        ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
        while True:
            try:
                print(ask(b"", timeout=10).decode(), flush=True)
            except grpc.RpcError as error:
                print(error.code().name, error.details(), flush=True)
            time.sleep(0.005)


if __name__ == "__main__":
    main(sys.argv[1])
