package runtimeapi

import (
	"context"
	"net"
	"net/http"
	"os"
)

// variable tells a runtime where its Runtime API is.
const variable = "AWS_LAMBDA_RUNTIME_API"

// address is used when the host named none. The loopback address is one that
// net/http never sends through a proxy, whatever HTTP_PROXY says.
const address = "127.0.0.1:9001"

func init() {
	if os.Getenv(variable) == "" {
		_ = os.Setenv(variable, address) // a name without "=" is never refused
	}
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return // another package replaced it before us; its dialler is not ours to change
	}
	target, dial := os.Getenv(variable), transport.DialContext
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr != target {
			return dial(ctx, network, addr)
		}
		client, server := net.Pipe()
		go serve(server)
		return client, nil
	}
}
